"""Gowalla, Pinterest and Last.fm: who met what, without times; the first two with their split."""

import polars as pl

from grapevine.data.schema import Schema
from grapevine.data.sources.base import File, Files, Source, Tables, catalogue, read, read_lists

_TIMELESS = "There are no times, and the order of a user's events says nothing (clock `none`)."


def _published(files: Files) -> pl.DataFrame:
    """Training pairs, then test pairs, labelled; all at time 0."""
    parts = [
        read_lists(files[f"{label}.txt"]).with_columns(split=pl.lit(label))
        for label in ("train", "test")
    ]
    return pl.concat(parts).with_columns(timestamp=pl.lit(0, pl.Int64))


def _original_ids(path: str, files: Files) -> pl.DataFrame:
    """`org_id remap_id` lines: the publisher's ID of each number."""
    return pl.read_csv(read(files[path]), separator=" ").select("remap_id", "org_id")


def _convert_gowalla(files: Files) -> Tables:
    events = _published(files)
    for column, path in (("user_id", "user_list.txt"), ("item_id", "item_list.txt")):
        ids = _original_ids(path, files).rename({"remap_id": column})
        events = events.join(ids, on=column, how="left", maintain_order="left")
        events = events.with_columns(pl.col("org_id").alias(column)).drop("org_id")
    schema = Schema(
        behaviours=("check-in",), clock="none", split={"by": "published"}, notes=(_TIMELESS,)
    )
    return Tables(
        schema=schema,
        events=events.with_columns(behaviour=pl.lit("check-in")),
        items=catalogue(events),
        raw=dict(events["split"].value_counts().iter_rows()),
    )


def _convert_pinterest(files: Files) -> Tables:
    raw = _published(files)
    # Training pairs come first and are kept: what a user has met cannot be asked for.
    events = raw.unique(["user_id", "item_id"], keep="first", maintain_order=True)
    schema = Schema(
        behaviours=("pin",),
        clock="none",
        split={"by": "published"},
        notes=(
            _TIMELESS,
            "16,812 repeated pairs of the published files count once, and 8,743 test pairs that "
            "are training pairs too are left in training only.",
            "A filtered variant: its IDs are not those of the Pinterest set of NCF.",
        ),
    )
    return Tables(
        schema=schema,
        events=events.with_columns(behaviour=pl.lit("pin")),
        items=catalogue(events),
        raw=dict(raw["split"].value_counts().iter_rows()),
    )


def _convert_lastfm(files: Files) -> Tables:
    plays = pl.read_csv(read(files["user_artists.dat"]), separator="\t", quote_char=None)
    artists = pl.read_csv(read(files["artists.dat"]), separator="\t", quote_char=None)
    events = plays.select(
        user_id="userID",
        item_id="artistID",
        behaviour=pl.lit("listen"),
        timestamp=pl.lit(0, pl.Int64),
        value=pl.col("weight").cast(pl.Float32),
    )
    schema = Schema(
        behaviours=("listen",),
        clock="none",
        items={"title": "title"},
        notes=(_TIMELESS, "`value` is how often the user played the artist."),
    )
    items = artists.select(item_id="id", title="name")
    return Tables(schema=schema, events=events, items=items)


_LIGHTGCN = "https://github.com/gusye1234/LightGCN-PyTorch/raw/947ca2b3b1d2/data/gowalla"
_HMGCN = "https://github.com/kangkang-yun/HMGCN/raw/bfbaf6f46010/data/pinterest"

_GOWALLA = (
    File(
        path="gowalla/train.txt",
        sha256="0f086326b28a56c2e6dcb81d86ee72d4ccb7eed3a8d26788392356d8f51111cc",
        size=4633414,
        gzipped="71a2faabd7e5eed1c9df325798a213695c293739970a47bed0a983355f6687e3",
    ),
    File(
        path="gowalla/test.txt",
        sha256="099a2a73924e4b754dc6efd730d764f492321b53c38eb93298850c83acf57be3",
        size=1372559,
        gzipped="9db4414306dbc518d3b81b0239515497908ecd6de09df99c6a92ba171e75b902",
        url=f"{_LIGHTGCN}/test.txt",
    ),
    File(
        path="gowalla/user_list.txt",
        sha256="5344c4d0deef610e1f148f23ad216a0db03b36f88834cd39a06786a672c5f5a1",
        size=351203,
        gzipped="3dbb3557200e8aceb7a85358707b39bec2852eedac2d880dd03d36c94c04540d",
        url=f"{_LIGHTGCN}/user_list.txt",
    ),
    File(
        path="gowalla/item_list.txt",
        sha256="6b186f92890cc3f0c15a6dae5d6285f125a302bb8c5ea0cd9a16cf9c16347139",
        size=506926,
        gzipped="239ef90a398aa8759e56dc4c6512f32377433bcb1689b33e6cb70b206599a528",
        url=f"{_LIGHTGCN}/item_list.txt",
    ),
)

GOWALLA = Source(
    name="gowalla",
    title="Gowalla check-ins, split of NGCF and LightGCN",
    home="https://github.com/gusye1234/LightGCN-PyTorch",
    licence="SNAP Gowalla (Cho et al., KDD 2011): research use with citation",
    cite="He et al., LightGCN, SIGIR 2020; Cho, Myers and Leskovec, KDD 2011",
    serves="user-item graphs, with the published split",
    expected={
        "users": 29858,
        "items": 40981,
        "catalogue": 40981,
        "events": 1027370,
        "train": 810128,
        "test": 217242,
    },
    convert=_convert_gowalla,
    files=_GOWALLA,
    original=(File(path="gowalla/train.txt"), *_GOWALLA[1:]),
    origin="train.txt: decoded from s_adj_mat.npz of LightGCN-PyTorch @ 947ca2b3b1d2; its own "
    "train.txt, unpacked, is taken by its counts",
)

PINTEREST = Source(
    name="pinterest",
    title="Pinterest pins, split of HMGCN",
    home="https://github.com/kangkang-yun/HMGCN",
    licence="Pinterest (Geng et al., ICCV 2015): research use with citation",
    cite="Geng et al., Learning Image and User Features for Recommendation, ICCV 2015",
    serves="user-item graphs, with the published split",
    expected={
        "users": 37501,
        "items": 9836,
        "catalogue": 9836,
        "events": 1000154,
        "train": 805742,
        "test": 219967,
    },
    convert=_convert_pinterest,
    files=(
        File(
            path="pinterest-hmgcn/train.txt",
            sha256="28762ee724adc53f431e7c8f82e2c7617379025b880308d527d8d90308482c19",
            size=4102963,
            gzipped="9496b49ca6415f2672378641caac66d6f04b23321a48318dd6282171173c64af",
            url=f"{_HMGCN}/train.txt",
        ),
        File(
            path="pinterest-hmgcn/test.txt",
            sha256="961c77ce6014109921a46a819ef99dd1ee3471aed970e88fd0bf8ba394c10de3",
            size=1275659,
            gzipped="f19dd29ff276b3cfbb09e0b74b49d95a7b42142e64a947907a0b2fbcd6638d9a",
            url=f"{_HMGCN}/test.txt",
        ),
    ),
)

LASTFM = Source(
    name="lastfm",
    title="Last.fm 2K of HetRec 2011",
    home="https://grouplens.org/datasets/hetrec-2011/",
    licence="HetRec 2011 (Last.fm): research use with citation, no commercial use",
    cite="Cantador, Brusilovsky and Kuflik, HetRec 2011, RecSys 2011",
    serves="implicit counts, user-item graphs",
    expected={"users": 1892, "items": 17632, "catalogue": 17632, "events": 92834},
    convert=_convert_lastfm,
    original=(File(path="lastfm/user_artists.dat"), File(path="lastfm/artists.dat")),
    origin="user_artists.dat and artists.dat of hetrec2011-lastfm-2k.zip",
)
