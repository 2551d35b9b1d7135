"""Names that nobody knows, of parameters and fields: told with what there is, not ignored."""

import difflib
import types
import typing
from collections.abc import Collection, Sequence
from typing import Any

from pydantic import BaseModel


def near(name: str, known: Collection[str]) -> str:
    """What to do about a name that is not known.

    >>> near("whyy", ["k", "why"])
    'did you mean `why`? there are: k, why'
    >>> near("q", [])
    'it takes none'
    """
    found = difflib.get_close_matches(name, sorted(known), n=1)
    there = f"there are: {', '.join(sorted(known))}" if known else "it takes none"
    return f"did you mean `{found[0]}`? {there}" if found else there


def fields_at(shape: Any, steps: Sequence[str | int]) -> set[str]:
    """Names of the fields that a body has at a place within it.

    Args:
        shape: type of the body.
        steps: the way from it to the place: names of fields, and numbers within lists.

    Returns:
        None of them where the place is not that of a body of known fields.
    """
    for step in steps:
        shape = _model(shape)
        if isinstance(step, int) or shape is None:
            continue
        field = shape.model_fields.get(step)
        shape = None if field is None else field.annotation
    found = _model(shape)
    return set() if found is None else set(found.model_fields)


def _model(shape: Any) -> type[BaseModel] | None:
    """The model that a type is, or is a list, an option or an annotation of."""
    if isinstance(shape, type) and issubclass(shape, BaseModel):
        return shape
    if typing.get_origin(shape) in {typing.Annotated, typing.Union, types.UnionType, list, tuple}:
        return next(filter(None, map(_model, typing.get_args(shape))), None)
    return None
