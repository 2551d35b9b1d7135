"""What can go wrong, as one tree, and the nearest name to a misspelt one."""

import difflib
from collections.abc import Iterable


class GrapevineError(Exception):
    """Base of every error a caller may want to catch.

    ```
    GrapevineError
    +-- ConfigError     an option is unknown, missing or impossible
    +-- DataError       the events or the catalogue are not what was promised
    +-- BundleError     a saved run or dataset does not fit this version or these files
    +-- StoreError      the event store cannot do it; what was acknowledged is kept
    |   +-- StoreBusy   not now: more waits to be written than it has room for
    |   +-- StoreInUse  another process writes to the file
    +-- CheckFailed     the work ran and the answer is no: a leak, a figure out of bounds
    +-- Interrupted     somebody stopped the work, which can be gone on with
    ```

    Attributes:
        hint: what to do about it, or None.
        exit_code: what the command line returns: 2 wrong input, 1 a check that failed, 3
            interrupted.
    """

    exit_code = 2

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.hint = hint

    def __str__(self) -> str:
        message = super().__str__()
        return f"{message}\nhint: {self.hint}" if self.hint else message


class ConfigError(GrapevineError, ValueError):
    """An option is unknown, missing or impossible."""


class DataError(GrapevineError, ValueError):
    """The events or the catalogue are not what was promised."""


class BundleError(GrapevineError, ValueError):
    """A saved run or dataset does not fit this version or these files."""


class StoreError(GrapevineError):
    """The event store cannot do what was asked; nothing that it has acknowledged is lost."""


class StoreBusy(StoreError):
    """More waits to be written than the event store has room for; the same may work in a second."""


class StoreInUse(StoreError):
    """Another process writes to the file, and one at a time may."""


class CheckFailed(GrapevineError):
    """The work ran, and the answer is no."""

    exit_code = 1


class Interrupted(GrapevineError):
    """Somebody stopped the work; what was done is kept, and can be gone on with.

    Attributes:
        anything: whether anything was done.
    """

    exit_code = 3

    def __init__(self, message: str, *, hint: str | None = None, anything: bool = True) -> None:
        """The same as of every error, and whether there is anything to go on with."""
        super().__init__(message, hint=hint)
        self.anything = anything


def unknown(kind: str, name: str, known: Iterable[str]) -> ConfigError:
    """The error for a name that is not there, with the nearest one that is.

    >>> print(unknown("model", "poularity", ["popularity", "ease"]))
    no model is called `poularity`
    hint: did you mean `popularity`? There are: ease, popularity
    """
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=1)
    hint = f"did you mean `{near[0]}`? " if near else ""
    return ConfigError(
        f"no {kind} is called `{name}`", hint=f"{hint}There are: {', '.join(names) or 'none'}"
    )
