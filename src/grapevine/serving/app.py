"""The app: routes behind a gate, watched."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.resources import files
from pathlib import Path

from fastapi import FastAPI

import grapevine
from grapevine.serving import faults, reference
from grapevine.serving.auth import Keys
from grapevine.serving.files import PageFiles
from grapevine.serving.gate import Gate, Rates
from grapevine.serving.observe import Traffic, Watched
from grapevine.serving.pictures import Pictures
from grapevine.serving.routes import (
    events,
    experiments,
    explore,
    health,
    items,
    keys,
    model,
    recommend,
)
from grapevine.serving.segments import Segments
from grapevine.serving.service import Service
from grapevine.serving.short import Short
from grapevine.serving.turns import Turns

ABOUT = """Recommendations, related items and reasons; events that count at once; experiments.

Every answer that is no answer has the form `{"error": {"code", "message", "hint", "where"}}`.
"""


def create_app(service: Service, *, pictures: Pictures | None = None) -> FastAPI:
    """The app of a service.

    Args:
        service: models, store and experiments.
        pictures: of items; none if not given.
    """

    @asynccontextmanager
    async def life(app: FastAPI) -> AsyncIterator[None]:
        yield
        app.state.stopping = True

    app = FastAPI(
        title="Grapevine", version=grapevine.__version__, description=ABOUT, lifespan=life,
        docs_url=None, redoc_url=None,
    )  # fmt: skip
    app.state.service = service
    app.state.keys = known = Keys(service.store, needed=service.settings.public)
    app.state.pictures, app.state.stopping = pictures or Pictures(None), False
    app.state.traffic = traffic = Traffic()
    app.state.turns = turns = Turns(service)
    faults.install(app)
    for one in (health, recommend, events, items, experiments, keys, model, explore, reference):
        app.include_router(one.router)
    page = Path(str(files("grapevine.serving") / "page"))
    if (page / "index.html").is_file():
        app.mount("/", PageFiles(directory=page, html=True), name="page")
    settings, metrics = service.settings, service.metrics
    rates = Rates(settings.rate) if settings.rate else None
    # The last that is added is the first that a request meets.
    app.add_middleware(Short, turns=turns, keys=known)  # pyright: ignore[reportArgumentType]
    app.add_middleware(Segments)
    app.add_middleware(
        Gate,  # pyright: ignore[reportArgumentType]
        body=settings.body, waiting=settings.waiting, rates=rates, known=known.known,
        fault=faults.unforeseen,
    )  # fmt: skip
    app.add_middleware(Watched, metrics=metrics, traffic=traffic, every=settings.log_requests)
    return app
