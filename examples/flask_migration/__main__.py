from ..serving import run
from . import create_app

run(create_app())
