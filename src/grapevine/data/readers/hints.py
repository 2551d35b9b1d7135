"""What a file seems to mean: why most rows are bad, which column could be the time.

Looked for only where something is amiss, so that an import where all goes well pays nothing.
"""

import difflib
from collections import Counter
from collections.abc import Iterable, Mapping
from itertools import islice
from typing import cast

import polars as pl
import pyarrow as pa

from grapevine.data.behaviours import doubtful
from grapevine.data.readers.events import EventReader, head_of
from grapevine.data.readers.mapping import IGNORE, plain_name
from grapevine.data.readers.quarantine import Quarantine
from grapevine.data.readers.rows import Source, iconv
from grapevine.data.readers.times import NATIVE, check_times, formats_of, guess_unit
from grapevine.data.readers.validate import as_text, check_words, has_commas
from grapevine.errors import DataError

_TIME_NAMES = ("time", "date", "timestamp", "datum", "zeit")
_LIKELY_MS = (946_684_800_000, 2_208_988_800_000)
"""From 2000 to 2040: numbers all in there are hardly anything but times."""

_SHOWN = 8


def likely_cause(
    quarantine: Quarantine, reader: EventReader, sources: Iterable[Source], total: int
) -> str | None:
    """What one could do about the bad rows at once, if they have a common cause.

    Args:
        quarantine: the bad rows.
        reader: how the events were read.
        sources: all files, those of the catalogue too.
        total: rows of events that were read.
    """
    found = [
        _encoding(quarantine),
        _behaviours(quarantine, reader),
        _time_unit(quarantine, reader, total),
        _decimal(quarantine, reader, sources),
    ]
    return "; ".join(one for one in found if one) or None


def notes_on_columns(reader: EventReader, mapping: Mapping[str, str]) -> list[str]:
    """What a reader of the report must know of columns that were not used."""
    ignored = [one for one in reader.columns.ignored if mapping.get(one) != IGNORE]
    notes: list[str] = []
    if not reader.has("timestamp"):
        order = reader.columns.roles.get("order")
        used = f"the column `{order}` is used" if order else "the order of the file is used"
        likely = [one for one in ignored if _looks_like_time(reader.sources[0], one)]
        hints = [f"`{one}` looks like one: --map {one}=timestamp" for one in likely]
        other = "if a column holds it: --map COLUMN=timestamp"
        notes.append(f"no time: {used}; {'; '.join(hints) or other}")
    if ignored:
        names = ", ".join(f"`{one}`" for one in ignored)
        notes.append(
            f"columns left out: {names}; to keep one: --map COLUMN=number (or text, category, ...)"
        )
    return notes


def notes_on_behaviours(reader: EventReader, counts: Mapping[str, int], target: str) -> list[str]:
    """Names that may be slips, where nobody said which behaviours there are."""
    if reader.are_given or not reader.has("behaviour"):
        return []
    column = reader.columns.roles["behaviour"]
    odd = doubtful(counts)
    plain = ",".join(name for name in counts if name not in odd)
    return [
        f"{reason}: a slip? If so mend the column `{column}`, or take only the others: "
        f"--behaviours {plain} --bad-rows quarantine"
        + ("" if name == target else f"; it is not predicted unless you say --target {name}")
        for name, reason in odd.items()
    ]


def _encoding(quarantine: Quarantine) -> str | None:
    file = next((file for file, _, why in quarantine.reasons if why == "is not UTF-8"), None)
    return file and f"{file} is not UTF-8 throughout: save it so, e.g. {iconv(file=file)}"


def _behaviours(quarantine: Quarantine, reader: EventReader) -> str | None:
    """The behaviours met that the given ones lack."""
    column = reader.columns.roles.get("behaviour")
    if not reader.are_given or not any(
        where == column and why.startswith("is none of") for _, where, why in quarantine.reasons
    ):
        return None
    met: Counter[str] = Counter()
    for source in reader.sources:
        for block in source.blocks([str(column)]):
            words, codes, _ = check_words("", block.columns[str(column)])
            met.update(words[code] for code in codes.tolist())
    others = [name for name, _ in met.most_common() if name and name not in reader.behaviours]
    shown = []
    for name in others[:_SHOWN]:
        near = difflib.get_close_matches(name, reader.behaviours, n=1)
        shown.append(f"{name} ({met[name]:,}{f', nearly `{near[0]}`' if near else ''})")
    odd = doubtful(met)
    known = [one for one in reader.behaviours if met[one]]
    names = ",".join([*known, *(one for one in others[:_SHOWN] if one not in odd)])
    return (
        f"column `{column}` also holds {', '.join(shown)}: name them too, in cascade order: "
        f"--behaviours {names}, or set these rows aside: --bad-rows quarantine"
    )


def _time_unit(quarantine: Quarantine, reader: EventReader, total: int) -> str | None:
    """The unit that fits, where the stated one fits less than half of the rows."""
    column = reader.columns.roles.get("timestamp")
    bad = sum(
        count
        for (_, where, why), count in quarantine.reasons.items()
        if where == column and why != "is empty"
    )
    if column is None or 2 * bad <= total:
        return None
    try:
        unit = guess_unit(f"column `{column}`", head_of(reader.sources[0], column))
    except DataError as error:
        return str(error).replace("\nhint: ", "; ")
    if unit == reader.time_unit:
        return None
    return (
        f"{bad:,} of {total:,} times are none in `{reader.time_unit}`: "
        f"they look like {unit}: --time-unit {unit}"
    )


def _decimal(quarantine: Quarantine, reader: EventReader, sources: Iterable[Source]) -> str | None:
    """The option for decimal commas, where most numbers of a column have them."""
    by_path = {str(source.path): source for source in sources}
    for file, column, why in quarantine.reasons:
        if reader.decimal == "." and why == "is not a number" and file in by_path:
            heads = [as_text(one) for one in head_of(by_path[file], column)]
            texts = [cast(pl.Series, pl.from_arrow(one)) for one in heads if one is not None]
            if texts and has_commas(pl.concat(texts)):
                return f"the numbers of column `{column}` have a decimal comma: --decimal ,"
    return None


def _looks_like_time(source: Source, column: str) -> bool:
    """Whether name or first values suggest it; numbers only if all lie in 2000 to 2040."""
    if plain_name(column).endswith(_TIME_NAMES):
        return True
    heads = list(head_of(source, column))
    try:
        unit = guess_unit(column, heads)
    except DataError:
        return any(formats_of(value) for value in _first_values(heads))
    return unit in {NATIVE, "iso"} or all(_are_recent(one, unit) for one in heads)


def _first_values(heads: Iterable[pa.Array]) -> list[str]:
    """The first value that is not empty, if there is one."""
    texts = (as_text(one) for one in heads)
    values = (value for text in texts if text is not None for value in text.to_pylist() if value)
    return list(islice(values, 1))


def _are_recent(column: pa.Array, unit: str) -> bool:
    times, problems = check_times("", column, unit)
    return not problems and bool(((times >= _LIKELY_MS[0]) & (times < _LIKELY_MS[1])).all())
