"""Where the values of a program lie in memory that it keeps: those that are never alive at once share it.

Units say of each output how many bytes of that memory it needs, and whose memory it may be in; from this follow the
lives of all values, and from those their places in one block. The block belongs to whoever runs, and is made, as are
the arrays in it, when it is first needed (`workspace.py`).
"""

from bisect import insort
from collections.abc import Callable, Collection, Iterable, Sequence
from heapq import heappop, heappush
from typing import Any, NamedTuple

from ..thresholds import LITTLE

ALIGNMENT = 64
"""What lies in a block begins at multiples of this, so a value counts as that many bytes or a multiple of it."""


class Slot:
    """A place in a block of `whole` bytes, and the key of the array there; a `passing` value has none."""

    __slots__ = ("passing", "size", "start", "whole")

    def __init__(self, start: int = 0, size: int = 0, whole: int = 0, passing: bool = False) -> None:
        self.start, self.size, self.whole, self.passing = start, size, whole, passing

    def again(self) -> "Slot":
        """The same place under another key."""
        return Slot(self.start, self.size, self.whole, self.passing)


class Life(NamedTuple):
    """The first and the last unit during which bytes are needed."""

    first: int
    last: int
    size: int


def arena(lives: Iterable[Life]) -> tuple[list[int], int]:
    """Where each life begins in a block, and the bytes of the block.

    Law:  lives that overlap in time do not overlap in the block

    Args:
        lives: in the order in which they begin. Each takes the smallest gap that is large enough, or the block grows.
    """
    starts: list[int] = []
    gaps: list[tuple[int, int]] = []  # begin and end, by begin
    ends: list[tuple[int, int, int]] = []
    whole = 0
    for first, last, size in lives:
        size += -size % ALIGNMENT
        while ends and ends[0][0] < first:
            _, begin, end = heappop(ends)
            insort(gaps, (begin, end))
            gaps = _merged(gaps)
        fit = min([(end - begin, begin) for begin, end in gaps if end - begin >= size], default=None)
        if fit is not None:
            length, begin = fit
            gaps.remove((begin, begin + length))
            if length > size:
                insort(gaps, (begin + size, begin + length))
        else:
            begin = gaps.pop()[0] if gaps and gaps[-1][1] == whole else whole
            whole = begin + size
        if size:
            heappush(ends, (last, begin, begin + size))
        starts.append(begin)
    return starts, whole


def _merged(gaps: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    found: list[tuple[int, int]] = []
    for begin, end in gaps:
        if found and found[-1][1] == begin:
            found[-1] = (found[-1][0], end)
        else:
            found.append((begin, end))
    return found


def most(lives: Iterable[Life]) -> int:
    """The most bytes that are needed at once."""
    changes: dict[int, int] = {}
    for first, last, size in lives:
        changes[first] = changes.get(first, 0) + size
        changes[last + 1] = changes.get(last + 1, 0) - size
    peak = alive = 0
    for _, change in sorted(changes.items()):
        alive += change
        peak = max(peak, alive)
    return peak


class Need(NamedTuple):
    """What an output of a unit needs: bytes in its slot, others that are made in each call, and those it may share."""

    slot: int = 0
    fresh: int = 0
    shared: Sequence[Any] = ()


class Needed(NamedTuple):
    """The bytes of a program: of its block, and the most that a call makes besides."""

    block: int
    fresh: int


def settle(
    units: Sequence[Any],
    outputs: Iterable[Any],
    told: Collection[Any],
    made: Collection[Any],
    limit: Callable[[], float],
) -> Needed:
    """Gives every slot of the units its place.

    `outputs` are wanted at the end, of which those `told` are written into arrays of the call, and `made` are those
    for which it makes these arrays. The block lives on while a call makes others: where both are more than `limit()`
    bytes, which is not asked for a `LITTLE`, and it helps, the largest values are none of the block's, but passing.
    """
    slots: list[tuple[Slot, int, list[int]]] = []
    fresh: list[tuple[int, list[int]]] = []
    spans: dict[Any, list[list[int]]] = {}  # of each value: first and last use of the memory it may be in
    for i, unit in enumerate(units):
        for a in unit.inputs:
            for span in spans.get(a, ()):
                span[1] = i
        for v, slot, need in zip(unit.outputs, unit.slots, unit.needs(told), strict=True):
            span = [i, i]
            spans[v] = [span, *[s for a in need.shared for s in spans.get(a, ())]]
            for s in spans[v]:
                s[1] = i
            if need.slot:
                slots.append((slot, need.slot, [i, i] if v in told else span))
            anew = v.nbytes if v in made else need.fresh
            if anew:
                fresh.append((anew, span))
    for a in outputs:
        for span in spans.get(a, ()):
            span[1] = len(units)
    found = _within(
        limit, [Life(a, b, size) for _, size, (a, b) in slots], [Life(a, b, size) for size, (a, b) in fresh]
    )
    places = iter(found.starts)
    for slot, size, _ in slots:
        slot.passing = size > found.largest
        if not slot.passing:
            slot.start, slot.size, slot.whole = next(places), size, found.needed.block
    return found.needed


class _Found(NamedTuple):
    """Where the lives of up to the `largest` size begin in the block."""

    needed: Needed
    largest: int
    starts: list[int]


def _within(limit: Callable[[], float], lives: Sequence[Life], fresh: Sequence[Life]) -> _Found:
    """The first of all ways that stays within the limit, or that which has all in the block."""

    def found(largest: int) -> _Found:
        starts, block = arena([life for life in lives if life.size <= largest])
        return _Found(Needed(block, most([*fresh, *[life for life in lives if life.size > largest]])), largest, starts)

    sizes = [*sorted({life.size for life in lives}, reverse=True), 0]
    whole = found(sizes[0])
    if sum(whole.needed) <= LITTLE:
        return whole
    most_bytes = limit()
    if sum(whole.needed) <= most_bytes or sum(found(0).needed) > most_bytes:
        return whole
    return next(way for way in map(found, sizes[1:]) if sum(way.needed) <= most_bytes)
