"""`grapevine embed` and `grapevine index`."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

import grapevine as gv
from grapevine.cli.output import Json, print_facts, print_json, say
from grapevine.cli.places import Force, new_folder
from grapevine.log import logger

if TYPE_CHECKING:
    from grapevine.index.vector_index import Settings, VectorIndex


def embed(
    run: Annotated[Path, typer.Argument(help="A run folder.")],
    out: Annotated[Path, typer.Option(help="The folder of vectors to write.")],
    force: Force = False,
    json: Json = False,
) -> None:
    """Every item's vector of a run, and every user's where the model has them.

    Nothing is computed twice: a graph model goes layer by layer over all items and counts the
    rows. For models whose scores are inner products, such as als and pinsage.

    Example: `grapevine embed runs/als --out vectors/als`
    """
    new_folder(out, "embeddings", force=force)
    facts = gv.pipeline.embed(run, out)
    if json:
        print_json({"out": str(out), "run": str(run), **facts})
    else:
        say_embedded(facts, out)
        say(f"next: grapevine index {out} --out {out.with_name(out.name + '-index')}")


def say_embedded(facts: Mapping[str, Any], out: Path) -> None:
    """What was embedded, line by line."""
    for name, count in facts["counted"].items():
        say(f"{name}: {count:,}")
    say(f"{facts['items']:,} items and {facts['users']:,} users, width {facts['width']} -> {out}")


def index(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="A folder of vectors (`grapevine embed`).")
    ],
    out: Annotated[Path, typer.Option(help="The index folder to write.")],
    kind: Annotated[
        str, typer.Option(help="flat (exact), ivf, hnsw, pq; auto is flat up to a million vectors.")
    ] = "auto",
    metric: Annotated[str, typer.Option(help="inner-product or cosine.")] = "inner-product",
    recall: Annotated[
        float, typer.Option(help="The share of the exact best 10 that the other kinds should find.")
    ] = 0.95,
    seed: Annotated[int, typer.Option(help="For samples and centres.")] = 0,
    force: Force = False,
    json: Json = False,
) -> None:
    """An index of the vectors, searched as widely as the recall wanted needs, and no more.

    How widely is measured on queries from the folder's users, or its items where it has no users;
    other queries then tell the recall that is printed.

    Example: `grapevine index vectors/als --out vectors/als-index --kind ivf --recall 0.98`
    """
    new_folder(out, "index", force=force)
    built = gv.pipeline.index(folder, out, kind=kind, metric=metric, recall=recall, seed=seed)
    facts = facts_of(built, out)
    if json:
        print_json(facts)
    else:
        print_facts(facts)


def facts_of(built: "VectorIndex", out: Path) -> dict[str, Any]:
    """What there is to tell of an index that was written; a warning where it falls short."""
    settings = built.settings
    _say_if_short(settings)
    return {
        "out": str(out),
        "kind": settings.kind,
        "vectors": len(built),
        "width": settings.width,
        "metric": settings.metric,
        f"recall@{settings.recall_at}": settings.recall,
        "measured_with": f"{settings.queries} {settings.queries_from}",
        EFFORT[settings.kind]: settings.effort,
        "queries_per_second": round(settings.queries_per_second),
        "build_seconds": settings.build_seconds,
        "bytes": sum(path.stat().st_size for path in out.iterdir()),
    }


EFFORT = {"flat": "effort", "ivf": "nprobe", "hnsw": "efSearch", "pq": "candidates"}
"""What the literature calls how widely each kind is searched."""


def _say_if_short(settings: "Settings") -> None:
    """Warn where the widest search does not reach the recall that was asked for."""
    # A hundredth less is the difference between one sample of queries and another.
    if settings.recall < settings.wanted - 0.01:
        logger.warning(
            "recall %.3f is less than the %.3f wanted\nhint: --kind flat is exact, ivf can be "
            "searched further than hnsw",
            settings.recall,
            settings.wanted,
        )
