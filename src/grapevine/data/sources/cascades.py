"""Logs of several behaviours, as multi-behaviour papers publish them, and raw Taobao rows."""

import polars as pl

from grapevine.data.schema import Clock, Schema
from grapevine.data.sources.base import (
    File,
    Files,
    Source,
    Tables,
    catalogue,
    milliseconds,
    read,
    read_lists,
)

_SPLIT = {"by": "published"}
_UNMET = _SPLIT | {"repeats": "unmet"}
"""Of a log whose test has no pair that training has under any behaviour."""
_LABELS = {"train": "train", "valid": "validation", "test": "test"}


def _labelled(files: Files) -> pl.DataFrame:
    """The published rows with our labels; a test row that is not a purchase is never used."""
    rows = pl.read_parquet(files["interactions.parquet"])
    label = pl.col("split").cast(pl.String).replace_strict(_LABELS)
    behaviour = pl.col("behavior").cast(pl.String)
    unused = (label == "test") & (behaviour != "buy")
    return rows.select(
        pl.exclude("user", "item", "behavior", "split"),
        user_id=pl.col("user").cast(pl.Int64),
        item_id=pl.col("item").cast(pl.Int64),
        behaviour=behaviour,
        split=pl.when(unused).then(pl.lit("unused")).otherwise(label),
    )


def _tables(
    events: pl.DataFrame,
    behaviours: tuple[str, ...],
    clock: Clock,
    *notes: str,
    split: dict[str, str] = _SPLIT,
) -> Tables:
    schema = Schema(behaviours=behaviours, target="buy", clock=clock, split=split, notes=notes)
    labels = dict(events["split"].value_counts().iter_rows())
    return Tables(schema=schema, events=events, items=catalogue(events), raw=labels)


def _with_test_times(events: pl.DataFrame) -> pl.DataFrame:
    """Test events have no time: each gets its user's last known time and one second more."""
    last = pl.col("timestamp").max().over("user_id")
    return events.with_columns(timestamp=pl.col("timestamp").fill_null(last + 1)).with_columns(
        timestamp=milliseconds("timestamp")
    )


_TEST_TIME = (
    "The test purchases have no published time: each stands one second after its user's last event."
)
_NEW = "The test asks only for what its user has met by no behaviour: lists leave out all else."
_ONCE = "One event for each user, item and behaviour: repeats were not published."
_TIMELESS = "There are no times, and the order of a user's events says nothing (clock `none`)."


def _convert_retailrocket(files: Files) -> Tables:
    events = _with_test_times(_labelled(files))
    return _tables(events, ("view", "cart", "buy"), "exact", _TEST_TIME, _ONCE, _NEW, split=_UNMET)


def _convert_tmall(files: Files) -> Tables:
    events = _with_test_times(_labelled(files))
    partial = "Page views (1,093,807 in the literature) are not part of these files."
    source = "Times are of late 2017: this is Taobao UserBehavior under the literature's name."
    notes = (_TEST_TIME, _ONCE, _NEW, partial, source)
    return _tables(events, ("fav", "cart", "buy"), "exact", *notes, split=_UNMET)


def _convert_taobao(files: Files) -> Tables:
    events = _labelled(files).with_columns(timestamp=pl.lit(0, pl.Int64))
    unused = "Views and carts that the publishers marked as test are labelled `unused`."
    return _tables(events, ("view", "cart", "buy"), "none", _TIMELESS, _ONCE, unused)


def _beibei_lists(files: Files) -> pl.DataFrame:
    """The publishers' lines of `user item item ...`, one file a kind of event."""
    kinds = {"cart": ("cart", "train"), "train": ("buy", "train"), "test": ("buy", "test")}
    parts = [
        read_lists(files[f"{name}.txt"]).with_columns(behaviour=pl.lit(what), split=pl.lit(label))
        for name, (what, label) in kinds.items()
    ]
    return pl.concat(parts)


def _convert_beibei(files: Files) -> Tables:
    events = _beibei_lists(files) if "train.txt" in files else _labelled(files)
    events = events.with_columns(timestamp=pl.lit(0, pl.Int64))
    partial = "Page views (2,412,586 in the literature) are not part of these files."
    return _tables(events, ("cart", "buy"), "none", _TIMELESS, _ONCE, partial)


def _convert_head(files: Files) -> Tables:
    names = ["user_id", "item_id", "category", "behaviour", "time"]
    rows = pl.read_csv(
        read(files["UserBehavior_head.csv"]),
        has_header=False,
        new_columns=names,
    )
    events = rows.with_columns(timestamp=milliseconds("time")).drop("category", "time")
    items = rows.group_by("item_id").agg(pl.col("category").first().cast(pl.String))
    schema = Schema(
        behaviours=("pv", "fav", "cart", "buy"),
        items={"category": "category"},
        notes=(
            "The first 4,321 rows of a file of 100 million: for trying things, not for figures.",
            "One row lies in September 2017, two months before the rest: noise of the original.",
        ),
    )
    return Tables(schema=schema, events=events, items=items.sort("item_id"))


_SSLREC = "HKUDS/SSLRec datasets/multi_behavior @ 7597c31ce3f7, its matrices written as one table"

RETAILROCKET = Source(
    name="retailrocket",
    title="RetailRocket, split of SSLRec and CML",
    home="https://www.kaggle.com/datasets/retailrocket/ecommerce-dataset",
    licence="CC BY-NC-SA 4.0",
    cite="Wei et al., Contrastive Meta Learning with Behavior Multiplicity, WSDM 2022",
    serves="several behaviours with times, sequences, multi-task models",
    expected={
        "users": 2174,
        "items": 30113,
        "view events": 75374,
        "cart events": 12456,
        "buy events": 11725,
        "train": 97381,
        "test": 2174,
    },
    convert=_convert_retailrocket,
    files=(
        File(
            path="retailrocket-mb/interactions.parquet",
            sha256="df0d2927649ffac0aea14833dda1c488ba2bf5abc26e02b888bd2b74310c5315",
            size=497823,
        ),
    ),
    origin=_SSLREC,
)

TMALL_MB = Source(
    name="tmall-mb",
    title="Tmall, split of SSLRec and CML, without page views",
    home="https://tianchi.aliyun.com/dataset/649",
    licence="Alibaba Tianchi: research use",
    cite="Wei et al., Contrastive Meta Learning with Behavior Multiplicity, WSDM 2022",
    serves="several behaviours with times",
    expected={
        "users": 31882,
        "items": 31024,
        "fav events": 49482,
        "cart events": 140068,
        "buy events": 177862,
        "train": 357412,
        "test": 10000,
    },
    convert=_convert_tmall,
    files=(
        File(
            path="tmall-mb/interactions.parquet",
            sha256="f5ab2239222faa014557f3e98fcdddbc27dc09ae616471023e35ef3ade5513ed",
            size=2108587,
        ),
    ),
    origin=_SSLREC,
)

TAOBAO_MB = Source(
    name="taobao-mb",
    title="Taobao, split of CRGCN and MB-CGCN",
    home="https://github.com/SS-00-SS/MBCGCN",
    licence="Alibaba Tianchi UserBehavior: research use",
    cite="Cheng et al., Multi-Behavior Recommendation with Cascading GCN, WWW 2023",
    serves="several behaviours, cascades",
    expected={
        "users": 15449,
        "items": 11953,
        "view events": 873954,
        "cart events": 195476,
        "buy events": 107629,
        "train": 1115263,
        "validation": 15449,
        "test": 15449,
        "unused": 30898,
    },
    convert=_convert_taobao,
    files=(
        File(
            path="taobao-mb/interactions.parquet",
            sha256="112587becedecd32b1f38fba648b700ff662302c4195fd52685fa4e5242c6cf9",
            size=2469694,
        ),
    ),
    origin="SS-00-SS/MBCGCN Data/ @ 931f9c103817 and geonwooko/MULE data/taobao/valid.txt @ "
    "52bccb5346a1, written as one table",
)

BEIBEI_MB = Source(
    name="beibei-mb",
    title="Beibei, split of GHCF, without page views",
    home="https://github.com/chenchongthu/GHCF",
    licence="Beibei (Gao et al., ICDE 2019): research use",
    cite="Gao et al., Neural Multi-task Recommendation, ICDE 2019; Chen et al., GHCF, AAAI 2021",
    serves="several behaviours, cascades",
    expected={
        "users": 21716,
        "items": 7977,
        "cart events": 642622,
        "buy events": 304576,
        "train": 925482,
        "test": 21716,
    },
    convert=_convert_beibei,
    files=(
        File(
            path="beibei-mb/interactions.parquet",
            sha256="190fa55bc468cf5051729cb23e1ffd216cc322d3613314f2ec47e37c52324707",
            size=1845078,
        ),
    ),
    original=tuple(File(path=f"beibei-mb/{name}.txt") for name in ("train", "cart", "test")),
    origin="chenchongthu/GHCF Data/Beibei @ 5ca2d693410c, written as one table; its train.txt, "
    "cart.txt and test.txt are taken by their counts",
)

TAOBAO_HEAD = Source(
    name="taobao-userbehavior-head",
    title="Taobao UserBehavior, its first rows",
    home="https://tianchi.aliyun.com/dataset/649",
    licence="Alibaba Tianchi UserBehavior: research use",
    cite="Zhu et al., Learning Tree-based Deep Model for Recommender Systems, KDD 2018",
    serves="trying raw logs of four behaviours",
    expected={
        "users": 43,
        "items": 3276,
        "pv events": 3926,
        "fav events": 128,
        "cart events": 190,
        "buy events": 77,
    },
    convert=_convert_head,
    files=(
        File(
            path="taobao-userbehavior-head/UserBehavior_head.csv",
            sha256="e6f47712a2ae149885993ac7b520cf5ba3b099b2e52f90cfddd912455c710e6d",
            size=161867,
            gzipped="8507858dcc468a46f94bee9e4bcc157cf9b83ee106c170169fa5ad987b75ab51",
            url="https://github.com/fattydelivery/clothes-shopping-website-v1.0/raw/ee6cc5a462d4/"
            "UserBehavior.csv",
        ),
    ),
)
