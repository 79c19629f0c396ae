"""Error handlers and what clients learn: the rules of error_handling."""

import pytest
import quart
from check_app.engine.words import CATCH_ALL, PYDANTIC_ERRORS, TEXT_OF
from check_app.rules import error_handling as rules

from tests.check_app import PREAMBLE, cases, check, judged, put_in


@cases("""
## every error
from werkzeug.exceptions import HTTPException

def one(app):
    @app.errorhandler(Exception)
    async def failed(error):
        if isinstance(error, HTTPException):
            return error.get_response()
        return "a", 500

def two():
    own = Quart(__name__)

    @own.errorhandler(Exception)
    async def failed(error):
        return "a", 500

    @own.errorhandler(HTTPException)
    async def answer(error):
        return error.get_response()

def three():
    own = Quart(__name__)

    @own.errorhandler(Exception)
    async def failed(error):  # QP501
        return "a", 500

    @own.errorhandler(ValueError)
    async def bad(error):
        return "a", 400

    @own.errorhandler(*errors)
    async def many(error):
        return "a", 400

def four():
    own = Quart(__name__)

    @own.errorhandler(Exception)
    async def failed(error):
        return await answered(error)

def five():
    own = Quart(__name__)

    @own.errorhandler(Exception)
    async def failed(error):
        return "a", getattr(error, "code", 500)
## every error but those of routing
@app.errorhandler(404)
async def one(error):
    return "a", 404

@app.errorhandler(405)
async def two(error):
    return "a", 405

@app.errorhandler(Exception)
async def three(error):
    return "a", 500
## every error, handled elsewhere
from werkzeug.exceptions import HTTPException

def one(app):
    @app.errorhandler(Exception)
    async def failed(error):
        return "a", 500

def two():
    own = Quart(__name__)

    @own.errorhandler(HTTPException)
    async def answer(error):
        return error.get_response()

@make().errorhandler(Exception)
async def failed(error):
    return "a", 500
## input
import logging
from pydantic import ValidationError

@app.errorhandler(quart_schema.RequestSchemaValidationError)
async def invalid(error):
    logging.warning(error.validation_error.errors())
    print(error.validation_error.errors())
    other.errors()
    error.errors
    made().errors()
    return {"errors": error.validation_error.errors(include_input=False)}

async def helper():
    try:
        Note.model_validate({})
    except (ValueError, ValidationError) as error:
        first = error.errors()[0]["msg"]
        texts = [one["msg"] for one in error.errors()]
        for one in error.errors():
            print(one["msg"])
        return error.json(), first, texts  # QP503
    except ValueError as error:
        return error.errors()
    except:
        pass
## aborts
from werkzeug.exceptions import Forbidden, HTTPException, NotFound

@app.get("/a")
async def one():
    try:
        if request.args:
            raise NotFound()  # QP504
        if request.headers:
            raise NotFound  # QP504
        raise ValueError
    except BaseException:
        abort(400)
    try:
        abort(404)
    except HTTPException:
        raise
    except Exception:
        pass
    try:
        abort(404)
    except ValueError:
        pass
    try:
        abort(404)
    except Exception:
        raise
    try:
        abort(404)
    except Exception as error:
        raise error
    try:
        abort(404)  # QP504
    except Exception as error:
        raise RuntimeError from error
    try:
        try:
            abort(404)
        except HTTPException:
            raise
    except Exception:
        pass
    try:
        later = lambda: abort(404)
        pass
    except Exception:
        abort(404)
    else:
        abort(404)
    try:
        abort(404)
    except Exception as error:
        app.logger.error("failed: %s", error)
        abort(404)
    try:
        raise NotFound
    except (NotFound, Forbidden):
        raise
    except Exception:
        abort(400)
    raise

@app.get("/b")
async def two():
    try:
        abort(404)  # QP504
    except:
        pass
    try:
        abort(404)
    except:
        raise
## aborts at import
try:
    abort(404)
except ValueError:
    pass
## texts
import traceback

@app.errorhandler(Exception)
async def failed(error):  # QP501
    return {"error": f"failed: {error}"}, 500  # QP505

@app.errorhandler(ValueError)
async def bad(error):
    return {"error": str(error)}, 400

@app.get("/a")
async def one():
    try:
        return {"a": 1}
    except ValueError as error:
        return {"error": str(error)}
    except Exception as error:
        if request.args:
            return {"error": repr(error)}  # QP505
        if request.headers:
            return {"error": traceback.format_exc()}  # QP505
        if app.debug:
            return {"error": str(error)}
        if "busy" in str(error):
            return {"error": str(error)}, 503
        text = f"failed: {error}"
        app.logger.exception("failed: %s", error)
        answer = {"error": text, "busy": "busy" in str(error), "n": len(str(error))}
        if request.path:
            return answer
        if request.method:
            return {"error": str(error) if app.config["DEBUG"] else "failed"}
        if request.url:
            return {"busy" if str(error) else "failed": [*map(lambda: str(error), [])]}
        return {"error": str(request.path), "n": f"{request.path} {1}"}

def helper():
    try:
        return 1
    except Exception as error:
        return str(error), traceback.format_exc()
## texts in tests
import pytest

@app.get("/a")
async def one():
    try:
        return {"a": 1}
    except Exception as error:
        return {"error": repr(error)}
## arguments
@app.errorhandler(404)
async def one(*errors):
    return "a"

@app.errorhandler
async def two():
    return "a"
## blueprints
from werkzeug.exceptions import NotFound

notes = Blueprint("a", __name__)

@notes.errorhandler(405)
async def one(error):  # QP507
    return "a"

@notes.errorhandler(404)
async def two(error):
    return "a"

@notes.errorhandler(403)
async def three(error):
    return "a"

@app.errorhandler(404)
async def four(error):
    raise NotFound
## blueprints that abort
@blueprint.errorhandler(404)
async def one(error):
    return "a"

@blueprint.get("/a")
async def two():
    abort(404)
## blueprints that abort with something
@blueprint.errorhandler(404)
async def one(error):
    return "a"

@blueprint.get("/a")
async def two():
    abort(status)
## blueprints that send files
photos = Blueprint("b", __name__)

@photos.errorhandler(404)
async def one(error):
    return "a"

@photos.get("/<name>")
async def two(name):
    return await send_from_directory("photos", name)
## blueprints that abort otherwise
@blueprint.errorhandler(404)
async def one(error):  # QP507
    return "a"

@blueprint.get("/a")
async def two():
    abort(403)

@blueprint.get("/b")
async def three():
    other()
## headers
from werkzeug.exceptions import HTTPException

@app.errorhandler(HTTPException)
async def one(error):
    return {}, error.code, error.get_headers()

@blueprint.errorhandler(HTTPException)
async def two(error):
    return problem(error)

@blueprint.app_errorhandler(HTTPException)
async def three(error):  # QP508
    return {"error": str(error)}, error.code
## headers of a blueprint
from werkzeug.exceptions import HTTPException

@blueprint.errorhandler(HTTPException)
async def one(error):
    return {"error": error.name}, error.code
## headers in tests
import pytest
from werkzeug.exceptions import HTTPException

@app.errorhandler(HTTPException)
async def three(error):
    return {"error": str(error)}, error.code
## logging
import logging
from werkzeug.exceptions import InternalServerError

log = logging.getLogger(__name__)

@app.errorhandler(InternalServerError)
async def one(error):
    log.exception("failed")  # QP509
    log.error(error.original_exception)
    metrics.error("failed")
    log.info("failed")
    log.exception
    return "a", 500

@app.errorhandler(404)
async def two(error):
    log.error("failed")
    return "a", 404

## logging of an abort
@app.errorhandler(500)
async def one(error):
    app.logger.error(error)
    return "a", 500

@app.get("/a")
async def two():
    abort(500)
## status
@app.get("/")
async def view():
    if request.args:
        return "a", "text/plain"
    if request.method:
        return "a", "404"
    if request.headers:
        return "a", "200 OK", {}  # QP107
    return "a", 200

def words():
    return "a", "200 OK"
## every error by a call
async def failed(error):
    return "a", 500

async def careful(error):
    return "a", error.code

def one(own: Quart):
    own.errorhandler(Exception)(failed)  # QP501
    own.register_error_handler(Exception, failed)  # QP501
    own.register_error_handler(Exception, careful)
    own.register_error_handler(Exception, imported)
    own.register_error_handler(Exception)
    other(Exception)(failed)
    for code in (400, 404):
        own.register_error_handler(code, failed)
## every error by a call, without an argument
from pydantic import ValidationError

async def failed():
    return "a", 500

app.register_error_handler(404, failed)  # QP506
app.register_error_handler(405, lambda: ("a", 405))
## input as text
import logging
import pydantic

log = logging.getLogger(__name__)

@app.errorhandler(quart_schema.RequestSchemaValidationError)
async def invalid(error):
    log.warning(f"{error.validation_error}")
    logging.getLogger("a").warning("%s", str(error.validation_error))
    if request.args:
        return {"error": f"no: {error.validation_error}"}, 400  # QP503
    if request.headers:
        return {"error": str(error)}, 400
    if request.method:
        abort(400, str(error.validation_error))  # QP503
    text = repr(error.validation_error)  # QP503
    answer = {"error": text}
    return answer, 400

@app.errorhandler(pydantic.ValidationError)
async def other(error):
    return str(error), 400  # QP503

@app.websocket("/a")
async def talk():
    try:
        Note.model_validate_json(await websocket.receive())
    except pydantic.ValidationError as error:
        await websocket.send(str(error))  # QP503
        await websocket.send_json(error.errors(include_input=False))
        raise RuntimeError(str(error))
## input that is meant for some
import os
import pydantic

@app.errorhandler(quart_schema.RequestSchemaValidationError)
async def invalid(error):
    if os.environ["STAGE"] == production:
        return {"error": "invalid"}, 400
    return {"error": str(error.validation_error)}, 400

@app.errorhandler(pydantic.ValidationError)
async def other(error):
    if isinstance(error, TypeError):
        return str(error), 400
    return str(error), 400  # QP503
## input through names and helpers
import pydantic
from pydantic import ValidationError

def told(error: ValidationError | None):
    return error.errors()  # QP503

def counted(error: "ValidationError"):
    return len(error.errors()), error.error_count()

def untyped(message, error):
    errors = error.errors()
    return {"message": message, "errors": errors}

def unknown(error, *, other):
    return error.errors(), str(other)

def taken_apart(error: ValidationError):
    errors = error.errors()
    return [one["msg"] for one in errors]

@app.errorhandler(quart_schema.RequestSchemaValidationError)
async def invalid(error):
    verr: pydantic.ValidationError = error.validation_error
    given = error.validation_error
    untyped("a", given)
    unknown("a", other=given)
    print(lambda a: (a.errors(), str(a)), taken_apart)
    looked_at = str(given)
    looked_at == "a"
    with open(f"{given}") as file:
        print(file, untyped, unknown)
    kept = {"include_input": False}
    if request.args:
        return given.errors(**kept), 400
    return answer("invalid", {"details": verr.errors()})  # QP503
## handlers of one's own
async def lost(error):
    app.logger.error("a")  # QP509
    return {"error": str(error.original_exception)}, 500  # QP505

app.register_error_handler(500, lost)
## propagated
from werkzeug.exceptions import InternalServerError

app.config["PROPAGATE_EXCEPTIONS"] = True  # QP520
app.config.update(JSON_SORT_KEYS=True, PROPAGATE_EXCEPTIONS=True)  # QP520
app.config["PROPAGATE_EXCEPTIONS"] = False
app.config.update(PROPAGATE_EXCEPTIONS=asked)
if app.testing:
    app.config["PROPAGATE_EXCEPTIONS"] = True

class TestConfig:
    PROPAGATE_EXCEPTIONS = True

@app.errorhandler(InternalServerError)
async def lost(error):
    return "a", 500
## propagated to nobody
app.config["PROPAGATE_EXCEPTIONS"] = True

@app.errorhandler(404)
async def one(error):
    return "a", 404
## propagated in tests
import pytest

app.config["PROPAGATE_EXCEPTIONS"] = True

@app.errorhandler(500)
async def one(error):
    return "a", 500
## teardowns
@app.teardown_request
async def one(error):
    try:
        await g.session.close()
    except OSError:
        print("not closed")
        raise  # QP521
    if error:
        raise error
    try:
        if g.session:
            raise ValueError
    except ValueError:
        print("a")

async def two(error):
    raise ValueError
""")
def test_errors(code: str) -> None:
    check(PREAMBLE + code)


@pytest.mark.parametrize("name", sorted(CATCH_ALL))
def test_each_class_that_catches_all(name: str) -> None:
    word = name.removeprefix("builtins.")
    assert "QP501" in put_in("QP501", "Exception", word)
    assert "QP504" in put_in("QP504", "except Exception", f"except {word}")
    assert "QP505" in put_in("QP505", "except Exception", f"except {word}")


@pytest.mark.parametrize("name", sorted(rules.SERVER_ERRORS))
def test_each_server_error(name: str) -> None:
    code = f"import werkzeug.exceptions\n@app.errorhandler({name})"
    assert "QP509" in put_in("QP509", "@app.errorhandler(500)", code)


@pytest.mark.parametrize("name", sorted(PYDANTIC_ERRORS))
@pytest.mark.parametrize("method", ["errors", "json"])
def test_each_list_of_each_validation_error(name: str, method: str) -> None:
    code = f"""
import pydantic, pydantic_core, quart

def faults(error: {name}):
    return error.{method}()
"""
    assert ("QP503", 5) in judged(code)


@pytest.mark.parametrize("name", sorted(TEXT_OF))
def test_each_text(name: str) -> None:
    word = name.removeprefix("builtins.")
    new = f"return {word}(error)"
    assert "QP503" in put_in("QP503", "return error.errors()", new)
    assert "QP505" in put_in("QP505", "str(error)", f"{word}(error)")


@pytest.mark.parametrize("name", rules.HEADERS_KEPT)
def test_each_word_that_keeps_the_headers(name: str) -> None:
    answer = '{"error": error.name}, error.code'
    assert not put_in("QP508", answer, f"{answer}, error.{name}")


@pytest.mark.parametrize("hook", rules.TEARDOWNS)
def test_each_teardown(hook: str) -> None:
    assert hasattr(quart.Blueprint if "_app_" in hook else quart.Quart, hook)
    assert "QP521" in put_in("QP521", "teardown_request", hook)
