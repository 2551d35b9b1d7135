"""Tables to tensors: one file for each way of seeing the same events."""
