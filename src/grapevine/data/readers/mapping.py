"""Which column of a file means what: said by the user, or guessed from common names."""

import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import get_args

from grapevine.data.schema import Role
from grapevine.errors import ConfigError, DataError, unknown

COMMON_NAMES: dict[str, dict[str, tuple[str, ...]]] = {
    "events": {
        "user_id": ("user", "uid", "visitor", "visitorid", "customer", "customerid", "reviewerid"),
        "item_id": (
            *(
                "item",
                "iid",
                "product",
                "productid",
                "movie",
                "movieid",
                "asin",
                "sku",
                "stockcode",
            ),
            *("articleid", "trackid", "songid", "bookid", "businessid", "listingid", "contentid"),
        ),
        "behaviour": ("behavior", "behaviortype", "event", "eventtype", "action", "interaction"),
        "timestamp": (
            *("time", "ts", "unixtime", "datetime", "date", "eventtime", "createdat"),
            *("when", "wann", "zeitpunkt", "zeitstempel", "zeit", "datum"),
            *("occurredat", "eventdate", "orderdate"),
        ),
        "value": ("rating", "score", "stars", "quantity", "overall"),
        "text": ("review", "reviewtext", "comment"),
        "session_id": ("session",),
        "event_id": (),
        "order": (),
        "split": (),
    },
    "items": {
        "item_id": (
            *("id", "item", "iid", "product", "productid", "movieid", "asin", "sku", "stockcode"),
            *("articleid", "trackid", "songid", "bookid", "businessid", "listingid", "contentid"),
        )
    },
    "users": {"user_id": ("id", "user", "uid", "visitorid", "customer", "customerid")},
    "links": {
        "source_id": ("source",),
        "target_id": ("target",),
        "relation": (),
        "weight": (),
        "text": (),
    },
}
"""For each file the roles with a place of their own, and the names they often go by.

Names are compared in lower case and without anything but letters and digits.
"""

REQUIRED = {
    "events": ("user_id", "item_id"),
    "items": ("item_id",),
    "users": ("user_id",),
    "links": ("source_id", "target_id"),
}

IGNORE = "ignore"


@dataclass(frozen=True, kw_only=True)
class Columns:
    """Which column of a file means what.

    Attributes:
        roles: column of each role with a place of its own.
        extras: role of each further column that is kept.
        guessed: role of each column that nobody named.
        ignored: columns that are left out.
    """

    roles: dict[str, str]
    extras: dict[str, str]
    guessed: dict[str, str]
    ignored: tuple[str, ...]

    @property
    def wanted(self) -> tuple[str, ...]:
        """Every column to read."""
        return (*self.roles.values(), *self.extras)


def map_columns(
    kind: str, columns: Iterable[str], mapping: Mapping[str, str], where: str
) -> Columns:
    """Find the column of each role.

    What the mapping says comes first; a role it leaves open is guessed from the columns that it
    does not name. Further columns are kept only where the mapping gives them a role.

    Args:
        kind: "events", "items", "users" or "links".
        columns: what the file has.
        mapping: column to role; columns of other files may be among them.
        where: the file, for the message.

    Raises:
        ConfigError: a role is unknown or given twice.
        DataError: a needed role has no column.
    """
    columns = tuple(columns)
    names = COMMON_NAMES[kind]
    said = {column: role for column, role in mapping.items() if column in columns}
    roles: dict[str, str] = {}
    extras: dict[str, str] = {}
    for column, role in said.items():
        if role in roles:
            raise ConfigError(
                f"{where}: `{roles[role]}` and `{column}` are both mapped to `{role}`",
                hint=f"leave one of them out: --map {column}={IGNORE}",
            )
        if role in names:
            roles[role] = column
        elif role in get_args(Role):
            if kind == "events" and column in names:
                raise ConfigError(
                    f"{where}: `{column}` is itself the name of a role, and mapped to `{role}`",
                    hint="rename the column in the file",
                )
            extras[column] = role
        elif role != IGNORE:
            raise unknown("role", role, {*names, *get_args(Role), IGNORE})
    guessed: dict[str, str] = {}
    free = {plain_name(column): column for column in reversed(columns) if column not in said}
    for role, others in names.items():
        found = [free[name] for name in (plain_name(role), *others) if name in free]
        if role not in roles and found:
            roles[role] = found[0]
            guessed[found[0]] = role
            del free[plain_name(found[0])]
    for role in REQUIRED[kind]:
        if role not in roles:
            raise DataError(
                f"{where}: no column is known to be the `{role}`",
                hint=f"say which one is: --map COLUMN={role}; there are: {', '.join(columns)}. "
                "If these are no names, the file lacks a header: "
                + ("name its columns, --columns a,b,c" if kind == "events" else "add one"),
            )
    used = {*roles.values(), *extras}
    ignored = tuple(column for column in columns if column not in used)
    return Columns(roles=roles, extras=extras, guessed=guessed, ignored=ignored)


def check_mapping(mapping: Mapping[str, str], columns: Iterable[str]) -> None:
    """Refuse a mapping that names a column which no file has.

    Raises:
        DataError: naming the nearest column there is.
    """
    known = sorted(set(columns))
    for column in mapping:
        if column not in known:
            near = difflib.get_close_matches(column, known, n=1)
            hint = f"did you mean `{near[0]}`? " if near else ""
            raise DataError(
                f"no file has a column `{column}`", hint=f"{hint}There are: {', '.join(known)}"
            )


def plain_name(name: str) -> str:
    """A name in lower case and without anything but letters and digits."""
    return re.sub(r"[\W_]", "", name.lower())
