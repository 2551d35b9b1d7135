"""The events of a service as a dataset folder, to learn from."""

import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from grapevine.errors import DataError

if TYPE_CHECKING:
    from grapevine.data.import_report import ImportReport

_COLUMNS = {
    "event_id": "string",
    "user_id": "string",
    "item_id": "string",
    "behaviour": "string",
    "timestamp": "int64",
    "value": "float64",
    "session_id": "string",
}
"""The fields of `Event` that a dataset keeps, with their types as Arrow names them."""


def write_folder(
    pages: Iterable[list[Any]],
    out: Path,
    *,
    items: Path | None = None,
    behaviours: Sequence[str] | None = None,
    target: str | None = None,
    name: str | None = None,
) -> "ImportReport":
    """Write events as a dataset folder, by the rules of `grapevine data import`.

    IDs become integers where every one is written as one, so that they fit the dataset that the
    run in service was trained on. Columns without a value in any row are left out.

    Args:
        pages: events in order of arrival, the fields of `Event`.
        out: the folder to make.
        items: the catalogue, as for an import; gathered from the events if not given.
        behaviours: in cascade order; most frequent first if not given.
        target: the behaviour to predict.
        name: what the dataset is called.

    Raises:
        ConfigError: `out` is in use.
        DataError: there are no events.
    """
    # Imported here: they bring compiled kernels, which a service starts without.
    import pyarrow as pa
    import pyarrow.parquet as pq

    from grapevine.data.importer import import_events

    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.name}-") as scratch:
        path = Path(scratch) / "events.parquet"
        filled = set[str]()
        schema = pa.schema([(key, pa.type_for_alias(kind)) for key, kind in _COLUMNS.items()])
        with pq.ParquetWriter(path, schema) as writer:
            for page in pages:
                columns = dict(zip(_COLUMNS, zip(*page)))
                filled |= {key for key, column in columns.items() if any_given(column)}
                writer.write_table(pa.table(columns, schema=schema))
        if not filled:
            raise DataError("the store holds no events", hint="there is nothing to export yet")
        mapping = {key: key if key in filled else "ignore" for key in _COLUMNS}
        return import_events(
            path,
            out,
            items=items,
            mapping=mapping,
            time_unit="ms",
            name=name,
            behaviours=behaviours,
            target=target,
        )


def any_given(column: Sequence[Any]) -> bool:
    """Whether any value is not None."""
    return any(value is not None for value in column)
