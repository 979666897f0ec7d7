"""In which order rows draw from a generator that they share: that of the loop, in which one row follows the other.

A vmap draws for all rows at once, each time its function draws. Where that is once, it is the loop's order. Where it
is more often, the first run was a draft: what it drew is drawn again, row by row, and the function runs once more with
these numbers. If it draws otherwise then, since what is drawn hangs on what was drawn before, rows run one by one.
"""

import math
from collections.abc import Callable
from functools import partial
from itertools import groupby
from typing import Any, NamedTuple

import numpy as np

from ..core import RUNNING
from ..errors import OptionError, warn_caller
from ..words import meant
from .calls import Call, block_method, block_of, set_state, sizes_of, state_of

TURNS = "so rows run one by one"
OWN = "Give each row a generator of its own, such as np.random.default_rng(seed) of a mapped seed"
"""What comes of rows that leave to each other what they draw from, and what to do instead."""

WAYS = ("error", "different", "same")


def check_randomness(randomness: Any) -> None:
    """Raises unless the option of vmap is one."""
    if randomness not in WAYS:
        allowed = "it must be 'error', 'different' or 'same'"
        remedy = meant(randomness, WAYS) if isinstance(randomness, str) else ""
        raise OptionError("vmap", f"randomness is {randomness!r}", allowed, remedy)


class Inner(NamedTuple):
    """What the rows of an inner vmap draw, one after the other."""

    trace: Any
    draws: list[Any]


class Stream:
    """What a vmap has drawn from one generator, or from each of an array of them that it has no part in."""

    def __init__(self, source: Any) -> None:
        self.source = source
        self.before = [state_of(g) for g in source.generators.flat]
        self.lanes = list(source.lanes)
        self.draws: list[Any] = []
        self.calls: list[Call] = []
        self.values: list[Any] = []

    def note(self, call: Call, sharing: list[Any]) -> None:
        """Adds a call by the rows of the vmaps in `sharing`, outermost first."""
        draws = self.draws
        for trace in sharing[1:]:
            if not (draws and isinstance(draws[-1], Inner) and draws[-1].trace is trace):
                draws.append(Inner(trace, []))
            draws = draws[-1].draws
        draws.append(call)
        self.calls.append(call)

    def forget(self, count: int) -> None:
        """Takes back all but the first calls: a draft has made the others."""
        self.calls = self.calls[:count]
        self.draws = _without(self.draws, {id(c) for c in self.calls})

    def restore(self) -> None:
        """Puts generators into the states that they had."""
        now, source = self.source.lanes, self.source
        states = np.empty(sizes_of(self.lanes), object)
        for i, state in enumerate(self.before):
            states.flat[i] = state
        states = states[(*[slice(None) if lane in self.lanes else None for lane in now], ...)]
        for g, state in zip(source.generators.flat, np.broadcast_to(states, source.generators.shape).flat, strict=True):
            set_state(g, state)

    def play(self, size: int) -> None:
        """Draws again what was drawn, in the loop's order."""
        self.restore()
        played = [_Played(call, self.source) for call in self.calls]
        by_call = {id(p.call): p for p in played}
        for g in self.source.generators.flat:
            block = _block_of_all(self.draws)
            if block is not None:
                count = _count(self.draws)
                _share(self.draws, block_of(g, block, (size, count)), (size,), by_call)
            else:
                _play(self.draws, g, size, by_call)
        self.values = [p.result() for p in played]

    def once_more(self, size: int) -> "Stream":
        """The same, drawn from the generator as it is now."""
        stream = Stream(self.source)
        stream.draws, stream.calls = self.draws, self.calls
        stream.play(size)
        return stream


class _Played:
    """A call, and what its rows have drawn so far."""

    def __init__(self, call: Call, source: Any) -> None:
        self.call = call
        self.lanes = sorted({*source.lanes, *call.lanes}, key=lambda lane: lane.level)
        self.rows = None if call.block is not None else call.rows(self.lanes)
        self.parts: list[Any] = []

    def result(self) -> Any:
        shape = sizes_of(self.lanes)
        if self.call.block is not None:
            numbers = np.concatenate([x.reshape(-1) for x in self.parts])
            return self.call.as_drawn(numbers.reshape(*shape, *self.call.shape))
        return self.call.stacked(self.parts, shape)


Steps = list[tuple[Callable[[], Any], Callable[[Any], Any]]]
"""What draws in the turn of a row, and what keeps that."""


def _play(draws: list[Any], generator: Any, count: int, played: dict[int, _Played]) -> None:
    """Draws for rows that take turns."""
    ends: list[Callable[[], None]] = []
    _take_turns(_steps(draws, generator, played, ends), count)
    for end in ends:
        end()


def _take_turns(steps: Steps, count: int) -> None:
    for _ in range(count):
        for draw, keep in steps:
            keep(draw())


def _steps(draws: list[Any], generator: Any, played: dict[int, _Played], ends: list[Callable[[], None]]) -> Steps:
    """What one row does in its turn; and what remains to be done when all have had theirs."""
    steps: Steps = []
    for block, group in groupby(draws, _block):
        items = list(group)
        if block is not None:
            count = _count(items)
            numbers: list[Any] = []
            method = block_method(generator, block)
            steps.append((method if count == 1 else partial(method, size=count), numbers.append))
            ends.append(partial(_share_all, items, numbers, count, played))
            continue
        for x in items:
            if isinstance(x, Inner):
                inner = _steps(x.draws, generator, played, ends)
                steps.append((partial(_take_turns, inner, x.trace.size), id))  # nothing to keep
            else:
                mine = played[id(x)]
                steps.append((x.turns(generator, mine.rows), mine.parts.append))
    return steps


def _share_all(items: list[Any], numbers: list[Any], count: int, played: dict[int, _Played]) -> None:
    _share(items, np.array(numbers).reshape(len(numbers), count), (len(numbers),), played)


def _share(draws: list[Any], numbers: Any, rows: tuple[int, ...], played: dict[int, _Played]) -> None:
    """Gives each call its part of `numbers`, which are along the last axis, for each row of the others."""
    at = 0
    for x in draws:
        count = _count([x])
        part = numbers[..., at : at + count]
        at += count
        if isinstance(x, Inner):
            inner = (*rows, x.trace.size)
            _share(x.draws, part.reshape(*inner, _count(x.draws)), inner, played)
        else:
            played[id(x)].parts.append(part)


def _count(draws: list[Any]) -> int:
    """How many numbers a row draws by calls that may be one."""
    return sum(x.trace.size * _count(x.draws) if isinstance(x, Inner) else math.prod(x.shape) for x in draws)


def _block(x: Any) -> Any:
    return _block_of_all(x.draws) if isinstance(x, Inner) else x.block


def _block_of_all(draws: list[Any]) -> Any:
    """What calls have in common, if all may be one."""
    blocks = {_block(x) for x in draws}
    return blocks.pop() if len(blocks) == 1 else None


def _without(draws: list[Any], kept: set[int]) -> list[Any]:
    left = [Inner(x.trace, _without(x.draws, kept)) if isinstance(x, Inner) else x for x in draws]
    return [x for x in left if (x.draws if isinstance(x, Inner) else id(x) in kept)]


class Draws:
    """What one vmap has drawn from generators that were there before it."""

    def __init__(self, played: "Draws | None" = None) -> None:
        self.streams: dict[Any, Stream] = {}
        self.copies: dict[Any, tuple[Any, Any]] = {}
        self.played = played
        self.differs = False
        self.size = 0  # of the rows for whom it was drawn again

    def copy_of(self, source: Any, trace: Any) -> Any:
        """A generator's copy, from which all rows draw the same."""
        if source.key not in self.copies:
            self.copies[source.key] = source, source.copy(trace.level)
        return self.copies[source.key][1]

    def draw(self, source: Any, call: Call, sharing: list[Any]) -> Any:
        """What rows draw that share a generator: as a draft, or what was drawn in order after one."""
        stream = self.streams.get(source.key)
        if stream is None:
            stream = self.streams[source.key] = Stream(source)
        stream.note(call, sharing)
        if self.played is not None:
            past, i = self.played.streams.get(source.key), len(stream.calls) - 1
            if past is not None and i < len(past.calls) and call.like(past.calls[i]):
                return past.values[i]
            self.differs = True
        return call.of_all(source.over(call.lanes))

    @property
    def ordered(self) -> bool:
        """Whether what was drawn is what the loop draws."""
        if self.played is None:
            return all(len(s.calls) <= 1 or 0 in sizes_of(s.calls[0].lanes) for s in self.streams.values())
        counts = [{k: len(s.calls) for k, s in d.streams.items()} for d in (self, self.played)]
        return not self.differs and counts[0] == counts[1]

    def once_more(self, size: int) -> "Draws | None":
        """The same drawn again, for a call that may draw it, if that hangs on no argument."""
        streams = self.streams.values()
        if (
            size != self.size
            or RUNNING.get()
            or any(s.source.lanes or any(c.differing for c in s.calls) for s in streams)
        ):
            return None
        past = Draws()
        past.streams, past.size = {key: s.once_more(size) for key, s in self.streams.items()}, size
        return Draws(past)

    def used(self) -> "Draws":
        """The same without the numbers, which belong to the call that has them."""
        for stream in self.streams.values():
            stream.values = []
        return self

    def restore(self) -> None:
        """Puts generators into the states that they had."""
        for stream in self.streams.values():
            stream.restore()

    def end(self, trace: Any) -> None:
        """Leaves the generators that were copied as the last row leaves them."""
        for source, made in self.copies.values():
            source.follow(made, trace)


def drawn_so_far() -> list[tuple[Any, dict[Any, int]]]:
    """What the vmaps around have drawn so far."""
    running: tuple[Any, ...] = RUNNING.get()
    if not running:
        return []
    around = [trace.draws for trace in running if trace.randomness == "different" and trace.draws is not None]
    return [(draws, {key: len(s.calls) for key, s in draws.streams.items()}) for draws in around]


def forget(marked: list[tuple[Any, dict[Any, int]]]) -> None:
    """Takes back what they have drawn since."""
    for draws, counts in marked:
        for key, stream in draws.streams.items():
            stream.forget(counts.get(key, 0))


def in_order(
    trace: Any,
    result: Any,
    marked: Any,
    together: Callable[..., tuple[Any, Any]],
    one_by_one: Callable[[], Any],
) -> tuple[Draws | None, Any]:
    """What vmap returns whose function has drawn: the result of its run if that drew in order, else of another run.

    And what was drawn twice, for the next call.
    """
    draws: Draws = trace.draws
    draws.end(trace)
    if draws.ordered:
        return draws.played and draws.played.used(), result
    if draws.played is not None:  # by a call before
        draws.played.restore()
        forget(marked)
        trace, result = together()
        return (None, result) if trace.draws is None else in_order(trace, result, marked, together, one_by_one)
    for stream in draws.streams.values():
        stream.play(trace.size)
    draws.size = trace.size
    forget(marked)
    second, result = together(Draws(draws))
    if second.draws.ordered:
        return draws.used(), result
    draws.restore()
    forget(marked)
    line = next(iter(draws.streams.values())).calls[0].line
    warn_caller(trace.call, f"what is drawn at {line} hangs on what was drawn before", TURNS, OWN)
    return None, one_by_one()
