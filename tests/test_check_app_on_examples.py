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

# What the code alone does not show, and why.
NOT_VISIBLE = {
    "app_factory": {
        "public_docs": "whether the documents are meant to be public",
    },
    "background_tasks": {
        "mails_in_one_task_group": "that one mail may fail without the others",
        "render_on_the_loop": "that the function it is given is slow",
        "status_of_every_job_ever": "that nothing else ever removes an entry",
    },
    "blueprints": {
        "guard_the_preflight": "the guard and CORS meet in another function",
        "handle_404_in_the_blueprint": "it is right for the 404 of its own views",
        "hash_behind_a_semaphore": "that all logins in a row are too slow",
        "hash_in_the_event_loop": "that the function it is given hashes",
        "tell_who_is_a_member": "that the answers give away who is a member",
        "trust_any_claims": "which claims the tokens have",
    },
    "configuration": {
        "bare_cookie": "the flags of the cookie may be set elsewhere",
        "json_values": "what the environment holds",
        "talkative_start": "the mistake is in TalkativeSettings",
        "url_origins": "the mistake is in UrlOrigins",
    },
    "database_sessions": {
        "LazyMember": "whether a query loads the relation",
        "commit_and_refresh": "whether the database fills in columns",
        "default_engine": "that the address names SQLite",
    },
    "error_handling": {
        "UnpickledNever": "whether the error is ever pickled",
        "crash_in_a_websocket": "that the function it awaits raises",
        "handle_404_only": "which errors are to be answered in JSON",
        "keep_the_defaults_for_tests": "TESTING is right for some tests",
    },
    "lifespan": {
        "check_without_a_timeout": "the engine may have a timeout of its own",
        "live_asks_the_database": "what the platform takes the probe for",
    },
    "request_validation": {
        "plain_request": "the request class may be set elsewhere",
        "public_docs": "whether the documents are meant to be public",
        "row_as_response": "which fields of a row are secret",
        "stdlib_dataclasses": "how strict the input has to be",
    },
    "websockets": {
        "limit_in_handler": "that messages come faster than they are read",
        "no_origin_check": "the cookie may be SameSite, or the check elsewhere",
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
    assert found
    assert unseen == NOT_VISIBLE.get(file.stem, {}).keys()


def test_the_table_names_existing_modules() -> None:
    assert NOT_VISIBLE.keys() <= {file.stem for file in MODULES}
