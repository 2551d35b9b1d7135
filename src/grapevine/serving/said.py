"""What is said of an answer: as JSON has it, and as the store keeps it."""

from typing import Any

from grapevine.serving.arms import Place
from grapevine.serving.engine import Answer
from grapevine.serving.faces import Faces
from grapevine.serving.store import Listed


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
                "source": one.source,
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
