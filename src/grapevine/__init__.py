"""Grapevine: a recommender system you can own end to end.

import grapevine as gv

data = gv.load("ml-1m")                  # or a folder, or gv.shop(users=2_000)
train, test = gv.split.leave_last_out(data)
run = gv.fit("ease", train, out="runs/ease")
print(gv.evaluate([run, gv.fit("popularity", train)], test))
run.recommend(users=["42"], k=10)
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from grapevine import models, pipeline, recipes
    from grapevine.data import split
    from grapevine.models.run import open_run
    from grapevine.pipeline import blend, evaluate, fit, load, tune
    from grapevine.pipeline import make_shop as shop

__version__ = "0.1.0"

__all__ = [
    "blend",
    "evaluate",
    "fit",
    "load",
    "models",
    "open_run",
    "pipeline",
    "recipes",
    "shop",
    "split",
    "tune",
]

# Loaded when first asked for, so that `import grapevine` and `grapevine --help` answer at once.
_HOMES = {
    "blend": "grapevine.pipeline:blend",
    "evaluate": "grapevine.pipeline:evaluate",
    "fit": "grapevine.pipeline:fit",
    "load": "grapevine.pipeline:load",
    "models": "grapevine.models:",
    "open_run": "grapevine.models.run:open_run",
    "pipeline": "grapevine.pipeline:",
    "recipes": "grapevine.recipes:",
    "shop": "grapevine.pipeline:make_shop",
    "split": "grapevine.data.split:",
    "tune": "grapevine.pipeline:tune",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module `grapevine` has no attribute `{name}`")
    module, _, attribute = _HOMES[name].partition(":")
    found = importlib.import_module(module)
    return getattr(found, attribute) if attribute else found


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
