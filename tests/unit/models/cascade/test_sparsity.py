"""Who bought little is helped most by what was done before it."""

from dataclasses import replace
from functools import cache

import pytest

import grapevine as gv
from grapevine.evaluation.slices import OWN
from grapevine.models import MODELS


@cache
def parts():
    return gv.pipeline.prepare(gv.shop(users=300))


def by_purchases(config):
    """ndcg@10 of what each user buys next, by how often they have bought."""
    report = gv.evaluate([gv.fit(config, parts().train, seed=0)], parts().test)
    slices = [one for one in report.slices if one.by == OWN]
    assert sum(one.queries for one in slices) == len(parts().test)
    return {one.group: next(iter(one.results.values()))["ndcg@10"].mean for one in slices}


@pytest.mark.slow
@pytest.mark.parametrize("name", ["ehcf", "crgcn", "nmtr"])
def test_several_behaviours_help_in_every_bucket_and_those_of_few_purchases_most(name):
    config = replace(MODELS[name].config, learning_rate=0.01, epochs=40)
    together, alone = by_purchases(config), by_purchases(replace(config, behaviours="target"))
    assert [*together] == [*alone] == ["1-2", "3-5", "6+"]
    for bucket, found in together.items():
        assert found > alone[bucket], bucket
    # Two purchases at most: what they looked at and put into the cart is nearly all there is.
    assert together["1-2"] > 3 * alone["1-2"]
