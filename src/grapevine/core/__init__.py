"""How neighbours talk: one primitive, neighbourhoods, merges, exact top-k."""
