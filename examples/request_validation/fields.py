"""Types of fields that several models share."""

from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr


def as_list(value: object) -> object:
    """A list with one element arrives as that element, from forms and queries alike."""
    return value if isinstance(value, list) else [value]


def refuse_null(value: object) -> object:
    """For a field that may be absent: its default, None, is never checked."""
    if value is None:
        raise ValueError("This may not be null.")
    return value


AsList = BeforeValidator(as_list)
NotNull = AfterValidator(refuse_null)
Username = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{3,30}$")]
Email = Annotated[str, Field(max_length=254, pattern=r"^[\w.+'-]+@([\w-]+\.)+\w{2,}$")]
Password = Annotated[SecretStr, Field(min_length=8, max_length=128)]
Text = Annotated[str, Field(max_length=500, pattern=r"^[^\x00]*$")]  # no NUL
Id = Annotated[int, Field(ge=1, le=2**31 - 1)]
