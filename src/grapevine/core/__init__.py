"""How neighbours talk: one primitive, the routes that equal it, layers, losses, exact top-k.

- `propagate`: every node takes the weighted sum of what its senders hold; slow, and the reference.
- `neighbourhoods`: who listens to whom, as edges, as a table, or as a sparse matrix.
- `listen`: the same sum by the fastest route that the form allows, picked there and nowhere else.
- `table`, `kernels`: the routes.
- `patterns`: who listens to whom among the places of a sequence, as rules that `|` and `&` join.
- `attention`: softmax or SiLU of products over a pattern; `routes` are the ways to the same sums.
- `positions`: what tells places apart, in sequences and in graphs.
- `lsh`, `span`: attention to what is alike, and as far back as is learnt.
- `heads`, `maps`, `hard_concrete`: what the heads of Transformers hear and are worth; fewer heads.
- `recurrence`, `compressive`: what stays from one segment to the next.
- `blocks`: the layers of the field, made of what is said, merged and set beside.
- `edges`, `edgewise`: attention along the edges of a sparse graph, with no row for each edge.
- `additive`, `graph_transformer`, `typed`, `isomorphism`, `graph_convolution`: its layers.
- `bag`: features of which most are zero, on their way into a layer.
- `dynamic`: graphs that change, by snapshots and by events in time.
- `losses`: what is lost where a positive does not stand above its negatives.
- `experts`, `sharing`, `relationships`, `surgery`: what several tasks share, and how.
- `topk`: where the targets came, and what was shown.
"""
