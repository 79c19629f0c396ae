from ..serving import run
from . import create_app

if __name__ == "__main__":
    run(create_app())
