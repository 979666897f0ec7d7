"""A plan for the CPU: groups of steps in tiles on threads, and the steps between them one after the other."""

from collections.abc import Callable, Sequence
from typing import Any

from ..arguments import separate
from ..graph import Graph, Literal, Var
from ..planning.groups import groups_of
from .tiles import TiledGroup

Unit = tuple[Callable[[list[Any]], Sequence[Any]], list[int], list[int], list[int]]


class Plan:
    """The units of a graph in an order in which they can run, with the places of what they read and write."""

    def __init__(self, graph: Graph) -> None:
        groups = groups_of(graph)
        slots: dict[Any, int] = {}

        def slot(a: Any) -> int:
            return slots.setdefault(a, len(slots))

        for v in graph.inputs:
            slot(v)
        self.inputs = len(slots)
        units: list[Any] = []
        for members in _order(graph, groups):
            if isinstance(members, int):
                step = graph.steps[members]
                units.append((step.run, [slot(a) for a in step.inputs], [slot(v) for v in step.outputs]))
            else:
                group = TiledGroup(graph, members)
                units.append((group, [slot(a) for a in group.inputs], [slot(v) for v in group.outputs]))
        self.outputs = [slot(a) for a in graph.outputs]
        constants = [(n, a.value) for a, n in slots.items() if isinstance(a, Literal)]
        self.units = _with_ends(units, {*self.outputs, *[n for n, _ in constants]})
        self.values: list[Any] = [None] * len(slots)
        for n, value in constants:
            self.values[n] = value
        self.shared = [value for _, value in constants]

    def __call__(self, arrays: list[Any]) -> list[Any]:
        values = self.values.copy()
        values[: self.inputs] = arrays
        for run, sources, results, ends in self.units:
            outs = run([values[i] for i in sources])
            for i, out in zip(results, outs, strict=True):
                values[i] = out
            for i in ends:
                values[i] = None
        return separate([values[i] for i in self.outputs], [*arrays, *self.shared])


def _with_ends(units: list[Any], kept: set[int]) -> list[Unit]:
    """Each unit with the places that nothing reads after it."""
    seen = set(kept)
    found = []
    for run, sources, results in reversed(units):
        ends = [i for i in dict.fromkeys([*sources, *results]) if i not in seen]
        seen.update(ends)
        found.append((run, sources, results, ends))
    return found[::-1]


def _order(graph: Graph, groups: Sequence[Any]) -> list[Any]:
    """Groups and the numbers of single steps, each after what it needs."""
    owner = {i: group for group in groups for i in group.steps}
    maker = {v: i for i, step in enumerate(graph.steps) for v in step.outputs}
    done: set[int] = set()
    found: list[Any] = []
    for start in range(len(graph.steps)):
        waiting = [start]
        while waiting:
            i = waiting[-1]
            members = owner[i].steps if i in owner else {i}
            needs = [
                maker[a]
                for s in members
                for a in graph.steps[s].inputs
                if isinstance(a, Var) and a in maker and maker[a] not in members and maker[a] not in done
            ]
            if i in done:
                waiting.pop()
            elif needs:
                waiting += needs
            else:
                found.append(owner.get(i, i))
                done |= members
    return found
