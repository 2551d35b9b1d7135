"""An experiment that is put down."""

from typing import Annotated

from pydantic import Field

from grapevine.serving.shapes.common import Id, Shape


class Arm(Shape):
    """A way of recommending, and whose share of the users gets it."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]
    share: Annotated[float, Field(gt=0, le=1)]
    run: Annotated[str, Field(max_length=200)] | None = None


class Experiment(Shape):
    """Arms that are held against each other by what their users do."""

    layer: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")] = "default"
    salt: Annotated[str, Field(min_length=1, max_length=64)] | None = None
    arms: Annotated[list[Arm], Field(min_length=2, max_length=10)]
    metric: Id
    share_of_layer: Annotated[float, Field(gt=0, le=1)] = 1.0
    window_days: Annotated[float, Field(ge=0, le=365)] = 0.0
