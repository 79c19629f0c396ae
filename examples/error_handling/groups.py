"""A TaskGroup raises an ExceptionGroup, which no handler of a class within matches."""

from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response

from .problems import answer_problem


async def answer_group(group: ExceptionGroup[Exception]) -> Response:
    """Answer the first HTTP error, unless the group has a bug in it: then 500."""
    errors = errors_within(group)
    http_errors = [error for error in errors if isinstance(error, HTTPException)]
    if len(http_errors) < len(errors):
        raise group
    return await answer_problem(http_errors[0])


def errors_within(group: ExceptionGroup[Exception]) -> list[Exception]:
    errors: list[Exception] = []
    for error in group.exceptions:
        if isinstance(error, ExceptionGroup):
            errors += errors_within(error)
        else:
            errors.append(error)
    return errors
