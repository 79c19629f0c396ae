"""Mistakes with pages of other sites, and with pages of one's own."""

from secrets import compare_digest

from quart import Quart, Response, abort, render_template_string, request, session


def _app() -> Quart:
    app = Quart(__name__)
    app.config.update(SECRET_KEY="a key of thirty-two bytes, or more")
    return app


def json_of_any_type() -> Quart:
    app = _app()
    app.config["SESSION_COOKIE_SAMESITE"] = "Lax"

    @app.post("/bio")
    async def change_bio() -> str:
        body = await request.get_json(force=True)
        session["bio"] = body["bio"]
        return "saved"

    @app.get("/bio")
    async def show_bio() -> dict[str, str]:
        return {"bio": session.get("bio", "")}

    return app


def answer_any_origin() -> Quart:
    app = json_of_any_type()

    @app.after_request
    async def allow(response: Response) -> Response:
        origin = request.headers.get("Origin", "")
        response.headers["Access-Control-Allow-Origin"] = origin
        response.headers["Access-Control-Allow-Credentials"] = "true"
        return response

    return app


def login_before_the_preflight() -> Quart:
    app = _app()

    @app.before_request
    async def require_login() -> None:
        if "user_id" not in session:
            abort(401)

    @app.put("/bio")
    async def change_bio() -> str:
        return "saved"

    return app


def compare_as_text() -> Quart:
    app = _app()

    @app.post("/bio")
    async def change_bio() -> str:
        sent = (await request.form).get("csrf_token", "")
        if not compare_digest(sent, session.get("csrf_token", "")):
            abort(403)
        return "saved"

    return app


def only_the_origin() -> Quart:
    app = _app()

    @app.before_request
    async def refuse_foreign_pages() -> None:
        own = request.host_url.rstrip("/")
        if request.method == "POST" and request.headers.get("Origin") != own:
            abort(403)

    @app.after_request
    async def set_security_headers(response: Response) -> Response:
        response.headers["Referrer-Policy"] = "no-referrer"
        return response

    @app.get("/bio")
    async def show_form() -> str:
        return '<form method="post"><input name="bio"></form>'

    @app.post("/bio")
    async def change_bio() -> str:
        return "saved"

    return app


def cookie_without_samesite() -> Quart:
    app = _app()

    @app.get("/login")
    async def log_in() -> str:
        session["user"] = "ada"
        return "logged in"

    @app.post("/bio")
    async def change_bio() -> str:
        return session.get("user", "nobody")

    return app


def called_in_the_context_processor() -> Quart:
    app = _app()

    async def unread_messages() -> int:
        return 7

    @app.context_processor
    async def counts() -> dict[str, object]:
        return {"unread": unread_messages()}

    @app.get("/")
    async def index() -> str:
        return await render_template_string("{{ unread }} unread")

    return app
