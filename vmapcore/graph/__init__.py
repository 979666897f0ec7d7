"""The primitives of one real run as a flat list of steps, to read, to draw, to count and to plan."""

from .program import Graph
from .totals import Cost
from .values import Atom, Literal, Step, Var

__all__ = ["Atom", "Cost", "Graph", "Literal", "Step", "Var"]
