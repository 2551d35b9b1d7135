"""Coat: ratings of coats that people chose, and of coats that were dealt to them at random."""

import io
from pathlib import Path

import numpy as np
import polars as pl

from grapevine.data.schema import Schema
from grapevine.data.sources.base import File, Files, Source, Tables, read

_NOTES = (
    "`value` is a rating from 1 to 5. Training events rate coats that the user chose, test events "
    "coats that were drawn for them evenly; `random.parquet` holds all of the latter.",
    "366 coats that were drawn for a user who had chosen them too are left in training only.",
    "`propensities.parquet` has the published chance of each pair that the user rates it.",
    "There are no times, and the order of a user's events says nothing (clock `none`).",
)


def _convert(files: Files) -> Tables:
    chosen, drawn = (_rated(files[f"{part}.ascii"]) for part in ("train", "test"))
    left = drawn.join(chosen, on=["user_id", "item_id"], how="anti", maintain_order="left")
    events = pl.concat(
        [chosen.with_columns(split=pl.lit("train")), left.with_columns(split=pl.lit("test"))]
    )
    users, items = (
        _features(files[f"{kind}_features.ascii"], files[f"{kind}_features_map.txt"], f"{kind}_id")
        for kind in ("user", "item")
    )
    schema = Schema(
        behaviours=("rate",),
        clock="none",
        split={"by": "published"},
        users=dict.fromkeys(users.columns[1:], "category"),
        items=dict.fromkeys(items.columns[1:], "category"),
        notes=_NOTES,
    )
    chance = _matrix(files["propensities.ascii"])
    user, item = np.indices(chance.shape).reshape(2, -1)
    propensities = pl.DataFrame({"user_id": user, "item_id": item, "propensity": chance.ravel()})
    return Tables(
        schema=schema,
        events=events.with_columns(behaviour=pl.lit("rate"), timestamp=pl.lit(0, pl.Int64)),
        items=items,
        users=users,
        further={"random": drawn, "propensities": propensities},
        raw={"chosen ratings": len(chosen), "random ratings": len(drawn)},
    )


def _rated(path: Path) -> pl.DataFrame:
    """Pairs that have a rating; 0 is none."""
    ratings = _matrix(path)
    user, item = ratings.nonzero()
    return pl.DataFrame(
        {"user_id": user, "item_id": item, "value": ratings[user, item].astype(np.float32)}
    )


def _matrix(path: Path) -> np.ndarray:
    return np.loadtxt(io.BytesIO(read(path)))


def _features(path: Path, names: Path, key: str) -> pl.DataFrame:
    """Columns of 0 and 1 called `question:answer`, as one column a question."""
    table = _matrix(path).astype(bool)
    answers: dict[str, list[tuple[int, str]]] = {}
    for place, name in enumerate(read(names).decode().split("\n")):
        question, _, answer = name.strip().partition(":")
        if answer:
            answers.setdefault(question, []).append((place, answer))
    columns: dict[str, list[str]] = {}
    for question, options in answers.items():
        chosen = table[:, [place for place, _ in options]].argmax(1)
        columns[question] = [options[one][1] for one in chosen]
    return pl.DataFrame({key: np.arange(len(table)), **columns})


_COAT = "https://github.com/DongHande/AutoDebias/raw/39101ad5a671/datasets/coat"

COAT = Source(
    name="coat",
    title="Coat shopping",
    home="https://www.cs.cornell.edu/~schnabts/mnar/",
    licence="Coat (Schnabel et al.): research use with citation",
    cite="Schnabel et al., Recommendations as Treatments, ICML 2016",
    serves="ratings that people chose to give, against ratings at random",
    expected={"users": 290, "items": 300, "chosen ratings": 6960, "random ratings": 4640},
    convert=_convert,
    files=(
        File(
            path="coat/train.ascii",
            sha256="a87bd9e7eaf3b89f976df3f25d4aa5d5d871be8a00b58947df9e6e015559bd37",
            size=174290,
            gzipped="30a8ede323c222ff9b3157ae8d32ac54df839b36a5614421cb169d9072680a94",
            url=f"{_COAT}/train.ascii",
        ),
        File(
            path="coat/test.ascii",
            sha256="de6714ab105a5e0be8166be7fd313901b29f9a09c3bea307901457d1d71847e6",
            size=174290,
            gzipped="c07fe9f99fe15699f2ced4add6662231edb58b99d88357642c6580eae664fd87",
            url=f"{_COAT}/test.ascii",
        ),
        File(
            path="coat/propensities.ascii",
            sha256="a72e3142a413623c4a6b9d20c4f70fcc017e0db67cc3eb242116f69fb8fb9661",
            size=2175000,
            gzipped="15438446316f904d214bba8b12d5ea92382a16c24660cf8acdf80b2ce655cb95",
            url=f"{_COAT}/propensities.ascii",
        ),
        File(
            path="coat/user_features.ascii",
            sha256="d8f9531b601c54a7272602f8b21fa6cb4652cbf122e35d8615ea9645ebbf1b1f",
            size=8410,
            gzipped="aa5246d5b3cbc2374e992842a56453891770d4b7728cea9b911783915ace8d99",
            url=f"{_COAT}/user_features.ascii",
        ),
        File(
            path="coat/user_features_map.txt",
            sha256="3b8c825ad4445d4a46a400629c5fb43c805ff5a7982b2e436b69e7262c8a013a",
            size=211,
            gzipped="f9b882dc9c10605c56ddc9d8e446a2ef6fb7ea3ef5e817acce794f597a640820",
            url=f"{_COAT}/user_features_map.txt",
        ),
        File(
            path="coat/item_features.ascii",
            sha256="edea8217ec5606779b4d3bf819f7591dc63bcd5194d619e8048c2322d07630b1",
            size=20100,
            gzipped="15372d5f4cd290489396357cc7959efc9bafe3667cec3711c763c69b48e05286",
            url=f"{_COAT}/item_features.ascii",
        ),
        File(
            path="coat/item_features_map.txt",
            sha256="2675dfaa38b89a9cbb1997f0cfcd46ed7e0e366dc515d12d95508d1f356e5d25",
            size=498,
            gzipped="867faed9ed846e6b53fb38e57db75ab06e006791335eb46e7fd6f5059aacd43a",
            url=f"{_COAT}/item_features_map.txt",
        ),
    ),
)
