"""What needs a login: /api."""

from quart import Blueprint
from quart_schema import validate_querystring, validate_response
from sqlalchemy import select

from ..authentication import require_login
from ..background_tasks import reports
from ..database_sessions import User, reading
from ..request_validation import PageQuery, UserPage, UserView

api = Blueprint("api", __name__, url_prefix="/api")
api.before_request(require_login)
api.register_blueprint(reports)


@api.get("/users")
@validate_querystring(PageQuery)
@validate_response(UserPage)
async def list_users(query_args: PageQuery) -> UserPage:
    """A page of `limit` users after the id `after`; one row more tells if more come."""
    query = select(User).where(User.id > query_args.after).order_by(User.id)
    async with reading() as session:
        found = list(await session.scalars(query.limit(query_args.limit + 1)))
    page = [UserView.model_validate(user) for user in found[: query_args.limit]]
    more = len(found) > len(page)
    return UserPage(users=page, next_after=page[-1].id if more else None)
