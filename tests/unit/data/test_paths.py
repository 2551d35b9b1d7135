from pathlib import Path

from grapevine.data.paths import near, nearest


def test_a_near_name_is_shown(tmp_path: Path):
    (tmp_path / "events.csv").touch()
    assert near(tmp_path / "event.csv") == tmp_path / "events.csv"
    assert nearest(tmp_path / "event.csv") == f"did you mean `{tmp_path / 'events.csv'}`?"


def test_otherwise_how_far_the_path_leads(tmp_path: Path):
    for number in range(9):
        (tmp_path / f"part{number}").mkdir()
    (tmp_path / ".hidden").touch()
    assert near(tmp_path / "deep" / "er" / "x.csv") is None
    assert nearest(tmp_path / "deep" / "er" / "x.csv") == (
        f"the nearest folder that exists is `{tmp_path}`; it holds: "
        + ", ".join(f"part{number}" for number in range(8))
        + ", ..."
    )
    assert nearest(tmp_path / "part0" / "x.csv").endswith("part0`; it holds: nothing")
