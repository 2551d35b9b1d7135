"""What is said of an answer: as JSON has it, and as the store keeps it."""

from dataclasses import dataclass
from typing import Any

from grapevine.serving.engine import Answer
from grapevine.serving.faces import Faces
from grapevine.serving.store import Listed


@dataclass(frozen=True, slots=True)
class Place:
    """Where a user stands in the experiments.

    Attributes:
        arms: of each experiment that the user takes part in, its arm.
        chances: of each, that of the arm.
        run: the run that an arm asks for; empty for the one in service.
    """

    arms: dict[str, str]
    chances: dict[str, float]
    run: str = ""


NOWHERE = Place({}, {})


def told(
    faces: Faces, name: str, answer: Answer, request_id: str, user: str | None, place: Place
) -> dict[str, Any]:
    """An answer as JSON has it."""
    return {
        "request_id": request_id,
        "model": {"name": name, "version": answer.version},
        "user_id": user,
        "fallback": answer.fallback,
        "items": [
            {
                **faces.of(one.item_id),
                "rank": one.rank,
                "score": one.score,
                "reasons": [
                    {
                        "kind": why.kind,
                        "text": why.text,
                        "items": [named._asdict() for named in why.items],
                    }
                    for why in one.reasons
                ],
            }
            for one in answer.items
        ],
        "experiments": place.arms,
    }


def listed(answer: Answer, request_id: str, user: str, place: Place) -> Listed:
    """The same list as the store keeps it."""
    return Listed(
        request_id,
        user,
        tuple(str(one.item_id) for one in answer.items),
        tuple(one.score for one in answer.items),
        tuple((name, arm, place.chances[name]) for name, arm in place.arms.items())
        or (("", "", 1.0),),
        answer.version,
    )
