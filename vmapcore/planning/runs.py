"""Runs of steps that could be one kernel: together where their order leaves a choice, apart by what joins them."""

from collections.abc import Callable, Iterator, Sequence

from ..graph import Atom, Step, Var
from ..thresholds import FEW


def runs_of(steps: Sequence[Step], can_fuse: Callable[[Step], bool]) -> list[list[Step]]:
    """Lists of steps, in an order in which they can run: those of one list may become one kernel."""
    found: list[list[Step]] = []
    for fusible, run in _late(list(_alternating(steps, can_fuse))):
        if fusible:
            found += _connected(run)
        else:
            found += [[step] for step in run]
    return found


def _alternating(steps: Sequence[Step], can_fuse: Callable[[Step], bool]) -> Iterator[tuple[bool, list[Step]]]:
    """All steps that can be fused as soon as they can run, and then one of the others, in turn."""
    makers = {v: i for i, step in enumerate(steps) for v in step.outputs}
    needs = [{makers[a] for a in step.inputs if isinstance(a, Var) and a in makers} for step in steps]
    readers: list[list[int]] = [[] for _ in steps]
    for i, needed in enumerate(needs):
        for j in needed:
            readers[j].append(i)
    fusible = [can_fuse(step) for step in steps]
    ready: dict[bool, list[int]] = {True: [], False: []}
    for i, needed in enumerate(needs):
        if not needed:
            ready[fusible[i]].append(i)
    while ready[True] or ready[False]:
        kind = bool(ready[True])
        run: list[Step] = []
        while ready[kind] and not (run and not kind):
            i = ready[kind].pop(0)
            run.append(steps[i])
            for j in readers[i]:
                needs[j].discard(i)
                if not needs[j]:
                    ready[fusible[j]].append(j)
        yield kind, run


def _late(runs: list[tuple[bool, list[Step]]]) -> list[tuple[bool, list[Step]]]:
    """Steps on large arrays that are there before a run and read only after it, moved to the run that reads them.

    As the decay of an optimiser's averages, which could all run first, each by itself.
    """
    made: dict[Atom, int] = {v: n for n, (_, run) in enumerate(runs) for step in run for v in step.outputs}
    read: dict[Atom, int] = {}
    for n, (_, run) in enumerate(runs):
        for step in run:
            for a in step.inputs:
                read.setdefault(a, n)
    moved: list[list[Step]] = [[] for _ in runs]
    for n, (fusible, run) in enumerate(runs):
        stay = []
        for step in run:
            first = min([read[v] for v in step.outputs if v in read], default=n)
            may_wait = fusible and first > n and runs[first][0] and max([v.size for v in step.outputs]) > FEW
            if may_wait and all(made.get(a) != n for a in step.inputs):
                moved[first].append(step)
            else:
                stay.append(step)
        runs[n] = fusible, [*moved[n], *stay]
    return [(fusible, run) for fusible, run in runs if run]


def _connected(run: Sequence[Step]) -> list[list[Step]]:
    """The steps apart by whether one reads what the other makes, or both read the same large array."""
    home: dict[Var, int] = {}
    parts: dict[int, list[int]] = {}
    held: dict[int, list[Var]] = {}
    made = {v for step in run for v in step.outputs}
    for number, step in enumerate(run):
        values = [v for v in (*step.inputs, *step.outputs) if isinstance(v, Var) and (v.size > FEW or v in made)]
        joined = sorted({home[v] for v in values if v in home})
        into = joined[0] if joined else number
        for other in joined[1:]:
            parts[into] += parts.pop(other)
            values += held.pop(other)
        parts.setdefault(into, []).append(number)
        held.setdefault(into, []).extend(values)
        home.update(dict.fromkeys(values, into))
    return [[run[i] for i in sorted(part)] for part in parts.values()]
