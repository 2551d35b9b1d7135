"""What is sent and what comes back, as the OpenAPI document tells it."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from grapevine.serving.store.checks import MOST_EVENTS, MOST_ID_BYTES, id_fault

MOST_ITEMS = 500
MOST_HISTORY = 500
MOST_BATCH = 100


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


class Reason(BaseModel):
    """Why an item stands where it does."""

    kind: Literal["history", "walk", "attention", "new", "popular", "category", "content"]
    text: str
    items: list[dict[str, Any]]


class Shown(BaseModel):
    """One item of an answer."""

    item_id: str
    rank: int
    score: float
    source: str
    title: str | None = None
    category: str | None = None
    price: float | None = None
    image: str | None = None
    reasons: list[Reason] = []


class Recommendations(BaseModel):
    """An answer; `request_id` names it in the log of what was shown."""

    request_id: str
    model: dict[str, str]
    user_id: str | None
    fallback: str
    items: list[Shown]
    experiments: dict[str, str] = {}


class Answers(BaseModel):
    """Several answers, in the order of the questions."""

    answers: list[Recommendations]


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


class KeyWanted(Shape):
    """A key that is to be made: whom or what it is for, and what it opens."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"name": "shop-front", "scopes": ["read", "write"]}]},
    )

    name: Id
    scopes: Annotated[list[Literal["read", "write", "admin"]], Field(min_length=1, max_length=3)]


class KeyTold(BaseModel):
    """A key without the key: its ID, and when it was made and revoked, in ms since 1970."""

    key_id: str
    name: str
    scopes: list[str]
    created_at: int
    revoked_at: int | None


class KeyMade(KeyTold):
    """A key that was made; `key` is told once."""

    key: str


class KeysTold(BaseModel):
    """All keys."""

    keys: list[KeyTold]


class Swap(Shape):
    """A run that is to take over."""

    run: Annotated[str, Field(min_length=1, max_length=1000)]


class History(Shape):
    """A history alone."""

    history: Annotated[list[Seen], Field(min_length=1, max_length=MOST_HISTORY)]


class Fault(BaseModel):
    """What was wrong, where, and what to do."""

    code: str
    message: str
    hint: str | None = None
    where: list[str | int] | None = None


class Faults(BaseModel):
    """Every answer that is no answer."""

    error: Fault
