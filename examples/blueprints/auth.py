"""Log in and out: /auth."""

from pydantic import BaseModel, Field, SecretStr
from quart import Blueprint, request, session
from quart.typing import ResponseReturnValue
from quart_schema import validate_request, validate_response
from sqlalchemy import select

from ..authentication import tokens, unauthorized
from ..database_sessions import User, reading
from ..password_hashing import password_hashing

auth = Blueprint("auth", __name__, url_prefix="/auth")


class Credentials(BaseModel, extra="forbid"):
    username: str = Field(max_length=30, pattern=r"^[^\x00]*$")
    password: SecretStr = Field(max_length=128)


class AccessToken(BaseModel):
    access_token: str
    token_type: str = "bearer"
    expires_in: int


@auth.post("/login")
@validate_request(Credentials)
@validate_response(AccessToken)
async def log_in(data: Credentials) -> AccessToken:
    by_name = select(User).where(User.username == data.username)
    async with reading() as database:
        user = await database.scalar(by_name)
    right = await password_hashing().verify(
        user.password_hash if user else None,
        data.password.get_secret_value(),
        client=request.remote_addr or "",
    )
    if user is None or not right:
        raise unauthorized("The username or the password is wrong.")
    token = tokens().issue(user.id, user.username, user.role)
    session.clear()
    session["access_token"] = token  # for the websockets of a browser
    return AccessToken(access_token=token, expires_in=tokens().lifetime)


@auth.post("/logout")
async def log_out() -> ResponseReturnValue:
    session.clear()
    return "", 204
