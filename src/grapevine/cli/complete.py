"""Names that complete in the shell."""

import grapevine as gv


def datasets(incomplete: str) -> list[str]:
    """Public datasets."""
    from grapevine.data.sources import SOURCES

    return [name for name in SOURCES if name.startswith(incomplete)]


def models(incomplete: str) -> list[str]:
    """Names of the one table."""
    return [name for name in gv.models.MODELS if name.startswith(incomplete)]


def metrics(incomplete: str) -> list[str]:
    """Names of metrics."""
    from grapevine.evaluation import METRICS

    return [name for name in METRICS if name.startswith(incomplete)]
