"""Whether experiments say what they promise, where the truth is known: the built-in shop's people.

Each part is a simulation with its figure and what it should be. The crowd stands before the lists
of two fitted runs, the control and the treatment; a test of it draws users of its own.

    python benchmarks/experiments.py --out benchmarks/results/experiments.md
"""

import argparse
import os
import platform
import subprocess
import sys
import time
import zlib
from collections.abc import Iterator
from datetime import date
from functools import partial
from pathlib import Path

import numpy as np
import polars as pl
from scipy.stats import chi2_contingency

import grapevine as gv
from grapevine.data.sources.open_bandit import load_logs
from grapevine.evaluation.experiments import simulate
from grapevine.evaluation.experiments.always_valid import (
    always_valid_p,
    confidence_sequence,
    mixing,
)
from grapevine.evaluation.experiments.assign import Arm, Experiment
from grapevine.evaluation.experiments.click_model import Crowd
from grapevine.evaluation.experiments.effect import Moments, effect
from grapevine.evaluation.experiments.group_sequential import obrien_fleming
from grapevine.evaluation.experiments.off_policy import Feedback, off_policy
from grapevine.evaluation.experiments.reward_model import cross_fitted
from grapevine.evaluation.experiments.selected import selected_mean

HALVES = (Arm("control", 0.5), Arm("treatment", 0.5))
DAYS = 14


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tests", type=int, default=1_000, help="of each kind")
    parser.add_argument("--logs", type=int, default=200, help="that policies are judged from")
    parser.add_argument("--treatment", default="ease", help="a model; the control is popularity")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="write the page to this file too")
    given = parser.parse_args()
    lines: list[str] = []
    for line in page(given):
        print(line, flush=True)
        lines.append(line)
    if given.out:
        head = (
            f"# Experiments where the truth is known\n\n{date.today()}, seed {given.seed}, "
            f"{platform.system()}, Python {platform.python_version()}, {os.cpu_count()} cores, "
            f"load {os.getloadavg()[0]:.1f} while it ran.\n\n    python {' '.join(sys.argv)}"
        )
        given.out.write_text("\n".join([head, *lines]) + "\n", encoding="utf-8")


def page(given: argparse.Namespace) -> Iterator[str]:
    yield from table("Assignment of 1,000,000 users", ("what", "is", "should be"), assignment())
    yield from table("Looking while it runs, no effect", WATCHED, peeking(given.seed))
    data = gv.shop(users=2_000, seed=0)
    parts = gv.pipeline.prepare(data)
    runs = [gv.fit(name, parts.train) for name in ("popularity", given.treatment)]
    crowd = simulate.crowd_of(runs, data.path)
    told = ", ".join(f"{value:.4f}" for value in crowd.clicks_per_user)
    yield f"\nThe crowd: {len(crowd):,} shoppers of the built-in shop, lists of {crowd.k}. True"
    yield f"clicks per user with popularity and {given.treatment}: {told}."
    yield from table(f"{given.tests:,} A/A tests, {DAYS} looks", WATCHED, a_a(crowd, given))
    yield from table(
        f"{given.tests:,} A/B tests", ("interval", "covers", "width"), a_b(crowd, given)
    )
    heads = ("estimate", "bias in errors", "covers", "width")
    yield from table(f"{given.logs} logs of 2,000 users", heads, from_logs(crowd, given))
    heads = ("users", "interleaving finds it", "A/B test finds it")
    yield from table("Interleaving and an A/B test, the same users", heads, sides(crowd, given))
    if "GRAPEVINE_MIRROR" in os.environ:
        heads = ("set", "log", "judged", "truth", "ips", "snips", "dr", "worth rounds")
        yield from table("Real logs: clicks per thousand", heads, real_logs())
        heads = ("estimate", "is", "interval")
        yield from table("Coat: mean rating", heads, coat())
    yield NOTES


NOTES = """
What it says:

- Intervals and false positives are what they promise, for counts and for heavy tails alike; the
  always-valid ones are on the safe side, and half as wide again at the end.
- `clipped` equals `ips`, and `switch` equals `dr`, where no weight comes near the square root of
  the number of rounds.
- On the real logs the truth is an estimate too, of 46 or 69 clicks: its own interval is a quarter
  to a third to either side. The women's log of `bts` holds a round that had a chance of one in a
  million, so it is worth two rounds, and the report warns of it.
- With these two policies interleaving finds the better one a little sooner than an A/B test does,
  and not the ten times sooner that is often told of.
"""

WATCHED = ("rule", "false positives", "should be")


def table(title: str, heads: tuple[str, ...], rows: Iterator[tuple[object, ...]]) -> Iterator[str]:
    yield f"\n## {title}\n"
    yield f"| {' | '.join(heads)} |\n|{' --- |' * len(heads)}"
    started = time.perf_counter()
    for row in rows:
        yield f"| {' | '.join(map(str, row))} |"
    yield f"\n{time.perf_counter() - started:.1f} s."


def assignment() -> Iterator[tuple[object, ...]]:
    ids = [f"u{number}" for number in range(1_000_000)]
    one, two = (Experiment(name=name, arms=HALVES) for name in ("one", "two"))
    started = time.perf_counter()
    a = one.arms_of(ids)
    seconds = time.perf_counter() - started
    b = two.arms_of(ids)
    started = time.perf_counter()
    plain = [one.arms.index(one.arm_of(user)) for user in ids[:100_000]]
    each = (time.perf_counter() - started) / 100_000
    table = np.bincount(2 * a + b).reshape(2, 2)
    # The arms of another process, whose hashes of text are salted otherwise.
    code = (
        "from grapevine.evaluation.experiments.assign import Arm, Experiment\n"
        "import zlib\n"
        "e = Experiment(name='one', arms=(Arm('control', 0.5), Arm('treatment', 0.5)))\n"
        "print(zlib.crc32(e.arms_of([f'u{n}' for n in range(1_000_000)]).tobytes()))"
    )
    environment = {**os.environ, "PYTHONHASHSEED": "7"}
    other = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True
    )
    yield "share of the treatment", f"{a.mean():.5f}", "0.5 ± 0.002"
    yield "one by one and at once", "equal" if plain == a[:100_000].tolist() else "DIFFER", "equal"
    same = int(other.stdout) == zlib.crc32(a.tobytes())
    yield "another process", "equal" if same else "DIFFERS", "equal"
    yield "two experiments, chi-square p", f"{chi2_contingency(table).pvalue:.3f}", "> 0.001"
    yield "at once", f"{seconds:.2f} s", ""
    yield "one by one", f"{each * 1e6:.1f} µs a user", ""


def share(hits: np.ndarray) -> str:
    return f"{hits.mean():.1%}"


def peeking(seed: int) -> Iterator[tuple[object, ...]]:
    """The spec's simulation: 20 looks up to 2,000 users, known variance 1, tau 0.1."""
    rng = np.random.default_rng(seed)
    users = 100.0 * np.arange(1, 21)[:, None]
    means = rng.normal(0, 1, (20, 100_000)).cumsum(0) * 10 / users
    errors = np.broadcast_to(1 / np.sqrt(users), means.shape)
    yield "1.96 at each of 20 looks", share((np.abs(means / errors) > 1.96).any(0)), "25 %"
    watched = always_valid_p(means, errors, 0.1)[-1] <= 0.05
    yield "mixture SPRT, 20 looks", share(watched), "1.4 %"
    bounds = obrien_fleming(20)[:, None]
    yield "O'Brien-Fleming, 20 looks", share((np.abs(means / errors) > bounds).any(0)), "5 %"


def a_a(crowd: Crowd, given: argparse.Namespace) -> Iterator[tuple[object, ...]]:
    rng = np.random.default_rng([given.seed, 1])
    draw = partial(simulate.trials, crowd, 0, tests=given.tests, days=DAYS, daily=200, rng=rng)
    yield from watched_rows(draw(), draw(), "clicks")

    def revenue() -> Moments:
        buys = rng.random((DAYS, given.tests, 200)) < 0.05
        return Moments.of(buys * rng.lognormal(3, 1, buys.shape)).running()

    yield from watched_rows(revenue(), revenue(), "revenue, 5 % buy, lognormal")


def watched_rows(a: Moments, b: Moments, what: str) -> Iterator[tuple[object, ...]]:
    found = effect(a, b)
    tau = mixing(1.0) * found.error[:1] / np.sqrt(DAYS)
    watched = always_valid_p(found.difference, found.error, tau)[-1] <= 0.05
    yield f"{what}: p < 0.05 at each look", share((found.p < 0.05).any(0)), "far more than 5 %"
    yield f"{what}: p < 0.05 at the last", share(found.p[-1] < 0.05), "5 %"
    yield f"{what}: always-valid p at each look", share(watched), "at most 5 %"
    z = np.abs(found.difference / found.error)
    crossed = (z > obrien_fleming(DAYS)[:, None]).any(0)
    yield f"{what}: O'Brien-Fleming at each look", share(crossed), "5 %"


def a_b(crowd: Crowd, given: argparse.Namespace) -> Iterator[tuple[object, ...]]:
    truth = crowd.clicks_per_user[1] - crowd.clicks_per_user[0]
    rng = np.random.default_rng([given.seed, 2])
    a, b = (
        simulate.trials(crowd, one, tests=given.tests, days=DAYS, daily=200, rng=rng)
        for one in (0, 1)
    )
    for adjust in (False, True):
        found = effect(a[-1], b[-1], adjust=adjust)
        covered = (found.low <= truth) & (truth <= found.high)
        name = "at the last look, with CUPED" if adjust else "at the last look"
        yield name, share(covered), f"{(found.high - found.low).mean():.4f}"
    found = effect(a, b)
    tau = mixing(1.0) * found.error[:1] / np.sqrt(DAYS)
    low, high = confidence_sequence(found.difference, found.error, tau)
    covered = ((low <= truth) & (truth <= high)).all(0)
    yield "always valid, at all looks together", share(covered), f"{(high - low)[-1].mean():.4f}"


def from_logs(crowd: Crowd, given: argparse.Namespace) -> Iterator[tuple[object, ...]]:
    truth = float(crowd.clicks_per_list[1])
    logs = [
        simulate.judged_from_log(
            crowd, 1, users=2_000, seed=given.seed + one, resamples=400
        ).estimates
        for one in range(given.logs)
    ]
    for name in logs[0]:
        said = np.array([one[name].mean for one in logs])
        bias = f"{(said.mean() - truth) / (said.std() / np.sqrt(len(said))):+.1f}"
        if logs[0][name].low is None:
            yield name, bias, "no interval", ""
            continue
        low, high = (np.array([getattr(one[name], end) for one in logs]) for end in ("low", "high"))
        width = f"{(high - low).mean():.4f}"
        yield name, bias, share((low <= truth) & (truth <= high)), width


def sides(crowd: Crowd, given: argparse.Namespace) -> Iterator[tuple[object, ...]]:
    runs = range(given.seed, given.seed + 100)
    for users in (250, 500, 1_000, 2_000):
        drafted = [
            simulate.interleaved(crowd, 1, users=users, seed=one).winner == 1 for one in runs
        ]
        tested = [
            simulate.ab_test(crowd, users=users, days=1, seed=one).contrasts[0].adjusted.low > 0
            for one in runs
        ]
        yield f"{users:,}", share(np.array(drafted)), share(np.array(tested))


def real_logs() -> Iterator[tuple[object, ...]]:
    for campaign in ("men", "women"):
        folder = gv.pipeline.kept(f"open-bandit-{campaign}")
        if not folder.is_dir():
            gv.pipeline.fetch.fetch(folder.name, folder)
        logs = load_logs(folder).logs
        for source, target in (("random", "bts"), ("bts", "random")):
            place, item = (logs[target][name].to_numpy() for name in ("position", "item"))
            items = int(item.max()) + 1
            shown = np.bincount((place - 1) * items + item, minlength=3 * items).reshape(3, items)
            policy = np.full((3, items), 1 / items)
            if target == "bts":
                policy = shown / shown.sum(1, keepdims=True)
            found = judged(logs[source], policy)
            said = [found.estimates[name] for name in ("ips", "snips", "dr")]
            cells = [f"{1e3 * s.mean:.2f} ({1e3 * s.low:.2f} to {1e3 * s.high:.2f})" for s in said]
            truth = f"{1e3 * logs[target]['click'].mean():.2f}"
            worth = f"{found.diagnostics.effective_rounds:,.0f}"
            yield campaign, source, target, truth, *cells, worth


def judged(log: pl.DataFrame, policy: np.ndarray):
    place, item = log["position"].to_numpy() - 1, log["item"].to_numpy()
    click = log["click"].to_numpy()
    predicted = cross_fitted(np.eye(3)[place], item, click, policy.shape[1], ridge=200.0)
    return off_policy(
        Feedback.of_policy(
            action=item,
            reward=click,
            logged=log["propensity"].to_numpy(),
            evaluated=policy[place],
            predicted=predicted,
        )
    )


def coat() -> Iterator[tuple[object, ...]]:
    folder = gv.load("coat").path
    rated = pl.read_parquet(folder / "events.parquet").filter(pl.col("split") == "train")
    chances = pl.read_parquet(folder / "propensities.parquet")
    rated = rated.join(chances, on=["user_id", "item_id"], how="left", maintain_order="left")
    columns = (rated[name].to_numpy() for name in ("value", "propensity", "user_id"))
    values, chance, user = columns
    found = selected_mean(values.astype(np.float64), chance, user, population=len(chances))
    for name, one in found.items():
        yield f"{name}, of what people chose", f"{one.mean:.3f}", f"{one.low:.3f} to {one.high:.3f}"
    drawn = pl.read_parquet(folder / "random.parquet")["value"]
    yield "of what was dealt at random", f"{drawn.mean():.3f}", "the truth"


if __name__ == "__main__":
    main()
