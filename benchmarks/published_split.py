"""Is Gowalla's published test a random part? How far each item's share in it varies.

    python benchmarks/published_split.py --mirror DIR

Were a fifth of all pairs drawn at random, the pairs of an item in the test would be binomial, and
their squared distance from the mean would be its variance, 1 in the table. It is far more if the
test is of another time, and what is visited changes.
"""

import argparse
import os
from pathlib import Path

import numpy as np


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--mirror", type=Path, help="where the public data is, if it is at hand")
    options = parser.parse_args()
    if options.mirror:
        os.environ["GRAPEVINE_MIRROR"] = str(options.mirror)
    import grapevine as gv

    parts = gv.pipeline.prepare(gv.load("gowalla"))
    learnt = parts.train.interactions.counts()
    targets = parts.test.targets.values
    asked = np.bincount(targets[targets >= 0], minlength=len(learnt))
    both = learnt + asked
    share = asked.sum() / both.sum()
    drawn = np.random.default_rng(0).binomial(both, share)
    variance = np.maximum(both * share * (1 - share), 1e-9)
    print("| users of an item | items | in the test | variance, of a random part's | drawn so |")
    print("|---|---:|---:|---:|---:|")
    for low, high in ((10, 20), (20, 50), (50, 100), (100, 1_000_000)):
        here = (both >= low) & (both < high)
        told, chance = (((n - both * share) ** 2 / variance)[here].mean() for n in (asked, drawn))
        part = asked[here].sum() / both[here].sum()
        range_ = f"{low:,} to {high - 1:,}"
        print(f"| {range_} | {here.sum():,} | {part:.3f} | {told:.2f} | {chance:.2f} |")


if __name__ == "__main__":
    main()
