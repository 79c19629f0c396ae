"""Stored websockets and broadcasts: the rules of websocket_broadcast."""

import asyncio

import pytest
import quart
from check_app.engine import keeping
from check_app.rules import websocket_broadcast as rules

from tests.check_app import PREAMBLE, cases, check, put_in


@cases("""
## stored websockets
clients = {}
last = None
count = 0

class Device:
    def __init__(self, socket):
        self.socket = socket
        self.kept = websocket

class Client:
    def __init__(self, socket):
        self.queue = asyncio.Queue(10)

@app.websocket("/a")
async def one(name):
    await websocket.accept()
    client = websocket._get_current_object()  # QP204
    clients["a"] = client
    app.client = websocket._get_current_object()  # QP204
    clients.setdefault("a", []).append(websocket._get_current_object())  # QP204
    clients[websocket._get_current_object()] = 1  # QP204
    print(websocket._get_current_object())
    other = websocket._get_current_object()
    clients.pop(other)
    first, second = websocket._get_current_object()

@app.websocket("/b")
async def two(name):
    global last
    last = websocket  # QP204
    clients[name] = websocket  # QP204
    clients[name] = Device(websocket)  # QP204
    device = Device(websocket._get_current_object())  # QP204
    app.devices.append(device)
    clients[name] = Client(websocket)
    clients[name] = make_device(websocket)
    room = clients[name]
    room.add(websocket)  # QP204

@app.websocket("/c")
async def three(room):
    device = Device(websocket)
    await device.run()
    found = {}
    found["a"] = websocket
    room.add(websocket)
    g.socket = websocket
    session["a"] = websocket
    made = set()
    made.add(websocket._get_current_object())
    names = Rooms()
    names.add(websocket)
    Rooms().add(websocket)

@app.websocket("/d")
async def four():
    await manager.connect(websocket)
    manager.connect(websocket._get_current_object())  # QP204
    await serve(websocket)
    await serve(websocket._get_current_object())

class Hub:
    def register(self):
        self.socket = websocket  # QP204
        self.sockets.add(websocket._get_current_object())  # QP204
## broadcast
from collections import defaultdict

rooms = defaultdict(set)
names: dict = {}
fixed = ["a"]

class Hub:
    def __init__(self):
        self.clients = set()
        self.fixed = set()

    def join(self, client):
        self.clients.add(client)

    async def tell(self, text):
        for client in self.clients:  # QP304
            await client.send(text)
        for client in self.fixed:
            await client.send(text)

async def one(room, text):
    for client in rooms[room]:  # QP304
        await client.send(text)
    for name, client in names.items():  # QP304
        await client.send_json(text)
    members = rooms[room]
    for client in members:  # QP304
        await client.send_as(text)
    for client in list(members):
        await client.send(text)
    for client in members.copy():
        await client.send(text)
    for client in members:
        await client.close()
        await asyncio.sleep(1)
        await ready
    for client in members:
        if client.name == text:
            await client.send(text)
            break
    async with lock:
        for client in members:
            await client.send(text)
    for client in fixed:
        await client.send(text)
    for client in [text]:
        await client.send(text)
    for client in read():
        await client.send(text)
    gone = set()
    gone.add(text)
    for client in gone:
        await client.send(text)

async def two(clients):
    clients.add(1)
    for client in clients:
        await client.send("a")

def join(room, client):
    rooms[room].add(client)
    names["a"] = client
## changes
one, two, three = {}, {}, {}

async def tell():
    for client in one:  # QP304
        await client.send("a")
    for client in two.values():  # QP304
        await client.send("a")

    for client in three:
        await client.send("a")

def change():
    one["a"] = 1
    del two["a"]

three["a"] = 1
three.add(1)
## a method of this module
class Client:
    async def send(self, text):
        self.queue.put_nowait(text)

clients = set()

async def tell(text):
    for client in clients:
        await client.send(text)

def join(client):
    clients.add(client)
## queues without a bound
queues = set()

async def tell(text):
    for queue in queues:
        await queue.put(text)

def join():
    queues.add(asyncio.Queue(maxsize=10))
    queues.add(asyncio.Queue())
## queues that are not seen
queues = set()

async def tell(text):
    for queue in queues:
        await queue.put(text)

def join(queue):
    queues.add(queue)
## queues
common = asyncio.Queue()
clients = set()

class Client:
    def __init__(self):
        self.queue: asyncio.Queue[str] = asyncio.Queue()  # QP307
        self.bounded = asyncio.Queue(maxsize=10)
        self.zero = asyncio.Queue[str](0)  # QP307
        self.given = asyncio.Queue(maxsize=read())
        self.work = asyncio.Queue()

    async def write(self):
        await websocket.send(await self.queue.get())
        await websocket.send(await self.bounded.get())
        await websocket.send(await self.zero.get())

    async def run(self):
        print(await self.work.get())

@app.websocket("/a")
async def one():
    own = asyncio.Queue()
    asyncio.Queue()
    await websocket.send(await own.get())

class Broker:
    async def subscribe(self):
        connection = asyncio.Queue(maxsize=0)  # QP307
        self.connections.add(connection)
        while True:
            yield await connection.get()
## queues in tests
import pytest

clients = set()

@app.websocket("/a")
async def one():
    queue = asyncio.Queue()
    clients.add(queue)
    await websocket.send(await queue.get())
""")
def test_broadcasts(code: str) -> None:
    check(PREAMBLE + code)


@pytest.mark.parametrize("name", sorted(rules.KEEPS))
def test_each_method_that_keeps(name: str) -> None:
    real = f"listeners.{name}(websocket._get_current_object()"
    assert "QP204" in put_in("QP204", "listeners.append(websocket", real)
    found = put_in("QP204", "listeners.append(", f"listeners.{name}(")
    assert ("QP204" in found) == (name in rules.STORES)


@pytest.mark.parametrize("name", sorted(rules.SENDS))
def test_each_way_to_send(name: str) -> None:
    assert "QP304" in put_in("QP304", "queue.put(", f"queue.{name}(")
    assert hasattr(quart.wrappers.Websocket, name) or name == "send_as"


@pytest.mark.parametrize("name", sorted(keeping.OF_CONTEXT))
def test_each_thing_of_a_context(name: str) -> None:
    assert hasattr(quart, name.removeprefix("quart."))
    new = f"import quart\n    {name}.listeners.append("
    assert "QP204" not in put_in("QP204", "listeners.append(", new)


@pytest.mark.parametrize(
    "view", ["", ".items()", ".keys()", ".values()", "[0]", "[0].items()"]
)
def test_each_view(view: str) -> None:
    assert "QP304" in put_in("QP304", "in queues:", f"in queues{view}:")


@pytest.mark.parametrize("change", sorted(keeping.CHANGES))
def test_each_change(change: str) -> None:
    assert "QP304" in put_in("QP304", "queues.add(", f"queues.{change}(")


@pytest.mark.parametrize("size", ["", "0", "maxsize=0"])
def test_each_size_that_is_no_bound(size: str) -> None:
    queue = f"asyncio.Queue({size})"
    assert eval(queue, {"asyncio": asyncio}).maxsize == 0
    assert "QP307" in put_in("QP307", "asyncio.Queue()", queue)
    assert "QP304" not in put_in("QP304", "asyncio.Queue(1)", queue)
