"""What a split came to, for people and for programs."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from grapevine.data.split.materialise import COLD_ITEMS, Split
from grapevine.data.split.rules import MIN_TARGETS

_MOMENTS = {"validation_at": "validation starts", "at": "test starts", "until": "test ends"}
_OF_REPEATS = {
    "drop": "repeat a `{}` that the user already has",
    "unmet": "are a `{}` of what the user has met already",
}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def facts(split: Split) -> dict[str, Any]:
    """Settings and counts; moments in milliseconds, and as ISO 8601 under `*_utc`."""
    moments = {f"{name}_utc": _iso(split.settings[name]) for name in _given(split)}
    return {**split.settings, **moments, **split.counts, "notes": list(notes(split))}


def table(split: Split) -> dict[str, Any]:
    """The same to read: names and values, without what is zero."""
    counts = split.counts
    rows: dict[str, Any] = {"split by": split.settings.get("by", "")}
    rows |= {_MOMENTS[name]: _iso(split.settings[name]) for name in _given(split)}
    parts = {"train": "training", "validation": "validation", "test": "test", "unused": "unused"}
    rows |= {f"{shown} events": counts[name] for name, shown in parts.items()}
    for name in ("validation", "test"):
        rows[f"{name} users asked"] = counts[f"{name}_users"]
        rows[f"{name} targets"] = counts[f"{name}_targets"]
    return {name: value for name, value in rows.items() if value}


def notes(split: Split) -> Iterator[str]:
    """Who is not asked and why, and which questions are hard by their nature."""
    counts, target = split.counts, split.data.schema.target
    by, repeats = split.settings.get("by"), split.settings.get("repeats", "drop")
    if by == "none":
        yield "everything is learnt from, and nothing is asked"
        return
    if by == COLD_ITEMS:
        yield (
            "the test asks for items that training has no event of, after all that each user did "
            "with the others; compare with figures of the same split alone"
        )
    if by == "leave-last-out":
        # A user has one test target at most, so that each repeat is a user who is not asked.
        few = counts["users_not_asked"] - counts["test_repeats"]
        why = f"with fewer than {MIN_TARGETS} `{target}` events"
    else:
        few = counts["users_not_asked"]
        why = f"without a {'' if repeats == 'keep' else 'new '}`{target}` event in the test"
    if few:
        yield f"{few:,} users {why} are learnt from, not asked"
    if counts["test_repeats"]:
        yield (
            f"{counts['test_repeats']:,} test events {_OF_REPEATS[repeats].format(target)}, and "
            f"are not asked; to ask them: --repeats {'drop' if repeats == 'unmet' else 'keep'}"
        )
    if counts["test_cold_targets"]:
        yield (
            f"{counts['test_cold_targets']:,} test targets are items that training does not know: "
            "no list can hold them"
        )
    if counts["test_new_users"]:
        yield (
            f"{counts['test_new_users']:,} test users are new: they are asked with an empty history"
        )


def _given(split: Split) -> list[str]:
    return [name for name in _MOMENTS if isinstance(split.settings.get(name), int)]


def _iso(milliseconds: int) -> str:
    """A moment in ISO 8601, to the second where it is whole."""
    moment = _EPOCH + timedelta(milliseconds=milliseconds)
    spec = "milliseconds" if milliseconds % 1000 else "seconds"
    return moment.isoformat(timespec=spec).replace("+00:00", "Z")
