"""Who listens to whom among the places of a sequence."""

from grapevine.core.patterns.base import Intersection, Pattern, Union
from grapevine.core.patterns.packed import Packed
from grapevine.core.patterns.plain import Causal, Complete, Window

__all__ = ["Causal", "Complete", "Intersection", "Packed", "Pattern", "Union", "Window"]
