"""The model in service: a run opened once, asked by any number of threads, swapped for another."""

from grapevine.serving.engine.asked import (
    Answer,
    Asked,
    Filters,
    Happened,
    Pin,
    Rules,
    Shown,
    Told,
    Weight,
    Why,
)
from grapevine.serving.engine.host import Host, Refused, Swapped
from grapevine.serving.engine.live import NO_LIVE, Live
from grapevine.serving.engine.served import Served, version_of
from grapevine.serving.engine.together import answers

__all__ = [
    "NO_LIVE", "Answer", "Asked", "Filters", "Happened", "Host", "Live", "Pin", "Refused", "Rules",
    "Served", "Shown", "Swapped", "Told", "Weight", "Why", "answers", "version_of",
]  # fmt: skip
