"""What users did, and what is left of one who is forgotten."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from grapevine.serving.shapes.common import Finite, Id, Millis, Shape
from grapevine.serving.store.checks import MOST_EVENTS


class Happened(Shape):
    """One thing that somebody did."""

    event_id: Id
    user_id: Id
    item_id: Id
    behaviour: Id
    timestamp: Millis | None = None
    value: Finite | None = None
    session_id: Id | None = None
    request_id: Id | None = None


class Events(Shape):
    """Things that were done; each `event_id` counts once, however often it is sent."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "events": [
                        {
                            "event_id": "0b5c7f2e",
                            "user_id": "u000012",
                            "item_id": "i00017",
                            "behaviour": "click",
                            "timestamp": 1763800000000,
                        }
                    ]
                }
            ]
        },
    )

    events: Annotated[list[Happened], Field(min_length=1, max_length=MOST_EVENTS)]


class Unknown(BaseModel):
    """Behaviours that the run in service does not know, and events of items that it does not."""

    behaviours: list[str]
    items: int


class Kept(BaseModel):
    """How many events were new, and how many had been sent before.

    `unknown` stands there where the run in service does not know what some of them speak of. They
    are kept all the same: another run may know it.
    """

    new: int
    repeated: int
    unknown: Unknown | None = None


class Holder(BaseModel):
    """A run folder that holds a user until it is trained anew; not `sure` of one not finished."""

    run: str
    sure: bool


class Forgotten(BaseModel):
    """What is left of a user: nothing, and how that was made sure of."""

    user_id: str
    removed: dict[str, int]
    left: int
    mark: str
    runs: list[Holder]
