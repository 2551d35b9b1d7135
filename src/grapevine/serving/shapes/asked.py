"""A question for recommendations: of whom, out of what, by which rules."""

from typing import Annotated, Any

from pydantic import ConfigDict, Field

from grapevine.serving.shapes.common import Finite, Id, Millis, Shape

MOST_ITEMS = 500
MOST_HISTORY = 500
MOST_BATCH = 100


class Seen(Shape):
    """One thing that somebody did, for a history that is sent along."""

    item_id: Id
    behaviour: Id | None = None
    timestamp: Millis | None = None


class Price(Shape):
    """From and to; both may be left out."""

    least: Finite | None = None
    most: Finite | None = None


class Filters(Shape):
    """What may be shown."""

    category: list[Id] | None = Field(default=None, max_length=100)
    in_stock: bool | None = None
    price: Price | None = None
    exclude: list[Id] = Field(default=[], max_length=10_000)
    only: list[Id] | None = Field(default=None, max_length=10_000)
    where: list[Annotated[str, Field(min_length=1, max_length=200)]] = Field(
        default=[], max_length=20
    )


class Push(Shape):
    """Items that meet a condition stand higher or lower."""

    where: Annotated[str, Field(min_length=1, max_length=200)]
    factor: Annotated[float, Field(gt=0, le=100, allow_inf_nan=False)] = 2.0


class Pin(Shape):
    """An item that stands at a place, whatever it scores."""

    item_id: Id
    rank: Annotated[int, Field(ge=1, le=MOST_ITEMS)]


class Cap(Shape):
    """Nothing is shown to the same user more often than this."""

    times: Annotated[int, Field(ge=1, le=1000)]
    hours: Annotated[float, Field(gt=0, le=24 * 90, allow_inf_nan=False)]


class Rules(Shape):
    """What the shop wants beside what the user wants."""

    boost: list[Push] = Field(default=[], max_length=20)
    bury: list[Push] = Field(default=[], max_length=20)
    pin: list[Pin] = Field(default=[], max_length=50)
    diversity: Annotated[float, Field(ge=0, le=1)] = 0.0
    calibration: Annotated[float, Field(ge=0, le=1)] = 0.0
    cap: Cap | None = None


class Question(Shape):
    """What is to be recommended, to whom."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"user_id": "u000012", "k": 5, "why": True},
                {
                    "history": [{"item_id": "i00017"}, {"item_id": "i00101"}],
                    "filters": {"price": {"most": 40}, "exclude": ["i00003"]},
                    "rules": {"diversity": 0.3},
                },
            ]
        },
    )

    user_id: Id | None = None
    history: list[Seen] = Field(default=[], max_length=MOST_HISTORY)
    context: dict[str, Any] = Field(default={}, max_length=20)
    filters: Filters = Filters()
    rules: Rules = Rules()
    k: Annotated[int, Field(ge=1, le=MOST_ITEMS)] = 10
    behaviour: Id | None = None
    exclude_seen: bool = True
    why: bool = False


class Questions(Shape):
    """Several questions at once."""

    requests: Annotated[list[Question], Field(min_length=1, max_length=MOST_BATCH)]


class History(Shape):
    """A history alone."""

    history: Annotated[list[Seen], Field(min_length=1, max_length=MOST_HISTORY)]
