"""The routes of attention: the same sums in different order; `core.attention` picks one.

- `fused`: torch's own kernel, which keeps no matrix of weights where it can.
- `matrix`: the whole matrix of weights, for whoever wants to see it or merges otherwise.
- `band`: blocks of neighbouring places, where nobody hears from far away.
- `along`: edge by edge, for sparse patterns of any kind: compiled lists, or a table.
- `chunked`: a few queries and keys at a time, in flat memory, whatever is added to the products.
- `flex`: the rules compiled into torch's flex attention; by name alone.
- `packed`: sequences of like length beside each other, each by the route that serves it.
"""
