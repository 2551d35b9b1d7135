"""What is asked of a graph: the class of a node, a link, the class of a whole graph, its parts.

- `nodes`: classes of nodes, some of which are known.
- `links`: which nodes belong together though no edge says so.
- `graphs`: classes of whole graphs.
- `clusters`: parts of a graph, and how good they are, with or without a truth to hold them against.

Each is a function that trains, of a `LabelledGraph` or of edges. The graphs are held in memory and
the trainings take seconds to minutes: there are no checkpoints here.
"""
