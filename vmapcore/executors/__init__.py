"""What runs a graph: threads of the CPU today."""

from collections.abc import Callable, Sequence
from typing import Any

from ..arguments import separate
from ..graph import Graph

Replay = Callable[[list[Any]], list[Any]]


def build(graph: Graph, arrays: Sequence[Any], donated: Sequence[bool]) -> Replay:
    """Returns what runs `graph` on arrays of the shapes and dtypes of `arrays`."""
    return lambda leaves: separate(graph(*leaves), leaves)
