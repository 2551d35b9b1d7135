"""An answer: what is shown, and why."""

from typing import Any, Literal

from pydantic import BaseModel


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
