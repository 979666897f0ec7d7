"""How a group is cut: into tiles that a core's cache holds, and tiles into tasks for threads.

Decided by sizes alone, never by how many threads there are, so that the same sums are added in the same order.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import prod

from ..graph import Graph, Step, Var
from ..graph.costs import flops_of
from .groups import Group, Places

FOOTPRINT = 3 << 19
"""Bytes that the largest step of a tile may read and write."""

WORTH = 20_000_000
"""Multiply-adds for which it pays to wake a thread: as long as two hundred microseconds."""

TASKS = 4
"""How many tasks a large group becomes: more than threads, so that one that is disturbed gets less."""

MOVED = 8
"""Multiply-adds of a matrix product that take as long as reading and writing one number."""


@dataclass(frozen=True)
class Cut:
    """A dimension in pieces, one per task, and each piece in tiles."""

    pieces: tuple[tuple[slice, ...], ...]


def cuts_of(graph: Graph, group: Group, lanes: int = 1) -> tuple[Cut, ...]:
    """How each dimension of the group's frame is cut; tiles of images have a multiple of `lanes` where they can."""
    steps = [graph.steps[i] for i in sorted(group.steps)]
    work = sum(map(work_of, steps))
    tasks = TASKS if work >= TASKS * WORTH else 2 if work >= 2 * WORTH else 1
    whole = max(footprint(group, steps), 1)
    members, *images = group.lengths
    if not images:
        return (_cut(members, min(tasks, members), max(1, FOOTPRINT * members // whole)),)
    pieces = min(tasks, members)
    size = max(1, FOOTPRINT * members * images[0] // whole)
    size = max(size // lanes, 1) * lanes
    return _cut(members, pieces, 1), _cut(images[0], min(images[0], -(-tasks // pieces)), size, lanes)


def _cut(length: int, pieces: int, size: int, unit: int = 1) -> Cut:
    """Cuts into `pieces`, and these into tiles of at most `size`: of nearly equal length, but in whole units."""
    found = []
    for piece in _parts(slice(0, length), pieces, unit):
        count = -(-(piece.stop - piece.start) // size)
        found.append(tuple(_parts(piece, count, unit)))
    return Cut(tuple(found))


def _parts(whole: slice, count: int, unit: int) -> Iterator[slice]:
    units = -(-(whole.stop - whole.start) // unit)
    ends = [min(whole.start + units * i // count * unit, whole.stop) for i in range(count + 1)]
    return (slice(a, b) for a, b in pairwise(ends) if a < b)


def footprint(group: Group, steps: Sequence[Step]) -> int:
    """Bytes that the largest step reads and writes of arrays that are cut."""
    return max(
        sum([a.nbytes for a in {*step.inputs, *step.outputs} if isinstance(a, Var) and not _shared(group, a)])
        for step in steps
    )


def _shared(group: Group, a: Var) -> bool:
    places: Places | None = group.places.get(a)
    return places is not None and None in places


def work_of(step: Step) -> int:
    """Multiply-adds of a step, or as many as take as long as reading and writing its arrays."""
    return max(flops_of(step) // 2, MOVED * max([prod(a.shape) for a in step.outputs]))
