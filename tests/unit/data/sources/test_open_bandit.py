"""Logs of a bandit: what is written comes back, what is none is refused, the real ones add up."""

import polars as pl
import pytest

import grapevine as gv
from grapevine.data.sources.open_bandit import BanditLogs, load_logs
from grapevine.errors import BundleError, ConfigError


@pytest.mark.data
def test_propensities_are_chances_and_places_are_three(fetched):
    found = load_logs(fetched("open-bandit-men"))
    for log in found.logs.values():
        assert log["propensity"].is_between(0, 1, closed="right").all()
        assert sorted(log["position"].unique()) == [1, 2, 3]
        assert log["timestamp"].is_sorted()
        assert log["item"].is_between(0, 33).all()
    # The random policy is even over the 34 items.
    assert found.logs["random"]["propensity"].unique().to_list() == pytest.approx([1 / 34])


@pytest.mark.data
def test_it_is_no_log_of_events_and_the_command_says_how_to_open_it(fetched, monkeypatch, tmp_path):
    folder = fetched("open-bandit-men")
    monkeypatch.setattr("grapevine.pipeline.kept", lambda name: folder)
    with pytest.raises(ConfigError, match=r"is what a bandit showed.*\nhint: .*load_logs"):
        gv.load("open-bandit-men")


def test_what_is_no_folder_of_logs_is_refused(tmp_path):
    with pytest.raises(BundleError, match="does not hold logs of a bandit"):
        load_logs(tmp_path)
    (tmp_path / "bandit.toml").write_text('format = 2\npolicies = ["random"]\n')
    with pytest.raises(BundleError, match="format 2, this version reads format 1"):
        load_logs(tmp_path)
    (tmp_path / "bandit.toml").write_text('format = 1\npolicies = ["random"]\n')
    (tmp_path / "random.parquet").write_bytes(b"no table")
    with pytest.raises(BundleError, match="does not hold logs of a bandit"):
        load_logs(tmp_path)


def test_counts_are_those_of_each_policy():
    log = pl.DataFrame({"click": [0, 1, 1]})
    found = BanditLogs(logs={"bts": log}, items=pl.DataFrame({"item": [0, 1]}))
    assert found.counts() == {"items": 2, "bts rounds": 3, "bts clicks": 2}


@pytest.mark.data
def test_coat_keeps_what_people_chose_apart_from_what_was_dealt(fetched):
    folder = fetched("coat")
    data = gv.load(folder)
    drawn = pl.read_parquet(folder / "random.parquet")
    assert (len(data.users), len(data.items), len(drawn)) == (290, 300, 4640)
    events = pl.read_parquet(folder / "events.parquet")
    assert dict(events["split"].value_counts().iter_rows()) == {"train": 6960, "test": 4640 - 366}
    pairs = events.select("user_id", "item_id")
    assert not pairs.is_duplicated().any()
    chances = pl.read_parquet(folder / "propensities.parquet")["propensity"]
    assert len(chances) == 290 * 300
    # The chances add up to the ratings that there are.
    assert chances.sum() == pytest.approx(6960, rel=0.001)
    people = pl.read_parquet(folder / "users.parquet")
    assert people.columns == ["user_id", "gender", "age", "location", "fashioninterest"]
    assert set(people["gender"]) == {"men", "women"}
