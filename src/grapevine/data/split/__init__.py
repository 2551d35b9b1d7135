"""Which events are learnt from and which are asked for: one label an event.

A rule (`leave_last_out`, `leave_last_out_sampled`, `by_time`, `rolling`, `cold_items`, `published`,
`everything`) gives each event the part it belongs to; `apply` turns the labels into a training set
and its questions; `write` keeps them in a dataset folder.

```
train, test = split.leave_last_out(data)
```
"""

from grapevine.data.split import summary
from grapevine.data.split.cold import cold_items
from grapevine.data.split.materialise import Split, apply
from grapevine.data.split.moments import by_time, rolling
from grapevine.data.split.rules import (
    RULES,
    everything,
    leave_last_out,
    leave_last_out_sampled,
    of,
    published,
    remake,
    settings_of,
)
from grapevine.data.split.write import write

__all__ = [
    "RULES",
    "Split",
    "apply",
    "by_time",
    "cold_items",
    "everything",
    "leave_last_out",
    "leave_last_out_sampled",
    "of",
    "published",
    "remake",
    "rolling",
    "settings_of",
    "summary",
    "write",
]
