"""Grapevine: a recommender system you can own end to end."""

__version__ = "0.1.0"
