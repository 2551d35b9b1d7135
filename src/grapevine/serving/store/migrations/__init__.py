"""The steps from each released schema to the next, applied when a store is opened."""
