"""Searching the options of a model by what it is worth on the validation questions."""

from grapevine.search.space import Choice, Range, Space, default, read, settings_of, space_of
from grapevine.search.study import Found, run
from grapevine.search.trials import Search, Trial

__all__ = [
    "Choice",
    "Found",
    "Range",
    "Search",
    "Space",
    "Trial",
    "default",
    "read",
    "run",
    "settings_of",
    "space_of",
]
