"""One bottom or several experts, for two tasks that are more or less alike.

    python benchmarks/experts.py [--seeds 20]

Data of `testing.correlated`, as in the paper of MMoE (Ma et al., KDD 2018, section 3.2), smaller:
1,000 rows to learn from and 2,000 others to measure the error on, eight inputs. Towers have one
layer of eight. Every network is learnt by 60 rounds of L-BFGS. The result goes to
results/experts.md.
"""

import argparse
import platform
import time
from datetime import date
from pathlib import Path

import numpy as np
import torch
from torch import nn

from grapevine.core.experts import MMoE
from grapevine.testing.correlated import correlated_tasks

RESULTS = Path(__file__).parent / "results"
INPUTS, ROWS, OTHERS = 8, 1000, 2000
CORRELATIONS = (1.0, 0.5, 0.0)
NETWORKS: dict[str, dict[str, int | bool]] = {
    "one bottom, 2 wide": {"out": 2, "experts": 1},
    "one bottom, 7 wide": {"out": 7, "experts": 1},
    "OMoE, 4 experts 2 wide": {"out": 2, "experts": 4, "one_gate": True},
    "MMoE, 4 experts 2 wide": {"out": 2, "experts": 4},
}


class Network(nn.Module):
    """Experts and two towers."""

    def __init__(self, out: int, **options: int | bool) -> None:
        super().__init__()
        self.trunk = MMoE(INPUTS, out, 2, **options)
        self.towers = nn.ModuleList(
            nn.Sequential(nn.Linear(out, 8), nn.ReLU(), nn.Linear(8, 1)) for _ in range(2)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """What each task is told to be, side by side."""
        heard = self.trunk(x)
        return torch.cat([tower(of_task) for tower, of_task in zip(self.towers, heard)], 1)

    def count(self) -> int:
        """Parameters that have a say."""
        # The gate of a single expert says one, whatever it has learnt.
        gates = self.trunk.gates.parameters() if len(self.trunk.experts) == 1 else []
        return sum(p.numel() for p in self.parameters()) - sum(p.numel() for p in gates)


def error(name: str, correlation: float, seed: int) -> float:
    """Mean squared error of both tasks on rows not learnt from; labels have variance 1."""
    x, y = map(torch.from_numpy, correlated_tasks(ROWS + OTHERS, INPUTS, correlation, seed=seed))
    torch.manual_seed(seed)
    network = Network(**NETWORKS[name])
    optimiser = torch.optim.LBFGS(
        network.parameters(), max_iter=60, history_size=20, line_search_fn="strong_wolfe"
    )

    def learnt() -> torch.Tensor:
        optimiser.zero_grad()
        lost = (network(x[:ROWS]) - y[:ROWS]).square().mean()
        lost.backward()
        return lost

    optimiser.step(learnt)
    with torch.no_grad():
        return float((network(x[ROWS:]) - y[ROWS:]).square().mean())


def page(found: dict[str, np.ndarray], seeds: int, seconds: float) -> str:
    first, *_, last = NETWORKS
    head = "| network | parameters | " + " | ".join(f"p = {p:g}" for p in CORRELATIONS) + " |"
    lines = [head, "|---|---:|" + "---|" * len(CORRELATIONS)]
    for name, errors in found.items():
        told: list[str] = []
        for of_p, base in zip(errors, found[first]):
            ratio = np.exp(np.log(of_p / base).mean())
            told.append(f"{of_p.mean():.3f}, {np.median(of_p):.3f}, {ratio:.2f}")
        count = Network(**NETWORKS[name]).count()
        lines.append(f"| {name} | {count} | " + " | ".join(told) + " |")
    better = [(found[last] < found[other]).sum() for other in list(NETWORKS)[:2]]
    beside = (found[last] < found[list(NETWORKS)[2]]).sum(1)
    total = found[last].size
    return f"""# One bottom or several experts

{date.today()}, `python benchmarks/experts.py --seeds {seeds}`, one thread,
Python {platform.python_version()}, torch {torch.__version__.split("+")[0]}, {seconds:.0f} s.
p is the cosine between the directions of the two tasks. Error on new rows over {seeds} seeds: its
mean, its median, and the geometric mean of its ratio to the first network's with the same seed.

{chr(10).join(lines)}

MMoE has the lower error in {better[0]} of {total} runs beside the bottom as narrow as one of its
experts, in {better[1]} beside the bottom that has about as many parameters, and beside OMoE in
{", ".join(f"{n} of {seeds} where p = {p:g}" for n, p in zip(beside, CORRELATIONS))}.
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=20)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    start = time.perf_counter()
    found = {
        name: np.array(
            [[error(name, p, seed) for seed in range(asked.seeds)] for p in CORRELATIONS]
        )
        for name in NETWORKS
    }
    text = page(found, asked.seeds, time.perf_counter() - start)
    (RESULTS / "experts.md").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
