"""The model in service: which it is, and another in its place."""

from dataclasses import asdict
from pathlib import Path

from fastapi import APIRouter, Depends, Request, Response

from grapevine.serving.auth import needs
from grapevine.serving.engine import Refused
from grapevine.serving.faults import SAID, Refusal
from grapevine.serving.reply import reply, service_of
from grapevine.serving.settings import beside
from grapevine.serving.shapes.model import Swap

router = APIRouter(prefix="/v1", tags=["model"], responses=SAID)


@router.get("/model", dependencies=[Depends(needs("read"))])
def model(request: Request) -> Response:
    """Name, version, and since when it is in service."""
    service = service_of(request)
    with service.host.lease() as served:
        said = {
            "name": served.run.name,
            "version": served.version,
            "run": _named(service.settings.runs_root, served.run.path),
            "behaviours": served.run.schema.behaviours,
            "metrics": served.run.record.get("validation") or {},
        }
    return reply({**said, "since": round(1000 * service.host.since)})


def _named(root: Path, run: Path | None) -> str:
    """A run by the name that `POST /v1/model` takes it by; of one that lies elsewhere the last."""
    if run is None:
        return ""
    path = run.resolve()
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else path.name


@router.post("/model", dependencies=[Depends(needs("admin"))])
def swap(request: Request, given: Swap) -> Response:
    """Put another run into service, without a failed request; a bad one is refused (409)."""
    service = service_of(request)
    folder = service.settings.within_root(given.run)
    try:
        done = service.host.swap(folder, onnx=beside(folder))
    except Refused as error:
        service.metrics.swaps.labels("refused").inc()
        raise Refusal(409, "refused", error.args[0], error.hint) from error
    service.metrics.swaps.labels("done").inc()
    return reply(asdict(done))


@router.get("/report", dependencies=[Depends(needs("read"))])
def report(request: Request) -> Response:
    """What the evaluation of the run in service found."""
    with service_of(request).host.lease() as served:
        path = served.run.path and served.run.path / "report.json"
    if path is None or not path.is_file():
        raise Refusal(404, "no_report", "the run in service has no report",
                      "`grapevine evaluate RUN --data DIR` writes one")  # fmt: skip
    return Response(path.read_bytes(), media_type="application/json")
