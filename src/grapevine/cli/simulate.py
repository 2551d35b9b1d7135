"""`grapevine simulate`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

import grapevine as gv
from grapevine.cli.output import Json, as_table, print_json, print_table, say

if TYPE_CHECKING:
    from grapevine.evaluation.experiments.simulate import Simulation


def simulate(
    policy: Annotated[
        list[Path], typer.Option(help="A run folder; name two or more, the control first.")
    ],
    data: Annotated[
        str | None, typer.Option(help="The shop's folder, if it is not where the run left it.")
    ] = None,
    users: Annotated[int, typer.Option(min=200, help="People who take part.")] = 20_000,
    days: Annotated[int, typer.Option(min=1, help="Days that the A/B test lasts.")] = 14,
    k: Annotated[int, typer.Option("-k", "--k", min=1, help="Length of the lists.")] = 10,
    seed: Annotated[int, typer.Option(help="Of all that is drawn.")] = 0,
    json: Json = False,
) -> None:
    """The built-in shop's people answer the lists of runs according to the truth.

    Tells the true effect, and what an A/B test, an interleaving and an estimate from a log would
    have said of it.

    Example: `grapevine simulate --policy runs/popularity --policy runs/ease`
    """
    from grapevine.evaluation.experiments import simulate as simulation

    runs = [gv.open_run(folder) for folder in policy]
    shop = gv.load(data or runs[0].record.get("data") or "DIR").path
    found = simulation.simulate(runs, shop, users=users, days=days, k=k, seed=seed)
    if json:
        print_json(found.to_json())
        return
    for title, rows in _tables(found).items():
        print_table(as_table(rows, title=title))
    say(found.report.verdict)
    for warning in found.report.warnings:
        say(f"note: {warning}")


def _tables(found: "Simulation") -> dict[str, list[dict[str, Any]]]:
    """What is true beside what each method says."""
    truth = found.to_json()["truth"]
    control = found.policies[0]
    return {
        "the truth": truth,
        f"A/B test against {control}: clicks per user": [
            {
                "policy": one.arm,
                "true effect": true["effect"],
                "said": float(one.adjusted.difference),
                "low": float(one.adjusted.low),
                "high": float(one.adjusted.high),
                "always-valid low": float(one.always_low[-1]),
                "always-valid high": float(one.always_high[-1]),
                "always-valid p": float(one.always_p[-1]),
            }
            for one, true in zip(found.report.contrasts, truth[1:], strict=True)
        ],
        f"interleaved with {control}": [
            {"policy": name, "preferred by": one.share, "low": one.low, "high": one.high,
             "p": one.p}
            for name, one in found.interleaved.items()
        ],
        "from a log: clicks per list": [
            {"policy": true["policy"], "true": true["clicks_per_list"], "estimate": name,
             "said": one.mean, "low": one.low, "high": one.high}
            for true in truth
            for name, one in found.logged[true["policy"]].estimates.items()
        ],
    }  # fmt: skip
