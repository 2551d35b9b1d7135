"""What happened: schema, readers, dataset, vocabulary, splits, public sources, the built-in shop."""
