"""The built-in shop: a generated world with known truth, the embedded default."""

from grapevine.data.shop.write import make

__all__ = ["make"]
