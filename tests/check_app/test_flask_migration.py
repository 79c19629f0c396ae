"""--from-flask: the rules of a move, and how the report is ordered."""

import inspect
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import flask
import pytest
import quart
from check_app import cli
from check_app.cli import RULES
from check_app.engine import gone
from check_app.engine.flask import (
    AWAITED,
    BODY,
    OF_ANSWER,
    PHASE_OF,
    PHASES,
    RENAMED,
    FlaskModule,
    as_flask,
    phase_of,
    turn,
)
from check_app.engine.project import Project
from check_app.engine.report import judge, report_on
from check_app.rules import flask_migration as rules
from werkzeug.local import LocalProxy

from tests.check_app import PREAMBLE as OF_QUART
from tests.check_app import cases, check, marked, put_in

MOVES = [rule for rule in RULES.values() if rule.of_migration]
RUNS_IN_FLASK = [  # without `async def`, which Flask has as an extra
    rule
    for rule in MOVES
    if "async def" not in rule.wrong and not rule.runs.startswith("fragment")
]
Report = Callable[..., dict[str, Any]]


@pytest.fixture
def report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Report:
    """What --from-flask says of a project of these files, as JSON."""

    def run(files: dict[str, str], *options: str, status: int = 1) -> dict[str, Any]:
        for name, text in files.items():
            file = tmp_path / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        monkeypatch.chdir(tmp_path)
        assert cli.main([".", "--from-flask", "--json", *options]) == status
        said: dict[str, Any] = json.loads(capsys.readouterr().out)
        return said

    return run


@pytest.mark.parametrize("rule", RUNS_IN_FLASK, ids=[one.id for one in RUNS_IN_FLASK])
def test_the_wrong_example_works_in_flask(rule: Any) -> None:
    """It starts, and where `runs` sends a request, that is answered."""
    names: dict[str, Any] = {"__name__": "example", "__file__": __file__}
    exec(as_flask(rule.wrong), names)
    client = names["app"].test_client()
    command, _, _ = rule.runs.partition(" -> ")
    if command.startswith(("get(", "post(")):
        options = command.replace("form=", "data=")
        answer = eval(options, {"get": client.get, "post": client.post})
        assert answer.status_code in {200, 201, 204, 415}
    elif "invoke" in command:
        result = names["app"].test_cli_runner().invoke(args=["name"])
        assert (result.exit_code, result.output) == (0, "example\n")
    else:
        assert names["app"].config["MAX_CONTENT_LENGTH"] is None


def test_the_names_are_those_of_both() -> None:
    import flask.testing
    import quart
    import quart.cli
    import quart.testing

    packages = {"Flask": flask, "FlaskGroup": flask.cli}
    for old, new in RENAMED.items():
        assert hasattr(packages.get(old, flask.testing), old)
        homes = (quart, quart.cli, quart.testing)
        assert any(hasattr(one, new) for one in homes)
    names = [n.split(".")[2] for n in BODY] + AWAITED["quart.request"].split()
    for name in names:
        assert hasattr(flask.Request, name)
        assert hasattr(quart.Request, name)
    for name in AWAITED["quart.current_app"].split():
        assert hasattr(flask.Flask, name)
        assert hasattr(quart.Quart, name)
    for name in AWAITED["quart"].split():
        assert hasattr(flask, name)
        assert hasattr(quart, name)


def test_what_is_gone_is_flasks() -> None:
    for name in rules.GONE:
        *_, owner, attribute = name.split(".")
        pair = {
            "current_app": (flask.Flask, quart.Quart),
            "request": (flask.Request, quart.Request),
        }[owner]
        if attribute != "environ":  # set in Flask's constructor
            assert hasattr(pair[0], attribute)
        assert hasattr(pair[1], attribute) == (attribute == "stream")


@pytest.mark.parametrize("name", rules.GONE_OF_ANSWER)
def test_what_is_gone_of_an_answer_is_flasks(name: str) -> None:
    assert hasattr(flask.Response("tea"), name)
    assert not hasattr(quart.Response("tea"), name)


@pytest.mark.parametrize("name", OF_ANSWER.split())
async def test_what_is_awaited_of_an_answer_is_a_coroutine(name: str) -> None:
    assert hasattr(flask.Response("tea"), name)
    found = inspect.getattr_static(quart.Response, name)
    assert inspect.iscoroutinefunction(getattr(found, "fget", found))


PREAMBLE = """\
from functools import wraps
import threading

import click
import flask
from flask import (
    Flask, Response, abort, current_app, flash, g, jsonify, make_response,
    render_template, request, send_file, session, url_for,
)
from flask.cli import with_appcontext

app = Flask(__name__)
"""
ALWAYS = {"QM101", "QM402"}  # by the preamble


def found(code: str, name: str = "app.py") -> set[tuple[str, int]]:
    module = FlaskModule(Path(name), name, code)
    module.in_app = True
    module.index()
    turn([module])
    return {
        (one.id, one.line)
        for one in judge(module, RULES.values())
        if phase_of(one.id, in_tests=module.is_test) and one.id not in ALWAYS
    }


@cases("""
## bodies, wherever they are used
@app.post("/")
def view():
    data = request.get_json()  # QM301
    keep(data)
    quiet = request.get_json(silent=True)  # QM301
    form = flask.request.form  # QM301
    name = request.args["name"]
    pick = lambda: request.values  # QM301
    return jsonify(data)

async def half_moved():
    return await request.get_json()
## templates and messages
@app.errorhandler(404)
def not_found(error):
    flash("gone")  # QM301
    return flask.render_template("404.html"), 404  # QM301
## what hooks are given
@app.after_request
def sign(response):
    response.headers["X-Sum"] = str(sum(response.get_data()))  # QM301
    response.data = b"new"
    session["size"] = len(response.data)  # QM301
    keep(response, other.data)
    return response

@app.after_app_request
async def moved(response):
    if isinstance(response, Response):
        keep(await response.get_json())
    return response
## answers that a view makes
from flask import after_this_request, jsonify, redirect

@app.get("/")
def view():
    answer = make_response("tea")  # QM301
    answer.add_etag()  # QM301
    answer.call_on_close(print)  # QM304
    other = jsonify(1)
    other.headers["X-Size"] = str(len(other.data))  # QM301
    other.data = b"1"
    third = redirect("/") if answer.direct_passthrough else other  # QM304
    return third if third.is_streamed else unknown.direct_passthrough

@app.after_request
def hook(answer):
    answer = make_response(answer)  # QM301
    if not answer.direct_passthrough:  # QM304
        keep(answer.calculate_content_length(), answer.is_streamed)  # QM304
    return answer
## an upload
@app.post("/")
def view():
    file = request.files["file"]  # QM301
    file.save("a")  # QM301
    return url_for("view")
## callers, up to the view
def inner():
    return request.form  # QM301

def outer():
    return inner()  # QM302

@app.post("/")
def view():
    kept = outer
    return outer()["a"]  # QM302

class Forms:
    def read(self):
        return request.form  # QM301

    def name(self):
        return self.read()["name"]  # QM302
## callers that are threads
from concurrent.futures import ThreadPoolExecutor

def deliver(name):
    return render_template(name)  # QM301

def plain(name):
    return name

executor = ThreadPoolExecutor()

@app.get("/")
def view():
    threading.Thread(target=deliver, args=("a",)).start()  # QM302
    threading.Thread(target=plain).start()
    threading.Timer(1, deliver, ["a"])  # QM302
    executor.submit(deliver, "a")  # QM302
    executor.submit(plain, "a")
    executor.submit(*given)
    app.add_background_task(deliver)
    app.add_url_rule("/a", view_func=deliver)
    return ""
## wrappers
def login_required(view):
    @wraps(view)
    def wrapper(*args):  # QM303
        if "user" not in session:
            abort(401)
        return view(*args)

    return wrapper

def timed(function):
    @wraps(function)
    def wrapper(*args):
        return function(*args)

    return wrapper

def plain(view):
    def wrapper():
        if not g.user:
            abort(401)
        return view()

    return wrapper

def calls_another(view):
    @wraps(view)
    def wrapper(other):
        abort(401)
        return other()

    return wrapper
## a login of an extension
from flask_login import current_user  # QM102

def admin_required(view):
    @wraps(view)
    def wrapper():  # QM303
        assert current_user.admin
        return view()

    return wrapper
## commands
@app.cli.command("one")
def one():  # QM201
    print(current_app.name)

@app.cli.command("two")
@with_appcontext
def two():
    print(current_app.name)

@app.cli.command()
@click.argument("name")
def three(name):
    click.echo(name)

@app.cli.command()
def four():  # QM201
    db.create_all()

def seed():
    pass

@app.cli.command()
def five():  # QM201
    seed()

async def add(name):
    async with app.app_context():
        await db.add(name)

@app.cli.command()
def in_a_context():
    asyncio.run(add("ada"))

@app.cli.command()
def in_its_own_context():
    async def main():
        async with app.app_context():
            await db.session.execute("...")

    asyncio.run(main())

@app.cli.group()
def users():
    pass

@users.command()
def six():  # QM201
    User.query.all()
## starts
app.config.from_prefixed_env()  # QM202
app.config.from_prefixed_env("FLASK")
app.config.from_prefixed_env(prefix="ACME")
if __name__ == "__main__":
    app.run(ssl_context="adhoc")  # QM202
    app.run(port=8000)
    other.run(ssl_context="adhoc")
## streams
from flask import stream_with_context

@app.get("/")
def view():
    @stream_with_context
    def lines():  # QM305
        yield request.path

    @stream_with_context
    async def moved():
        yield request.path

    async def uncalled():
        yield request.path

    def called():
        yield request.path

    keep(lines(), moved(), stream_with_context(uncalled)())
    keep(stream_with_context(given)())
    keep(stream_with_context(one for one in "ab"))  # QM305
    keep(stream_with_context(called))  # QM305
    return Response(stream_with_context(called()))  # QM305
## extensions
import flask_session
from flask_bcrypt import Bcrypt
from flask_sqlalchemy import SQLAlchemy  # QM102
from flask_unheard_of import Thing  # QM102
from .flask_own import thing
import flask_cors.core as cors  # QM102
## gone
@app.get("/")
def view():
    host = request.environ["HTTP_HOST"]  # QM304
    run = current_app.ensure_sync(print)  # QM304
    return request.host
## another host
app.config["SERVER_NAME"] = "app.example.com"  # QM306
app.config.from_mapping(SERVER_NAME=None, TESTING=True)

class Config:
    SERVER_NAME = "app.example.com"  # QM306
## state of a thread
from sqlalchemy.orm import scoped_session, sessionmaker
from sqlalchemy.orm.scoping import scoped_session as scoped
from threading import local

one = scoped_session(sessionmaker())  # QM401
two = threading.local()  # QM401
three = local()  # QM401
four = scoped(sessionmaker())  # QM401
five = threading.Lock()
## files
@app.get("/")
def view():
    return send_file("a")  # QM301 # QM403

@app.get("/part")
def part():
    return send_file("a", conditional=True)  # QM301
## files of a folder
from flask import send_from_directory

@app.get("/")
def view():
    return send_from_directory("a", "b")  # QM301
## arguments of files
@app.get("/")
def view():
    return send_file("a", download_name="b", conditional=True)  # QM301 # QP106
## queries in what becomes async
@app.post("/")
def view():
    name = request.form["name"]  # QM301
    db.session.add(User(name))
    db.session.commit()  # QM405
    User.query.filter_by(name=name).first()
    return ""

@app.get("/")
def stays():
    return User.query.count()

@app.post("/two")
def two():
    flash("a")  # QM301
    return User.query.filter(User.name == "a").first_or_404()  # QM405

@app.post("/three")
def three():
    flash("a")  # QM301
    return db.get_or_404(User, 7)  # QM405
## queries of scoped sessions
from sqlalchemy.orm import scoped_session, sessionmaker

members = scoped_session(sessionmaker())  # QM401

@app.post("/")
def view():
    members.add(User(request.form["name"]))  # QM301
    members.commit()  # QM405
    return count()

def count():
    return members.query(User).count()  # QP410

@app.post("/two")
def two():
    flash("a")  # QM301
    return User.query.filter(User.name == "a").one_or_none()  # QM405

async def moved():
    members.commit()  # QP410
## what blocks in what becomes async
import requests

@app.post("/")
def view():
    requests.get(request.form["url"])  # QM301 # QP702
    return fetch()

def fetch():
    return requests.get("http://a")  # QP702
## contexts and servers
def job():
    with app.app_context():  # QP201
        print()

app.wsgi_app = wrap(app.wsgi_app)  # QP810
## removed in both
from flask import _request_ctx_stack  # QP901
from flask.ctx import RequestContext  # QP903
## what is not for a move
app.secret_key = "secret"
@app.errorhandler(Exception)
def failed(error):
    return str(error), 500
## clients of tests
import pytest

@pytest.fixture
def client():
    return app.test_client()

def test_one(client):
    sent = {"a": 1}
    answer = client.post("/", data=sent, mimetype="a")  # QP103 # QP820 # QM501
    assert answer.text == ""  # QM501
    assert answer.status_code == 200
    assert answer.data == b""  # QP103
    unknown.get("/", base_url="a")

def test_cookies(client):
    client.set_cookie("name", "ada", domain="acme.example")  # QM501
    client.set_cookie("localhost", "name", "ada")
    client.set_cookie(server_name="localhost", key="name")
    assert client.get_cookie("name").value == "ada"  # QM501
    unknown.set_cookie("name", "ada")
    answer.get_cookie("name")
""")
def test_the_rules_of_a_move(code: str) -> None:
    code = PREAMBLE + code
    name = "tests/test_app.py" if "import pytest" in code else "app.py"
    assert found(code, name) == marked(code)


@cases("""
## both limits are set
app.config["MAX_CONTENT_LENGTH"] = 1
app.config.update(SEND_FILE_MAX_AGE_DEFAULT=0)
## one is
app.config["MAX_CONTENT_LENGTH"] = 1
# half
""")
def test_defaults_are_said_when_they_are_not_set(code: str) -> None:
    module = FlaskModule(Path("app.py"), "app.py", PREAMBLE + code)
    module.index()
    said = [one.message for one in judge(module, [RULES["QM402"]])]
    wanted = ["SEND_FILE_MAX_AGE_DEFAULT 12 hours"] if "half" in code else []
    assert [one.split(": ")[1].split(";")[0] for one in said] == wanted


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("from flask import Flask, g", "from quart import Quart, g"),
        ("from flask import Flask as App", "from quart import Quart"),
        ("from flask.views import MethodView", "from quart.views import MethodView"),
        (
            "from flask.testing import FlaskClient",
            "from quart.testing import QuartClient",
        ),
        ("import flask", "import quart"),
        ("import flask.json as flask_json", "import quart.json"),
    ],
)
def test_an_import_is_written_anew(line: str, wanted: str) -> None:
    module = FlaskModule(Path("app.py"), "app.py", line)
    module.index()
    [one] = judge(module, [RULES["QM101"]])
    assert one.message.endswith(f"`{wanted}`")


def test_an_answer_that_is_read_is_told_as_it_stands() -> None:
    code = "@app.after_request\ndef sign(answer):\n    keep(answer.{})\n"
    for read in ("data", "get_json()"):
        module = FlaskModule(Path("app.py"), "app.py", PREAMBLE + code.format(read))
        module.index()
        [one] = judge(module, [RULES["QM301"]])
        assert one.message.startswith(f"`answer.{read}` must")


def test_what_awaits_is_followed_through_modules(report: Report) -> None:
    said = report(
        {
            "acme/__init__.py": "from flask import Flask\n\napp = Flask(__name__)\n",
            "acme/mail.py": "from flask import render_template\n\n\n"
            "def send(name):\n    return render_template(name)\n",
            "acme/views.py": "from acme import app\nfrom .mail import send\n"
            "from .other import send as other\n\n\n"
            '@app.get("/")\ndef view():\n    other()\n    return send("a")\n',
            "acme/other.py": "from acme import app, mail\n\n\n"
            "def send():\n    return 1\n\n\n"
            "def later():\n    executor.submit(mail.send)\n    return mail.send(1)\n",
        },
        "--select",
        "QM3",
    )
    places = {(one["path"], one["line"], one["id"]) for one in said["findings"]}
    assert places == {
        ("acme/mail.py", 5, "QM301"),
        ("acme/other.py", 9, "QM302"),
        ("acme/other.py", 10, "QM302"),
        ("acme/views.py", 9, "QM302"),
    }


APP = """\
from flask import Flask, request
from flask_login import LoginManager

app = Flask(__name__)
LoginManager(app)


@app.post("/notes")
def add_note():
    return request.form["text"]


with app.app_context():
    print(app.name)
"""
TEST = """\
from app import app


def test_add_note():
    with app.app_context():
        assert app.test_client().post("/notes", data={"text": "tea"}).status_code == 200
"""
FILES = {
    "app.py": APP,
    "tests/test_app.py": TEST,
    "Procfile": "web: gunicorn app:app\n",
}


def test_what_breaks_first_comes_first(report: Report) -> None:
    said = report(FILES)
    order = [(one["phase"][0], one["id"]) for one in said["findings"]]
    assert order == sorted(order, key=lambda one: one[0])
    assert [*dict.fromkeys(order)] == [
        ("1", "QM101"),
        ("1", "QM102"),
        ("2", "QP823"),
        ("2", "QP201"),
        ("3", "QM301"),
        ("4", "QM402"),
        ("5", "QP201"),
        ("5", "QP103"),
        ("5", "QP820"),
    ]
    assert said["files"] == {"checked": 3, "in_app": 2, "unread": 0}
    assert said["ruff"] is None
    assert said["counts"]["QP201"] == 2


def test_the_text_has_headings_and_counts_by_file(
    report: Report, capsys: pytest.CaptureFixture[str]
) -> None:
    more = {f"more{number}.py": "from flask import g\n" for number in range(12)}
    report({**FILES, **more})
    assert cli.main([".", "--from-flask"]) == 1
    lines = capsys.readouterr().out.splitlines()
    headings = [line for line in lines if line.rstrip(":") in PHASES.values()]
    assert headings == [f"{text}:" for text in PHASES.values()]
    assert "[and 12 more; --json lists them]" in lines[1]
    assert "    5  app.py" in lines
    assert "       and 5 more files" in lines
    assert lines[-1].endswith("15 files, 14 of a Quart app, 0 not checked")


def test_what_has_moved_is_clean(report: Report) -> None:
    moved = APP.replace("flask_login", "quart_auth").replace(
        "LoginManager", "QuartAuth"
    )
    moved = as_moved(moved)
    assert report({"app.py": moved}, status=0)["findings"] == []


def as_moved(code: str) -> str:
    limits = "MAX_CONTENT_LENGTH=1, SEND_FILE_MAX_AGE_DEFAULT=0"
    return (
        code.replace("flask", "quart")
        .replace("Flask", "Quart")
        .replace("QuartAuth(app)", f"QuartAuth(app)\napp.config.update({limits})")
        .replace("def add", "async def add")
        .replace('request.form["text"]', '(await request.form)["text"]')
        .partition("\n\n\nwith ")[0]
    )


def test_the_other_rules_have_their_turn_later(report: Report) -> None:
    code = APP + 'app.secret_key = "secret"\n'
    assert "QP603" not in report({"app.py": code})["counts"]


def test_nothing_is_said_of_flask_without_the_option(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "app.py").write_text(APP)
    assert cli.main([str(tmp_path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["findings"] == []


def test_a_noqa_comment_silences_a_move(report: Report) -> None:
    code = APP.replace('["text"]', '["text"]  # noqa: QM301')
    assert "QM301" not in report({"app.py": code})["counts"]


def test_a_project_of_flask_is_read_as_one(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(APP)
    project = Project([tmp_path], kind=FlaskModule)
    found = report_on(project, lambda code, _: code == "QM301").findings
    assert [one.phase for one in found] == ["3 request"]


def phases() -> Iterator[tuple[str, str]]:
    for code in (*PHASE_OF, *(one.id for one in MOVES)):
        yield code, phase_of(code, in_tests=False)


def test_each_rule_of_a_move_has_its_phase() -> None:
    assert {phase for _, phase in phases()} == {*PHASES}
    assert {code for code, _ in phases()} <= {*RULES}
    assert phase_of("QP603", in_tests=True) == ""
    assert phase_of("QM101", in_tests=True) == "1 import"
    assert phase_of("QM301", in_tests=True) == "5 tests"


# What is asked of an app of Quart


def used(name: str) -> object:
    """Use what Flask has under this name as a view would."""
    found = getattr(flask, name)
    return found.name if isinstance(found, LocalProxy) else found("notes")


@pytest.mark.parametrize("name", sorted(gone.FLASK_NAMES.split()))
async def test_a_name_of_flask_knows_no_request_of_quart(name: str) -> None:
    assert hasattr(quart, name)
    async with quart.Quart("notes").test_request_context("/"):
        with pytest.raises(RuntimeError, match="context"):
            used(name)
    assert "QP907" in put_in("QP907", "flask import request", f"flask import {name}")


@pytest.mark.parametrize(
    "name", [name for name in gone.FLASK if name.startswith("flask_")]
)
def test_each_extension(name: str) -> None:
    assert "QP907" in put_in("QP907", "flask import request", f"{name} import a")


@cases("""
## flask
import flask
import flask_cors  # QP907
from flask import abort as stop, jsonify, redirect  # QP907
from flask.typing import request
from flask_unknown import thing

def name():
    return flask.current_app.name  # QP907
## flask apps beside it
from flask import Flask, jsonify
import flask_cors

other = Flask(__name__)
## flask, patched
import quart_flask_patch  # QP903
from flask import jsonify
import flask_login
""")
def test_names_of_flask(code: str) -> None:
    check(OF_QUART + code)


def test_a_module_without_apps_may_use_flask_names() -> None:
    check("import quart.signals\nfrom flask import jsonify\nimport flask_cors\n")
