"""Handshakes, ends and messages: the rules of websockets."""

import asyncio
import inspect

import pytest
import quart
from check_app.rules import websockets as rules
from quart_schema.mixins import WebsocketMixin

from tests.check_app import PREAMBLE, cases, check, put_in


@cases("""
## request
def helper():
    return request.args

@blueprint.before_websocket
async def guard():
    print(request.args)  # QP301

@app.before_request
@app.before_websocket
async def shared():
    print(request.args)

@app.websocket("/a")
async def one():
    helper()
    await websocket.send("a")

@app.get("/b")
@app.websocket("/b")
async def view():
    return request.path

async def two():
    await websocket.send(request.args["a"])  # QP301

app.add_websocket("/b", "b", two)

@app.websocket("/d")
async def four():
    if quart.has_request_context():
        return request.args

@app.websocket("/e")
async def five(request):
    await websocket.send(request.path)
## close
async def looks():
    return await asyncio.sleep(1)

async def opens():
    await websocket.accept()

@app.websocket("/a")
async def one():
    print(user(1))
    if not websocket.args:
        await websocket.close(1008)  # QP302
        return
    await websocket.send("a")
    await websocket.close(1008)

@app.websocket("/b")
async def two():
    await opens()
    await websocket.close(1008)

@app.websocket("/c")
async def three():
    await unknown()
    await websocket.close(1008)

@app.websocket("/d")
async def four():
    while True:
        if websocket.args:
            await websocket.close(1008)
            return
        await websocket.receive()

@app.websocket("/e")
async def five():
    async with session_of() as user:
        await websocket.close(1008)

@app.websocket("/f")
@accepted
async def six():
    await websocket.close(1008)

async def seven():
    await websocket.close(1008)

await websocket.close(1008)  # QP205
## never answered
@app.websocket("/a")
async def one():  # QP303
    ...

@app.websocket("/b")
async def two():
    raise RuntimeError

@app.websocket("/c")
async def three():
    if not websocket.args:
        return None  # QP303
    await websocket.accept()
    return

@app.websocket("/d")
async def four():
    await serve()
    return

@app.websocket("/e")
async def five():
    return "a", 401

@app.websocket("/f")
@answered
async def six():
    pass

@app.websocket("/h")
async def eight():
    if not websocket.args:
        return
    await websocket.close(1008)  # QP302

def create_app():
    app = Quart(__name__)

    @app.websocket("/g")
    async def seven():  # QP303
        pass

    return app
## never answered in a test
import pytest

@app.websocket("/a")
async def one():
    pass
## cancellation
@app.websocket("/a")
async def one():
    try:
        await websocket.receive()
    except (ValueError, asyncio.CancelledError):  # QP305
        pass
    try:
        await websocket.receive()
    except asyncio.CancelledError:
        raise
    try:
        print(clients[0])
    except:
        pass
    try:
        await websocket.receive()
    except:  # QP305
        pass
    try:
        await websocket.receive()
    except BaseException:
        pass

@app.websocket("/b")
async def two():
    task = asyncio.create_task(websocket.receive())
    try:
        await websocket.receive()
    finally:
        task.cancel()
        try:
            await task
        except asyncio.CancelledError:
            pass

@app.get("/c")
async def events():
    async def send():
        while True:
            try:
                yield await queue.get()
            except asyncio.CancelledError as error:  # QP305
                print(error)

    async def ends():
        while True:
            try:
                yield await queue.get()
            except asyncio.CancelledError:
                break

    return show(send, ends)

@app.websocket("/d")
async def four():
    while True:
        try:
            await websocket.send("a")
        except:  # QP305
            print("a")
        if not clients:
            print("b")

@app.websocket("/e")
async def five():
    while clients:
        try:
            await websocket.send("a")
        except BaseException:
            clients.clear()
    while True:
        try:
            await websocket.send("a")
        except BaseException:
            failed = True
        if failed:
            break
    for client in clients:
        try:
            await client.send("a")
        except BaseException:
            print("a")
## cancellation far from handlers
async def close_all(resources):
    errors = []
    for resource in resources:
        try:
            await resource.close()
        except BaseException as error:
            errors.append(error)

async def work():
    while True:
        try:
            await asyncio.sleep(1)
        except asyncio.CancelledError:
            print("a")

def plain():
    while True:
        try:
            print("a")
        except BaseException:
            pass
## errors
@app.websocket("/a")
async def one():
    async def read():
        while True:
            try:
                print(await websocket.receive())
            except Exception:  # QP314
                print("a")

    async def gathered():
        while True:
            try:
                print(await websocket.receive())
            except Exception:
                print("a")

    async def paused():
        while True:
            try:
                print(await websocket.receive())
            except Exception:
                await asyncio.sleep(1)

    async def left():
        while True:
            try:
                print(await websocket.receive())
            except Exception:
                return

    async def slow():
        while True:
            try:
                await asyncio.sleep(1)
                print(await websocket.receive())
            except Exception:
                print("a")

    tasks = [asyncio.create_task(one()) for one in (paused, left, slow)]
    tasks += [asyncio.create_task(paused()), asyncio.create_task(left())]
    tasks.append(asyncio.create_task(slow()))
    reading = asyncio.ensure_future(read())
    print(gathered)
    await asyncio.wait([reading])

@app.websocket("/b")
async def two():
    while True:
        try:
            print(await websocket.receive())
        except:  # QP305 # QP314
            print("a")

@app.websocket("/c")
async def three():
    while True:
        try:
            print(await websocket.receive())
        except Exception:
            print("a")

async def read():
    while True:
        try:
            print(await websocket.receive_json())
        except Exception:
            print("a")

async def read_all():
    while True:
        try:
            print(await websocket.receive_json())
        except BaseException:  # QP314
            print("a")

async def awaited():
    while True:
        try:
            print(await websocket.receive_json())
        except Exception:
            print("a")

@app.websocket("/d")
async def four():
    tasks = [asyncio.create_task(read()), asyncio.create_task(read_all())]
    await asyncio.gather(*tasks)

@app.websocket("/e")
async def five():
    task = asyncio.create_task(awaited())
    await task

while True:
    try:
        print(await websocket.receive())  # QP205
    except Exception:
        print("a")
## awaited
@app.websocket("/a")
async def one():
    await websocket.accept()
    websocket.receive()  # QP306
    task = asyncio.create_task(websocket.receive())
    await task
## messages
@app.websocket("/a")
async def one():
    await websocket.receive_json()
    while True:
        json.loads(await websocket.receive())  # QP309
        text = await websocket.receive()
        json.loads(text)  # QP309
        json.loads(other)
        json.loads()
        await websocket.receive_as(Note)  # QP309
        show(await websocket.receive())
        try:
            await websocket.receive_as(Note)  # QP309
        except (quart_schema.SchemaValidationError, asyncio.CancelledError):
            raise
        try:
            await websocket.receive_json()
        except ValueError:
            pass
        try:
            await websocket.receive_json()
        except:
            raise
        try:
            await websocket.receive_json()  # QP309
        finally:
            pass
        with suppress(ValueError):
            await websocket.receive_json()

@app.websocket("/b")
@answers_errors
async def two():
    while True:
        await websocket.receive_json()

@app.websocket("/c")
async def three():
    try:
        while True:
            await websocket.receive_json()
    except NotJson:
        await websocket.close(1007)

async def four():
    while True:
        await websocket.receive_json()
## messages in tests
import pytest

@app.websocket("/a")
async def one():
    while True:
        await websocket.receive_json()
## groups
async def write():
    while True:
        await websocket.send("a")

async def write_once():
    await websocket.send("a")

async def tick():
    while True:
        await websocket.send("a")
        await asyncio.sleep(1)

async def read():
    await broker.publish(await websocket.receive())

async def quiet():
    with suppress(Exception):
        await websocket.receive()

async def nothing():
    await asyncio.sleep(1)

@app.websocket("/a")
async def one():
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(write())  # QP312
        tasks.create_task(read(), name="a")  # QP312
        tasks.create_task(write_once())
        tasks.create_task(tick())
        tasks.create_task(quiet())
        tasks.create_task(nothing())
        tasks.create_task(unknown())
        tasks.create_task(work)
        await websocket.receive()

@app.websocket("/b")
async def two():
    try:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(read())
    except* RuntimeError:
        pass

@app.websocket("/c")
async def three():
    async with other() as tasks:
        tasks.create_task(read())
    task = loop.create_task(read())

@app.get("/d")
async def view():
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(read())
    return "a"
## refused after accept
@app.websocket("/a")
async def one():
    await websocket.accept()
    token = await websocket.receive()
    if not token:
        return  # QP313
    if token != os.environ["TOKEN"]:
        print("a")
        return {"error": "token"}, 401  # QP313
    if token is None or unknown(token):
        await websocket.close(1008)
        return
    if not token:
        await websocket.send("no")
        return
    if token == "guest":
        return
    if not name:
        return
    if not name:
        abort(401)  # QP313
    if not token:
        raise CloseWebsocket(1008)
    while True:
        if not token:
            return

@app.websocket("/b")
async def two():
    async def read():
        await websocket.receive()

    if websocket.args:
        await websocket.accept()
    if not token:
        return "a", 401
    await websocket.send("a")

@app.websocket("/c")
@closed_with_a_code
async def three():
    if await websocket.receive() != token:
        return
""")
def test_websockets(code: str) -> None:
    check(PREAMBLE + code)


@pytest.mark.parametrize("name", sorted({rules.CLOSE, *rules.OPENING}))
def test_each_method(name: str) -> None:
    method = name.removeprefix("quart.websocket.")
    known = {**vars(quart.wrappers.Websocket), **vars(WebsocketMixin)}
    assert inspect.iscoroutinefunction(known[method])
    assert "QP306" in put_in("QP306", "websocket.send(", f"websocket.{method}(")
    found = put_in("QP313", "await websocket.receive()", f"await websocket.{method}()")
    assert ("QP313" in found) == (name in rules.OPENING)


@pytest.mark.parametrize("name", sorted(rules.RECEIVING))
def test_each_way_to_receive(name: str) -> None:
    method = name.removeprefix("quart.")
    assert "QP314" in put_in("QP314", "websocket.receive", method)
    assert "QP312" in put_in("QP312", "websocket.receive", method)
    found = put_in("QP309", "websocket.receive_json", method)
    assert ("QP309" in found) == (name != rules.RECEIVE)


@pytest.mark.parametrize("name", sorted(rules.SENDING))
def test_each_way_to_send(name: str) -> None:
    loop = f"while True:\n        await {name.removeprefix('quart.')}()"
    assert "QP312" in put_in("QP312", "await websocket.receive()", loop)


@pytest.mark.parametrize("name", sorted(rules.LOADS))
def test_each_reader(name: str) -> None:
    reads = f"import json, quart; {name}(await websocket.receive())"
    old = "message = await websocket.receive_json()"
    assert "QP309" in put_in("QP309", old, reads)


@pytest.mark.parametrize("name", sorted(rules.CANCELLED))
def test_each_name_of_a_cancellation(name: str) -> None:
    assert getattr(asyncio, name.rpartition(".")[2]) is asyncio.CancelledError
    assert "QP305" in put_in("QP305", "asyncio.CancelledError", name)


@pytest.mark.parametrize("name", sorted(rules.OTHER_ERRORS))
def test_each_error_of_another_kind(name: str) -> None:
    new = f"""import asyncio, quart_schema
        try:
            message = await websocket.receive_json()
        except {name}:
            raise"""
    old = "message = await websocket.receive_json()"
    assert "QP309" in put_in("QP309", old, new)


WORDS = "token password secret api_key apikey credential authenticated authorized"


@pytest.mark.parametrize("word", [*WORDS.split(), "passwd"])
def test_each_word_of_a_login(word: str) -> None:
    assert "QP313" in put_in("QP313", "not in tokens", f"!= {word}")


@pytest.mark.parametrize("test", ["!= token", "is None or token", "not in tokens"])
def test_each_way_to_refuse(test: str) -> None:
    assert "QP313" in put_in("QP313", "not in tokens", test)


@pytest.mark.parametrize("starter", ["create_task", "ensure_future"])
def test_each_starter_of_tasks(starter: str) -> None:
    assert "QP314" in put_in("QP314", "create_task", starter)
