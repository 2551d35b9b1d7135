"""Keep a split: the dataset's folder again, with a label beside each event."""

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from jaxtyping import UInt8

from grapevine.data.dataset import LABELS
from grapevine.data.folder import ROWS_PER_GROUP, FolderWriter
from grapevine.data.split.materialise import Split
from grapevine.errors import BundleError, DataError

TABLES = ("schema.toml", "events.parquet", "items.parquet", "users.parquet", "links.parquet")


def write(split: Split, out: Path) -> Path:
    """Write the split's dataset with its labels in the column `split` of the events.

    The events are streamed from the folder that the dataset came from, every column of theirs
    kept; whatever else stands in that folder is copied. `published` opens it as the same split.

    Raises:
        ConfigError: `out` exists and is not an empty folder.
        DataError: the dataset did not come from a folder.
        BundleError: the folder has changed since it was read.
    """
    data = split.data
    if data.path is None:
        raise DataError(
            f"{data.name}: these events are only in memory, so there is no folder to label",
            hint="write them with `write_dataset`, open that, and split it",
        )
    with FolderWriter(out, replace(data.schema, split=split.settings)) as folder:
        folder.items(data.item_table)
        if data.user_table is not None:
            folder.users(data.user_table)
        if data.links is not None:
            folder.links(data.links)
        for table in _labelled(data.path / "events.parquet", split.labels):
            folder.events(table)
        for extra in data.path.iterdir():
            if extra.name not in TABLES:
                copy = shutil.copytree if extra.is_dir() else shutil.copy2
                copy(extra, folder.path / extra.name)
    return Path(out)


def _labelled(path: Path, labels: UInt8[np.ndarray, " events"]) -> Iterator[pa.Table]:
    """The events, a row group at a time, each with its label."""
    names = [name for name in pq.read_schema(path).names if name != "split"]
    done = 0
    with pq.ParquetFile(path, read_dictionary=["user_id", "item_id"]) as file:
        if file.metadata.num_rows != len(labels):
            raise BundleError(
                f"{path}: {file.metadata.num_rows} events now, {len(labels)} when it was split",
                hint="open the folder and split it again",
            )
        for batch in file.iter_batches(ROWS_PER_GROUP, columns=names):
            part = pa.array(labels[done : done + len(batch)].astype(np.int32))
            named = pa.DictionaryArray.from_arrays(part, pa.array(LABELS))
            yield pa.Table.from_batches([batch]).append_column("split", named)
            done += len(batch)
