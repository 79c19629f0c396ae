"""What starts and stops with the app: the rules of lifespan."""

import importlib

import pytest
from check_app.engine import words
from check_app.rules import lifespan as rules
from quart import Blueprint, Quart

from tests.check_app import PREAMBLE, cases, check, judged, put_in


@cases("""
## generators
@app.while_serving
async def one():
    yield

@app.while_app_serving
async def two():
    async with open_all():
        yield
        print("a")

@app.while_serving
async def three():
    print("a")
    yield
    print("b")

@app.before_serving
async def four():
    print("a")

@blueprint.after_app_serving
async def five():  # QP807
    yield

@app.while_serving()
async def six():  # QP807
    print("a")

@app.while_serving
def seven():  # QP807
    yield from numbers
## blueprints
print(blueprint.while_serving)  # QP809
print(blueprint.before_request, blueprint.while_app_serving, app.while_serving)
## clients at import
import httpx
import redis.asyncio
from motor.motor_asyncio import AsyncIOMotorClient

client = httpx.AsyncClient()  # QP818
cache = redis.asyncio.from_url("redis://")
mongo = AsyncIOMotorClient()

def create_app():
    app = Quart(__name__)
    app.client = httpx.AsyncClient()  # QP818
    return app

def around():
    client = httpx.AsyncClient()  # QP818

    def create_app():
        return Quart(__name__)

    return create_app

async def view():
    own = httpx.AsyncClient()
    async with httpx.AsyncClient() as one:
        return await one.get("a"), own

class Prices:
    def __init__(self):
        self.client = httpx.AsyncClient()

if __name__ == "__main__":
    client = httpx.AsyncClient()
## closed clients
import httpx

client = httpx.AsyncClient()

@app.after_serving
async def close():
    await client.aclose()
## clients in hooks
import aiohttp
import asyncpg

pool = None

@app.before_serving
async def start():
    global pool
    app.http = aiohttp.ClientSession()  # QP818
    pool = await asyncpg.create_pool("postgresql://")  # QP818
    own = await asyncpg.create_pool("postgresql://")

@app.while_serving
async def serve():
    async with aiohttp.ClientSession() as app.other:
        yield

async def view():
    return await pool.fetch("select 1")
## one connection
import asyncpg

@app.before_serving
async def start():
    migrating = await asyncpg.connect("postgresql://")
    app.connection = await asyncpg.connect("postgresql://")  # QP818

@app.after_serving
async def stop():
    await app.connection.close()
## one connection that listens
import asyncpg

@app.before_serving
async def start():
    app.connection = await asyncpg.connect("postgresql://")
    await app.connection.add_listener("news", print)
## clients in tests
import pytest
import httpx

client = httpx.AsyncClient()
## values in g
@app.before_serving
async def one():
    g.pool = connect()  # QP819
    g.seen = g.unread = 1  # QP819
    print(g.seen)

@app.while_serving
async def two():
    print(g.shared)
    g.other: int = 1  # QP819
    yield

@blueprint.before_app_serving
async def three():
    g.shared = app.own = other.pool = 1

@app.before_request
async def four():
    g.user = "Ada"
    print(g.pool, g.other)
""")
def test_lifespan(code: str) -> None:
    check(PREAMBLE + code)


@pytest.mark.parametrize("name", rules.GENERATORS)
def test_each_generator(name: str) -> None:
    assert hasattr(Blueprint if "app" in name else Quart, name)
    assert put_in("QP807", "while_serving", name) == {"QP807"}


@pytest.mark.parametrize("name", [*words.STARTING_HOOKS, *words.ENDING_HOOKS])
def test_each_hook(name: str) -> None:
    assert hasattr(Blueprint if "app" in name else Quart, name)
    code = f"""
from quart import Quart, g
app = Quart(__name__)
@app.{name}
async def hook():
    g.a = 1
"""
    sets_g = {("QP819", 6)} if name in words.STARTING_HOOKS else set()
    wrong = {("QP807", 5)}
    generates = name in rules.GENERATORS
    assert judged(code) == sets_g | (wrong if generates else set())
    assert judged(f"{code}    yield") == sets_g | (set() if generates else wrong)


@pytest.mark.parametrize("name", sorted(rules.APP_HOOKS))
def test_each_hook_of_an_app(name: str) -> None:
    assert hasattr(Quart, name)
    assert not hasattr(Blueprint, name)
    assert put_in("QP809", "blueprint.before_serving", f"blueprint.{name}") >= {"QP809"}


@pytest.mark.parametrize("name", sorted(rules.CLIENTS))
def test_each_client(name: str) -> None:
    module, _, last = name.rpartition(".")
    code = f"""
import quart, {module}
app = quart.Quart(__name__)
@app.before_serving
async def start():
    app.client = await {name}()
"""
    assert judged(code) == {("QP818", 6)}
    for word in rules.CLIENTS[name]:
        assert judged(f"{code}    print(x.{word})") == set()
        made = {"create_pool": "Pool", "connect": "Connection"}.get(last, last)
        if module in {"asyncpg", "httpx2"} and word != "Lock":
            assert hasattr(getattr(importlib.import_module(module), made), word)
