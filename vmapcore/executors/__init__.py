"""What runs a graph: threads of the CPU today."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..arguments import separate
from ..arrays import namespace
from ..graph import Graph
from .cpu import Plan

Replay = Callable[[list[Any]], list[Any]]


def build(graph: Graph, arrays: Sequence[Any], donated: Sequence[bool]) -> Replay:
    """Returns what runs `graph` on arrays of the shapes and dtypes of `arrays`."""
    if namespace(arrays) is np:
        return Plan(graph)
    return lambda leaves: separate(graph(*leaves), leaves)
