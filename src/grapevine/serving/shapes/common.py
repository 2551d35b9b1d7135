"""What all bodies are made of: IDs, numbers, and the one form of every answer that is none."""

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from grapevine.serving.store.checks import MOST_ID_BYTES, id_fault


def an_id(text: str) -> str:
    """The same ID, if the store would take it.

    Raises:
        ValueError: it would not.
    """
    if reason := id_fault(text):
        raise ValueError(f"an ID {reason}")
    return text


Id = Annotated[str, Field(min_length=1, max_length=MOST_ID_BYTES), AfterValidator(an_id)]
Finite = Annotated[float, Field(allow_inf_nan=False)]
Millis = Annotated[int, Field(ge=0, le=10**14)]
"""Milliseconds since 1970."""


class Shape(BaseModel):
    """A body of a request: what it does not know is refused, not ignored."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Fault(BaseModel):
    """What was wrong, where, and what to do."""

    code: str
    message: str
    hint: str | None = None
    where: list[str | int] | None = None


class Faults(BaseModel):
    """Every answer that is no answer."""

    error: Fault
