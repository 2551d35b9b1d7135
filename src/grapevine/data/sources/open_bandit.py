"""Open Bandit: what two policies of a fashion shop showed, with which chance, and what was clicked.

These are no events of users (nobody is named): each row is an item at one of three places of a
banner. A folder holds `random.parquet`, `bts.parquet` (Bernoulli Thompson sampling, which learnt
beforehand), `items.parquet`, and `bandit.toml`, which says what it is.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl
import tomli_w

from grapevine.data.sources.base import File, Files, Source, read
from grapevine.errors import BundleError

FORMAT = 1

META = "bandit.toml"
"""The file by which a folder is known to hold such logs."""

POLICIES = ("random", "bts")


@dataclass(frozen=True, kw_only=True)
class BanditLogs:
    """Logs of several policies that chose among the same items.

    Attributes:
        logs: by policy, in order of time: `timestamp`, `item` (row of `items`), `position` from 1,
            `click` 0 or 1, `propensity` with which the item was shown there, and four hashed
            features of who looked, `user_feature_0` to `user_feature_3`.
        items: `item`, a number and three hashed features of each.
    """

    logs: Mapping[str, pl.DataFrame]
    items: pl.DataFrame

    def counts(self) -> dict[str, int]:
        """Items, and rounds and clicks of each policy."""
        found = {"items": len(self.items)}
        for name, log in self.logs.items():
            found |= {f"{name} rounds": len(log), f"{name} clicks": int(log["click"].sum())}
        return found

    def write(self, folder: Path, source: Source) -> None:
        """Write a folder that says where it came from."""
        folder.mkdir(parents=True)
        for name, table in {**self.logs, "items": self.items}.items():
            table.write_parquet(folder / f"{name}.parquet", compression="zstd")
        meta = {
            "format": FORMAT,
            "name": source.name,
            "licence": source.licence,
            "source": f"{source.title}, {source.home}",
            "policies": list(self.logs),
        }
        (folder / META).write_text(tomli_w.dumps(meta), encoding="utf-8")


def load_logs(folder: Path) -> BanditLogs:
    """Read what `grapevine data fetch open-bandit-men` wrote.

    Raises:
        BundleError: the folder is something else, or a file is missing or damaged.
    """
    folder = Path(folder)
    try:
        meta = tomllib.loads((folder / META).read_text(encoding="utf-8"))
        if meta["format"] != FORMAT:
            raise BundleError(
                f"{folder}: format {meta['format']}, this version reads format {FORMAT}",
                hint="fetch it again with this version of grapevine",
            )
        return BanditLogs(
            logs={name: pl.read_parquet(folder / f"{name}.parquet") for name in meta["policies"]},
            items=pl.read_parquet(folder / "items.parquet"),
        )
    except (OSError, ValueError, KeyError, pl.exceptions.PolarsError) as error:
        if isinstance(error, BundleError):
            raise
        raise BundleError(
            f"`{folder}` does not hold logs of a bandit: {error}",
            hint="make a folder of them with `grapevine data fetch open-bandit-men`",
        ) from error


def _convert(files: Files) -> BanditLogs:
    logs: dict[str, pl.DataFrame] = {}
    context = pl.DataFrame()
    for name, path in files.items():
        table = pl.read_csv(read(path))
        policy = name.partition("_")[0]
        if policy in POLICIES:
            logs[policy] = _log(table)
        else:
            features = [column for column in table.columns if column.startswith("item_feature")]
            context = table.select(pl.col("item_id").alias("item"), *features).sort("item")
    return BanditLogs(logs=logs, items=context)


def _log(table: pl.DataFrame) -> pl.DataFrame:
    return table.select(
        timestamp=pl.col("timestamp").str.to_datetime(time_unit="us", time_zone="UTC"),
        item=pl.col("item_id"),
        position=pl.col("position"),
        click=pl.col("click"),
        propensity=pl.col("propensity_score"),
        **{f"user_feature_{n}": pl.col(f"user_feature_{n}") for n in range(4)},
    ).sort("timestamp", maintain_order=True)


_OBD = "https://github.com/st-tech/zr-obp/raw/8cbd5fa4558b/obd"

MEN = Source(
    name="open-bandit-men",
    title="Open Bandit Dataset, men's campaign, the sample of 10,000 rounds a policy",
    home="https://research.zozo.com/data.html",
    licence="CC BY 4.0",
    cite="Saito et al., Open Bandit Dataset and Pipeline, NeurIPS 2021",
    serves="estimates of a policy from the log of another",
    expected={
        "items": 34,
        "random rounds": 10000,
        "random clicks": 46,
        "bts rounds": 10000,
        "bts clicks": 69,
    },
    convert=_convert,
    files=(
        File(
            path="open-bandit/random_men.csv",
            sha256="ede6d08c6877f99cd3770f7d09e26c738e6aa6de4445ccccfb1356ba5d06b1eb",
            size=3336811,
            gzipped="d466c14a04489f126b17f1daad32c2cc7b803f20855bb028a3ab966ba27cb73d",
            url=f"{_OBD}/random/men/men.csv",
        ),
        File(
            path="open-bandit/bts_men.csv",
            sha256="db6d1f7ed2d591ba521533e45286d4c1fba7fe57a8ad2e80342210335f43c527",
            size=3240432,
            gzipped="ab0d55dcd50a99ba519854042ef01b5ac94c6747f417b7b3b66f0387c4fe6bda",
            url=f"{_OBD}/bts/men/men.csv",
        ),
        File(
            path="open-bandit/item_context_men.csv",
            sha256="6d855c2b7e917d0448d71bbe62c023147495882c0fdc8c41e86fef86abf9fe09",
            size=4287,
            gzipped="bc3e47df6114e49e4d83ad034667de1f4e0001057c6fe48d12f8de38e2630582",
            url=f"{_OBD}/random/men/item_context.csv",
        ),
    ),
)

WOMEN = replace(
    MEN,
    name="open-bandit-women",
    title="Open Bandit Dataset, women's campaign, the sample of 10,000 rounds a policy",
    expected={
        "items": 46,
        "random rounds": 10000,
        "random clicks": 46,
        "bts rounds": 10000,
        "bts clicks": 46,
    },
    files=(
        File(
            path="open-bandit/random_women.csv",
            sha256="e65f3bd3beb17664fa69cc129bf7bf852a775f8ffa630506e505fc905315bb34",
            size=3817771,
            gzipped="4882686e1723d1c81ff3422fe16085ce401bbee37e2fa487c36807e64dc0171b",
            url=f"{_OBD}/random/women/women.csv",
        ),
        File(
            path="open-bandit/bts_women.csv",
            sha256="e5d1b49a39b608585a2f3014a3f54970430cd37a495c1b73fceb85cdf428a5b8",
            size=3722697,
            gzipped="f321401df0010f73f0d16a30f93d3d2a2fae4d8eeb0dff1f9ba8b5f53749a934",
            url=f"{_OBD}/bts/women/women.csv",
        ),
        File(
            path="open-bandit/item_context_women.csv",
            sha256="b1ca4905f97703d196004f2ad4552c1e90c2afad8b50688d333b0d2dc0b33147",
            size=5792,
            gzipped="12cb75ebada9c3e27819667649a12e63f12f49592fbda0e55df0160054fee10a",
            url=f"{_OBD}/random/women/item_context.csv",
        ),
    ),
)
