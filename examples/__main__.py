"""Serve the whole service: users register, log in, see each other and talk.

Try:
    curl -s -i http://127.0.0.1:8000/ready
    curl -s -i http://127.0.0.1:8000/users -H 'Content-Type: application/json' -d '{"username": "ada", "email": "ada@example.com", "password": "correct-horse"}'
    curl -s -i http://127.0.0.1:8000/auth/login -H 'Content-Type: application/json' -d '{"username": "ada", "password": "correct-horse"}'
"""  # noqa: E501

from .app_factory import create_app
from .configuration import load_settings
from .serving import run

if __name__ == "__main__":
    settings = load_settings(".env")
    run(create_app(settings), settings.bind)
