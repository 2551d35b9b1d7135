"""The whole way in Python, on the built-in shop; docs/tutorial.md shows this file piece by piece.

    python examples/tutorial.py

It takes well under a minute and writes to `runs/tutorial`.
"""

from pathlib import Path

# --8<-- [start:events]
import grapevine as gv

data = gv.shop(users=1_000)
print(f"{len(data.interactions):,} events of {len(data.users):,} users, {len(data.items):,} items")
print("behaviours:", *data.schema.behaviours, "| predicted:", data.schema.target)
# --8<-- [end:events]

# --8<-- [start:split]
split = gv.pipeline.prepare(data, "leave-last-out")
print(f"{len(split.train.interactions):,} events to learn from, {len(split.test):,} questions")
# --8<-- [end:split]

# --8<-- [start:train]
out = Path("runs/tutorial")
popularity = gv.fit("popularity", split.train)
ease = gv.fit(gv.models.EASE.Config(regularization=100.0), split.train, out=out)
# --8<-- [end:train]

# --8<-- [start:evaluate]
report = gv.evaluate([ease, popularity], split.test)
print(report)
report.to_html(out / "report.html")
# --8<-- [end:evaluate]

# --8<-- [start:recommend]
somebody = data.users.ids[0]
print(ease.recommend(users=[somebody], k=5, why=True))

first, second = data.items.ids[0], data.items.ids[1]
print(ease.recommend(histories=[[first, second]], k=5))
print(gv.open_run(out).recommend(items=[first], k=5))
# --8<-- [end:recommend]
