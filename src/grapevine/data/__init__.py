"""What happened: schema, readers, dataset, vocabulary, splits, public sources, the built-in shop.

Each name is imported from its own file: importing one reader does not load the others.
"""
