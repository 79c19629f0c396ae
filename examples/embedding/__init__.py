"""Run a bot beside the app and another ASGI app inside it, from one event loop.

Try:
    curl -s -i -X POST http://127.0.0.1:8000/questions/awake
    curl -s -i http://127.0.0.1:8000/guest/hello
    python -c "import json, urllib.request; from examples.authentication import Tokens; from websockets.sync.client import connect; ada = {'Authorization': 'Bearer ' + Tokens(['$TOKEN_KEY']).issue(1, 'ada')}; chat = connect('ws://127.0.0.1:8000/ws/chat', additional_headers=ada, legacy=True); chat.send(json.dumps({'text': 'hello'})); print(chat.recv(5)); urllib.request.urlopen('http://127.0.0.1:8000/messages/good-morning', data=b''); print(chat.recv(5)); chat.close()"
"""  # noqa: E501

import os
from collections.abc import Sequence

from quart import Quart, url_for

from ..authentication import register_authentication
from ..websocket_broadcast import register_broadcast
from ..websocket_broadcast.chat import ROOM
from .beside import Bot, register_bot
from .mounting import mount, quart_lifespan
from .parrot import Parrot
from .questions import Questions, in_time

__all__ = [
    "Bot",
    "Parrot",
    "Questions",
    "create_app",
    "in_time",
    "mount",
    "quart_lifespan",
    "register_bot",
]


def create_guest() -> Quart:
    """Any ASGI app would do: FastAPI, Starlette, another Quart."""
    guest = Quart("guest")

    @guest.get("/hello")
    async def hello() -> dict[str, str]:
        return {"hello": url_for("hello")}

    return guest


def create_app(keys: Sequence[str] | None = None, bot: Parrot | None = None) -> Quart:
    app = Quart(__name__)
    bot = bot or Parrot()
    questions = Questions(bot.send)
    register_authentication(app, keys or [os.environ["TOKEN_KEY"]])
    register_broadcast(app)
    register_bot(app, bot)
    mount(app, "/guest", create_guest())

    @bot.on_message
    async def hear(author: str, text: str) -> None:
        if questions.answer(text):
            return
        said = {"type": "said", "user": author, "text": text}
        await app.extensions["hub"].publish(ROOM, said)

    @app.post("/questions/<text>")
    async def ask(text: str) -> dict[str, str]:
        return {"answer": await in_time(questions.ask(text))}

    @app.post("/messages/<text>")
    async def say(text: str) -> tuple[dict[str, str], int]:
        await in_time(bot.send(text))
        return {"said": text}, 202

    return app
