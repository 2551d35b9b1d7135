"""A run that is to take over."""

from typing import Annotated

from pydantic import Field

from grapevine.serving.shapes.common import Shape


class Swap(Shape):
    """A run that is to take over."""

    run: Annotated[str, Field(min_length=1, max_length=1000)]
