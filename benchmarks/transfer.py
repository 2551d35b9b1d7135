"""Which task helps which: four tasks with few labels each, trained alone, in pairs, together.

    python benchmarks/transfer.py [--seeds 5]

Data of `testing.correlated`: eight inputs, and a direction for each task. The first task has the
direction u; the others have one at a cosine of 1, 0.5 and 0 to it, so that those at 1 and the first
ask the same but for the noise. Each task has labels of 150 rows that no other task has labels of.
All have 400 rows to validate with and 2,000 to be measured on. What is measured is the share of the
variance explained. The result goes to results/transfer.md and results/transfer.svg.
"""

import argparse
import platform
import time
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import torch

from grapevine import training
from grapevine.evaluation.drawings import standalone
from grapevine.evaluation.gains import Gains
from grapevine.evaluation.report import Estimate
from grapevine.models.together import Config
from grapevine.search.together import gains
from grapevine.tasks.together import Task, Tasks
from grapevine.testing.correlated import correlated_tasks

RESULTS = Path(__file__).parent / "results"
INPUTS, LABELS, VALIDATION, TEST = 8, 150, 400, 2000
COSINES = {"u": None, "u again": 1.0, "half u": 0.5, "not u": 0.0}
PLAIN = Config(width=32, batch=15, epochs=100, patience=25, learning_rate=0.02)
OTHERS = {
    "uncertainty": {"weigh": "uncertainty"},
    "PCGrad": {"surgery": True},
    "MMoE, 4 experts": {"share": "mmoe"},
    "PLE, 1 own and 2 shared experts": {"share": "ple", "experts": 2},
    "soft sharing, 0.001": {"share": "soft", "hold": 0.001},
    "relationship matrix": {"relate": 1.0},
    "steps of one task": {"steps": "one-task"},
}


def world(seed: int) -> Tasks:
    """Four tasks on the same rows, each with labels of its own rows and of those held out."""
    rows = LABELS * len(COSINES) + VALIDATION + TEST
    number = np.arange(rows)
    validation = (number >= rows - VALIDATION - TEST) & (number < rows - TEST)
    test = number >= rows - TEST
    tasks: dict[str, Task] = {}
    for place, (name, cosine) in enumerate(COSINES.items()):
        # The same inputs and the same first task, whatever the cosine.
        x, labels = correlated_tasks(rows, INPUTS, cosine or 0.0, seed=seed)
        mine = (number // LABELS == place) | validation | test
        tasks[name] = Task(targets=labels[:, 0 if cosine is None else 1], valid=mine)
    return Tasks(inputs=x, tasks=tasks, validation=validation, test=test)


def config(company: tuple[str, ...], **options: Any) -> Config:
    """Every step has about 15 labels of each of its tasks, whoever is beside it."""
    if options.get("steps") != "one-task":
        options["batch"] = PLAIN.batch * len(company)
    return replace(PLAIN, **options)


def stacked(each: list[Gains]) -> Gains:
    """Those of several worlds, each with its own seed: other data as well as other starts."""
    whole = {
        name: np.concatenate([getattr(one, name) for one in each])
        for name in ("alone", "together", "pairs", "seconds_alone", "seconds_together")
    }
    seeds = tuple(seed for one in each for seed in one.seeds)
    return Gains(tasks=each[0].tasks, seeds=seeds, part=each[0].part, **whole)


def otherwise(plain: Gains, options: dict[str, Any]) -> Gains:
    """All four trained together with other options, beside the same trainings alone."""
    models = [
        training.fit(config(plain.tasks, **options), world(seed), seed=seed) for seed in plain.seeds
    ]
    together = np.array([list(model.worth("test").values()) for model in models])
    return Gains(
        tasks=plain.tasks, seeds=plain.seeds, part="test", alone=plain.alone, together=together
    )


def told(found: Estimate) -> str:
    return f"{found.mean:+.3f} ({found.low:+.3f} to {found.high:+.3f})"


def page(found: dict[str, Gains], seeds: int, seconds: float) -> str:
    plain = found["one bottom"]
    names = plain.tasks
    first = ["| with | " + " | ".join(names) + " |", "|---|" + "---|" * len(names)]
    for a, of_a in plain.transfer().items():
        cells = [told(of_a[b]) if b in of_a else "" for b in names]
        first.append(f"| {a} | " + " | ".join(cells) + " |")
    second = ["| all four together | " + " | ".join(names) + " |", "|---|" + "---|" * len(names)]
    alone = " | ".join(f"{mean:.3f}" for mean in plain.alone.mean(0))
    second.append(f"| alone, what is explained | {alone} |")
    for name, one in found.items():
        cells = " | ".join(told(of_task) for of_task in one.gained().values())
        second.append(f"| {name} | {cells} |")
    cost = plain.to_json()["seconds"]
    every = [one for of_a in plain.transfer().values() for one in of_a.values()]
    every += [one for gain in found.values() for one in gain.gained().values()]
    decided = [one for one in every if max(one.low, -one.high) > 0]
    return f"""# Which task helps which

{date.today()}, `python benchmarks/transfer.py --seeds {seeds}`, 2 cores with other work on them,
one thread, Python {platform.python_version()}, torch {torch.__version__.split("+")[0]}, \
{seconds:.0f} s.
{seeds} worlds, each with its own seed; Student's 95 % interval over them. All trainings have the
same options but for what is named, as many steps an epoch, and about 15 labels of each of their
tasks in a step; but where a step is of one task it has 15 labels of that one, and an epoch of all
four has four times the steps. Every task has its own best epoch by validation, and nothing was
searched.

What each task (column) gains over the same network trained on it alone, where it is trained with
one other (row), on one bottom:

{chr(10).join(first)}

![the matrix](transfer.svg)

What each gains where all four are trained together, over one bottom trained on it alone:

{chr(10).join(second)}

{len(decided)} of these {len(every)} intervals exclude zero; by chance alone one in twenty does.
On one bottom, the four together took {cost["together"]:.1f} s, one after the other \
{cost["alone"]:.1f} s.
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=5)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    start = time.perf_counter()
    plain = stacked([gains(config, world(seed), seeds=[seed]) for seed in range(asked.seeds)])
    found = {"one bottom": plain}
    for name, options in OTHERS.items():
        found[name] = otherwise(plain, options)
        print(name, [told(one) for one in found[name].gained().values()], flush=True)
    text = page(found, asked.seeds, time.perf_counter() - start)
    (RESULTS / "transfer.md").write_text(text, encoding="utf-8")
    picture = standalone(found["one bottom"].picture())
    (RESULTS / "transfer.svg").write_text(picture, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
