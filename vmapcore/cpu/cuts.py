"""How a group is cut: into tiles that a core's cache holds, and tiles into tasks for threads.

Decided by sizes alone, never by how many threads there are, so that the same sums are added in the same order.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from math import prod

from ..core import Memory
from ..graph import Graph, Step, Var
from ..planning.groups import Group
from ..planning.plan_primitives import conv_block
from ..rules.conv import conv, conv_input_grad
from ..thresholds import CALL_APART, CALL_SHARED, FOOTPRINT, MOST_TASKS, ROOM, TASK

MOVED = 4
"""Multiply-adds of a matrix product that take as long as reading and writing one number."""


SHARING = frozenset({conv, conv_block, conv_input_grad})
"""Convolutions of images with weights that all of them share."""


Cut = tuple[tuple[slice, ...], ...]
"""A dimension in pieces, one per task, and each piece in tiles."""


def cuts_of(graph: Graph, group: Group, lanes: int = 1, team: bool = False) -> tuple[Cut, ...]:
    """How each dimension of the group's frame is cut; tiles of images have a multiple of `lanes` where they can.

    `team` is whether steps are shared in machine code, so that one thread may do.
    """
    steps = [graph.steps[i] for i in sorted(group.steps)]
    work = sum(map(work_of, steps))
    tasks = max(1, min(MOST_TASKS, work // TASK))
    whole = max(footprint(steps), 1)
    units = [1] * len(group.lengths)
    images = images_dimension(graph, group)
    if images >= 0:
        units[images] = lanes
    members, *rest = group.lengths
    if not rest:
        if whole <= (ROOM if images < 0 else FOOTPRINT):
            calls = sum([step.primitive.memory is not Memory.VIEW for step in steps])
            if work < tasks * calls * (CALL_SHARED if team else CALL_APART):
                return (_cut(members, 1, members),)
            return (_cut(members, min(tasks, members), members),)
        return (_cut(members, min(tasks, members), FOOTPRINT * members // whole, units[0]),)
    pieces = min(tasks, members)
    size = FOOTPRINT * members * rest[0] // whole
    return _cut(members, pieces, 1), _cut(rest[0], min(rest[0], -(-tasks // pieces)), size, units[1])


def _cut(length: int, pieces: int, size: int, unit: int = 1) -> Cut:
    """Cuts into `pieces`, and these into tiles of at most `size`: of nearly equal length, but in whole units."""
    size = max(size // unit, 1) * unit
    found = []
    for piece in _parts(slice(0, length), pieces, unit):
        count = -(-(piece.stop - piece.start) // size)
        found.append(tuple(_parts(piece, count, unit)))
    return tuple(found)


def _parts(whole: slice, count: int, unit: int) -> Iterator[slice]:
    units = -(-(whole.stop - whole.start) // unit)
    ends = [min(whole.start + units * i // count * unit, whole.stop) for i in range(count + 1)]
    return (slice(a, b) for a, b in pairwise(ends) if a < b)


def footprint(steps: Sequence[Step]) -> int:
    """Bytes that a step, the one with most, reads and writes of arrays that the group makes and reads again.

    What comes in or goes out passes through a cache once, however large a tile is.
    """
    made = {v for step in steps if step.primitive.memory is not Memory.VIEW for v in step.outputs}
    read = {a for step in steps for a in step.inputs if isinstance(a, Var) and a in made}
    return max(
        sum([a.nbytes for a in {*step.inputs, *step.outputs} if isinstance(a, Var) and a in read]) for step in steps
    )


def images_dimension(graph: Graph, group: Group) -> int:
    """Along which dimension tiles have images that share weights; -1 if along none."""
    if len(group.lengths) > 1:
        return 1
    shared = any(group.reads.get((i, 1)) == (None,) and graph.steps[i].primitive in SHARING for i in group.steps)
    return 0 if shared else -1


def work_of(step: Step) -> int:
    """Multiply-adds of a step, or as many as take as long as reading and writing its arrays."""
    return max(step.flops // 2, MOVED * max([prod(a.shape) for a in step.outputs]))
