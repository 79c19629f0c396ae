"""Settings, secrets and flags: where they are read, and what they are set to."""

import dotenv
import pydantic
import pydantic_settings
import pytest
import quart
from check_app.rules import configuration as rules

from tests.check_app import PREAMBLE, cases, check, judged, put_in


@cases("""
## environment
import os as system
from os import environ

class Config:
    A = system.getenv("A")  # QP601
    B = environ["B"]
    C = lambda self: environ["C"]

class TwoConfig:
    B = bool(int(environ.get("B", "0")))  # QP601
    C = names["a"]

class Production(Config):
    B = system.environ["B"]  # QP601

class Settings:
    A = field(default_factory=lambda: environ["A"])
    B = field(default=environ["B"])

    def read(self):
        return system.getenv("A")

class Row(Model):
    lang = system.getenv("LANG")

E = system.getenv("E")
## environment in tests
import pytest

class Config:
    A = os.environ["A"]
## configuration classes
class Plain:
    A = 1

class Computed:
    A = 1

    @property
    def B(self):
        return 2

class Started:
    def __init__(self):
        self.A = 1

class Method:
    A = 1

    @property
    def lower(self):
        return 2

def one(name):
    app.config.from_object(Computed)  # QP602
    app.config.from_object(Computed())
    app.config.from_object(Started)  # QP602
    app.config.from_object(Started())
    app.config.from_object(Plain)
    app.config.from_object(Method)
    app.config.from_object("acme.Config")
    app.config.from_object(choices[name])  # QP602
    app.config.from_object(others[name])
    app.config.from_object()

choices = {"one": Plain, "two": Started}
## a secret
app.secret_key = b"abc"  # QP603
app.config["OTHER"] = "abc"
app.config[name] = "abc"
settings["SECRET_KEY"] = "abc"
settings.update(SECRET_KEY="abc")
other.secret_key = "abc"
## a secret as a default
app.config["SECRET_KEY"] = os.environ.get("SECRET_KEY") or "abc"  # QP603
## secrets in a call
app.config.update(SECRET_KEY="abc", **others)  # QP603
app.config.from_mapping(JWT_SECRET=other("abc"))
## secrets in a class
JWT_SECRET = "JWT_SECRET"

class Production:
    secret_key: str = "abc"  # QP603
    page_size: int
## a secret that is handed on
class Settings:
    SECRET_KEY = "abc"  # QP603

app.config["SECRET_KEY"] = Settings.SECRET_KEY
## secrets that are none
app.secret_key = ""

class TestConfig:
    SECRET_KEY = "abc"

def make_test_app():
    own = Quart(__name__)
    own.secret_key = "abc"
    SECRET_KEY = "abc"
    return own

if __name__ == "__main__":
    app.secret_key = "abc"
if not production:
    app.secret_key = "abc"
## a placeholder that is refused
app.secret_key = os.getenv("SECRET_KEY", "change-me")
if not app.debug and app.secret_key in {"", "change-me"}:
    raise ValueError("SECRET_KEY")
## a placeholder with a name that is refused
PLACEHOLDER = "change-me"
app.secret_key = os.getenv("SECRET_KEY", PLACEHOLDER)
if app.secret_key == PLACEHOLDER:
    raise ValueError("SECRET_KEY")
## a placeholder that is replaced
app.config["SECRET_KEY"] = "change-me"
if path.exists():
    app.secret_key = path.read_text()
## a placeholder that production replaces
class Config:
    SECRET_KEY = "change-me"

class ProductionConfig(Config):
    SECRET_KEY = os.environ["SECRET_KEY"]  # QP601
## secrets in tests
import pytest

app.secret_key = "abc"
## debug
app.debug = True  # QP604
app.config.update(TESTING=True)  # QP604
## debug that is asked for
app.debug = debug
app.config["TESTING"] = False
if os.getenv("DEVELOPMENT"):
    app.debug = True
if __name__ == "__main__":
    app.testing = True
## debug that may be somebody else's, or is for some
DEBUG = True

class Config:
    DEBUG = True
    TESTING = True
## debug for the network
HOST = "0.0.0.0"
app.run(debug=True, host="0.0.0.0")  # QP604
app.run(os.getenv("HOST", HOST), 5000, True)  # QP604
app.run_task(debug=True, host="::")  # QP604
app.run(host="0.0.0.0")
app.run(host="0.0.0.0", debug=debug)
other.run(host="0.0.0.0", debug=True)
run(host="0.0.0.0", debug=True)
if __name__ == "__main__":
    app.run("0.0.0.0", debug=True)  # QP604
## debug for oneself
app.run(debug=True)
app.run(debug=True, host=host)
app.run(debug=True, host="localhost")
app.run(debug=True, host="127.0.0.1")
app.run(debug=True, host="::1")
app.run(debug=True, host="unix:app.sock")
## an environment file in the factory
from dotenv import load_dotenv

def one():
    own = Quart(__name__)
    load_dotenv()  # QP612
    return own

def main():
    load_dotenv()
## an environment file at import, named once
import dotenv

def load_dotenv():
    pass

load_dotenv()
dotenv.load_dotenv()  # QP612
dotenv.load_dotenv(".env.local")
## an environment file for a start, or under a condition
from dotenv import load_dotenv
from pydantic_settings import SettingsConfigDict

config = SettingsConfigDict(env_file=".env")
if __name__ == "__main__":
    load_dotenv()

def create_app(testing=False):
    if not testing:
        load_dotenv(override=True)
    return Quart(__name__)
## an environment file that the caller chooses
from dotenv import load_dotenv

def create_app(file):
    load_dotenv(file)
    return Quart(__name__)
## an environment file in tests
import pytest
from dotenv import load_dotenv

load_dotenv()
## settings
from pydantic import BaseModel
from pydantic_settings import BaseSettings

class Settings(BaseSettings):
    home: str

    def help(self):
        return 1

class Model(BaseModel):
    page_size: int

class Lower:
    page_size = os.environ.get("PAGE_SIZE")

class Mixed(make()):
    page_size = 1

def one(own: Settings, base: BaseSettings, given, lower=Lower()):
    app.config.from_object(base)  # QP621
    app.config.from_object(own)  # QP621
    app.config.from_object(Settings())  # QP621
    app.config.from_object(Model(page_size=1))  # QP621
    app.config.from_object(Lower)  # QP621
    made = Lower()
    app.config.from_object(made)  # QP621
    app.config.from_object(Mixed)
    app.config.from_object(given)
    app.config.from_object(Unknown)
    app.config.from_object(one)
    app.config.from_object()
## settings that are read
from pydantic_settings import BaseSettings

class Settings(BaseSettings):
    PAGE_SIZE: int = 20

class Late:
    page_size = 1

    def __init__(self):
        self.PAGE_SIZE = 2

class Pair:
    PAGE, SIZE = 1, 2
    page_size = 1

class Set:
    page_size = 1

    def __init__(self, **values):
        for name in values:
            setattr(self, name.upper(), values[name])

def one(own: Settings):
    app.config.from_object(own)
    app.config.from_object(Settings())
    app.config.from_object(Late())
    app.config.from_object(Pair)
    app.config.from_object(Set())
## a class that is its own base
class Loop(Loop):
    pass

app.config.from_object(Loop())
""")
def test_configuration(code: str) -> None:
    check(PREAMBLE + code)


# Where an environment file is loaded, and whether the module is the start itself.
LOADS = "import quart\nfrom dotenv import load_dotenv\n\nload_dotenv()\n"


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("URL = 1\n", True),
        (
            "app = quart.Quart(__name__)\nif __name__ == '__main__':\n    app.run()\n",
            True,
        ),
        ("from notes import create_app\n\napp = create_app()\n", False),
        ("from notes import app\n\napp.run()\n", False),
        ("from notes import app\n\nasyncio.run(serve(app, config))\n", False),
        ("from notes import main\n\nif __name__ == '__main__':\n    main()\n", False),
    ],
)
def test_a_start_may_load_an_environment_file(code: str, found: bool) -> None:
    assert (("QP612", 4) in judged(LOADS + code)) is found


@pytest.mark.parametrize("key", rules.SECRETS)
def test_each_secret(key: str) -> None:
    code = f'from quart import Quart\napp = Quart("a")\napp.config["{key}"] = "abc"\n'
    assert ("QP603", 3) in judged(code)


@pytest.mark.parametrize("key", ["DEBUG", "TESTING"])
def test_each_key_that_shows_tracebacks(key: str) -> None:
    assert key in quart.Quart("notes").config
    assert "QP604" in put_in("QP604", "DEBUG", key)


@pytest.mark.parametrize("name", sorted(rules.DOTENV))
def test_each_name_of_load_dotenv(name: str) -> None:
    assert hasattr(dotenv, "main")
    module = name.removesuffix(".load_dotenv")
    assert "QP612" in put_in("QP612", "from dotenv import", f"from {module} import")


@pytest.mark.parametrize("name", sorted(rules.ENVIRONMENT))
def test_each_reading_of_the_environment(name: str) -> None:
    assert "QP601" in put_in("QP601", "os.environ", name)


@pytest.mark.parametrize("name", sorted(rules.BASES))
def test_each_base(name: str) -> None:
    module, _, last = name.rpartition(".")
    known = {"pydantic": pydantic, "pydantic_settings": pydantic_settings}
    assert module == "builtins" or hasattr(known[module], last)
    new = f"from {module} import {last}\n\nclass Config({last}):"
    assert "QP621" in put_in("QP621", "class Config:", new)
