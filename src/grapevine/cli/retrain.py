"""`grapevine retrain`."""

import json as codec
import urllib.error
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

import grapevine as gv
from grapevine.cli import complete
from grapevine.cli.output import Json, print_facts, print_json, say
from grapevine.cli.serve import Store
from grapevine.errors import CheckFailed, ConfigError, unknown

if TYPE_CHECKING:
    from grapevine.retraining import Verdict

HOWS = ("auto", "warm", "cold")
SECONDS = 600.0
"""A swap may open a large run, and waits for answers under way."""


def retrain(
    run: Annotated[Path, typer.Option("--from", help="The run in service.")],
    out: Annotated[Path, typer.Option(help="The run folder to write, if it may take over.")],
    store: Store,
    data: Annotated[
        str | None,
        typer.Option(
            help="What the run in service was trained on, if it is no longer where it was.",
            autocompletion=complete.data,
        ),
    ] = None,
    dataset: Annotated[
        Path | None, typer.Option(help="Where the joined dataset goes; OUT-data if not given.")
    ] = None,
    how: Annotated[
        str,
        typer.Option(
            "--start",
            help="warm: begin from the parameters of the run in service; cold: anew; auto: warm, "
            "unless that run learnt from somebody who was forgotten since.",
        ),
    ] = "auto",
    holdout: Annotated[
        float, typer.Option(help="Share of the new target events that both runs are asked for.")
    ] = 0.2,
    least: Annotated[
        int, typer.Option(min=1, help="With fewer questions than this nothing is trained.")
    ] = 30,
    tolerance: Annotated[
        float, typer.Option(min=0, help="By what share it may be worse than the run in service.")
    ] = 0.05,
    metric: Annotated[str, typer.Option(help="ndcg@10, hr@20, mrr, ...")] = "ndcg@10",
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="Change an option: model.epochs=5")
    ] = None,
    seed: Annotated[int, typer.Option(help="For all that is random.")] = 0,
    time_limit: Annotated[str | None, typer.Option(help="Of the training: 90s, 10m or 2h.")] = None,
    swap: Annotated[
        str | None, typer.Option(help="Put it into this service at once: http://127.0.0.1:8000")
    ] = None,
    key: Annotated[
        str | None, typer.Option(envvar="GRAPEVINE_KEY", help="API key of scope admin, for --swap.")
    ] = None,
    force: Annotated[
        bool,
        typer.Option("--force", help="Begin anew: what an earlier retraining left at OUT goes."),
    ] = False,
    json: Json = False,
) -> None:
    """Learn from what a service has heard, and say whether the new run may take over.

    The events of the store are joined with what RUN was trained on (OUT-data), users who asked to
    be forgotten left out. A run with the same options is trained on it, from the parameters of RUN
    where it is trained step by step. Both then answer the same questions, of the newest events:
    a run that is worse by more than `--tolerance` is refused, and so is one that a service would
    refuse. OUT is there once the run may take over, and not before; a
    refused one stays at OUT-candidate to be looked at. The service may run meanwhile.

    Exit code 0: it may take over (and with `--swap` has). 1: refused, with the reason. Stopped at
    any time, the same command goes on; done, it says the same again. With another `--tolerance`
    what was measured is judged anew, and nothing is trained; other options want `--force`, which
    removes nothing before all of them have been checked, and never what no retraining has made.

    Example: `grapevine retrain --store sqlite:///grapevine.db --from runs/vine --out runs/vine-2
    --swap http://127.0.0.1:8000`
    """
    if how not in HOWS:
        raise unknown("way to start", how, HOWS)
    service = _checked(swap) if swap else None
    try:
        from grapevine import retraining
        from grapevine.serving.store import open_store
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"`{error.name}` is not installed here", hint="pip install 'grapevine-rec[serve]'"
        ) from error
    if time_limit:
        gv.pipeline.training.seconds_of(time_limit)
    wanted = retraining.Wanted(
        run=run, out=out, data=data, dataset=dataset, how=cast("Any", how), share=holdout,
        least=least, tolerance=tolerance, metric=metric, settings=tuple(settings or ()),
        seed=seed, time_limit=time_limit,
    )  # fmt: skip
    with open_store(store, read_only=True) as opened:
        verdict = retraining.retrain(opened, wanted, force=force)
    swapped, trouble = None, None
    try:
        swapped = _swapped(service, verdict.run, key) if service and verdict.ready else None
    except (CheckFailed, ConfigError) as error:
        trouble = error
    if json:
        print_json({**verdict.to_json(), "swapped": swapped})
    else:
        print_facts(_lines(verdict))
    if trouble:
        raise trouble
    if not verdict.ready:
        message, _, hint = verdict.reason.partition("\nhint: ")
        raise CheckFailed(f"refused: {message}", hint=hint or None)
    if not json:
        _say_next(verdict, swapped, swap)


def _lines(verdict: "Verdict") -> dict[str, Any]:
    """What people read of a verdict."""
    judged, lines = verdict.judged, dict[str, Any]()
    lines["run"] = verdict.run
    lines["start"] = verdict.begun
    lines["new_events"] = verdict.data.get("new", 0)
    if judged is not None:
        lines[judged.metric] = f"{judged.after:.4f}, was {judged.before:.4f}"
        lines["difference"] = (
            f"{judged.difference:+.4f} (95 % {judged.low:+.4f} to {judged.high:+.4f}, "
            f"p {judged.p:.2g})"
        )
        lines["questions"] = judged.questions
    return lines | dict(verdict.service)


def _say_next(verdict: "Verdict", swapped: dict[str, Any] | None, url: str | None) -> None:
    if swapped is not None:
        say(f"in service at {url}: version {swapped['version']}, before it {swapped['before']}")
        return
    say("ready; to put it into service, the same command with --swap http://127.0.0.1:8000")


def _checked(url: str) -> str:
    """The address of a service, of which the route to swap by is made.

    Raises:
        ConfigError: it is no address of one.
    """
    if not url.startswith(("http://", "https://")):
        raise ConfigError(f"`{url}` is no address of a service", hint="http://127.0.0.1:8000")
    return f"{url.rstrip('/')}/v1/model"


def _swapped(url: str, run: Path, key: str | None) -> dict[str, Any]:
    """What a service says of having put a run into service.

    Raises:
        CheckFailed: it refuses.
        ConfigError: it cannot be reached, or wants a key.
    """
    headers = {"Content-Type": "application/json"}
    if key:
        headers["Authorization"] = f"Bearer {key}"
    body = codec.dumps({"run": str(run.resolve())}).encode()
    request = urllib.request.Request(url, body, headers, method="POST")
    try:
        with urllib.request.urlopen(request, timeout=SECONDS) as answer:
            return codec.load(answer)
    except urllib.error.HTTPError as error:
        said = _said(error)
        if error.code in {401, 403}:
            raise ConfigError(
                f"{run} is ready, but {url} answers {error.code}: "
                f"{said.get('message', error.reason)}",
                hint="give a key of scope admin: --key KEY, or GRAPEVINE_KEY in the environment",
            ) from error
        raise CheckFailed(
            f"{run} is ready, but {url} answers {error.code}: {said.get('message', error.reason)}",
            hint=said.get("hint") or "the run before it stays in service",
        ) from error
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"{run} is ready, but {url} cannot be asked: {getattr(error, 'reason', error)}",
            hint="is the service there? Then give the same command again: nothing is trained twice",
        ) from error


def _said(error: urllib.error.HTTPError) -> dict[str, Any]:
    """Why a service refused, in its own words."""
    try:
        return codec.load(error)["error"]
    except (ValueError, KeyError, TypeError):
        return {}
