"""How neighbours talk: one primitive, the routes that equal it, layers, losses, exact top-k.

- `propagate`: every node takes the weighted sum of what its senders hold; slow, and the reference.
- `neighbourhoods`: who listens to whom, as edges, as a table, or as a sparse matrix.
- `listen`: the same sum by the fastest route that the form allows, picked there and nowhere else.
- `table`, `kernels`: the routes.
- `blocks`: the layers of the field, made of what is said, merged and set beside.
- `losses`: what is lost where a positive does not stand above its negatives.
- `topk`: where the targets came, and what was shown.
"""
