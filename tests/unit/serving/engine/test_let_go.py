"""A model that is swapped out is gone at once, not when cycles are looked for."""

import gc
import weakref

from grapevine.serving.engine import Live
from grapevine.serving.engine.served import Served


def test_a_version_that_is_let_go_of_is_gone(served_of):
    kept = served_of("sasrec")
    gc.disable()
    try:
        one = Served.of(kept.run, "v")
        other = one.with_live(Live().said({"x": {"title": "new"}}))
        gone = [weakref.ref(part) for part in (one.catalogue, other.catalogue, one.pictures)]
        del one, other
        assert [ref() for ref in gone] == [None] * 3
    finally:
        gc.enable()
