"""Each common cause of nearly only bad rows is named, with the option that mends it."""

from pathlib import Path

import pytest

from grapevine.data.importer import import_events
from grapevine.errors import DataError

T0 = 1_600_000_000_000


def hint_of(path: Path, content: str | bytes, **options) -> str:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(DataError) as caught:
        import_events(path, path.parent / "out", **options)
    assert caught.value.hint
    return caught.value.hint


def test_a_wrong_unit_of_time(tmp_path: Path):
    lines = [f"u{row},x,{T0 + row}" for row in range(20)]
    content = "\n".join(["user,item,time", *lines])
    assert hint_of(tmp_path / "e.csv", content, time_unit="s") == (
        "20 of 20 times are none in `s`: they look like ms: --time-unit ms"
    )
    dates = "user,item,time\n" + "u,x,2024-05-01\n" * 3
    hint = hint_of(tmp_path / "e.csv", dates, time_unit="ms", bad_rows="quarantine")
    assert hint.endswith("they look like iso: --time-unit iso")
    days = "user,item,time\n" + "u,x,01.05.2024\n" * 3
    hint = hint_of(tmp_path / "e.csv", days, time_unit="ms")
    assert hint.endswith("such as for `01.05.2024`; say it: --time-unit '%d.%m.%Y'")
    one = "\n".join(["user,item,time", *lines, "u,x,soon"])
    assert "--bad-rows quarantine" in hint_of(tmp_path / "e.csv", one)


def test_the_format_of_times_that_are_not_iso(tmp_path: Path):
    content = "user,item,time\nu,x,03/04/2024 10:30\n"
    assert hint_of(tmp_path / "e.csv", content) == (
        "say it: --time-unit '%d/%m/%Y %H:%M' or --time-unit '%m/%d/%Y %H:%M'"
    )
    content = content.replace("03/04", "13/04")
    assert hint_of(tmp_path / "e.csv", content) == "say it: --time-unit '%d/%m/%Y %H:%M'"
    assert "say it: s, ms, us" in hint_of(tmp_path / "e.csv", "user,item,time\nu,x,soon\n")


def test_behaviours_that_were_not_named(tmp_path: Path):
    lines = [*["u,x,view"] * 7, *["u,x,cart"] * 3, "u,x,veiw", "u,x,buy"]
    content = "\n".join(["user,item,action", *lines])
    assert hint_of(tmp_path / "e.csv", content, behaviours=["view", "like", "buy"]) == (
        "column `action` also holds cart (3), veiw (1, nearly `view`): name them too, in cascade "
        "order: --behaviours view,buy,cart,veiw, or set these rows aside: --bad-rows quarantine"
    )


def test_a_slip_is_not_proposed_as_a_behaviour(tmp_path: Path):
    lines = [*["u,x,view"] * 30, *["u,x,cart"] * 3, "u,x,veiw"]
    content = "\n".join(["user,item,action", *lines])
    hint = hint_of(tmp_path / "e.csv", content, behaviours=["view", "buy"])
    assert "veiw (1, nearly `view`)" in hint
    assert "--behaviours view,cart, or set these rows aside" in hint


def test_a_file_that_is_not_utf8(tmp_path: Path):
    path = tmp_path / "e.csv"
    content = "user,item\nMüller,x\na,y\n".encode("cp1252")
    command = f"iconv -f cp1252 -t utf-8 {path} > NEW"
    assert hint_of(path, content) == f"{path} is not UTF-8 throughout: save it so, e.g. {command}"
    with pytest.raises(DataError, match=r"e\.csv:2: is not UTF-8: 'M\\xfcller,x'"):
        import_events(path, tmp_path / "out")
    assert command in hint_of(path, "größe,user,item\n1,a,x\n".encode("cp1252"))


def test_numbers_of_the_catalogue_with_commas(tmp_path: Path):
    (tmp_path / "i.csv").write_text('item,cost\nx,"1,5"\ny,"2,5"\nz,3\n')
    hint = hint_of(
        tmp_path / "e.csv", "user,item\na,x\n", items=tmp_path / "i.csv",
        mapping={"cost": "number"},
    )  # fmt: skip
    assert hint == "the numbers of column `cost` have a decimal comma: --decimal ,"


def test_words_among_numbers_are_no_commas(tmp_path: Path):
    content = "user,item,cost\na,x,dear\na,y,3\n"
    assert "--decimal" not in hint_of(tmp_path / "e.csv", content, mapping={"cost": "number"})
