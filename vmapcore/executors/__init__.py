"""What runs a graph: threads of the CPU today."""

from collections.abc import Callable, Sequence
from typing import Any

from ..arguments import separate
from ..graph import Graph, Literal

Replay = Callable[[list[Any]], list[Any]]


def build(graph: Graph, arrays: Sequence[Any], donated: Sequence[bool]) -> Replay:
    """Returns what runs `graph` on arrays of the shapes and dtypes of `arrays`."""
    atoms = [a for step in graph.steps for a in step.inputs] + list(graph.outputs)
    constants = [a.value for a in atoms if isinstance(a, Literal)]
    return lambda leaves: separate(graph(*leaves), leaves + constants)
