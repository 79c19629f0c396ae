"""Tasks and blocking calls: the rules of background_tasks."""

import importlib
import sys

import celery  # type: ignore[import-untyped]
import pytest
import quart
from check_app.engine import handed_on, words

from tests.check_app import PREAMBLE, cases, check, judged, put_in


@cases("""
## background tasks
from quart import copy_current_request_context, has_request_context

async def one():
    print(session["a"])  # QP203

async def two():
    g.connection = await connect()
    print(g.connection, g.get("a"), current_app.name)

async def three():
    if has_request_context():
        print(request.path)

async def four():
    async with app.test_request_context("/"):
        print(request.path)

@copy_current_request_context
async def five():
    print(session["a"])

async def six(user, request):
    print(g.user, request)  # QP203

class Jobs:
    def start(self):
        app.add_background_task(self.run)
        app.add_background_task(self.missing)

    async def run(self):
        print(websocket.path)  # QP203

@app.get("/")
async def view():
    app.add_background_task(one)
    for task in (two, three):
        app.add_background_task(task)
    app.add_background_task(two)
    app.add_background_task(three)
    app.add_background_task(four)
    app.add_background_task(five)
    current_app.add_background_task(six, g.user, request.path)
    app.add_background_task(lambda: print(request.path))  # QP203
    app.add_background_task(unknown)
    app.add_background_task(Jobs)
    app.add_background_task()
    scheduler.add_background_task(lambda: print(request.path))
    return "a"
## links
from quart import url_for

async def one():
    print(url_for("view"), url_for("view", _external=False))
    print(url_for("view", _external=True))  # QP715

async def two():
    async with app.test_request_context("/"):
        print(url_for("view", _external=True))

@app.get("/")
async def view():
    app.add_background_task(one)
    app.add_background_task(two)
    return url_for("view", _external=True)
## links of a known server
from quart import url_for

app.config["SERVER_NAME"] = "example.com"
app.add_background_task(lambda: print(url_for("view", _external=True)))
## tasks
class Jobs:
    async def start(self):
        asyncio.create_task(work())  # QP714
        asyncio.get_running_loop().create_task(work())  # QP714
        self.bot.loop.create_task(work())  # QP714
        self.bot.loop.create_task(bot.run_task())
        self.task = asyncio.create_task(work())
        self.tasks.add(asyncio.create_task(work()))
        await asyncio.create_task(work())
        asyncio.create_task
        async with asyncio.TaskGroup() as group:
            group.create_task(work())
## copied contexts
from quart import copy_current_request_context, copy_current_websocket_context

@app.get("/a")
async def one():
    @copy_current_request_context
    async def first():
        return g.user  # QP203

    @copy_current_request_context
    async def second():
        g.user = "a"
        return g.user, request.path

    @copy_current_websocket_context
    async def third():
        return g.user

    return await first(), await second(), await third()
## tasks of tests
import pytest

async def test_one():
    asyncio.create_task(work())
""")
def test_handed_on(code: str) -> None:
    check(PREAMBLE + code)


@cases("""
## in the loop and beside it
import time
from quart.utils import run_sync

def helper():
    inner()

def inner():
    time.sleep(1)  # QP702

def unused():
    time.sleep(1)

def lines():
    time.sleep(1)
    yield "a"

@in_a_thread
def decorated():
    time.sleep(1)

async def numbers():
    yield time.sleep(1)  # QP702

@app.get("/a")
async def one():
    def work():
        time.sleep(1)

    helper()
    await decorated()
    await asyncio.to_thread(work)
    await run_sync(unused)()
    await asyncio.get_running_loop().run_in_executor(None, lambda: time.sleep(1))
    return lines()

@app.get("/b")
def two():
    time.sleep(1)
    return "a"
## start, commands and main blocks
import time
from tortoise import run_async

@app.get("/")
async def view():
    return "a"

@app.before_serving
async def load():
    time.sleep(1)
    await connect()
    asyncio.create_task(poll()).add_done_callback(print)

async def connect():
    time.sleep(1)

async def poll():
    time.sleep(1)  # QP702

@app.cli.command()
async def awaited():  # QP801
    time.sleep(1)

@app.cli.command()
def seed():
    run_async(insert())

async def insert():
    time.sleep(1)

async def both():
    time.sleep(1)  # QP702

async def kept():
    time.sleep(1)  # QP702

async def serve():
    await both()
    return [kept()]

async def main():
    time.sleep(1)
    await both()

if __name__ == "__main__":
    asyncio.run(main())
    asyncio.get_event_loop().run_until_complete(main())
## scripts
import time

class Work:
    async def run(self):
        time.sleep(1)

if __name__ == "__main__":
    asyncio.run(Work().run())
## tests
import pytest
import time

async def test_one():
    time.sleep(1)
## clients
import smtplib
from sqlite3 import dbapi2 as sqlite3

import boto3
import httpx
import openai
import peewee
import pymongo
import redis
import requests
from pymongo.mongo_client import MongoClient

from .jobs import pool, send

cache = redis.Redis.from_url("redis://")
other = redis.StrictRedis()
quick = redis.from_url("redis://")
chat = openai.OpenAI()
users = MongoClient()["shop"].users
http = requests.session()
bucket = boto3.client("s3")
loop = loop.next

class User(peewee.Model):
    name = peewee.TextField()

def database() -> sqlite3.Connection:
    return sqlite3.connect("a")  # QP702

async def one():
    cache.get("a")  # QP702
    other.get("a")  # QP702
    quick.pipeline().set("a", 1)
    chat.chat.completions.create(model="a")  # QP702
    openai.AsyncOpenAI().chat.completions.create(model="a")
    users.find_one({})  # QP702
    users.find({})
    pymongo.AsyncMongoClient().shop.users.find_one({})
    http.get("a").json().get("a")  # QP702
    http.headers.get("a")
    bucket.upload_file("a", "b", "c")  # QP702
    bucket.generate_presigned_url("get_object")
    User.select().where(User.name == "a").get()  # QP702
    with httpx.Client() as client:
        client.get("a")  # QP702
    with smtplib.SMTP("localhost") as mail:  # QP702
        mail.noop()
    database().execute("select 1")  # QP702
    cursor = database().cursor()
    cursor.execute("select 1")  # QP702
    loop.call.get("a")

def two():
    return cache.get("a")
## celery
from .jobs import send

@shared_task
def work():
    print("a")

async def one(task: celery.Task, other):
    send.delay("a")  # QP702
    work.apply_async()  # QP702
    other.delay("a")
    await send.delay("a")
    await asyncio.to_thread(send.delay)

def two():
    send.delay()
""")
def test_blocking(code: str) -> None:
    check(PREAMBLE + code)


def names_in(table: dict[str, str]) -> list[tuple[str, str]]:
    return [(owner, name) for owner, names in table.items() for name in names.split()]


def blocks(owner: str, name: str, part: str = "") -> bool:
    """Whether a function of a module, or a method of a kind, is found in a view."""
    module, _, last = owner.rpartition(".")
    made = {
        "Connection": f"{module}.connect()",
        "Cursor": f"{module}.connect().cursor()",
    }
    is_kind = owner in words.COMMANDS or (module and last[0].isupper())
    code = f"""
import quart, {module if is_kind else owner}
client = {made.get(last, f"{owner}()")}
async def view():
    {"client" if is_kind else owner}{part}.{name}("a")
"""
    return ("QP702", 5) in judged(code)


@pytest.mark.parametrize(("owner", "name"), names_in(words.BLOCKING))
def test_each_blocking_call(owner: str, name: str) -> None:
    assert blocks(owner, name)
    module, _, last = owner.rpartition(".")
    if owner.partition(".")[0] in {*sys.stdlib_module_names, "httpx2"}:
        is_kind = last[0].isupper()
        found = importlib.import_module(module if is_kind else owner)
        assert hasattr(getattr(found, last) if is_kind else found, name)


@pytest.mark.parametrize(("owner", "name"), names_in(words.BLOCKING_PARTS))
def test_each_blocking_part(owner: str, name: str) -> None:
    if owner == "peewee.Model":
        code = "import quart, peewee\nclass A(peewee.Model): ...\nasync def view():\n"
        assert ("QP702", 4) in judged(f"{code}    A.select().{name}()")
    else:
        assert blocks(owner, name, ".one['two']")


@pytest.mark.parametrize("kind", sorted(words.COMMANDS))
def test_each_client_of_commands(kind: str) -> None:
    assert blocks(kind, "anything")
    assert not any(blocks(kind, name) for name in words.WITHOUT_IO.split())


@pytest.mark.parametrize(
    "maker", [one for one in words.ALIASES if one.rpartition(".")[2][0].islower()]
)
def test_each_maker_of_a_client(maker: str) -> None:
    package = maker.partition(".")[0]
    code = f"import quart, {maker.rpartition('.')[0]}\nclient = {maker}('a')\n"
    names = ("execute", "get", "hash")
    calls = [f"{code}async def view():\n    client.{name}()" for name in names]
    found = {id for call in calls for id, line in judged(call) if line == 4}
    other = {"pwdlib": "QP701", "sqlalchemy": "QP410"}
    assert found == {other.get(package, "QP702")}


@pytest.mark.parametrize("name", sorted(words.RUNNERS))
def test_each_runner(name: str) -> None:
    code = "import quart, time\nasync def work():\n    time.sleep(1)\n"
    assert judged(f"{code}asyncio.create_task(work())") == {("QP702", 3), ("QP714", 4)}
    assert judged(f"{code}library.{name}(work())") == set()


@pytest.mark.parametrize("name", sorted(handed_on.G_METHODS))
async def test_each_method_of_g(name: str) -> None:
    word = name.removeprefix("quart.")
    async with quart.Quart(__name__).app_context():
        assert hasattr(quart.g, word.removeprefix("g."))
    assert "QP203" not in put_in("QP203", "print(g.user)", f"{word}('user')")


def test_celery_publishes_with_these() -> None:
    assert {"delay", "apply_async"} <= {*dir(celery.Task)}
