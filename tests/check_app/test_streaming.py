"""Streams that last: the rules of streaming."""

from pathlib import Path

import pytest
from check_app.engine.project import Project
from check_app.engine.report import report_on
from check_app.rules import streaming as rules

from tests.check_app import PREAMBLE, cases, check, judged, put_in


@cases("""
## event streams
import collections

@app.get("/a")
async def mimetype():
    return Response(lines(), mimetype="text/event-stream")  # QP109

@app.get("/b")
async def assigned():
    response = Response(lines())
    response.content_type = "text/event-stream"  # QP109
    return response

@app.get("/c")
async def header():
    response = await make_response(lines())
    response.headers["Content-Type"] = "text/event-stream"  # QP109
    return response

@app.get("/d")
async def asked():
    wanted = request.headers["Content-Type"] == "text/event-stream"
    return {"stream": wanted or request.content_type == "text/event-stream"}

@app.get("/e")
async def other():
    words = {"Accept": "text/event-stream", **{}}
    words["Accept"] = "text/event-stream"
    return show("text/event-stream")

@app.get("/f")
async def limited():
    return Response(lines(), mimetype="text/event-stream", timeout=None)  # QP109

@app.get("/g")
async def answered():
    return lines(), {"Content-Type": "text/event-stream; charset=utf-8"}  # QP109

@app.get("/h")
async def unlimited():
    response = Response(lines(), content_type="text/event-stream")
    response.timeout = None
    return response

def client():
    return {"Content-Type": "text/event-stream"}

STREAM = {"Content-Type": "text/event-stream"}
## event streams of helpers
def stream(body):
    return Response(body, mimetype="text/event-stream")  # QP109

def unlimited(body):
    return Response(body, mimetype="text/event-stream")

def unused(body):
    return Response(body, mimetype="text/event-stream")

@app.get("/a")
async def one():
    return stream(lines())

@app.get("/b")
async def two():
    response = unlimited(lines())
    response.timeout = None
    return response
## streams without a limit
app.config["RESPONSE_TIMEOUT"] = None

@app.get("/a")
async def mimetype():
    return Response(lines(), mimetype="text/event-stream")
## streams without an end
async def beats():
    while True:
        yield "beat"
        await asyncio.sleep(1)

async def until(closing):
    while not closing.is_set():
        yield "beat"

async def rows():
    async for row in table:
        yield row

async def chunks(file):
    while True:
        chunk = await file.read(9)
        if not chunk:
            break
        yield chunk

async def more(file):
    while chunk := await file.read(9):
        yield chunk

async def tokens(client):
    async for token in await client.chat.completions.create(model="a", stream=True):
        yield token

async def words(client):
    async with client.responses.stream(model="a") as stream:
        async for event in stream:
            yield event

async def work():
    while True:
        await asyncio.sleep(1)

@app.get("/a")
async def one():
    if request.args:
        return Response(beats())  # QP109
    if g.new:
        return until(g.closing), {"Content-Type": "application/jsonl"}  # QP109
    return await make_response(tokens(g.client))  # QP109

@app.get("/b")
async def two():
    if request.args:
        return rows()
    if g.new:
        return Response(chunks(g.file))
    return words(g.client)  # QP109

@app.get("/c")
async def three():
    async for chunk in beats():
        return chunk
    asyncio.create_task(work())  # QP714
    return Response(more(g.file))

@app.get("/d")
async def four():
    return Response(beats(), mimetype="text/event-stream")  # QP109

async def elsewhere():
    return Response(beats())
## streams
from quart import stream_with_context

async def lines():
    yield current_app.name  # QP110

async def words():
    yield "a"

async def own():
    async with app.app_context():
        yield current_app.name

def plain():
    yield request.path  # QP110

def one():
    return request.path

@other
async def wrapped_lines():
    yield request.path

@app.get("/a")
async def answered():
    return lines(), 200

@app.get("/b")
async def wrapped():
    return Response(words()), Response(plain()), Response(wrapped_lines()), own()

@app.get("/c")
async def kept():
    @stream_with_context
    async def inner():
        yield request.path + session["a"] + g.get("user")
        yield g.user  # QP110
    return inner()

@app.get("/d")
async def used():
    print([word async for word in lines()])
    if request.args:
        return stream_with_context(lines)()
    return one()
## streams in responses
async def lines():
    yield g.user  # QP110

async def others():
    yield g.user  # QP110

@app.get("/b")
async def wrapped():
    if request.args:
        return current_app.response_class(others())
    return await make_response(lines(), 200)
""")
def test_streams(code: str) -> None:
    check(PREAMBLE + code)


@pytest.mark.parametrize("name", rules.SENDING)
def test_each_way_to_send(name: str) -> None:
    code = f"""
from quart import Quart

app = Quart(__name__)

async def beats():
    while True:
        yield "beat"

@app.get("/")
async def view():
    return app.{name}(beats())
"""
    assert judged(code) == {("QP109", 12)}


APP = "from quart import Quart\n\napp = Quart(__name__)\n"
STREAM = """\
from quart import Blueprint, Response

notes = Blueprint("notes", __name__)


@notes.get("/")
async def view():
    return Response(lines(), mimetype="text/event-stream")
"""


@pytest.mark.parametrize(
    ("files", "ids"),
    [
        ({"acme.py": APP + "import notes\n", "notes.py": STREAM}, ["QP109"]),
        ({"acme.py": APP + "'RESPONSE_TIMEOUT'\\n", "notes.py": STREAM}, ["QP109"]),
        ({"acme.py": APP + "set('RESPONSE_TIMEOUT', 9)\n", "notes.py": STREAM}, []),
        ({"acme.py": APP, "notes.py": STREAM, "a.py": "RESPONSE_TIMEOUT: int"}, []),
        ({"acme.py": APP, "notes.py": STREAM, ".env": "QUART_RESPONSE_TIMEOUT=9"}, []),
    ],
)
def test_the_limit_may_be_set_in_another_file(
    files: dict[str, str], ids: list[str], tmp_path: Path
) -> None:
    for name, text in {"setup.py": "", **files}.items():
        (tmp_path / name).write_text(text)
    report = report_on(Project([tmp_path]), lambda code, _: code == "QP109")
    assert [one.id for one in report.findings] == ids


def test_a_stream_of_text_is_one_too() -> None:
    new = "content_type='text/event-stream; charset=utf-8'"
    assert "QP109" in put_in("QP109", 'mimetype="text/event-stream"', new)
