"""A run: a fitted model with all that evaluation, recommendation and serving need."""

import tomllib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import polars as pl
import tomli_w
from jaxtyping import Int64

import grapevine
from grapevine import config, manifest
from grapevine.data.dataset import Dataset
from grapevine.data.interactions import Interactions
from grapevine.data.schema import Schema
from grapevine.data.vocabulary import Vocabulary
from grapevine.errors import BundleError, ConfigError, unknown
from grapevine.models import MODELS, recommend, traces
from grapevine.models.base import Model
from grapevine.models.card import card
from grapevine.structs.batch import Batch
from grapevine.structs.jagged import Jagged

T = TypeVar("T")

FORMAT = 1
FILES = (
    "config.toml",
    "model.safetensors",
    "history.safetensors",
    "vocab/schema.toml",
    "vocab/items.parquet",
    "vocab/users.parquet",
)
"""What a run is read from; each must be in its manifest."""
_EVENT_COLUMNS = ("offsets", "items", "behaviours", "times")


@dataclass(frozen=True, kw_only=True, repr=False)
class Run:
    """A fitted model with all that evaluation, recommendation and serving need.

    Attributes:
        name: the model's name in the one table.
        model: the fitted model.
        schema: what the columns of the data meant.
        users: IDs of the user rows.
        items: IDs of the item rows.
        item_table: one line per item row, without pictures and other heavy columns.
        history: what each user has done, as far as this run knows.
        record: how it came about: seed, seconds, data, split, version.
        epochs: what training said, a line of `metrics.jsonl` each; empty for a closed form.
        train: the training set, while the run is still in the memory that fitted it.
        path: its folder, or None.
    """

    name: str
    model: Model
    schema: Schema
    users: Vocabulary
    items: Vocabulary
    item_table: pl.DataFrame
    history: Interactions
    record: dict[str, Any]
    epochs: Sequence[dict[str, Any]] = ()
    train: Dataset | None = None
    path: Path | None = None

    def __repr__(self) -> str:
        place = f", path={str(self.path)!r}" if self.path else ""
        return (
            f"Run({self.name!r}, data={self.schema.name!r}, users={len(self.users):,}, "
            f"items={len(self.items):,}, seed={self.record.get('seed')}{place})"
        )

    @property
    def label(self) -> str:
        """What reports call it: its folder if it has one, else the model's name."""
        return str(self.path) if self.path else self.name

    @cached_property
    def most_popular(self) -> Int64[np.ndarray, " items"]:
        """Item rows by how many known events of the target they have, the most first."""
        return np.argsort(-self.history.of(self.schema.target_row).counts(), kind="stable")

    @cached_property
    def takers(self) -> Jagged:
        """Of each item, the rows of the users who took it, each once."""
        # Compiled code is loaded only where it runs.
        from grapevine.graph.cooccurrence import transposed

        taken = self.history.of(self.schema.target_row).histories
        return transposed(taken, len(self.items))

    @classmethod
    def of(
        cls, name: str, model: Model, train: Dataset, record: dict[str, Any], known: Dataset | None
    ) -> "Run":
        """The run of a model just fitted.

        Args:
            name: the model's name in the one table.
            model: the fitted model.
            train: what it learnt from.
            record: how it came about.
            known: everything known of the users by now, held-out events included, so that
                nobody is recommended what they have; the training set if not given.
        """
        plain = [c for c, t in train.item_table.schema.items() if t != pl.Binary]
        return cls(
            name=name,
            model=model,
            schema=train.schema,
            users=train.users,
            items=train.items,
            item_table=train.item_table.select(plain),
            history=_recode(known, train) if known is not None else train.interactions,
            record={**record, "version": grapevine.__version__},
            train=train,
        )

    def questions(self, users: Sequence[Any]) -> Batch:
        """The batch of these users' histories; an unknown user has none."""
        return self.history.batch(self.users.rows(users))

    def answering(self, behaviour: str) -> "Run":
        """The same run, asked for items of another behaviour, such as what a user will view next.

        Raises:
            ConfigError: there is no such behaviour, or the model predicts its target alone.
        """
        if behaviour == self.schema.target:
            return self
        if behaviour not in self.schema.behaviours:
            raise unknown("behaviour", behaviour, self.schema.behaviours)
        answering = getattr(self.model, "answering", None)
        if answering is None:
            raise ConfigError(
                f"{self.label} predicts `{self.schema.target}`, not `{behaviour}`",
                hint="train `vine`, which learns every behaviour; or import or split the data with "
                "that target, and train on it",
            )
        model = answering(self.schema.behaviours.index(behaviour))
        return replace(self, model=model, schema=replace(self.schema, target=behaviour))

    def recommend(self, **asked: Any) -> pl.DataFrame:
        """The best items for users, items or histories: see `models.recommend.recommend`."""
        return recommend.recommend(self, **asked)

    def recommend_all(self, out: Path, **asked: Any) -> int:
        """The best items for every user, to a Parquet file: see `models.recommend`."""
        return recommend.recommend_all(self, out, **asked)

    def save(self, out: Path, *, resumable: bool = False) -> "Run":
        """Write the run folder; nothing is left behind if that fails.

        Args:
            out: the run folder.
            resumable: keep the checkpoints and logs in it, which are of this very training.

        Raises:
            ConfigError: `out` exists and is not a run folder, so that overwriting may lose work.
        """
        refuse_to_replace(out)
        carried = [traces.CHECKPOINTS, traces.LOGS] if resumable else []
        with manifest.published(out, carried=carried) as folder:
            self._write(folder)
        return replace(self, path=out)

    def _write(self, folder: Path) -> None:
        from safetensors.numpy import save_file

        (folder / "vocab").mkdir()
        self.schema.write(folder / "vocab")
        self.item_table.write_parquet(folder / "vocab" / "items.parquet")
        self.users.ids.to_frame("user_id").write_parquet(folder / "vocab" / "users.parquet")
        options = config.to_dict(self.model.config)
        text = {"format": FORMAT, "model": {"name": self.name, **options}, "run": self.record}
        (folder / "config.toml").write_text(tomli_w.dumps(text), encoding="utf-8")
        events = {name: getattr(self.history, name) for name in _EVENT_COLUMNS}
        arrays = {"model": self.model.state(), "history": events}
        for name, columns in arrays.items():
            path = folder / f"{name}.safetensors"
            save_file({key: np.ascontiguousarray(one) for key, one in columns.items()}, path)
            # The library keeps files to their owner; a run is as public as its folder.
            path.chmod((folder / "config.toml").stat().st_mode)
        # A closed form is one epoch.
        whole = {"epoch": 1, "seconds": self.record.get("train_seconds")}
        lines = self.epochs if "epochs" in self.record else [whole]
        traces.write(folder / traces.METRICS, lines)
        (folder / "card.md").write_text(card(self), encoding="utf-8")


def refuse_to_replace(out: Path) -> None:
    """Let nothing but a run, a training that is not done, or an empty folder give way to a run.

    Raises:
        ConfigError: `out` is something else, so that overwriting it may lose work.
    """
    if not out.exists():
        return
    if not out.is_dir():
        raise ConfigError(f"`{out}` is a file, and a run is a folder", hint="choose another --out")
    if traces.unfinished(out):
        return
    if any(out.iterdir()) and not (out / manifest.NAME).is_file():
        raise ConfigError(f"`{out}` exists and is not a run folder", hint="choose another --out")


def open_run(folder: str | Path) -> Run:
    """Open a run folder, every byte checked against its manifest first.

    Raises:
        BundleError: the folder is not a run, is damaged, or needs another version.
    """
    folder = Path(folder)
    if not (folder / "config.toml").is_file():
        raise BundleError(
            f"`{folder}` is not a run folder: it has no config.toml",
            hint=manifest.missing_hint(
                folder, "make one with `grapevine train MODEL --data DIR --out RUN`"
            ),
        )
    manifest.verify(folder, *FILES)
    given = _read(
        folder / "config.toml", lambda path: tomllib.loads(path.read_text(encoding="utf-8"))
    )
    if given.get("format") != FORMAT:
        raise BundleError(
            f"{folder}: format {given.get('format')}, this version reads format {FORMAT}",
            hint="train it again with this version of grapevine",
        )
    options = dict(given["model"])
    name = options.pop("name")
    if name not in MODELS:
        raise BundleError(f"{folder}: this version has no model `{name}`")
    kind = MODELS[name].model
    vocab, weights = folder / "vocab", folder / "model.safetensors"
    item_table = _read(vocab / "items.parquet", pl.read_parquet)
    users = _read(vocab / "users.parquet", pl.read_parquet)["user_id"]
    events = _read(folder / "history.safetensors", _load_arrays)
    return Run(
        name=name,
        model=kind.restore(
            config.from_dict(kind.Config, options, at="model"), _read(weights, _load_arrays)
        ),
        schema=Schema.read(folder / "vocab"),
        users=Vocabulary(users),
        items=Vocabulary(item_table["item_id"]),
        item_table=item_table,
        history=Interactions(num_items=len(item_table), **events),
        record=given["run"],
        path=folder,
    )


def _read(path: Path, reader: Callable[[Path], T]) -> T:
    with manifest.reading(path):
        return reader(path)


def _load_arrays(path: Path) -> dict[str, np.ndarray]:
    from safetensors.numpy import load_file

    return load_file(path)


def _recode(data: Dataset, train: Dataset) -> Interactions:
    """All events of a dataset in the rows of a training set; what that cannot know is left out."""
    if data.fingerprint == train.fingerprint:
        return data.interactions
    item_row = train.items.rows(data.items.ids)
    user_row = data.users.rows(train.users.ids)
    batch = data.interactions.batch(user_row)
    items = item_row[batch.items]
    events = Interactions(
        offsets=batch.offsets,
        items=np.maximum(items, 0).astype(np.int32),
        behaviours=batch.behaviours,
        times=batch.times,
        num_items=len(train.items),
    )
    return events.where(items >= 0)
