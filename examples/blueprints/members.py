"""Who is a member: GET /api/members."""

from quart import Blueprint, current_app

blueprint = Blueprint("members", __name__, url_prefix="/members")


@blueprint.get("")
async def list_members() -> dict[str, list[str]]:
    return {"members": sorted(current_app.extensions["members"])}
