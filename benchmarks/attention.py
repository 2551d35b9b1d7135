"""What attention costs: by length for each kind of neighbourhood, and beside PyTorch Geometric.

    python benchmarks/attention.py
    python benchmarks/attention.py --longest 16384 --turns 5

Forward and backward of one attention (one sequence, 2 heads of width 32, float32) at lengths of
128 and its doubles: dense and causal, a window of 64 places, the tree of BP-Transformer with 4
nodes a side and level, Reformer's buckets (2 rounds, chunks of 64), and the strided heads of the
Sparse Transformer, whose cost grows with the root of the length. Then a layer of 4 heads on a
complete graph beside GATConv and TransformerConv, with the same weights as the latter, whose output
it must equal. All take turns; the least time of each is told, since whatever else runs only adds;
`--clock cpu` counts the seconds of the process alone.
The result goes to results/attention.md and results/attention.svg.
"""

import argparse
import math
import os
import platform
import sys
import time
import warnings
from collections.abc import Callable, Mapping
from datetime import date
from pathlib import Path

import torch
from torch import Tensor, nn

from grapevine.core.attention import attend
from grapevine.core.lsh import lsh_attend, turns
from grapevine.core.patterns import (
    Causal,
    Complete,
    Pattern,
    Window,
    binary_partition,
    strided_heads,
)

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from torch_geometric.nn import GATConv, TransformerConv

RESULTS = Path(__file__).parent / "results"
HEADS, KEY = 2, 32
COLOURS = ("#6d28d9", "#0f766e", "#b45309", "#be123c", "#1d4ed8")
CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}
GRAPHS = ((128, 64), (512, 256))


def over(pattern: Pattern, nodes: int) -> Callable[[], None]:
    """Forward and backward of attention over a pattern."""
    q, k, v = torch.randn(3, 1, HEADS, nodes, KEY, requires_grad=True).unbind()

    def once() -> None:
        torch.autograd.grad(attend(q, k, v, pattern).sum(), (q, k, v))

    return once


def buckets(length: int) -> Callable[[], None]:
    """The same of Reformer's, two chunks to a bucket."""
    q, v = torch.randn(2, 1, HEADS, length, KEY, requires_grad=True).unbind()
    # Two hashes where buckets are many: the work of one would grow with their number.
    many = length // 32
    first = 2 ** (many.bit_length() // 2)
    drawn = turns(2, KEY, *((first, many // first) if many > 32 else (many,)), seed=0)

    def once() -> None:
        torch.autograd.grad(lsh_attend(q, v, drawn, chunk=64).sum(), (q, v))

    return once


def works(length: int) -> dict[str, Callable[[], None]]:
    tree = binary_partition(length, 4, causal=True)
    near, far = strided_heads(math.isqrt(length))
    return {
        "dense, causal": over(Causal(), length),
        "window": over(Window(64), length),
        "tree": over(tree.pattern, len(tree)),
        "buckets": buckets(length),
        "strided": over(near | far, length),
    }


def least(
    work: Mapping[str, Callable[[], object]], rounds: int, clock: Callable[[], float]
) -> dict[str, float]:
    """Seconds of each, in turns; the first is not counted."""
    best = dict.fromkeys(work, math.inf)
    for nth in range(rounds + 1):
        for name, once in work.items():
            started = clock()
            once()
            if nth:
                best[name] = min(best[name], clock() - started)
    return best


class Dense(nn.Module):
    """TransformerConv on a complete graph: dot-product attention beside a linear layer."""

    def __init__(self, peer: TransformerConv, heads: int) -> None:
        super().__init__()
        linear = (peer.lin_query, peer.lin_key, peer.lin_value, peer.lin_skip)
        self.heads = heads
        self.weight = nn.Parameter(torch.cat([each.weight for each in linear]))
        self.bias = nn.Parameter(torch.cat([each.bias for each in linear]))

    def forward(self, x: Tensor) -> Tensor:
        """Of all nodes."""
        *parts, own = nn.functional.linear(x, self.weight, self.bias).chunk(4, -1)
        q, k, v = (part.unflatten(-1, (self.heads, -1)).transpose(0, 1)[None] for part in parts)
        return attend(q, k, v, Complete())[0].transpose(0, 1).flatten(1) + own


def beside_pyg(nodes: int, width: int, rounds: int, clock: Callable[[], float]) -> list[str]:
    """Rows of the table: milliseconds forward, and forward and backward."""
    torch.manual_seed(0)
    x = torch.randn(nodes, width)
    edges = torch.ones(nodes, nodes).nonzero().T
    gat = GATConv(width, width // 4, 4, add_self_loops=False)
    conv = TransformerConv(width, width // 4, 4)
    ours = Dense(conv, 4)
    torch.testing.assert_close(ours(x), conv(x, edges), atol=1e-4, rtol=1e-4)
    layers = {"ours": lambda: ours(x), "GATConv": lambda: gat(x, edges),
              "TransformerConv": lambda: conv(x, edges)}  # fmt: skip

    def forward(layer: Callable[[], Tensor]) -> Callable[[], Tensor]:
        return torch.no_grad()(layer)

    def both(layer: Callable[[], Tensor]) -> Callable[[], None]:
        return lambda: layer().sum().backward()

    took = [
        least({name: how(layer) for name, layer in layers.items()}, rounds, clock)
        for how in (forward, both)
    ]
    rows: list[str] = []
    for name in layers:
        times = " / ".join(f"{1e3 * each[name]:.2f}" for each in took)
        ratio = " / ".join(f"{each[name] / each['ours']:.0f}" for each in took)
        rows.append(f"| {nodes} | {width} | {name} | {times} | {ratio} |")
    return rows


def plot(seconds: dict[str, dict[int, float]]) -> str:
    """Milliseconds by length, both logarithmic: linear time is a line of slope one."""
    width, height, left, right, low, top = 640, 400, 60, 120, 40, 40
    lengths = sorted({length for line in seconds.values() for length in line})
    values = [1e3 * s for line in seconds.values() for s in line.values()]
    bottom, most = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))

    def x(length: int) -> float:
        share = math.log(length / lengths[0]) / math.log(lengths[-1] / lengths[0])
        return left + share * (width - left - right)

    def y(ms: float) -> float:
        return height - low - (math.log10(ms) - bottom) / (most - bottom) * (height - low - top)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        'font-family="sans-serif" font-size="12">',
        f'<rect width="{width}" height="{height}" fill="white"/>',
        f'<text x="{left}" y="20">milliseconds by length, forward and backward</text>',
    ]
    parts += [
        f'<text x="{x(each):.0f}" y="{height - 18}" text-anchor="middle">{each}</text>'
        for each in lengths
    ]
    for power in range(bottom, most + 1):
        at = y(10.0**power)
        parts.append(
            f'<line x1="{left}" x2="{width - right}" y1="{at:.0f}" y2="{at:.0f}" stroke="#ddd"/>'
            f'<text x="{left - 6}" y="{at + 4:.0f}" text-anchor="end">{10.0**power:g}</text>'
        )
    labels: list[float] = []
    for (name, line), colour in sorted(
        zip(seconds.items(), COLOURS), key=lambda each: -list(each[0][1].values())[-1]
    ):
        points = [(x(length), y(1e3 * s)) for length, s in sorted(line.items())]
        path = " ".join(f"{a:.1f},{b:.1f}" for a, b in points)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts += [f'<circle cx="{a:.1f}" cy="{b:.1f}" r="3" fill="{colour}"/>' for a, b in points]
        # Names that would stand on each other move down.
        at = max(points[-1][1] + 4, labels[-1] + 14 if labels else 0)
        labels.append(at)
        parts.append(
            f'<text x="{points[-1][0] + 8:.0f}" y="{at:.0f}" fill="{colour}">{name}</text>'
        )
    return "\n".join([*parts, "</svg>"]) + "\n"


def page(seconds: dict[str, dict[int, float]], peers: list[str], command: str) -> str:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 30
    lengths = sorted(next(iter(seconds.values())))
    lines = [
        "# Attention by length, and beside PyTorch Geometric",
        "",
        f"{date.today()}, `{command}`, one run, weights drawn by seed 0, all in turns, the least "
        f"time of each; {os.cpu_count()} cores, {torch.get_num_threads()} threads, {memory} GiB, "
        f"Python {platform.python_version()}, torch {torch.__version__}.",
        "",
        "Milliseconds, forward and backward, of one sequence with 2 heads of width 32; the tree "
        "has twice the length in nodes. The last column is the time of the longest over that of "
        "a quarter of it: 4 where cost is linear in the length, 16 where it is quadratic.",
        "",
        "| neighbourhood | " + " | ".join(map(str, lengths)) + " | x 4 |",
        "|---" * (len(lengths) + 2) + "|",
    ]
    for name, line in seconds.items():
        cells = " | ".join(f"{1e3 * line[length]:.2f}" for length in lengths)
        growth = line[lengths[-1]] / line[lengths[-3]]
        lines.append(f"| {name} | {cells} | {growth:.1f} |")
    lines += [
        "",
        "![milliseconds by length](attention.svg)",
        "",
        "A layer of 4 heads on a complete graph, milliseconds forward / forward and backward; ours "
        "has the weights of TransformerConv and gives its numbers.",
        "",
        "| nodes | width | layer | ms | times ours |",
        "|---|---|---|---|---|",
        *peers,
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--longest", type=int, default=2048)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument(
        "--clock", choices=CLOCKS, default="wall", help="cpu where the machine does other work too"
    )
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args()
    torch.manual_seed(0)
    clock = CLOCKS[options.clock]
    seconds: dict[str, dict[int, float]] = {}
    length = 128
    while length <= options.longest:
        for name, took in least(works(length), options.turns, clock).items():
            seconds.setdefault(name, {})[length] = took
        print(length, {name: f"{1e3 * line[length]:.2f} ms" for name, line in seconds.items()})
        length *= 2
    peers = [row for graph in GRAPHS for row in beside_pyg(*graph, 4 * options.turns, clock)]
    print(*peers, sep="\n")
    options.out.mkdir(exist_ok=True)
    command = " ".join(["python benchmarks/attention.py", *sys.argv[1:]])
    (options.out / "attention.md").write_text(page(seconds, peers, command))
    (options.out / "attention.svg").write_text(plot(seconds))


if __name__ == "__main__":
    main()
