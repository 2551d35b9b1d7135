"""Which names of behaviours are more likely a slip than something that users do."""

from collections.abc import Mapping
from difflib import SequenceMatcher

RARE_SHARE = 0.001
"""A behaviour of fewer events than that share of all is doubtful."""

SLIP_SHARE = 0.05
"""A name that is nearly another's is a slip if it has fewer than that share of its events."""


def doubtful(counts: Mapping[str, int]) -> dict[str, str]:
    """The behaviours that may be slips, each with the reason.

    Args:
        counts: events of each behaviour.
    """
    total = sum(counts.values())
    found: dict[str, str] = {}
    for name, count in counts.items():
        near = [
            other
            for other, often in counts.items()
            if count < SLIP_SHARE * often and is_slip(name, other)
        ]
        if near:
            found[name] = f"`{name}` ({count:,} of {total:,} events) is nearly `{near[0]}`"
        elif 0 < count < RARE_SHARE * total:
            found[name] = f"`{name}` has {count:,} of {total:,} events"
    return found


def is_slip(name: str, other: str) -> bool:
    """Whether the names share all letters but one, in their order; case does not count.

    >>> is_slip("veiw", "view"), is_slip("Buy", "buy"), is_slip("review", "view")
    (True, True, False)
    """
    first, second = name.strip().lower(), other.strip().lower()
    blocks = SequenceMatcher(None, first, second, autojunk=False).get_matching_blocks()
    return max(len(first), len(second)) - sum(block.size for block in blocks) <= 1
