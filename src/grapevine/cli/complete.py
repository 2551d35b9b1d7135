"""Names that complete in the shell."""

from pathlib import Path

import grapevine as gv


def datasets(incomplete: str) -> list[str]:
    """Public datasets."""
    from grapevine.data.sources import SOURCES

    return [name for name in SOURCES if name.startswith(incomplete)]


def data(incomplete: str) -> list[str]:
    """Public datasets, and folders on the way to one's own."""
    parent, _, start = incomplete.rpartition("/")
    within = f"{parent}/" if "/" in incomplete else ""
    place = Path(within or ".")
    folders = [one.name for one in place.iterdir() if one.is_dir()] if place.is_dir() else []
    shown = sorted(n for n in folders if n.startswith(start) and (start or not n.startswith(".")))
    return datasets(incomplete) + [f"{within}{name}/" for name in shown]


def models(incomplete: str) -> list[str]:
    """Names of the one table."""
    return [name for name in gv.models.MODELS if name.startswith(incomplete)]


def trainable(incomplete: str) -> list[str]:
    """Names of the one table, and of recipes."""
    return models(incomplete) + recipes(incomplete)


def recipes(incomplete: str) -> list[str]:
    """Names of recipes."""
    return [name for name in gv.recipes.RECIPES if name.startswith(incomplete)]


def metrics(incomplete: str) -> list[str]:
    """Names of metrics."""
    from grapevine.evaluation import METRICS

    return [name for name in METRICS if name.startswith(incomplete)]


def trackers(incomplete: str) -> list[str]:
    """Who can be told of each epoch."""
    from grapevine.training import TRACKERS

    return [name for name in TRACKERS if name.startswith(incomplete)]
