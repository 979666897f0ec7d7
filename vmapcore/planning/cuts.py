"""How a group is cut: into tiles that a core's cache holds, and tiles into tasks for threads.

Decided by sizes alone, never by how many threads there are, so that the same sums are added in the same order.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import prod

from ..graph import Graph, Step, Var
from ..rules.contract import contract
from ..rules.conv import conv, conv_input_grad, conv_weight_grad
from .groups import Group, Places
from .labels import labels_of, sizes_of

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


def cuts_of(graph: Graph, group: Group) -> tuple[Cut, ...]:
    """How each dimension of the group's frame is cut."""
    steps = [graph.steps[i] for i in sorted(group.steps)]
    work = sum(map(work_of, steps))
    tasks = TASKS if work >= TASKS * WORTH else 2 if work >= 2 * WORTH else 1
    whole = footprint(group, steps)
    lengths = group.lengths
    if len(lengths) == 1:
        pieces = min(tasks, lengths[0])
        size = max(1, min(lengths[0], FOOTPRINT * lengths[0] // max(whole, 1)))
        return (_cut(lengths[0], pieces, size),)
    members = min(tasks, lengths[0])
    images = min(lengths[1], -(-tasks // members))
    size = max(1, min(lengths[1], FOOTPRINT * lengths[0] * lengths[1] // max(whole, 1)))
    return _cut(lengths[0], members, 1), _cut(lengths[1], images, size)


def _cut(length: int, pieces: int, size: int) -> Cut:
    """Cuts into `pieces` of nearly equal length, and these into tiles of nearly equal length, at most `size`."""
    return Cut(
        tuple(
            [tuple(_parts(piece, -(-(piece.stop - piece.start) // size))) for piece in _parts(slice(0, length), pieces)]
        )
    )


def _parts(whole: slice, count: int) -> Iterator[slice]:
    length = whole.stop - whole.start
    ends = [whole.start + length * i // count for i in range(count + 1)]
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
    """Multiply-adds of a step, or as many as take as long."""
    if step.primitive is contract:
        labels = labels_of(step)
        assert labels is not None
        return prod(sizes_of(step, labels).values())
    size = sum([prod(v.shape) for v in step.outputs])
    if step.primitive in (conv, conv_input_grad, conv_weight_grad):
        x, w = [a for a in step.inputs[:2] if isinstance(a, Var)] or step.outputs * 2
        core = len(step.params["stride"])
        if step.primitive is conv:
            return size * prod(w.shape[-core - 1 :])
        if step.primitive is conv_input_grad:
            return prod(x.shape) * prod(w.shape[-core - 1 :])
        return prod(w.shape) * prod(step.outputs[0].shape[-core - 1 :])
    inputs = max([prod(a.shape) for a in step.inputs if isinstance(a, Var)], default=0)
    return MOVED * max(size, inputs)
