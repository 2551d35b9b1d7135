"""Public: contracts that a new part must pass, and tiny awkward worlds."""
