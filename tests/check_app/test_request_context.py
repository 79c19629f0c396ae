"""Contexts, threads and imports: the rules of request_context."""

import asyncio
import importlib
import inspect
from concurrent.futures import ThreadPoolExecutor

import pytest
import quart
from check_app.engine import handed_on
from check_app.engine.words import FROM_APP
from werkzeug.local import LocalProxy

from tests.check_app import PREAMBLE, cases, check, judged, put_in


@cases("""
## at import
NAME = current_app.name  # QP205
USER = session["user"]  # QP205

class Config:
    name = current_app.name  # QP205

def name(default=current_app.name):  # QP205
    return current_app.name

@current_app.get("/")  # QP205
async def view():
    return "a"

async with app.app_context():
    print(current_app.name)

typed: current_app.config
proxy = current_app
app.logger.addHandler(stamp)
## threads
import threading
from concurrent.futures import ThreadPoolExecutor

pool = ThreadPoolExecutor()

def one():
    return request.path  # QP206

def two():
    return session["a"]  # QP206

def three():
    return current_app.name  # QP206

def four():
    return request.path

async def five():
    async with app.app_context():
        return current_app.name

@app.get("/")
async def view():
    loop = asyncio.get_running_loop()
    await loop.run_in_executor(None, one)
    pool.submit(two)
    threading.Thread(target=three).start()
    threading.Thread(None, unknown).start()
    threading.Thread(target=lambda: asyncio.run(five())).start()
    await loop.run_in_executor(None, lambda: g.member)  # QP206
    await loop.run_in_executor(None, *arguments)
    other.submit(four)
    await asyncio.to_thread(four)
    return "a"
## contexts
import pytest

async def test_one():
    context = app.test_request_context("/")
    with context:  # QP201
        pass
    with app.test_client() as client:  # QP201
        with client.websocket("/"):  # QP201
            pass
        with client.session_transaction() as values:  # QP201
            pass
        with client.request("/"), other.websocket("/"), open("a"):  # QP201
            pass
    async with app.app_context(), app.test_app():
        pass
    context.push()  # QP201
    app.app_context().push()  # QP201
    await context.pop()
    stack.push()
    push()
""")
def test_contexts(code: str) -> None:
    check(PREAMBLE + code)


@pytest.mark.parametrize("name", sorted(handed_on.PROXIES))
def test_each_proxy(name: str) -> None:
    assert isinstance(getattr(quart, name.removeprefix("quart.")), LocalProxy)
    assert ("QP205", 2) in judged(f"import quart\nNAME = {name}.name\n")
    code = f"""
import quart, threading
async def view():
    threading.Thread(target=lambda: {name}.a)
    quart.current_app.add_background_task(lambda: {name}.a)
"""
    in_task = set() if name == "quart.current_app" else {("QP203", 5)}
    assert judged(code) == {("QP206", 4)} | in_task


@pytest.mark.parametrize("name", sorted(handed_on.TAKES_FUNCTION))
def test_each_taker_of_a_function(name: str) -> None:
    position, keyword = handed_on.TAKES_FUNCTION[name]
    module, _, last = name.rpartition(".")
    methods = {handed_on.TASK: quart.Quart, "submit": ThreadPoolExecutor}
    owner = importlib.import_module(module) if module else methods.get(name)
    taken = getattr(owner or asyncio.AbstractEventLoop, last)
    assert [*inspect.signature(taken).parameters][position + (not module)] == keyword
    code = """
import quart, quart.utils, asyncio, threading, concurrent.futures
app = quart.Quart(__name__)
loop = asyncio.new_event_loop()
pool = concurrent.futures.ThreadPoolExecutor()
"""
    owners = {handed_on.TASK: "app", "submit": "pool", "run_in_executor": "loop"}
    call = f"{code}{owners.get(name, module)}.{last}"
    rule = "QP206" if name in handed_on.THREADS else "QP203"
    reads = "lambda: quart.request.path"
    assert judged(f"{call}({'None, ' * position}{reads})") == {(rule, 6)}
    assert judged(f"{call}({keyword}={reads})") == {(rule, 6)}


@pytest.mark.parametrize("name", sorted(FROM_APP))
def test_each_context(name: str) -> None:
    assert hasattr(quart.Quart, name)
    assert "QP201" in put_in("QP201", "app_context", name)
