"""What the columns of a dataset mean: `schema.toml`."""

import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import tomli_w

from grapevine import config
from grapevine.errors import BundleError, DataError

FORMAT = 1

Role = Literal["title", "text", "category", "tags", "number", "time", "vector", "image", "audio"]
"""What a column of items, users or events holds. IDs have columns of their own."""

Clock = Literal["exact", "approximate", "order", "none"]
"""What timestamps mean: true times; times that are near the true ones, in true order within a user;
only that order; nothing at all."""


@dataclass(frozen=True, kw_only=True)
class Schema:
    """What the columns of a dataset mean.

    Attributes:
        name: what the dataset is called in reports.
        behaviours: what users do, in cascade order (click before cart before buy).
        target: the behaviour that is predicted and measured; the last one if not given.
        clock: what the timestamps mean.
        catalogue: True where the items were listed by the user, False where they were only
            gathered from the events, so that an item without a training event is unknown.
        events: role of each further column of the events (value, text, session_id, ...).
        items: role of each column of the items but `item_id`.
        users: role of each column of the users but `user_id`.
        split: how the `split` column of the events came about; empty where there is none.
        licence: terms of use, in a line.
        source: where the data came from, in a line.
        notes: what a reader must know before trusting a figure.
    """

    name: str = "dataset"
    behaviours: tuple[str, ...] = ("event",)
    target: str = ""
    clock: Clock = "exact"
    catalogue: bool = True
    events: dict[str, str] = field(default_factory=dict)
    items: dict[str, str] = field(default_factory=dict)
    users: dict[str, str] = field(default_factory=dict)
    split: dict[str, Any] = field(default_factory=dict)
    licence: str = ""
    source: str = ""
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.behaviours or len(set(self.behaviours)) != len(self.behaviours):
            raise DataError(f"behaviours must be named, each once: got {list(self.behaviours)}")
        if len(self.behaviours) > 255:
            raise DataError(
                f"{len(self.behaviours)} behaviours, at most 255 are kept apart",
                hint="is the right column mapped to `behaviour`?",
            )
        if not self.target:
            object.__setattr__(self, "target", self.behaviours[-1])
        if self.target not in self.behaviours:
            raise DataError(
                f"the target `{self.target}` is not a behaviour of this dataset",
                hint=f"behaviours are {', '.join(self.behaviours)}",
            )

    @property
    def timed(self) -> bool:
        """Whether timestamps are times, be they only near the true ones."""
        return self.clock in {"exact", "approximate"}

    @property
    def target_row(self) -> int:
        """Place of the target in the list of behaviours."""
        return self.behaviours.index(self.target)

    def write(self, folder: Path) -> None:
        """Write `schema.toml` into the folder."""
        text = tomli_w.dumps({"format": FORMAT, **config.to_dict(self)})
        (folder / "schema.toml").write_text(text, encoding="utf-8")

    @classmethod
    def read(cls, folder: Path) -> "Schema":
        """The schema of a dataset folder.

        Raises:
            BundleError: there is none, it is not TOML, or a later version wrote it.
        """
        path = folder / "schema.toml"
        if not path.is_file():
            raise BundleError(
                f"`{folder}` is not a dataset folder: it has no schema.toml",
                hint="make one with `grapevine data import` or `grapevine data fetch`",
            )
        try:
            given = tomllib.loads(path.read_text(encoding="utf-8"))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise BundleError(f"{path}: not readable as TOML: {error}") from error
        version = given.pop("format", None)
        if version != FORMAT:
            raise BundleError(
                f"{path}: format {version}, this version reads format {FORMAT}",
                hint="import the events again with this version of grapevine",
            )
        return config.from_dict(cls, given, at=str(path))
