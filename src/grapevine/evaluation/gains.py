"""What tasks gain from being trained together, each by itself: beside alone, and from which other.

S = seeds, T = tasks
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Float64
from markupsafe import Markup
from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text
from scipy.special import stdtrit

from grapevine.evaluation.drawings import matrix
from grapevine.evaluation.report import Estimate
from grapevine.evaluation.terminal import number


@dataclass(frozen=True, kw_only=True)
class Gains:
    """Each task's metric, more is better, trained in several companies with the same seeds.

    Attributes:
        tasks: T names.
        seeds: S of them.
        part: of the examples, on which it was measured.
        alone: `(S, T)` each task by itself.
        together: `(S, T)` all of them.
        pairs: `(S, T, T)` at `[s, a, b]` that of b trained with a, and of b alone where a is b;
            None where pairs were not trained.
        seconds_alone: `(S, T)` that each took.
        seconds_together: `(S,)` that all took.
    """

    tasks: tuple[str, ...]
    seeds: tuple[int, ...]
    part: str
    alone: Float64[np.ndarray, "seeds tasks"]
    together: Float64[np.ndarray, "seeds tasks"]
    pairs: Float64[np.ndarray, "seeds tasks tasks"] | None = None
    seconds_alone: Float64[np.ndarray, "seeds tasks"] | None = None
    seconds_together: Float64[np.ndarray, " seeds"] | None = None

    def gained(self) -> dict[str, Estimate]:
        """Together minus alone, task by task, with the interval over the seeds."""
        found = (self.together - self.alone).T
        return {name: over_seeds(of_task) for name, of_task in zip(self.tasks, found)}

    def transfer(self) -> dict[str, dict[str, Estimate]]:
        """By a, then b: what b gains where it is trained with a, over being trained alone."""
        if self.pairs is None:
            return {}
        found = self.pairs - self.alone[:, None, :]
        return {
            a: {
                b: over_seeds(found[:, i, j]) for j, b in enumerate(self.tasks) if i != j
            }
            for i, a in enumerate(self.tasks)
        }  # fmt: skip

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        alone, together = self.alone.T, self.together.T
        return {
            "tasks": list(self.tasks),
            "seeds": list(self.seeds),
            "part": self.part,
            "gains": {
                name: {
                    "alone": over_seeds(alone[task]).to_json(),
                    "together": over_seeds(together[task]).to_json(),
                    "difference": difference.to_json(),
                }
                for task, (name, difference) in enumerate(self.gained().items())
            },
            "transfer": {
                a: {b: one.to_json() for b, one in of_a.items()}
                for a, of_a in self.transfer().items()
            },
            "seconds": self._seconds(),
        }

    def table(self) -> Table:
        """A line a task: alone, together, and the difference; in colour where it is decided."""
        table = _table(f"trained together, on {self.part}", "task")
        for name in ("alone", "together", "difference"):
            table.add_column(name, justify="right", no_wrap=True)
        alone, together = self.alone.mean(0), self.together.mean(0)
        for task, (name, difference) in enumerate(self.gained().items()):
            means = number(float(alone[task])), number(float(together[task]))
            table.add_row(Text(name), *means, _told(difference))
        said = [f"{_interval(len(self.seeds))}; the same seeds, options and epochs for both"]
        if seconds := self._seconds():
            said.append(f"{seconds['together']:.1f} s together, {seconds['alone']:.1f} s apart")
        table.caption = "\n".join(said)
        return table

    def transfer_table(self) -> Table:
        """A line for each task that helps, a column for each that is helped."""
        table = _table(f"gained over alone, in pairs, on {self.part}", "with")
        for name in self.tasks:
            table.add_column(Text(name), justify="right", no_wrap=True)
        for a, of_a in self.transfer().items():
            cells = [_told(of_a[b]) if b in of_a else Text("") for b in self.tasks]
            table.add_row(Text(a), *cells)
        table.caption = _interval(len(self.seeds))
        return table

    def picture(self) -> Markup:
        """The transfer matrix as a drawing; the deepest colour is the greatest gain or loss."""
        found = self.transfer()
        means = np.array(
            [[found[a][b].mean if b in found[a] else math.nan for b in self.tasks] for a in found]
        )
        return matrix("what the task above gains with the task beside it", self.tasks, means)

    def _seconds(self) -> dict[str, float] | None:
        if self.seconds_alone is None or self.seconds_together is None:
            return None
        alone = float(self.seconds_alone.sum(1).mean())
        return {"alone": alone, "together": float(self.seconds_together.mean())}


def over_seeds(values_S: Float[np.ndarray, " seeds"], level: float = 0.95) -> Estimate:
    """The mean over seeds with Student's interval; none of a single seed.

    Args:
        values_S: one a seed; of a comparison, differences between runs with the same seed.
        level: of the interval.
    """
    mean, size = float(values_S.mean()), len(values_S)
    if size < 2 or not math.isfinite(mean):
        return Estimate(mean)
    reach = float(stdtrit(size - 1, (1 + level) / 2) * values_S.std(ddof=1) / math.sqrt(size))
    return Estimate(mean, mean - reach, mean + reach)


def alike(tasks: tuple[str, ...], correlation: Float[np.ndarray, "tasks tasks"]) -> Markup:
    """The learnt correlation of tasks as a drawing, from -1 to 1.

    Args:
        tasks: their names.
        correlation: of `models.together`, for one.
    """
    return matrix("how alike the tasks are", tasks, correlation.astype(np.float64), most=1.0)


def _table(title: str, first: str) -> Table:
    table = Table(title=title, box=SIMPLE_HEAD, title_justify="left", caption_justify="left")
    table.add_column(first, no_wrap=True)
    return table


def _interval(seeds: int) -> str:
    if seeds < 2:
        return "one seed, no interval"
    return f"± half of Student's 95 % interval over {seeds} seeds"


def _told(found: Estimate) -> Text:
    text = Text(f"{found.mean:+.4f}")
    if found.low is None or found.high is None:
        return text
    if found.low > 0 or found.high < 0:
        text.stylize("bold green" if found.low > 0 else "bold red")
    text.append(f" ±{(found.high - found.low) / 2:.4f}", style="dim")
    return text
