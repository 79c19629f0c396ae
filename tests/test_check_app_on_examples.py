"""check_app finds what can be seen in examples/dont, and nothing in examples."""

import ast
from functools import cache
from pathlib import Path

import check_app
import pytest
from check_app_rules.project import Project

ROOT = Path(__file__).resolve().parents[1]
DONT = ROOT / "examples" / "dont"
DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)

NO_RULE = "no rule looks for it yet"

# What the code alone does not show, and why.
NOT_VISIBLE = {
    "app_factory": {
        "cors_for_websockets": "which clients the app has",
        "debug_for_everyone": NO_RULE,
        "public_docs": "whether the documents are meant to be public",
    },
    "authentication": {
        "split_the_header": "which schemes a client may send",
        "take_any_claims": "which claims the tokens have",
    },
    "background_tasks": {
        "compute_on_the_loop": "that the function it is given is slow",
        "link_in_the_task": NO_RULE,
    },
    "blueprints": {
        "decorate_without_wraps": "how many views the decorator is put on",
        "register_twice": "that the other blueprint has the same name",
    },
    "configuration": {
        "bare_cookie": "the flags of the cookie may be set elsewhere",
        "json_values": "what the environment holds",
        "lower_case_names": NO_RULE,
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
        "locked_after_reading": "that others change the row",
        "pragma_once": NO_RULE,
        "read_then_write": "that others change the row",
    },
    "database_sessions": {
        "commit_inside": "that the session comes from begin()",
        "expired": "that the session expires its objects",
        "to_dict": "whether a query loads the relation",
    },
    "embedding": {
        "app_in_a_thread": NO_RULE,
        "bot_in_a_thread": "that the bot has a loop of its own",
        "bot_that_nobody_watches": NO_RULE,
        "dispatcher_of_hypercorn": NO_RULE,
        "task_group_around_the_yield": NO_RULE,
    },
    "error_handling": {
        "catch_everything_by_a_call": NO_RULE,
        "echo_the_text": NO_RULE,
        "handle_404_only": "which errors are to be answered in JSON",
        "keep_the_defaults_for_tests": "TESTING is right for some tests",
    },
    "lifespan": {
        "check_without_a_timeout": "the engine may have a timeout of its own",
        "client_at_import": NO_RULE,
        "live_asks_the_database": "what the platform takes the probe for",
        "one_connection": NO_RULE,
        "pool_in_g": NO_RULE,
    },
    "password_hashing": {
        "hash_behind_a_semaphore": "that all logins in a row are too slow",
        "tell_who_is_a_user": "that the answers give away who is a user",
    },
    "request_validation": {
        "except_in_the_view": NO_RULE,
        "int_of_argument": NO_RULE,
        "public_docs": "whether the documents are meant to be public",
        "row_as_response": "which fields of a row are secret",
        "stdlib_dataclasses": "how strict the input has to be",
        "unpacked_body": NO_RULE,
    },
    "server_sent_events": {
        "queue_for_ever": NO_RULE,
        "text_in_data": "what the text holds",
    },
    "serving": {
        "endless_stream": "that the stream has no end of its own",
    },
    "sessions": {
        "cached_page": NO_RULE,
        "cart_in_the_session": "how much is kept in the session",
        "change_what_is_inside": NO_RULE,
        "follow_any_path": NO_RULE,
        "login_keeps_the_session": NO_RULE,
        "old_key_as_text": "that the old key is a text",
        "user_in_a_permanent_session": "that requests are slow",
    },
    "streaming": {
        "blocking_source": "that the iterator it is given blocks",
        "error_in_half_a_file": NO_RULE,
        "g_in_the_generator": NO_RULE,
        "no_timeout_set": NO_RULE,
    },
    "structured_logging": {
        "basic_config_without_force": NO_RULE,
        "configured_after_the_first_line": NO_RULE,
        "configured_by_nobody": "whether the server configures logging",
        "logged_password": NO_RULE,
        "lost_traceback": NO_RULE,
        "silenced_loggers": NO_RULE,
    },
    "testing": {
        "app_for_all_tests": NO_RULE,
        "form_in_data": NO_RULE,
        "leave_an_endless_stream": "that the stream has no end",
        "one_app_for_two_tests": "that the app has serving hooks",
    },
    "websocket_broadcast": {
        "stored_websocket": NO_RULE,
        "websocket_in_an_object": NO_RULE,
    },
    "websocket_limits": {
        "count_without_finally": "that the counter limits anything",
        "sleep_in_handler": "that messages come faster than they are read",
        "wait_for_a_message": "that the client may be silent",
    },
    "websockets": {
        "clean_up_after_websocket": "that the hook cleans up",
        "continue_after_errors": NO_RULE,
        "return_after_accept": NO_RULE,
    },
}


def mistakes(file: Path) -> dict[str, range]:
    """The public definitions of a module and their lines, without its helpers."""
    body = ast.parse(file.read_text()).body
    own = [node for node in body if isinstance(node, DEFINITIONS)]
    known = NOT_VISIBLE.get(file.stem, {})
    used = {
        part.id
        for node in body
        for part in ast.walk(node)
        if isinstance(part, ast.Name) and part.id != getattr(node, "name", "")
    }
    return {
        node.name: range(
            min([node.lineno, *(one.lineno for one in node.decorator_list)]),
            (node.end_lineno or node.lineno) + 1,
        )
        for node in own
        if not node.name.startswith("_")
        and (node.name not in used or node.name in known)
    }


@cache
def findings() -> list[check_app.Finding]:
    report = check_app.report_on(Project([ROOT / "examples"]), [""], [])
    assert (report.unread, report.ruff) == ([], "")
    return report.findings


MODULES = sorted(file for file in DONT.glob("*.py") if file.stem != "__init__")


def test_the_examples_are_clean() -> None:
    assert [one for one in findings() if DONT not in Path(one.path).parents] == []


@pytest.mark.parametrize("file", MODULES, ids=[file.stem for file in MODULES])
def test_what_is_visible_in_a_dont_is_found(file: Path) -> None:
    found = {one.line: one.id for one in findings() if one.path == str(file)}
    unseen = {
        name
        for name, lines in mistakes(file).items()
        if not any(line in found for line in lines)
    }
    assert unseen == NOT_VISIBLE.get(file.stem, {}).keys()


def test_the_table_names_existing_modules() -> None:
    assert NOT_VISIBLE.keys() <= {file.stem for file in MODULES}
