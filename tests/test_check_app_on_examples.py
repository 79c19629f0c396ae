"""check_app finds what can be seen in examples/dont, and nothing in examples."""

from functools import cache
from pathlib import Path

import check_app.rules  # noqa: F401 enters them into the table
import pytest
from check_app.engine.project import Project
from check_app.engine.report import report_on
from check_app.engine.rule import Finding
from skill_tree import found_in, mistakes

ROOT = Path(__file__).resolve().parents[1]
DONT = ROOT / "examples" / "dont"
MODULES = sorted(file for file in DONT.glob("*.py") if file.stem != "__init__")

NO_RULE = "no rule: seldom seen"
NOT_VISIBLE = {  # what the code alone does not show
    "app_factory": {
        "configuration_by_name": NO_RULE,
        "cors_for_websockets": "which clients the app has",
        "open_ended_origin": NO_RULE,
        "origins_in_one_string": NO_RULE,
        "public_docs": "whether the documents are meant to be public",
        "trusted_hosts": NO_RULE,
    },
    "authentication": {
        "split_the_header": "which schemes a client may send",
        "take_any_claims": "which claims the tokens have",
        "token_in_the_url": NO_RULE,
    },
    "background_tasks": {
        "compute_on_the_loop": "that the function it is given is slow",
        "endless_task": NO_RULE,
        "error_without_traceback": "what kind of logger it is",
        "unguarded_timer": NO_RULE,
    },
    "blueprints": {
        "decorate_without_wraps": "how many views the decorator is put on",
        "nest_in_the_factory": NO_RULE,
        "register_twice": "that the other blueprint has the same name",
    },
    "celery_worker": {
        "acknowledge_at_once": "which tasks may be lost",
        "new_loop_for_each_task": NO_RULE,
    },
    "configuration": {
        "FileSettings": NO_RULE,
        "JsonOrigins": NO_RULE,
        "PrintedPassword": NO_RULE,
        "TalkativeSettings": NO_RULE,
        "UrlOrigins": NO_RULE,
        "bare_cookie": "the flags of the cookie may be set elsewhere",
        "cached_settings": NO_RULE,
        "json_values": "what the environment holds",
        "masked_key": NO_RULE,
        "url_origins": "the mistake is in UrlOrigins",
    },
    "csrf": {
        "answer_any_origin": NO_RULE,
        "called_in_the_context_processor": NO_RULE,
        "compare_as_text": NO_RULE,
        "cookie_without_samesite": NO_RULE,
        "json_of_any_type": "that the route knows its user by a cookie",
        "login_before_the_preflight": "that pages of other origins call the app",
        "only_the_origin": "which Referrer-Policy the pages have",
    },
    "database_errors": {
        "caught_inside": "where the constraint is checked",
        "checked_first": "that the column is unique",
        "every_integrity_error": "which constraints there are",
        "only_operational_error": "which driver the address names",
    },
    "database_locking": {
        "begin_deferred": NO_RULE,
        "locked_after_reading": "that others change the row",
        "read_then_write": "that others change the row",
    },
    "database_sessions": {
        "commit_inside": "that the session comes from begin()",
        "expired": "that the session expires its objects",
        "shared_session": NO_RULE,
        "to_dict": "whether a query loads the relation",
    },
    "deployment": {
        "key_made_at_the_start": NO_RULE,
        "tokens_in_memory": NO_RULE,
    },
    "downloads": {
        "deleted_too_early": NO_RULE,
        "path_of_the_client": NO_RULE,
        "shown_inline": "who wrote the files",
    },
    "embedding": {
        "app_in_a_thread": NO_RULE,
        "bot_in_a_thread": "that the bot has a loop of its own",
        "bot_that_nobody_watches": NO_RULE,
        "dispatcher_of_hypercorn": NO_RULE,
        "task_group_around_the_yield": NO_RULE,
    },
    "error_handling": {
        "MessageLost": NO_RULE,
        "handle_404_only": "which errors are to be answered in JSON",
        "hide_the_error_in_a_group": NO_RULE,
        "keep_the_defaults_for_tests": "TESTING is right for some tests",
    },
    "flask_migration": {
        "command_as_in_flask": "whether Flask gave the command a context before",
        "file_without_conditional": "whether clients ask for parts of the file",
        "flask_behind_alone": NO_RULE,
    },
    "lifespan": {
        "bare_yield": NO_RULE,
        "check_without_a_timeout": "the engine may have a timeout of its own",
        "last_words_in_after_serving": NO_RULE,
        "live_asks_the_database": "what the platform takes the probe for",
        "one_app_for_all_tests": NO_RULE,
    },
    "password_hashing": {
        "hash_behind_a_semaphore": "that all logins in a row are too slow",
        "tell_who_is_a_user": "that the answers give away who is a user",
    },
    "request_context": {
        "config_at_import": "when the function is called",
        "context_around_yield": NO_RULE,
        "context_inside_a_view": NO_RULE,
        "copied_twice": NO_RULE,
        "link_to_the_clients_host": "which hosts the proxy lets through",
        "links_by_server_name": NO_RULE,
    },
    "request_validation": {
        "limit_in_the_view": NO_RULE,
        "public_docs": "whether the documents are meant to be public",
        "row_as_response": "which fields of a row are secret",
        "stdlib_dataclasses": "how strict the input has to be",
    },
    "reverse_proxy": {
        "every_host_is_ours": "which headers the proxy sets",
        "first_forwarded_address": NO_RULE,
        "preferred_url_scheme": NO_RULE,
        "proxy_fix_alone": NO_RULE,
        "redirect_to_https": "that the app stands behind a proxy",
    },
    "server_sent_events": {
        "text_in_data": "what the text holds",
    },
    "serving": {
        "endless_stream": "that the stream has no end of its own",
        "signal_handler_in_the_app": NO_RULE,
        "stream_until_shutdown_event": NO_RULE,
    },
    "sessions": {
        "cached_page": NO_RULE,
        "cart_in_the_session": "how much is kept in the session",
        "change_the_session_in_a_websocket": NO_RULE,
        "change_what_is_inside": NO_RULE,
        "follow_any_path": NO_RULE,
        "login_keeps_the_session": NO_RULE,
        "old_key_as_text": "that the old key is a text",
        "user_in_a_permanent_session": "that requests are slow",
    },
    "streaming": {
        "blocking_source": "that the iterator it is given blocks",
        "error_in_half_a_file": NO_RULE,
        "no_timeout_set": NO_RULE,
    },
    "structured_logging": {
        "basic_config_without_force": "whether anybody configures logging before",
        "configured_after_the_first_line": NO_RULE,
        "configured_by_nobody": "whether the server configures logging",
        "filter_on_the_app_logger": NO_RULE,
        "id_in_a_sync_hook": NO_RULE,
        "lost_traceback": "what kind of logger it is, and whether the error is news",
        "silenced_loggers": NO_RULE,
    },
    "sync_libraries": {
        "all_in_the_default_threads": "that the function it is given is slow",
        "closed_in_a_teardown": NO_RULE,
        "removed_in_another_thread": NO_RULE,
        "task_from_a_plain_view": NO_RULE,
    },
    "task_queue": {
        "claim_without_a_lock": "that others claim, too",
        "delete_before_the_work": NO_RULE,
        "publish_after_the_commit": "what the function publishes",
        "publish_before_the_commit": "what the function publishes",
    },
    "testing": {
        "app_for_all_tests": NO_RULE,
        "command_in_an_async_test": NO_RULE,
        "event_loop": NO_RULE,
        "leave_an_endless_stream": "that the stream has no end",
        "one_app_for_two_tests": "that the app has serving hooks",
        "wait_for_the_close": NO_RULE,
    },
    "upgrade": {
        "branch_on_the_version": NO_RULE,
    },
    "uploads": {
        "believe_the_client": NO_RULE,
        "save_in_the_background": NO_RULE,
        "write_what_comes": NO_RULE,
    },
    "websocket_broadcast": {
        "unpaced_queues": NO_RULE,
    },
    "websocket_limits": {
        "count_without_finally": "that the counter limits anything",
        "sleep_in_handler": "that messages come faster than they are read",
        "wait_for_a_message": "that the client may be silent",
    },
    "websocket_scaling": {
        "members_in_a_set": "that the process may be killed",
        "subscribe_once": NO_RULE,
        "subscription_per_websocket": NO_RULE,
    },
    "websockets": {
        "clean_up_after_websocket": "that the hook cleans up",
        "login_in_websocket": NO_RULE,
    },
}


@cache
def findings() -> list[Finding]:
    report = report_on(Project([ROOT / "examples"]), lambda code, path: True)
    assert (report.unread, report.ruff) == ([], "")
    return report.findings


def test_the_examples_are_clean() -> None:
    assert [one for one in findings() if DONT not in Path(one.path).parents] == []


@pytest.mark.parametrize("file", MODULES, ids=[file.stem for file in MODULES])
def test_what_is_visible_in_a_dont_is_found(file: Path) -> None:
    found = {one.line for one in findings() if one.path == str(file)}
    found |= {one.line for one in found_in(file)}
    unseen = {name for name, lines in mistakes(file).items() if found.isdisjoint(lines)}
    assert unseen == NOT_VISIBLE.get(file.stem, {}).keys()


def test_the_table_names_existing_modules() -> None:
    assert NOT_VISIBLE.keys() <= {file.stem for file in MODULES}
