"""Who sees which arm: a salted hash of the user's ID, the same on every server at any time.

Nothing is stored and nothing is drawn: the hash is BLAKE2b, whose 64 bits for one salt say nothing
about those for another. A user has one point in [0, 1) for each layer, which decides the experiment
of that layer, and another for the experiment's own salt, which decides the arm.
"""

import hashlib
import math
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from itertools import accumulate, groupby
from typing import Any

import numpy as np
from jaxtyping import Float64, Int64

from grapevine.errors import ConfigError

TOLERANCE = 1e-9
"""By how much shares may miss their sum, so that three arms may have 1/3 each."""


def point(salt: str, user_id: str | int) -> float:
    """A user's point in [0, 1) for a salt; an ID is its text, so that 7 and "7" are one user.

    >>> round(point("layer:page", "u000007"), 6)
    0.212314
    """
    digest = _hash(salt).copy()
    digest.update(str(user_id).encode())
    # The first 53 of 64 bits, all that a float can hold: rounding could give 1.0 otherwise.
    return (int.from_bytes(digest.digest(), "little") >> 11) * 2.0**-53


def points(salt: str, user_ids: Sequence[str | int]) -> Float64[np.ndarray, " users"]:
    """`point` of many users, about a microsecond each."""
    begun = _hash(salt)
    digests = bytearray()
    for user_id in user_ids:
        digest = begun.copy()
        digest.update(str(user_id).encode())
        digests += digest.digest()
    return (np.frombuffer(digests, "<u8") >> np.uint64(11)) * 2.0**-53


@dataclass(frozen=True, slots=True)
class Arm:
    """One of the ways that an experiment compares.

    Attributes:
        name: what reports call it.
        share: of the experiment's users.
        run: the run folder that answers its users, where arms differ by that.
    """

    name: str
    share: float
    run: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Experiment:
    """Arms, and the part of a layer whose users they divide among themselves.

    To show an arm to more people, widen `share_of_layer`: users who are in keep their arm. Changing
    the arms' shares moves users from one to another, and what was measured before is of no use.

    Attributes:
        name: what it is called.
        arms: the first is the control.
        layer: experiments of one layer never share a user; those of two layers are independent.
        share_of_layer: the part of the layer's users that take part.
        start: where in the layer that part begins: see `free_start`.
        salt: what the arm is hashed with, the name if empty. A second experiment with the salt of
            the first has the same users in the same arms, which carries old effects over.
        metric: what it is decided by.
        window_days: what a user does counts for so long after the first list, and the user once
            that is over; 0 counts everybody from the first day on, with all that was done since.
    """

    name: str
    arms: tuple[Arm, ...]
    layer: str = "main"
    share_of_layer: float = 1.0
    start: float = 0.0
    salt: str = ""
    metric: str = "clicks"
    window_days: float = 0.0

    def __post_init__(self) -> None:
        here = f"experiment `{self.name}`"
        if not 0 <= self.window_days < math.inf:
            raise ConfigError(
                f"{here}: a window of {self.window_days} days", hint="some days, or 0 for no end"
            )
        names = [arm.name for arm in self.arms]
        if len(names) < 2 or len(set(names)) < len(names) or not all(names):
            raise ConfigError(
                f"{here}: arms must be two or more with names of their own, got {names}",
                hint="name a control and a treatment",
            )
        shares = [arm.share for arm in self.arms]
        if not all(0 < share < 1 for share in shares) or abs(math.fsum(shares) - 1) > TOLERANCE:
            raise ConfigError(
                f"{here}: shares of the arms must be positive and sum to 1, got {shares}",
                hint="to leave users out, lower `share_of_layer` instead",
            )
        inside = self.start >= 0 and self.start + self.share_of_layer <= 1 + TOLERANCE
        if not (inside and self.share_of_layer > 0):
            raise ConfigError(
                f"{here}: {self.share_of_layer:g} of layer `{self.layer}` from {self.start:g} on "
                "does not lie in it",
                hint="a layer goes from 0 to 1",
            )

    @property
    def stop(self) -> float:
        """Where its part of the layer ends."""
        return min(self.start + self.share_of_layer, 1.0)

    @property
    def shares(self) -> tuple[float, ...]:
        """Of the arms, in their order: what a user's propensity of each was."""
        return tuple(arm.share for arm in self.arms)

    def arm_of(self, user_id: str | int) -> Arm | None:
        """The arm of a user, or None for one who does not take part."""
        if not self.start <= point(f"layer:{self.layer}", user_id) < self.stop:
            return None
        return self.arms[bisect_right(self._edges, point(self._salt, user_id))]

    def arms_of(self, user_ids: Sequence[str | int]) -> Int64[np.ndarray, " users"]:
        """Place of each user's arm in `arms`, -1 for those who do not take part."""
        where = points(f"layer:{self.layer}", user_ids)
        arms = np.searchsorted(self._edges, points(self._salt, user_ids), side="right")
        return np.where((self.start <= where) & (where < self.stop), arms, -1)

    @property
    def _salt(self) -> str:
        # Not the layer's own, whatever people call things: the two points must be independent.
        return f"experiment:{self.salt or self.name}"

    @property
    def _edges(self) -> list[float]:
        return list(accumulate(self.shares))[:-1]

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {**asdict(self), "arms": [asdict(arm) for arm in self.arms]}

    @classmethod
    def from_json(cls, given: Mapping[str, Any]) -> "Experiment":
        """What `to_json` gave.

        Raises:
            ConfigError: a field is unknown, missing, or impossible.
        """
        try:
            arms = tuple(Arm(**arm) for arm in given["arms"])
            return cls(**{**given, "arms": arms})
        except (KeyError, TypeError) as error:
            if isinstance(error, ConfigError):
                raise
            raise ConfigError(
                f"experiment `{given.get('name', '')}`: {error}",
                hint="it takes name, arms (name, share, run), layer, share_of_layer, start, salt "
                "and metric",
            ) from error


@dataclass(frozen=True, slots=True)
class Plan:
    """Experiments that run at the same time, none of which gets into another's way.

    Raises:
        ConfigError: two have one name, one salt, or share a part of a layer.
    """

    experiments: tuple[Experiment, ...]

    def __post_init__(self) -> None:
        for what in ("name", "salt"):
            given = [getattr(one, what) or one.name for one in self.experiments]
            if twice := sorted({one for one in given if given.count(one) > 1}):
                raise ConfigError(
                    f"two experiments have the {what} `{twice[0]}`", hint="give each its own"
                )
        ordered = sorted(self.experiments, key=lambda one: (one.layer, one.start))
        for layer, group in groupby(ordered, key=lambda one: one.layer):
            before: Experiment | None = None
            for one in group:
                if before and one.start < before.stop - TOLERANCE:
                    raise ConfigError(
                        f"layer `{layer}`: `{one.name}` and `{before.name}` share the users from "
                        f"{one.start:g} to {min(one.stop, before.stop):g}",
                        hint="ask `free_start` for a place, or use another layer",
                    )
                before = one

    def arms_of(self, user_id: str | int) -> dict[str, str]:
        """Name of the user's arm in each experiment that they take part in."""
        found = {one.name: one.arm_of(user_id) for one in self.experiments}
        return {name: arm.name for name, arm in found.items() if arm}


def free_start(running: Iterable[Experiment], layer: str, share: float) -> float:
    """Where a new experiment finds so large a part of a layer: the first gap that is wide enough.

    Raises:
        ConfigError: there is none.
    """
    start = widest = 0.0
    taken = sorted((one.start, one.stop) for one in running if one.layer == layer)
    for low, high in [*taken, (1.0, 1.0)]:
        if low - start >= share - TOLERANCE:
            return start
        widest = max(widest, low - start)
        start = max(start, high)
    raise ConfigError(
        f"layer `{layer}` has no part of {share:g} left; its largest is {widest:g}",
        hint="end an experiment, take a smaller share, or use another layer",
    )


@lru_cache(maxsize=1024)
def _hash(salt: str) -> "hashlib.blake2b":
    """The hash with the salt in it, to be copied: a server asks for the same few all day."""
    digest = hashlib.blake2b(digest_size=8)
    # The length comes first, so that no salt and ID run into another pair of them.
    digest.update(f"{len(salt)}:{salt}".encode())
    return digest
