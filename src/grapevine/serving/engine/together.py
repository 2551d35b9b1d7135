"""Several questions answered at once: user sides in one batch, and one search for all."""

import time
from collections import defaultdict
from collections.abc import Sequence

from grapevine.errors import GrapevineError
from grapevine.serving.engine.asked import Answer, Asked
from grapevine.serving.engine.histories import Heard
from grapevine.serving.engine.served import Served, Side


def answers(served: Served, asked: Sequence[Asked]) -> list[Answer | Exception]:
    """The answer to each question, as `Served.answer` gives it; or why there is none.

    What is computed together is told as taken in equal shares. A fault that nobody has foreseen is
    told to the question that it is of, and to no other.
    """
    try:
        return _together(served, asked)
    except Exception as error:
        if len(asked) == 1:
            return [error]
    # Which one it came of is not known: each is asked by itself.
    return [found for one in asked for found in answers(served, [one])]


def _together(served: Served, asked: Sequence[Asked]) -> list[Answer | Exception]:
    began = time.perf_counter()
    out: list[Answer | Exception | None] = [None] * len(asked)
    alike: defaultdict[str | None, list[tuple[int, Heard]]] = defaultdict(list)
    plain = dict[int, int]()
    sides: dict[str | None, Side] = {}
    for place, one in enumerate(asked):
        try:
            side = sides[one.behaviour] = served.side(one.behaviour)
            heard = served.histories.of(one, side.behaviour)
            if _is_plain(served, one):
                # One more than is shown tells whether the choice of the last was arbitrary.
                plain[place] = one.k + 1
            alike[one.behaviour].append((place, heard))
        except GrapevineError as error:
            out[place] = error
    read = (time.perf_counter() - began) / len(asked)
    for behaviour, some in alike.items():
        side, before = sides[behaviour], time.perf_counter()
        questions = side.way.questions([heard for _, heard in some])
        asking = (time.perf_counter() - before) / len(some)
        before = time.perf_counter()
        simple = [(one, plain[at]) for one, (at, _) in zip(questions, some) if at in plain]
        if simple:
            side.way.look([question for question, _ in simple], max(k for _, k in simple))
        searched = (time.perf_counter() - before) / len(some)
        for question, (place, heard) in zip(questions, some):
            try:
                answer = served.answered(asked[place], side, heard, question)
            except GrapevineError as error:
                out[place] = error
                continue
            answer.took["history"] += read
            answer.took["user"] += asking
            answer.took["retrieval"] += searched
            out[place] = answer
    return [one for one in out if one is not None]


def _is_plain(served: Served, asked: Asked) -> bool:
    """Whether the best of all items are what it begins with."""
    wants = asked.rules
    moved = wants.boost or wants.bury or wants.diversity or wants.calibration
    return (
        not moved and asked.filters.only is None and served.catalogue.allowed(asked.filters) is None
    )
