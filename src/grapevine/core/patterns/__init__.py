"""Who listens to whom among the places of a sequence."""

from grapevine.core.patterns.base import Intersection, Pattern, Union
from grapevine.core.patterns.listed import Global, Listed, peter
from grapevine.core.patterns.packed import Packed
from grapevine.core.patterns.plain import Causal, Complete, Cross, Prefix, Window
from grapevine.core.patterns.strided import (
    Block,
    Dilated,
    Summary,
    fixed_heads,
    strided_heads,
)
from grapevine.core.patterns.tree import Tree, binary_partition

__all__ = [
    "Block",
    "Causal",
    "Complete",
    "Cross",
    "Dilated",
    "Global",
    "Intersection",
    "Listed",
    "Packed",
    "Pattern",
    "Prefix",
    "Summary",
    "Tree",
    "Union",
    "Window",
    "binary_partition",
    "fixed_heads",
    "peter",
    "strided_heads",
]
