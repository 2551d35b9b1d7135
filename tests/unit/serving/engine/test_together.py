"""Several questions answered at once are answered as each by itself."""

import pytest

from grapevine.errors import ConfigError
from grapevine.serving.engine import (
    NO_LIVE,
    Asked,
    Filters,
    Happened,
    Live,
    Pin,
    Rules,
    Weight,
    answers,
)

ASKED = (
    Asked(user_id="u04"),
    Asked(user_id="u05", k=3, why=True),
    Asked(user_id="nobody"),
    Asked(history=[Happened("i03"), Happened("i04", "click")]),
    Asked(item_id="i07"),
    Asked(user_id="u06", behaviour="click"),
    Asked(user_id="u07", filters=Filters(category=("c1",), exclude=["i11"])),
    Asked(user_id="u08", rules=Rules(diversity=0.4, pin=(Pin("i30", 2),))),
    Asked(user_id="u09", rules=Rules(boost=(Weight(where=("category=c2",), factor=3.0),))),
    Asked(user_id="u10", k=41),
)


SHIRT = {"title": "thing 3", "category": "c0", "price": 3.0, "in_stock": True}
LIVE = Live().said({"x": SHIRT, "i20": None})


@pytest.mark.parametrize("live", [NO_LIVE, LIVE], ids=["as trained", "items came and went"])
@pytest.mark.parametrize("name", ["sasrec", "ease", "als", "markov"])
def test_each_is_answered_as_by_itself(name, live, served_of):
    served = served_of(name).with_live(live)
    asked = [one for one in ASKED if one.behaviour in {None, *served.sides}]
    asked = [one for one in asked if not (one.rules.diversity and name == "markov")]
    for one, found in zip(asked, answers(served, asked), strict=True):
        wanted = served.answer(one)
        assert not isinstance(found, Exception)
        assert [line.item_id for line in found.items] == [line.item_id for line in wanted.items]
        scores = [line.score for line in wanted.items]
        assert [line.score for line in found.items] == pytest.approx(scores, abs=1e-5)
        assert (found.fallback, found.heard) == (wanted.fallback, wanted.heard)
        assert found.took.keys() == wanted.took.keys()


@pytest.mark.parametrize("name", ["ease", "sasrec"])
def test_one_that_cannot_be_answered_harms_no_other(name, served_of):
    served = served_of(name)
    good, item, behaviour, filtered = answers(
        served,
        [
            Asked(user_id="u04"),
            Asked(item_id="nothing"),
            Asked(user_id="u04", behaviour="sing"),
            Asked(user_id="u04", filters=Filters(where=("colour=red",))),
        ],
    )
    assert not isinstance(good, Exception)
    alone = served.answer(Asked(user_id="u04"))
    assert [line.item_id for line in good.items] == [line.item_id for line in alone.items]
    for one in (item, behaviour, filtered):
        assert isinstance(one, ConfigError)


def test_what_is_hidden_is_made_up_for(served_of):
    # More of the best are hidden than the first search leaves room for.
    served = served_of("ease")
    best = [line.item_id for line in served.answer(Asked(user_id="u04", k=30)).items]
    asked = Asked(user_id="u04", k=5, filters=Filters(exclude=best[:20]))
    (found,) = answers(served, [asked])
    assert not isinstance(found, Exception)
    assert [line.item_id for line in found.items] == best[20:25]
