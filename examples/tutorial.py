"""The whole way in Python, on the built-in shop; docs/tutorial.md shows this file piece by piece.

    python examples/tutorial.py

It takes well under a minute and writes to `runs/tutorial` and beside it.
"""

# [start:events]
from pathlib import Path

import grapevine as gv
from grapevine.index.build import build
from grapevine.index.embed import embed, open_embeddings

data = gv.shop(users=1_000)
print(f"{len(data.interactions):,} events of {len(data.users):,} users, {len(data.items):,} items")
print("behaviours:", *data.schema.behaviours, "| predicted:", data.schema.target)
# [end:events]

# [start:split]
split = gv.pipeline.prepare(data, "leave-last-out")
print(f"{len(split.train.interactions):,} events to learn from, {len(split.test):,} questions")
# [end:split]

# [start:train]
out = Path("runs/tutorial")
popularity = gv.fit("popularity", split.train)
ease = gv.fit(gv.models.EASE.Config(regularization=100.0), split.train, out=out)
# [end:train]

# [start:evaluate]
report = gv.evaluate([ease, popularity], split.test)
print(report)
report.to_html(out / "report.html")
# [end:evaluate]

# [start:recommend]
somebody = data.users.ids[0]
print(ease.recommend(users=[somebody], k=5, why=True))

first, second = data.items.ids[0], data.items.ids[1]
print(ease.recommend(histories=[[first, second]], k=5))
print(gv.open_run(out).recommend(items=[first], k=5))
# [end:recommend]

# [start:graph]
short = gv.models.PinSage.Config(epochs=5)
pinsage = gv.fit(short, split.train, out=out.with_name("tutorial-pinsage"))
print(gv.evaluate([pinsage, ease], split.test))
for why in pinsage.recommend(users=[somebody], k=3, why=True)["why"]:
    print(why)
# [end:graph]

# [start:index]
vectors = out.with_name("tutorial-vectors")
print(embed(pinsage, vectors))
embedded = open_embeddings(vectors)
index = build(embedded.vectors, embedded.ids)
found = index.search(embedded.user_vectors[:1], k=5)
print(index.take(found.items).to_list(), found.scores)
# [end:index]
