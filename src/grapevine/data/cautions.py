"""What looks wrong in a dataset, how much of it, one example, and what to do about it."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl

from grapevine.data.behaviours import doubtful
from grapevine.data.dataset import Dataset
from grapevine.data.tally import RUN, RUN_MS, Tally

BOT_FACTOR, BOT_LEAST = 20, 200
"""A bot has more than 20 times the events of the 99th percentile of users, and at least 200."""

ONE_EVENT_SHARE = 0.2
SHARED_SHARE, SHARED_LEAST = 0.05, 50
BURST_SHARE, BURST_FACTOR = 0.1, 20
MIDNIGHT_SHARE = 0.95
UNPREPARED_SHARE = 0.1
NEVER_MET_SHARE = 0.01
OWN_SHARE, OWN_LEAST = 0.98, 20

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, kw_only=True, slots=True)
class Caution:
    """Something a reader should know before trusting a figure.

    Attributes:
        kind: its name, such as "bots".
        what: the rule, and what was found, in a sentence.
        count: how many users, items, events or columns.
        example: the ID of one of them.
        advice: what to do.
    """

    kind: str
    what: str
    count: int
    example: str
    advice: str


def cautions(data: Dataset, seen: Tally) -> tuple[Caution, ...]:
    """Everything that looks wrong, users first, then items, times, behaviours and columns."""
    parts = (_users(data, seen), _items(data, seen), _times(data, seen), _cascade(data, seen))
    return tuple(caution for part in (*parts, _columns(data)) for caution in part)


def _users(data: Dataset, seen: Tally) -> Iterator[Caution]:
    lengths = np.diff(data.interactions.offsets)
    active = lengths[lengths > 0]
    if not len(active):
        return
    usual = float(np.quantile(active, 0.99))
    many = np.flatnonzero(lengths > max(BOT_FACTOR * usual, BOT_LEAST - 1))
    bots = np.union1d(many, np.array(seen.fast, np.int64)).astype(np.int64)
    if len(bots):
        worst = int(bots[lengths[bots].argmax()])
        yield Caution(
            kind="bots",
            what=f"{len(bots):,} users have more than {BOT_FACTOR} times the events of the 99th "
            f"percentile ({usual:,.0f}), or {RUN} events within {RUN_MS // 1000} s; together they "
            f"have {lengths[bots].sum() / lengths.sum():.1%} of all events",
            count=len(bots),
            example=f"user {data.users.ids[worst]} with {lengths[worst]:,} events",
            advice="look at a few of them, and leave them out on import if no person did this",
        )
    once = np.flatnonzero(lengths == 1)
    if len(once) > ONE_EVENT_SHARE * len(active):
        yield Caution(
            kind="one-event users",
            what=f"{len(once) / len(active):.0%} of the users with events have a single one",
            count=len(once),
            example=f"user {data.users.ids[int(once[0])]}",
            advice="nothing can be held out for them: leave-last-out measures only the others",
        )


def _items(data: Dataset, seen: Tally) -> Iterator[Caution]:
    roles = data.schema.items
    titles = [name for name, role in roles.items() if role == "title"]
    kinds = [name for name, role in roles.items() if role in {"category", "tags"}]
    if titles:
        yield from _duplicates(data, titles, kinds)
    never = np.flatnonzero(seen.items == 0)
    if len(never) > NEVER_MET_SHARE * len(data.items):
        yield Caution(
            kind="items never met",
            what=f"{len(never) / len(data.items):.1%} of the catalogue has no event",
            count=len(never),
            example=f"item {data.items.ids[int(never[0])]}",
            advice="only a model that reads the columns of items can recommend them",
        )


def _duplicates(data: Dataset, titles: list[str], kinds: list[str]) -> Iterator[Caution]:
    """Items of one title and one category, whatever the case of the letters."""
    table = data.item_table
    lists = [name for name in kinds if isinstance(table.schema[name], pl.List)]
    plain = [name for name in kinds if name not in lists]
    key = table.select(
        pl.col(titles).str.strip_chars().str.to_lowercase(),
        pl.col(plain).cast(pl.String),
        pl.col(lists).cast(pl.List(pl.String)).list.sort().list.join("|"),
    )
    named = key.select(pl.all_horizontal(pl.col(titles).fill_null("") != "")).to_series()
    again = (key.is_duplicated() & named).arg_true()
    if len(again):
        row = int(again[0])
        same = key.select(
            pl.all_horizontal(pl.col(name).eq_missing(key[name][row]) for name in key.columns)
        ).to_series()
        ids = data.items.ids.filter(same)
        yield Caution(
            kind="duplicate items",
            what=f"{len(again):,} items share {' and '.join([*titles, *kinds])} with another",
            count=len(again),
            example=f"items {ids[0]} and {ids[1]}: {table[titles[0]][row]}",
            advice="if they are one product, give them one ID on import; "
            "otherwise each looks rarer than it is",
        )


def _times(data: Dataset, seen: Tally) -> Iterator[Caution]:
    events = len(data.interactions)
    if not data.schema.timed or not events:
        return
    number, example = seen.early
    if number:
        yield Caution(
            kind="times before 2000",
            what=f"{number / events:.2%} of the events lie before the year 2000",
            count=number,
            example=f"user {data.users.ids[example]}",
            advice="are these times in the unit that was stated on import (seconds, milliseconds)?",
        )
    number, example = seen.future
    if number:
        yield Caution(
            kind="future times",
            what=f"{number / events:.2%} of the events lie in the future",
            count=number,
            example=f"user {data.users.ids[example]}",
            advice="are the unit and the time zone right? A time split would test on these",
        )
    if seen.midnight >= MIDNIGHT_SHARE * events:
        yield Caution(
            kind="midnight times",
            what=f"{seen.midnight / events:.0%} of the times are midnight: they are days",
            count=seen.midnight,
            example=_time(seen.mode[0]),
            advice="the order within a day is that of the file: do not read sequences into it",
        )
    yield from _crowded_times(data, seen)


def _crowded_times(data: Dataset, seen: Tally) -> Iterator[Caution]:
    """One time, or else one day, with far more events than an ordinary day."""
    events = len(data.interactions)
    time, number, example = seen.mode
    active = seen.days[seen.days > 0]
    usual = float(np.median(active)) if len(active) else 0.0
    crowded = number > SHARED_SHARE * events and number > BURST_FACTOR * usual
    if number >= SHARED_LEAST and (crowded or number > events / 2):
        yield Caution(
            kind="shared time",
            what=f"{number / events:.1%} of the events have the very same time, {_time(time)}",
            count=number,
            example=f"user {data.users.ids[example]}",
            advice="a default or an import date? Without true times, split by order, not by time",
        )
    elif len(active):
        busiest = int(seen.days.argmax())
        number = int(seen.days[busiest])
        if number > BURST_SHARE * events and number > BURST_FACTOR * usual:
            day = (_EPOCH + timedelta(days=seen.first_day + busiest)).date()
            yield Caution(
                kind="one-day burst",
                what=f"{number / events:.1%} of the events fall on one day, "
                f"{number / usual:,.0f} times the median day",
                count=number,
                example=str(day),
                advice="a sale, an import or an attack? Keep it out of validation and test",
            )


def _cascade(data: Dataset, seen: Tally) -> Iterator[Caution]:
    names = data.schema.behaviours
    counts = dict(zip(names, seen.behaviours.tolist()))
    odd = doubtful(counts)
    if odd:
        name = min(odd, key=lambda one: counts[one])
        yield Caution(
            kind="doubtful behaviours",
            what="; ".join(odd.values())
            + (f"; `{name}` is predicted" if name == data.schema.target else ""),
            count=len(odd),
            example=f"behaviour {name}",
            advice="if it is a slip, mend it and import again; if it is meant, it is too rare to "
            "be predicted (--target)",
        )
    for place in range(1, len(names)):
        reached, bare = int(seen.reached[place]), int(seen.unprepared[place])
        if not seen.behaviours[:place].any() or bare <= UNPREPARED_SHARE * reached:
            continue
        user, item = seen.unprepared_example[place]
        yield Caution(
            kind="out of cascade order",
            what=f"{bare / reached:.0%} of the pairs with a `{names[place]}` have no "
            f"{' or '.join(f'`{name}`' for name in names[:place])} before it",
            count=bare,
            example=f"user {data.users.ids[user]} and item {data.items.ids[item]}",
            advice="is an event missing from the log, or is the order of the behaviours another?",
        )


def _columns(data: Dataset) -> Iterator[Caution]:
    yield from _own_values(data)
    constant: list[str] = []
    for name, table in (("items", data.item_table), ("users", data.user_table)):
        if table is None or len(table) < 2:
            continue
        columns = [column for column in table.columns if column != f"{name[:-1]}_id"]
        constant += [f"{name}.{column}" for column in columns if _is_constant(table[column])]
    values = data.interactions.values
    if values is not None and len(values) > 1:
        low, high = np.nanmin(values, initial=np.inf), np.nanmax(values, initial=-np.inf)
        constant += ["events.value"] if low >= high else []
    if constant:
        yield Caution(
            kind="constant columns",
            what=f"hold the same in every row, or nothing: {', '.join(constant)}",
            count=len(constant),
            example=constant[0],
            advice="nothing can be learnt from them: leave them out on import",
        )


def _own_values(data: Dataset) -> Iterator[Caution]:
    """Columns of text that are called categories, though nearly every row has its own value."""
    found: list[str] = []
    for kind, table, roles in (
        ("items", data.item_table, data.schema.items),
        ("users", data.user_table, data.schema.users),
    ):
        for name, role in roles.items():
            if table is None or role != "category" or table.schema.get(name) != pl.String:
                continue
            given = table[name].drop_nulls()
            if len(given) >= OWN_LEAST and given.n_unique() > OWN_SHARE * len(given):
                found.append(f"{kind}.{name}")
    if found:
        column = found[0].partition(".")[2]
        yield Caution(
            kind="categories of one",
            what=f"nearly every row has a value of its own: {', '.join(found)}",
            count=len(found),
            example=found[0],
            advice=f"is it a name or a text? Import it so: --map {column}=title (or text)",
        )


def _is_constant(column: pl.Series) -> bool:
    # Most columns show two values in their first rows; only the others are read whole.
    return column.head(1000).n_unique() == 1 and column.n_unique() == 1


def _time(milliseconds: int) -> str:
    try:
        return (_EPOCH + timedelta(milliseconds=milliseconds)).isoformat()
    except OverflowError:
        return f"{milliseconds} ms since 1970"
