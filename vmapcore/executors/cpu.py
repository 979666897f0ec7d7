"""A plan for the CPU: groups of steps in tiles on threads, and between them steps alone or fused."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import memory
from ..arguments import separate
from ..graph import Graph, Literal, Var
from ..planning import simplify
from ..planning.groups import Group, groups_of
from .own import Own
from .program import Program
from .steps import VIEWS
from .tiles import TiledGroup
from .units import units_of


class Plan:
    """A graph, ready to be run on NumPy arrays: takes a list of them and returns one."""

    def __init__(self, graph: Graph) -> None:
        graph = simplify(graph)
        roots = _roots(graph)
        fresh = [v for v in dict.fromkeys(roots) if v is not None and v not in graph.outputs]
        self.program = Program(_units(graph, {*graph.outputs, *fresh}), graph.inputs, [*graph.outputs, *fresh])
        told = {v for unit, *_ in self.program.calls if unit.writes for v in unit.outputs}
        self.wanted = [v if isinstance(v, Var) and v in told else None for v in (*graph.outputs, *fresh)]
        self.count = len(graph.outputs)
        self.apart = None not in roots and len(set(roots)) == len(roots)
        self.constants = [a.value for a in graph.outputs if isinstance(a, Literal)]
        self.idle: list[Own] = []

    def __call__(self, arrays: list[Any]) -> list[Any]:
        own = self.idle.pop() if self.idle else {}
        outs = [None if v is None else memory.empty(np, v.shape, v.dtype) for v in self.wanted]
        results = self.program(own, arrays, outs)[: self.count]
        self.idle.append(own)
        return results if self.apart else separate(results, [*arrays, *self.constants])


def _roots(graph: Graph) -> list[Var | None]:
    """For each result the variable whose memory it may be in: made by a step, or None for an input or constant."""
    made = {v: step for step in graph.steps for v in step.outputs}
    found: list[Var | None] = []
    for a in graph.outputs:
        while a in made and made[a].primitive in VIEWS:
            a = made[a].inputs[0]
        found.append(a if isinstance(a, Var) and a in made else None)
    return found


def _units(graph: Graph, wanted: set[Any]) -> list[Any]:
    """Groups, and what is between them; `wanted` is not written again by a later call."""
    units: list[Any] = []
    between: list[int] = []
    for item in [*_order(graph, groups_of(graph)), None]:
        if isinstance(item, int):
            between.append(item)
            continue
        if between:
            inside = set(between)
            elsewhere = {a for i, step in enumerate(graph.steps) if i not in inside for a in step.inputs}
            units += units_of([graph.steps[i] for i in between], elsewhere | wanted, len(units), threaded=True)
            between = []
        if item is not None:
            units.append(TiledGroup(graph, item))
    return units


def _order(graph: Graph, groups: Sequence[Group]) -> list[Any]:
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
            needs = {
                maker[a] for s in members for a in graph.steps[s].inputs if a in maker and maker[a] not in members
            } - done
            if i in done:
                waiting.pop()
            elif needs:
                waiting += needs
            else:
                found.append(owner.get(i, i))
                done |= members
    return found
