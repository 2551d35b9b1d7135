import csv
import gzip
import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from grapevine.data.folder import open_dataset
from grapevine.data.importer import ImportReport, import_events
from grapevine.errors import ConfigError, DataError

HEADER = ["user_id", "item_id", "behaviour", "timestamp", "value", "text"]
T0 = 1_600_000_000_000


def write_csv(path: Path, rows: list[list[Any]], header: list[str] = HEADER) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *rows])
    return path


def write_jsonl(path: Path, rows: list[list[Any]], header: list[str] = HEADER) -> Path:
    lines = [json.dumps(dict(zip(header, row)), ensure_ascii=False) for row in rows]
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


def write_parquet(path: Path, rows: list[list[Any]], header: list[str] = HEADER) -> Path:
    columns = zip(*rows) if rows else [[] for _ in header]
    pq.write_table(pa.table({name: list(one) for name, one in zip(header, columns)}), path)
    return path


WRITERS = {"csv": write_csv, "jsonl": write_jsonl, "parquet": write_parquet}


def slow_import(rows: list[list[Any]]) -> list[tuple]:
    """What an import must give: good rows as (user, item, behaviour, time, value, text)."""
    seen: set[tuple] = set()
    kept = []
    for user, item, behaviour, time, value, text in rows:
        if (key := (user, item, behaviour, time)) not in seen:
            seen.add(key)
            kept.append((user, item, behaviour, time, value, text))
    # Sorting is stable: ties in time stay as they arrived.
    return sorted(kept, key=lambda row: (str(row[0]).encode(), row[3]))


def read_back(folder: Path) -> list[tuple]:
    table = pl.read_parquet(folder / "events.parquet")
    return table.with_columns(pl.col("timestamp").dt.epoch("ms")).select(HEADER).rows()


def some_rows(count: int, seed: int = 0) -> list[list[Any]]:
    generator = np.random.default_rng(seed)
    users = ["ann", "bo", "ü", "😀 smile", 'say "hi"', "a,b", "x\ny", "007", "日本"]
    return [
        [
            users[generator.integers(len(users))],
            f"item {generator.integers(40)}",
            ["click", "cart", "buy"][generator.integers(3)],
            T0 + int(generator.integers(60)) * 1000,
            float(generator.integers(10)) / 2,
            ["fine", "a, b", 'so "so"', "two\nlines", "naïve"][generator.integers(5)],
        ]
        for _ in range(count)
    ]


@pytest.mark.parametrize("kind", WRITERS)
@pytest.mark.parametrize("block_bytes", [1 << 20, 700])
def test_good_rows_equal_the_slow_reference(tmp_path: Path, kind: str, block_bytes: int):
    rows = some_rows(1500)
    source = WRITERS[kind](tmp_path / f"events.{kind}", rows)
    report = import_events(source, tmp_path / "out", block_bytes=block_bytes)
    expected = slow_import(rows)
    assert read_back(tmp_path / "out") == expected
    assert (report.total, report.good, report.bad) == (1500, 1500, 0)
    assert report.duplicates == 1500 - len(expected) > 0
    assert report.time_unit == "ms"
    last: dict[str, int] = {}
    late = 0
    for row in rows:
        late += row[3] < last.get(row[0], 0)
        last[row[0]] = row[3]
    assert report.out_of_order == late
    pairs = itertools.pairwise(expected)
    assert report.ties == sum(a[0] == b[0] and a[3] == b[3] for a, b in pairs)
    data = open_dataset(tmp_path / "out")
    assert len(data.interactions) == len(expected)
    counts = {name: sum(row[2] == name for row in rows) for name in ("click", "cart", "buy")}
    assert report.behaviours == counts
    assert list(data.schema.behaviours) == sorted(counts, key=lambda one: -counts[one])
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "events.parquet",
        "items.parquet",
        "schema.toml",
    ]


@pytest.mark.parametrize("kind", WRITERS)
def test_rows_of_one_byte_blocks_are_the_same_rows(tmp_path: Path, kind: str):
    rows = some_rows(15)
    source = WRITERS[kind](tmp_path / f"events.{kind}", rows)
    import_events(source, tmp_path / "whole")
    import_events(source, tmp_path / "single", block_bytes=1)
    for name in ("events.parquet", "items.parquet"):
        whole, single = (pl.read_parquet(tmp_path / one / name) for one in ("whole", "single"))
        assert whole.equals(single)


def test_the_order_of_rows_does_not_matter_where_times_differ(tmp_path: Path):
    rows = some_rows(300)
    for place, row in enumerate(rows):
        row[3] = T0 + place
    write_csv(tmp_path / "a.csv", rows)
    shuffled = [rows[place] for place in np.random.default_rng(1).permutation(len(rows))]
    write_csv(tmp_path / "b.csv", shuffled)
    first = import_events(tmp_path / "a.csv", tmp_path / "a")
    second = import_events(tmp_path / "b.csv", tmp_path / "b")
    assert read_back(tmp_path / "a") == read_back(tmp_path / "b")
    assert (first.out_of_order, second.out_of_order > 0) == (0, True)


@pytest.mark.parametrize("kind", WRITERS)
@pytest.mark.parametrize(
    ("ids", "dtype"),
    [
        (["1", "20", "-3"], pl.Int64),
        (["1", "007", "20"], pl.String),
        (["1", "-0"], pl.String),
        (["1", "9223372036854775808"], pl.String),
        (["1", "9223372036854775807"], pl.Int64),
        (["1", "1.0"], pl.String),
        (["ü", "😀", "日本", "\u00e9", "e\u0301"], pl.String),
    ],
)
def test_ids_come_back_unchanged(tmp_path: Path, kind: str, ids: list[str], dtype: Any):
    rows = [[one, f"i{one}", T0] for one in ids]
    header = ["user_id", "item_id", "timestamp"]
    source = WRITERS[kind](tmp_path / f"events.{kind}", rows, header)
    import_events(source, tmp_path / "out")
    found = open_dataset(tmp_path / "out").users.ids
    assert found.dtype == dtype
    assert sorted(map(str, found)) == sorted(ids)


def test_numbers_are_the_same_ids_in_every_format(tmp_path: Path):
    header = ["user_id", "item_id", "timestamp"]
    rows = [[12, 5, T0], [3, 6, T0]]
    for kind, write in WRITERS.items():
        import_events(write(tmp_path / f"e.{kind}", rows, header), tmp_path / kind)
    floats = pl.DataFrame({"user_id": [12.0, 3.0], "item_id": [5, 6], "timestamp": [T0, T0]})
    floats.write_parquet(tmp_path / "floats.parquet")
    import_events(tmp_path / "floats.parquet", tmp_path / "floats")
    for kind in (*WRITERS, "floats"):
        assert open_dataset(tmp_path / kind).users.ids.to_list() == [3, 12]


TIMES = {
    "s": ("1600000000", "s"),
    "s with a fraction": ("1600000000.0", "s"),
    "ms": ("1600000000000", "ms"),
    "us": ("1600000000000000", "us"),
    "ns": ("1600000000000000000", "ns"),
    "iso": ("2020-09-13T12:26:40Z", "iso"),
    "iso with an offset": ("2020-09-13 14:26:40.000+02:00", "iso"),
    "iso without one": ("2020-09-13 12:26:40", "iso"),
}


@pytest.mark.parametrize(("written", "unit"), TIMES.values(), ids=TIMES)
@pytest.mark.parametrize("kind", WRITERS)
def test_times_are_the_same_in_every_unit(tmp_path: Path, kind: str, written: str, unit: str):
    source = WRITERS[kind](
        tmp_path / f"e.{kind}", [["a", "x", written]], ["user_id", "item_id", "timestamp"]
    )
    report = import_events(source, tmp_path / "out")
    assert report.time_unit == unit
    assert open_dataset(tmp_path / "out").interactions.times.tolist() == [T0]


def test_times_in_a_format_and_of_their_own_type(tmp_path: Path):
    write_csv(
        tmp_path / "e.csv", [["a", "x", "13/09/2020 12:26"]], ["user_id", "item_id", "timestamp"]
    )
    import_events(tmp_path / "e.csv", tmp_path / "out", time_unit="%d/%m/%Y %H:%M")
    assert open_dataset(tmp_path / "out").interactions.times.tolist() == [T0 - 40_000]
    frame = pl.DataFrame({"user_id": ["a"], "item_id": ["x"], "timestamp": [T0 * 1000]})
    for dtype, name in ((pl.Datetime("us"), "naive"), (pl.Datetime("us", "Asia/Tokyo"), "tokyo")):
        frame.with_columns(pl.col("timestamp").cast(dtype)).write_parquet(tmp_path / "e.parquet")
        report = import_events(tmp_path / "e.parquet", tmp_path / name)
        assert report.time_unit == "native"
        assert open_dataset(tmp_path / name).interactions.times.tolist() == [T0]
    with pytest.raises(DataError, match="no unit of time fits, such as for `13/09/2020 12:26`"):
        import_events(tmp_path / "e.csv", tmp_path / "none")


def test_without_times_arrival_is_the_order(tmp_path: Path):
    rows = [["b", "x"], ["a", "y"], ["b", "x"], ["b", "w"]]
    write_csv(tmp_path / "e.csv", rows, ["user_id", "item_id"])
    report = import_events(tmp_path / "e.csv", tmp_path / "out")
    data = open_dataset(tmp_path / "out")
    assert (data.schema.clock, report.time_unit, report.duplicates) == ("order", "order", 0)
    assert data.items.take(data.interactions.items).to_list() == ["y", "x", "x", "w"]


def test_the_order_column_breaks_ties(tmp_path: Path):
    rows = [["a", "x", T0, 3], ["a", "y", T0, 1], ["a", "z", T0 - 1, 2], ["a", "w", T0, 2]]
    write_csv(tmp_path / "e.csv", rows, ["user_id", "item_id", "timestamp", "order"])
    import_events(tmp_path / "e.csv", tmp_path / "out")
    data = open_dataset(tmp_path / "out")
    assert data.items.take(data.interactions.items).to_list() == ["z", "y", "w", "x"]


def test_an_event_id_tells_repeats_from_duplicates(tmp_path: Path):
    rows = [["a", "x", T0, "e1"], ["a", "x", T0, "e2"], ["a", "x", T0, "e1"], ["b", "x", T0, "e1"]]
    write_csv(tmp_path / "e.csv", rows, ["user_id", "item_id", "timestamp", "event_id"])
    report = import_events(tmp_path / "e.csv", tmp_path / "out")
    assert report.duplicates == 1
    table = pl.read_parquet(tmp_path / "out" / "events.parquet")
    assert table["event_id"].to_list() == ["e1", "e2", "e1"]


def test_further_columns_follow_their_events(tmp_path: Path):
    header = ["user_id", "item_id", "timestamp", "a/price", "time", "session_id", "split"]
    rows = [
        ["b", "x", T0 + 1, 2.5, "north", "s1", "test"],
        ["a", "y", T0, "", "", "", "train"],
        ["b", "z", T0, 1, "süd", "s2", "train"],
    ]
    write_csv(tmp_path / "e.csv", rows, header)
    mapping = {"a/price": "number", "time": "category"}
    import_events(tmp_path / "e.csv", tmp_path / "out", mapping=mapping)
    table = pl.read_parquet(tmp_path / "out" / "events.parquet")
    assert table["a/price"].to_list() == [None, 1.0, 2.5]
    assert table["time"].to_list() == [None, "süd", "north"]
    assert table["session_id"].to_list() == [None, "s2", "s1"]
    data = open_dataset(tmp_path / "out")
    assert data.labels is not None
    assert data.labels.tolist() == [0, 0, 2]
    assert data.schema.events == {
        "session_id": "category",
        "a/price": "number",
        "time": "category",
    }


def test_a_folder_of_packed_parts_is_one_table(tmp_path: Path):
    rows = some_rows(200)
    folder = tmp_path / "parts"
    (folder / "day=1").mkdir(parents=True)
    (folder / "_SUCCESS").write_text("")
    write_csv(folder / "a.csv", rows[:70])
    write_jsonl(folder / "b.jsonl", rows[70:120])
    (folder / "b.jsonl.gz").write_bytes(gzip.compress((folder / "b.jsonl").read_bytes()))
    (folder / "b.jsonl").unlink()
    write_parquet(folder / "day=1" / "c.parquet", rows[120:])
    import_events(folder, tmp_path / "out")
    assert read_back(tmp_path / "out") == slow_import(rows)


def test_names_are_guessed_and_said(tmp_path: Path):
    rows = [["u", "m", 4, 1_600_000_000, "x"]]
    write_csv(tmp_path / "r.csv", rows, ["userId", "movieId", "rating", "ts", "junk"])
    report = import_events(tmp_path / "r.csv", tmp_path / "out")
    assert report.guessed == {
        "userId": "user_id",
        "movieId": "item_id",
        "rating": "value",
        "ts": "timestamp",
    }
    assert report.ignored == ("junk",)
    with pytest.raises(ConfigError, match="no column tells the behaviours a, b apart"):
        import_events(tmp_path / "r.csv", tmp_path / "none", behaviours=["a", "b"])
    write_csv(tmp_path / "r.csv", rows, ["who", "movieId", "rating", "ts", "junk"])
    with pytest.raises(DataError, match="no column is known to be the `user_id`\nhint: say which"):
        import_events(tmp_path / "r.csv", tmp_path / "none")
    with pytest.raises(DataError, match="no file has a column `whoo`\nhint: did you mean `who`"):
        import_events(tmp_path / "r.csv", tmp_path / "none", mapping={"whoo": "user_id"})
    with pytest.raises(ConfigError, match="no role is called `user`\nhint: did you mean `user_id`"):
        import_events(tmp_path / "r.csv", tmp_path / "none", mapping={"who": "user"})
    assert not (tmp_path / "none").exists()


def test_behaviours_given_are_the_cascade(tmp_path: Path):
    rows = [["a", "x", "buy", T0], ["a", "x", "buy", T0 + 1], ["a", "x", "click", T0 + 2]]
    header = ["user_id", "item_id", "behaviour", "timestamp"]
    write_csv(tmp_path / "e.csv", rows, header)
    import_events(tmp_path / "e.csv", tmp_path / "out", behaviours=["click", "cart", "buy"])
    data = open_dataset(tmp_path / "out")
    assert data.schema.behaviours == ("click", "cart", "buy")
    assert data.schema.target == "buy"
    assert data.interactions.behaviours.tolist() == [2, 2, 0]
    with pytest.raises(DataError, match=r"e\.csv:4: `behaviour` is none of buy"):
        import_events(tmp_path / "e.csv", tmp_path / "no", behaviours=["buy"])


def test_the_catalogue_is_checked_and_completed(tmp_path: Path):
    write_csv(tmp_path / "e.csv", some_rows(50)[:3], HEADER)
    (tmp_path / "e.csv").write_text(f"user,item,time\n1,10,{T0}\n2,30,{T0}\n")
    (tmp_path / "i.csv").write_text(
        "item_id,title,genres,year,zip\n20,Two,a|b,1999,012\n10,One,,2001,\n20,Again,,,\n,None,,,\n"
    )
    (tmp_path / "u.jsonl").write_text('{"user_id": 3, "age": 40}\n{"user_id": 1, "age": 30}\n')
    (tmp_path / "l.csv").write_text("source_id,target_id,relation,weight\n10,20,outfit,0.5\n")
    files = {
        "items": tmp_path / "i.csv",
        "users": tmp_path / "u.jsonl",
        "links": tmp_path / "l.csv",
    }
    with pytest.raises(DataError, match=r"i\.csv:5: `item_id` is empty: ',None,,,'"):
        import_events(tmp_path / "e.csv", tmp_path / "out", **files)
    report = import_events(tmp_path / "e.csv", tmp_path / "out", bad_rows="quarantine", **files)
    assert (report.added_items, report.total, report.bad) == (1, 2, 0)
    assert report.notes == ("1 rows of items repeat an ID; the first of each is kept",)
    data = open_dataset(tmp_path / "out")
    assert data.item_table.rows() == [
        (10, "One", None, 2001, None),
        (20, "Two", ["a", "b"], 1999, "012"),
        (30, None, None, None, None),
    ]
    assert data.schema.items == {
        "title": "title",
        "genres": "tags",
        "year": "number",
        "zip": "category",
    }
    assert data.users.ids.to_list() == [1, 2, 3]
    assert data.user_table is not None
    assert data.user_table.rows() == [(1, 30), (2, None), (3, 40)]
    assert data.links is not None
    assert data.links.rows() == [(10, 20, "outfit", 0.5)]
    assert data.schema.catalogue


def test_fail_shows_the_first_twenty_and_writes_nothing(tmp_path: Path):
    lines = [f"u{row},{'' if row % 3 else 'x'},{T0}" for row in range(90)]
    (tmp_path / "e.csv").write_text("\n".join(["user_id,item_id,timestamp", *lines]))
    with pytest.raises(DataError) as caught:
        import_events(tmp_path / "e.csv", tmp_path / "deep" / "out")
    message = str(caught.value).split("\n")
    assert message[0] == "60 bad rows among 90; nothing was written"
    assert message[1].endswith(f"e.csv:3: `item_id` is empty: 'u1,,{T0}'")
    assert message[21] == "  and 40 more"
    assert "--bad-rows quarantine" in message[22]
    assert len(message) == 23
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["e.csv"]


def test_a_crash_in_the_middle_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    source = write_csv(tmp_path / "e.csv", some_rows(500))

    def crash(*_: Any, **__: Any) -> None:
        raise MemoryError

    monkeypatch.setattr("grapevine.data.importer.sort_events", crash)
    with pytest.raises(MemoryError):
        import_events(source, tmp_path / "out")
    monkeypatch.undo()
    monkeypatch.setattr("grapevine.data.readers.events.check_ids", crash)
    with pytest.raises(MemoryError):
        import_events(source, tmp_path / "out", block_bytes=1000)
    assert list(tmp_path.iterdir()) == [source]


def test_only_bad_rows_make_no_dataset(tmp_path: Path):
    (tmp_path / "e.csv").write_text(f"user_id,item_id,timestamp\n,x,{T0}\n")
    with pytest.raises(DataError, match="1 bad row among 1; nothing was written") as caught:
        import_events(tmp_path / "e.csv", tmp_path / "out", bad_rows="quarantine")
    (tmp_path / "e.csv").write_text("user_id,item_id,timestamp\n")
    assert caught.value.hint == "no event is good: is each column what --map says it is?"
    for unit in ("s", "auto"):
        with pytest.raises(DataError, match="there is no event to import\nhint: each line after"):
            import_events(tmp_path / "e.csv", tmp_path / "out", time_unit=unit)
    assert not (tmp_path / "out").exists()


ID = st.text(
    st.characters(exclude_categories=["Cs", "Cc"], include_characters="\n"), min_size=1, max_size=12
).filter(lambda text: len(text.encode()) <= 256)


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    rows=st.lists(
        st.tuples(ID, ID, st.integers(0, 3), st.text(st.characters(exclude_categories=["Cs"]))),
        min_size=1,
        max_size=12,
    ),
    kind=st.sampled_from(sorted(WRITERS)),
    block_bytes=st.integers(1, 300),
)
def test_any_text_goes_through(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple], kind: str, block_bytes: int
):
    folder = tmp_path_factory.mktemp("any")
    full = [
        [user, item, "click", T0 + time, 1.0, text.replace("\r", "").replace("\0", "")]
        for user, item, time, text in rows
    ]
    source = WRITERS[kind](folder / f"e.{kind}", full)
    import_events(source, folder / "out", block_bytes=block_bytes)
    found = [
        (str(row[0]), str(row[1]), *row[2:5], row[5] or "") for row in read_back(folder / "out")
    ]
    integers = pl.read_parquet(folder / "out" / "events.parquet")["user_id"].dtype == pl.Int64
    expected = slow_import(full)
    if integers:
        expected.sort(key=lambda row: (int(row[0]), row[3]))
    assert found == expected


@settings(max_examples=40, deadline=None)
@given(data=st.binary(max_size=400), suffix=st.sampled_from([".csv", ".tsv", ".jsonl", ".parquet"]))
def test_any_bytes_end_in_a_report_or_an_error(
    tmp_path_factory: pytest.TempPathFactory, data: bytes, suffix: str
):
    folder = tmp_path_factory.mktemp("bytes")
    head = {
        ".csv": b"user_id,item_id\na,x\n",
        ".tsv": b"user_id\titem_id\na\tx\n",
        ".jsonl": b'{"user_id": "a", "item_id": "x"}\n',
        ".parquet": b"PAR1",
    }
    (folder / f"e{suffix}").write_bytes(head[suffix] + data)
    try:
        report = import_events(folder / f"e{suffix}", folder / "out", bad_rows="quarantine")
    except DataError:
        assert not (folder / "out").exists()
        return
    assert report.good + report.bad == report.total
    again = import_events(
        folder / f"e{suffix}", folder / "again", bad_rows="quarantine", block_bytes=3
    )
    assert summary(report) == summary(again)


def summary(report: ImportReport) -> tuple:
    return (report.total, report.good, report.bad, report.duplicates, report.bad_rows)


def test_pictures_in_a_catalogue_stay_bytes_but_an_id_must_be_text(tmp_path):
    (tmp_path / "log.csv").write_text("user_id,item_id\nann,tea\nann,jam\n")
    png = b"\x89PNG\r\n\x1a\n\xff"
    pictured = {"item_id": ["jam", "tea"], "image": [png, None]}
    pq.write_table(pa.table(pictured), tmp_path / "items.parquet")
    import_events(tmp_path / "log.csv", tmp_path / "out", items=tmp_path / "items.parquet")
    kept = pl.read_parquet(tmp_path / "out" / "items.parquet")
    assert kept["image"].to_list() == [png, None]
    pq.write_table(pa.table({"item_id": [png, b"tea"]}), tmp_path / "items.parquet")
    with pytest.raises(DataError, match="not UTF-8"):
        import_events(tmp_path / "log.csv", tmp_path / "bad", items=tmp_path / "items.parquet")


def test_columns_are_named_where_there_is_no_header(tmp_path: Path):
    (tmp_path / "e.csv").write_text(f"a,x,{T0}\nb,y,{T0}\n")
    names = ["user_id", "item_id", "timestamp"]
    report = import_events(tmp_path / "e.csv", tmp_path / "out", columns=names)
    assert report.total == 2
    assert open_dataset(tmp_path / "out").users.ids.to_list() == ["a", "b"]


def test_one_id_of_text_makes_all_ids_text(tmp_path: Path):
    (tmp_path / "e.csv").write_text(f"user_id,item_id,timestamp\n1,10,{T0}\n2,9,{T0}\n")
    (tmp_path / "i.csv").write_text("item_id,title\n10,Ten\nA,Letter\n")
    report = import_events(tmp_path / "e.csv", tmp_path / "out", items=tmp_path / "i.csv")
    data = open_dataset(tmp_path / "out")
    assert data.users.ids.to_list() == [1, 2]
    assert data.item_table.rows() == [("10", "Ten"), ("9", None), ("A", "Letter")]
    assert report.added_items == 1


def test_long_texts_are_written_in_small_groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("grapevine.data.readers.assemble.ROWS_WITH_TEXT", 50)
    monkeypatch.setattr("grapevine.data.folder.BYTES_PER_GROUP", 4000)
    rows = some_rows(400)
    import_events(write_csv(tmp_path / "e.csv", rows), tmp_path / "out")
    assert read_back(tmp_path / "out") == slow_import(rows)
    assert pq.ParquetFile(tmp_path / "out" / "events.parquet").num_row_groups > 1


def log_with_a_slip(path: Path) -> Path:
    rows = [["u1", "x", "view", T0 + place] for place in range(4000)]
    rows += [["u1", "x", "purchase", T0 + place] for place in range(40)]
    return write_csv(path, [*rows, ["u1", "y", "veiw", T0]], HEADER[:4])


def test_a_slip_is_never_what_is_predicted_unless_asked_for(tmp_path: Path):
    source = log_with_a_slip(tmp_path / "e.csv")
    report = import_events(source, tmp_path / "out")
    assert report.target == "purchase" == open_dataset(tmp_path / "out").schema.target
    assert list(report.behaviours) == ["view", "purchase", "veiw"]
    (note,) = report.notes
    assert note.startswith("`veiw` (1 of 4,041 events) is nearly `view`: a slip?")
    assert "--behaviours view,purchase --bad-rows quarantine" in note
    assert "not predicted unless you say --target veiw" in note
    assert import_events(source, tmp_path / "asked", target="veiw").target == "veiw"
    given = ["view", "purchase", "veiw"]
    report = import_events(source, tmp_path / "given", behaviours=given)
    assert (report.target, report.notes) == ("veiw", ())


@pytest.mark.parametrize(
    "name", ["when", "wann", "Zeitpunkt", "DateTime", "created_at", "event_time"]
)
def test_time_goes_by_many_names(tmp_path: Path, name: str):
    write_csv(tmp_path / "e.csv", [["a", "x", T0]], ["user_id", "item_id", name])
    report = import_events(tmp_path / "e.csv", tmp_path / "out")
    assert (report.guessed[name], report.notes) == ("timestamp", ())


@pytest.mark.parametrize(
    ("name", "values", "is_time"),
    [
        ("bought_on", ["2024-05-01", "2024-05-02 12:00"], True),
        ("epoch", [1_700_000_000, 1_700_000_001], True),
        ("epoch", [T0, T0 + 1], True),
        ("visit_time", ["noon", "midnight"], True),
        ("bought_on", ["01.05.2024 12:30", "31.12.2023 07:00"], True),
        ("price", [12, 15], False),
        ("note", ["good", "bad"], False),
    ],
)
def test_a_forgotten_time_is_said(tmp_path: Path, name: str, values: list, is_time: bool):
    rows = [["a", f"i{place}", value, 1] for place, value in enumerate(values)]
    write_csv(tmp_path / "e.csv", rows, ["user_id", "item_id", name, "junk"])
    report = import_events(tmp_path / "e.csv", tmp_path / "out", mapping={"junk": "ignore"})
    said, left_out = report.notes
    assert said.startswith("no time: the order of the file is used; ")
    assert (f"`{name}` looks like one: --map {name}=timestamp" in said) == is_time
    assert left_out.startswith(f"columns left out: `{name}`; to keep one: --map COLUMN=number")


def test_decimal_commas_are_read_where_asked_and_suggested_where_not(tmp_path: Path):
    header = ["user_id", "item_id", "timestamp", "preis"]
    write_csv(tmp_path / "e.csv", [["a", "x", T0, "12,50"], ["a", "y", T0, "1.234,5"]], header)
    write_csv(tmp_path / "i.csv", [["x", "3,99"], ["y", "4"], ["z", "0,5"]], ["sku", "Preis"])
    write_csv(tmp_path / "bad.csv", [["x", "3.99"], ["y", "1,25"]], ["sku", "Preis"])
    events, items, mapping = tmp_path / "e.csv", tmp_path / "i.csv", {"preis": "number"}
    with pytest.raises(DataError) as caught:
        import_events(events, tmp_path / "out", mapping=mapping)
    assert caught.value.hint == "the numbers of column `preis` have a decimal comma: --decimal ,"
    import_events(events, tmp_path / "out", mapping=mapping, items=items, decimal=",")
    table = pl.read_parquet(tmp_path / "out" / "events.parquet")
    assert table["preis"].to_list() == [12.5, 1234.5]
    assert open_dataset(tmp_path / "out").item_table["Preis"].to_list() == [3.99, 4, 0.5]
    assert open_dataset(tmp_path / "out").schema.items == {"Preis": "number"}
    report = import_events(events, tmp_path / "plain", items=items)
    assert "column `Preis` of items is kept as text" in report.notes[-1]
    assert report.notes[-1].endswith("--decimal ,")
    with pytest.raises(DataError, match=r"bad\.csv:2: `Preis` is not a number"):
        import_events(
            events, tmp_path / "no", items=tmp_path / "bad.csv", mapping={"Preis": "number"},
            decimal=",",
        )  # fmt: skip
    with pytest.raises(ConfigError, match="`;` is no decimal mark\nhint: write"):
        import_events(events, tmp_path / "no", decimal=";")


def test_bad_rows_of_the_catalogue_are_counted_apart(tmp_path: Path):
    write_csv(tmp_path / "e.csv", [["a", "x", T0], ["", "y", T0]], ["user_id", "item_id", "time"])
    write_csv(tmp_path / "i.csv", [["x", "X"], ["", "Y"], ["", "Z"]], ["item_id", "title"])
    write_csv(tmp_path / "u.csv", [["a", 3]], ["user_id", "age"])
    report = import_events(
        tmp_path / "e.csv", tmp_path / "out", bad_rows="quarantine",
        items=tmp_path / "i.csv", users=tmp_path / "u.csv",
    )  # fmt: skip
    assert (report.total, report.good, report.bad) == (2, 1, 1)
    assert report.bad_catalogue == {"items": 2}
    assert len(pl.read_parquet(tmp_path / "out" / "bad_rows.parquet")) == 3


def test_a_catalogue_without_rows_is_refused(tmp_path: Path):
    write_csv(tmp_path / "e.csv", [["a", "x"]], ["user_id", "item_id"])
    (tmp_path / "i.csv").write_text("item_id,title\n")
    with pytest.raises(
        DataError, match=r"i\.csv: there are no items in it\nhint: leave out --items"
    ):
        import_events(tmp_path / "e.csv", tmp_path / "out", items=tmp_path / "i.csv")


def test_titles_are_known_in_german_and_prices_stay_numbers(tmp_path: Path):
    write_csv(tmp_path / "e.csv", [["a", "x"]], ["user_id", "item_id"])
    header = ["sku", "Bezeichnung", "preis", "beschreibung"]
    write_csv(tmp_path / "i.csv", [["x", "Apfel", "1.5", "rund"]], header)
    import_events(tmp_path / "e.csv", tmp_path / "out", items=tmp_path / "i.csv")
    assert open_dataset(tmp_path / "out").schema.items == {
        "Bezeichnung": "title",
        "preis": "number",
        "beschreibung": "text",
    }


def test_an_unknown_way_with_bad_rows_is_answered_with_the_known(tmp_path: Path):
    with pytest.raises(ConfigError, match=r"no choice of --bad-rows is called `skip`\nhint: There"):
        import_events(tmp_path / "e.csv", tmp_path / "out", bad_rows="skip")


def test_the_first_file_with_rows_tells_the_unit_of_time(tmp_path: Path):
    (tmp_path / "in").mkdir()
    write_csv(tmp_path / "in" / "a.csv", [], HEADER[:4])
    write_csv(tmp_path / "in" / "b.csv", [["a", "x", "buy", 1_600_000_000]], HEADER[:4])
    assert import_events(tmp_path / "in", tmp_path / "out").time_unit == "s"
