"""Servers and commands: the rules of deployment."""

from importlib import import_module
from pathlib import Path

import flask.cli
import pytest
from check_app.engine.deployment import TextFile
from check_app.engine.project import Project
from check_app.engine.report import judge, report_on
from check_app.engine.rule import RULES
from check_app.rules import deployment as rules
from quart import Quart

from tests.check_app import PREAMBLE, cases, judged, marked

IDS = {one.id for one in RULES.values() if one.page == "deployment"}


@cases("""
## servers
import werkzeug.serving
from asgiref.wsgi import WsgiToAsgi
from werkzeug.middleware.proxy_fix import ProxyFix

werkzeug.serving.run_simple("localhost", 8000, app)  # QP810
WsgiToAsgi(app)  # QP810
WsgiToAsgi(other)
app.wsgi_app = other
ProxyFix(other.wsgi_app)
print(app)
app.asgi_app = ProxyFix(app.asgi_app)  # QP810
app.wsgi_app = ProxyFix(app.wsgi_app)  # QP810
""")
def test_servers(code: str) -> None:
    """Only these rules: a task that nobody looks at is found by others too."""
    found = {(id, line) for id, line in judged(PREAMBLE + code) if id in IDS}
    assert found == marked(PREAMBLE + code)


@pytest.mark.parametrize(
    ("module", "name"),
    [(module, name) for module, names in rules.WSGI.items() for name in names.split()],
)
def test_each_wsgi_server(module: str, name: str) -> None:
    if module.startswith("werkzeug"):
        assert hasattr(import_module(module), name)
    code = f"import {module}\nfrom quart import Quart\n\n{module}.{name}(Quart('a'))\n"
    assert judged(code) == {("QP810", 4)}


LINES = """\
web: hypercorn app:create_app  # QP823
web: hypercorn "app:create_app()" && echo ENV FLASK_ENV=production
CMD ["poetry", "run", "hypercorn", "acme.web:make_app", "-b", "0.0.0.0:80"]  # QP823
CMD ["hypercorn", "app:create_app()", "-b", "localhost:80"]
    command: hypercorn 'app:create_app()' --reload
exec hypercorn app:create_app\\(\\)
exec hypercorn -w 4 app:app  # QP823
CMD ["hypercorn", "--workers", "12", "app:create_app()"]  # QP823
exec hypercorn --workers=2 app:app  # QP823
exec hypercorn -w 0 app:app
exec hypercorn -w 1 -b 0.0.0.0:2000 app:app
exec hypercorn app:create_app_for_tests
RUN pip install hypercorn gunicorn flask && python run.py
# hypercorn app:create_app
ExecStart=/srv/venv/bin/gunicorn -w 4 -b 0.0.0.0:80 acme:app  # QP823
CMD ["gunicorn", "--worker-class", "gevent", "acme.web:create_app()"]  # QP823
exec gunicorn -k sync acme:app  # QP823
exec gunicorn -k uvicorn.workers.UvicornWorker acme:app
exec gunicorn --worker-class=uvicorn.workers.UvicornWorker acme:app
exec gunicorn -k $WORKER acme:app
exec gunicorn -c gunicorn.py acme:app
exec gunicorn --bind unix:/run/acme.sock
flask run --host 0.0.0.0  # QP823
CMD ["flask", "--app", "acme", "run"]  # QP823
docker run flask && quart run
ENV QUART_ENV=development  # QP823
ENV QUART_ENV development  # QP823
    - "FLASK_ENV=dev"  # QP823
      QUART_ENV: development  # QP823
Environment="QUART_ENV=development"  # QP823
export QUART_ENV=production
ENV MY_QUART_ENV=development QUART_DEBUG=1
CMD hypercorn -w 0 acme:app  # QP823
CMD alembic upgrade head && python -m acme  # QP823
CMD alembic upgrade head && exec python -m acme
CMD ["sh", "-c", "alembic upgrade head && exec python -m acme"]
CMD python -m pytest
HEALTHCHECK CMD python check.py
"""


def found_in(text: str) -> set[tuple[str, int]]:
    file = TextFile(Path("Dockerfile"), "Dockerfile", text)
    return {(one.id, one.line) for one in judge(file, [RULES["QP823"]])}


def test_lines_that_start_an_app() -> None:
    assert found_in(LINES) == marked(LINES)
    assert found_in("CMD hypercorn \\\n    app:create_app\n") == {("QP823", 1)}


def test_every_command_is_in_the_lines() -> None:
    problems = {
        one.message
        for line in LINES.splitlines()
        for one in judge(TextFile(Path("a.sh"), "a.sh", line), [RULES["QP823"]])
    }
    assert problems == {*rules.DEPLOYMENT.values()}


def test_a_factory_serves_nobody_and_flask_takes_no_quart_app(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def create_app() -> Quart:
        return Quart(__name__)

    for arguments in [({}, print), ({}, print, print)]:
        with pytest.raises(TypeError):
            create_app(*arguments)
    (tmp_path / "served.py").write_text("import quart\n\napp = quart.Quart('a')\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(flask.cli.NoAppException):
        flask.cli.ScriptInfo(app_import_path="served:app").load_app()


APP = "from quart import Quart\n\napp = Quart(__name__)\n"
GUNICORN = "CMD gunicorn acme:app\n"
QUART_ENV = "ENV QUART_ENV=development\n"
SHELL_FORM = "CMD python -m acme\n"


@pytest.mark.parametrize(
    ("files", "ids"),
    [
        ({"acme.py": APP, "Dockerfile": GUNICORN}, ["QP823"]),
        ({"acme.py": APP, "deploy/Dockerfile": GUNICORN}, ["QP823"]),
        ({"acme/app.py": APP, "jobs/setup.py": "", "jobs/Dockerfile": GUNICORN}, []),
        ({"acme.py": APP, "admin.py": "import flask\n", "Dockerfile": GUNICORN}, []),
        ({"acme.py": "import os\n", "Dockerfile": GUNICORN}, []),
        ({"acme.py": APP + "import a2wsgi\n", "Dockerfile": GUNICORN}, []),
        ({"acme.py": APP, "Dockerfile": "ENV GUNICORN_CMD_ARGS=a\n" + GUNICORN}, []),
        (
            {"acme.py": APP, "conf.py": "worker_class = 'a'\n", "Dockerfile": GUNICORN},
            [],
        ),
        ({"acme.py": APP, "Dockerfile": SHELL_FORM}, ["QP823"]),
        ({"acme.py": APP, "Dockerfile": "FROM python:3-alpine\n" + SHELL_FORM}, []),
        (
            {"acme.py": APP, "Dockerfile": 'SHELL ["/bin/bash", "-c"]\n' + SHELL_FORM},
            [],
        ),
        ({"acme.py": APP, "Dockerfile": QUART_ENV}, ["QP823"]),
        ({"acme.py": APP + "os.environ['QUART_ENV']\n", "Dockerfile": QUART_ENV}, []),
        ({"acme.py": APP + "app.config['ENV']\n", "Dockerfile": QUART_ENV}, []),
        ({"acme.py": APP + "quart_env: str\n", "Dockerfile": QUART_ENV}, []),
        ({"acme.py": APP, "run.sh": "export QUART_ENV=dev\necho $QUART_ENV\n"}, []),
    ],
)
def test_what_the_other_files_of_a_project_tell(
    files: dict[str, str], ids: list[str], tmp_path: Path
) -> None:
    for name, text in {"setup.py": "", **files}.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    report = report_on(Project([tmp_path]), lambda code, _: code == "QP823")
    assert [one.id for one in report.findings] == ids
