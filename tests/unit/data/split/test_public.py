from pathlib import Path

import pytest

from grapevine.data import split
from grapevine.data.audit import audit
from grapevine.data.fetch import fetch
from grapevine.data.folder import open_dataset

pytestmark = [pytest.mark.data, pytest.mark.slow]


def test_films_are_left_out_one_a_user(mirror: Path, tmp_path: Path):
    parts = split.of(open_dataset(fetch("ml-1m", tmp_path / "ml-1m", mirror)))
    # 1,000,209 ratings by 6,040 people, who have twenty films at least.
    assert parts.counts["train"] == 1_000_209 - 2 * 6_040
    assert len(parts.validation) == len(parts.test) == 6_040
    assert parts.counts["test_repeats"] == 0
    result = audit(parts)
    assert result.leaks == []
    assert {finding.leak for finding in result.warnings} == {"tie"}


def test_the_published_split_of_gowalla_is_kept(mirror: Path, tmp_path: Path):
    parts = split.of(open_dataset(fetch("gowalla", tmp_path / "gowalla", mirror)))
    # 29,858 users with 1,027,370 check-ins in all, as in LightGCN, arXiv:2002.02126.
    assert len(parts.train.interactions) == 1_027_370 - 217_242
    assert (len(parts.test), len(parts.test.targets.values)) == (29_858, 217_242)
    assert len(parts.validation) == 0
    assert audit(parts).findings == ()
