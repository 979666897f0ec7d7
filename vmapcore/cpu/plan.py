"""A plan for the CPU: groups of steps in tiles on threads, and between them steps alone or fused."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from .. import threads
from ..arguments import is_own
from ..errors import PlanError, PlanWarning, warn_caller
from ..graph import Graph, Var
from ..planning import checking, simplify
from ..planning.groups import Group, groups_of
from ..thresholds import TEAMWORK
from . import team
from .program import Program
from .steps import Roots, may_multiply
from .tiled import TiledGroup, keep_in_blocks
from .units import units_of
from .workspace import Workspace, borrowed, held


def build(graph: Graph, donated: Sequence[bool], step_by_step: checking.Replay) -> checking.Replay:
    """The plan of a graph; if what was planned turns out to be wrong, a warning, and the run step by step."""
    try:
        plan = Plan(graph, donated)
    except PlanError as error:
        warn_caller("jit", f"a plan is wrong and not used: {error}", "", checking.REPORT, PlanWarning)
        return step_by_step
    pure = all(step.primitive.pure for step in graph.steps)
    return checking.beside(plan, step_by_step) if checking.BESIDE and pure else plan


class _Gift(NamedTuple):
    """A result that is put into a donated argument, and whether the unit that makes it reads this."""

    result: int
    argument: int
    read_there: bool


class Plan:
    """A graph, ready to be run on NumPy arrays: takes a list of them and returns one.

    What a plan keeps for the next call is never part of a result: results, and what they may be views of, are put into
    new arrays, and one that would share memory with an argument, a constant or another result is copied. Nor does an
    author's code get it, which may keep what it gets. Only donated arguments, which nobody reads any more, may become
    results.
    """

    def __init__(self, graph: Graph, donated: Sequence[bool] = ()) -> None:
        recorded = graph
        graph = simplify(recorded)
        made = {v for step in graph.steps for v in step.outputs}
        roots = Roots(graph.steps)
        given = [a for step in graph.steps if not step.primitive.pure for a in step.inputs if isinstance(a, Var)]
        kept = list(dict.fromkeys([v for a in (*graph.outputs, *given) for v in (a, *roots[a])]))
        self.idle: list[Workspace] = []
        self.idle_tiles: list[Workspace] = []
        units = _units(graph, roots, made.intersection(kept), self.idle_tiles)
        told = {v for unit in units if unit.writes for v in unit.outputs}.intersection(kept)
        kept = [v for v in kept if v in told or v in graph.outputs]  # others are made anew, and let go where read last
        self.program = Program(units, graph.inputs, kept, told, told, lambda: recorded.peak_memory)
        self.wanted = [v if v in told else None for v in kept]
        self.places = [kept.index(a) for a in graph.outputs]
        self.copied = [i for i, a in enumerate(graph.outputs) if not _is_apart(a, graph.outputs[:i], made, roots)]
        self.viewed = [i for i, a in enumerate(graph.outputs) if a not in told and i not in self.copied]
        repeated = [i for i in self.viewed if _repeats(graph.outputs[i], roots)]
        self.copied_bytes = sum([graph.outputs[i].nbytes for i in (*self.copied, *repeated)])
        self.multiplies = any(map(may_multiply, graph.applications))
        self.gifts = self._gifts(graph, [v for v, given in zip(graph.inputs, donated, strict=False) if given], roots)
        self.teamwork = any(unit.shares for unit in units) and graph.costs_more(TEAMWORK)

    def _gifts(self, graph: Graph, donated: Sequence[Var], roots: Roots) -> list[_Gift]:
        """Which results are put into which donated arguments: of equal shape and dtype, and read for the last time
        before the result is made, or by a kernel that reads each element where it writes it."""
        if not donated:
            return []
        units = [unit for unit, *_ in self.program.calls]
        made = {v: n for n, unit in enumerate(units) for v in unit.outputs}
        reads = {v: [(n, a) for n, unit in enumerate(units) for a in unit.inputs if v in roots[a]] for v in donated}
        found: list[_Gift] = []
        left = [v for v in donated if not any(v in roots[a] for a in graph.outputs)]
        for i, v in enumerate(self.wanted):
            if v is None:
                continue
            for d in left:
                late = [(n, a) for n, a in reads[d] if n >= made[v]]
                if (d.shape, d.dtype) != (v.shape, v.dtype) or late not in ([], [(made[v], d)]):
                    continue
                if late and not units[made[v]].overwrites(v, d):
                    continue
                left.remove(d)
                found.append(_Gift(i, graph.inputs.index(d), bool(late)))
                break
        return found

    @property
    def held(self) -> int:
        """Bytes that the plan keeps for later calls, of all threads that have run it."""
        return held([*self.idle, *self.idle_tiles])

    @property
    def peak_memory(self) -> int:
        """The most bytes that a call holds beyond its arguments, what earlier calls have left for it included.

        What kernels keep for themselves, in each thread, is known once they have run. Not counted is what they take and
        give back: reshapes and operands of products that NumPy copies, patches and rooms of convolutions. Results are
        counted even where they go into donated arguments.
        """
        needed = self.program.needed
        return needed.fresh + self.copied_bytes + max(needed.block, self.held)

    def __call__(self, arrays: list[Any]) -> list[Any]:
        if self.teamwork:
            team.assemble()
        workspace = borrowed(self.idle)
        outs: list[Any] = [None] * len(self.wanted)
        for i, j, read_there in self.gifts:
            if _is_free(j, arrays):
                outs[i] = arrays[j]
            elif read_there:
                arrays = [*arrays]
                outs[i] = arrays[j] = np.array(arrays[j], order="C")
        if self.multiplies:
            found = threads.with_one_blas_thread(self.program, workspace, arrays, outs)
        else:
            found = self.program(workspace, arrays, outs)
        self.idle.append(workspace)
        results = [found[i] for i in self.places]
        for i in self.copied:
            results[i] = _copy(results[i])
        for i in self.viewed:
            if not is_own(results[i]):
                results[i] = _copy(results[i])
        return results


def _is_apart(a: Any, others: Sequence[Any], made: set[Any], roots: Roots) -> bool:
    """Whether a result shares memory with no argument and none of the results `others`."""
    return roots[a] <= made and not any(roots[a] & roots[b] for b in others)


def _repeats(a: Any, roots: Roots) -> bool:
    """Whether a view has more numbers than there are in memory."""
    return a.nbytes > max([base.nbytes for base in roots[a] if base is not a], default=a.nbytes)


def _is_free(i: int, arrays: Sequence[Any]) -> bool:
    """Whether an argument can be overwritten: it lies as a result does, and no other shares its memory."""
    x = arrays[i]
    if not (type(x) is np.ndarray and x.flags.carray):
        return False
    return not any(np.may_share_memory(x, a) for k, a in enumerate(arrays) if k != i and type(a) is np.ndarray)


def _copy(x: Any) -> Any:
    return x.copy() if isinstance(x, np.ndarray) else x


def _units(graph: Graph, roots: Roots, wanted: set[Any], idle: list[Workspace]) -> list[Any]:
    """Groups that are cut, and what is between them; `wanted` is not written again by a later call.

    Threads that run tiles take their memory from `idle`.
    """
    units: list[Any] = []
    between: list[int] = []
    for item in [*_order(graph, groups_of(graph)), None]:
        group = TiledGroup(graph, item, idle) if isinstance(item, Group) else None
        if isinstance(item, int) or (group and group.whole):
            between += [item] if group is None else group.numbers
            continue
        if between:
            steps = [graph.steps[i] for i in between]
            units += units_of(steps, wanted | _read_elsewhere(graph, between), roots, threaded=True)
            between = []
        if group is not None:
            units.append(group)
    keep_in_blocks(units, wanted)
    return units


def _read_elsewhere(graph: Graph, numbers: Sequence[int]) -> set[Any]:
    """What the steps of these numbers make and others read."""
    if len(numbers) == len(graph.steps):
        return set()
    inside = set(numbers)
    made = [v for i in numbers for v in graph.steps[i].outputs]
    return {v for v in made if not inside.issuperset(graph.readers.get(v, ()))}


def _order(graph: Graph, groups: Sequence[Group]) -> list[Any]:
    """Groups and the numbers of single steps, each after what it needs."""
    if not groups:
        return list(range(len(graph.steps)))
    owner = {i: group for group in groups for i in group.steps}
    maker = {v: i for i, step in enumerate(graph.steps) for v in step.outputs}
    done: set[int] = set()
    found: list[Any] = []
    for start in range(len(graph.steps)):
        waiting = [start]
        while waiting:
            i = waiting[-1]
            if i in done:
                waiting.pop()
                continue
            members = owner[i].steps if i in owner else {i}
            needs = {
                maker[a] for s in members for a in graph.steps[s].inputs if a in maker and maker[a] not in members
            } - done
            if needs:
                waiting += needs
            else:
                found.append(owner.get(i, i))
                done |= members
    return found
