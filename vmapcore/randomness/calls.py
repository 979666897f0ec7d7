"""One call of a generator's method, as all rows make it: each its own, one after the other, or all in one block."""

import copy
import math
import random
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import repeat
from typing import Any

import numpy as np

from ..errors import RandomnessError, callers_line

BLOCKS = frozenset({"random", "standard_normal", "standard_exponential"})
"""Methods of NumPy's generators of which one call draws the numbers that several calls do."""


def sizes_of(lanes: Sequence[Any]) -> tuple[int, ...]:
    return tuple([lane.size for lane in lanes])


class Call:
    """A method with its arguments; those that differ between rows have an axis for each vmap in `lanes`."""

    def __init__(self, name: Any, args: Sequence[Any], options: dict[str, Any], lanes: Sequence[Any]) -> None:
        self.name = name
        self.count = len(args)
        self.same: dict[Any, Any] = {**dict(enumerate(args)), **options}
        self.differing: dict[Any, Any] = {}
        self.lanes = list(lanes)
        self.line = callers_line()

    def like(self, other: "Call") -> bool:
        """Whether another run has made the same call."""
        mine, theirs = [(c.name, c.count, list(c.same), list(c.differing), sizes_of(c.lanes)) for c in (self, other)]
        return mine == theirs and all(
            _equal(x, there[key])
            for here, there in ((self.same, other.same), (self.differing, other.differing))
            for key, x in here.items()
        )

    @property
    def block(self) -> Any:
        """What calls have in common that may be one; None for one that stays alone."""
        if self.count or self.differing or self.name not in BLOCKS or "size" not in self.same:
            return None
        return self.name, tuple([(key, x) for key, x in self.same.items() if key != "size"])

    @property
    def shape(self) -> tuple[int, ...]:
        """Of what one row draws, where it may be part of a block."""
        return self.same["size"] or ()

    def rows(self, lanes: Sequence[Any]) -> Iterator[tuple[Any, dict[str, Any]]]:
        """The arguments of every row of `lanes`, in the loop's order."""
        sizes = sizes_of(lanes)
        count = math.prod(sizes)
        columns = {}
        for key, x in self.differing.items():
            x = x[tuple([slice(None) if lane in self.lanes else None for lane in lanes])]
            own = x.shape[len(lanes) :]
            x = np.broadcast_to(x, (*sizes, *own)).reshape(count, *own)
            columns[key] = x if own else x.tolist()
        args: Any = zip(*[columns.get(j, repeat(self.same[j], count)) for j in range(self.count)], strict=True)
        options = {key: x for key, x in self.same.items() if not isinstance(key, int)}
        names = [key for key in columns if not isinstance(key, int)]
        each = zip(*[columns[key] for key in names], strict=True)
        return zip(
            args if self.count else repeat((), count),
            [{**options, **dict(zip(names, x, strict=True))} for x in each] if names else repeat(options, count),
            strict=True,
        )

    def method(self, generator: Any) -> Callable[..., Any]:
        """What a generator draws by."""
        return getattr(generator, self.name) if isinstance(self.name, str) else partial(self.name, generator)

    def of_row(self, generator: Any, args: Sequence[Any], options: dict[str, Any]) -> Any:
        """What one row draws."""
        return self.method(generator)(*args, **options)

    def turns(self, generator: Any, rows: Iterator[Any]) -> Callable[[], Any]:
        """What draws for a row, and when it is called again for the next."""
        method = self.method(generator)
        if not self.differing:
            args, options = next(iter(self.rows([])))
            return partial(method, *args, **options) if args or options else method

        def turn() -> Any:
            args, options = next(rows)
            return method(*args, **options)

        return turn

    def of_all(self, generators: Any) -> Any:
        """What all rows draw, each from its one of `generators`, of which some may be the same."""
        generators = np.broadcast_to(generators, sizes_of(self.lanes))
        if not generators.size:
            return self._of_none(generators)
        each = generators.ravel().tolist()
        if self.block is not None and each.count(each[0]) == len(each):
            return self.as_drawn(block_of(each[0], self.block, (*generators.shape, *self.shape)))
        if self.block is not None and self.same == {"size": None}:
            parts = [getattr(g, self.name)() for g in each]
        else:
            rows = zip(map(self.method, each), self.rows(self.lanes), strict=True)
            parts = [method(*args, **options) for method, (args, options) in rows]
        return self.stacked(parts, generators.shape)

    def as_drawn(self, numbers: Any) -> Any:
        """Numbers of a block, as single calls return them: without a size, Python's floats."""
        return numbers.astype(float, copy=False) if self.same["size"] is None else numbers

    def stacked(self, parts: Sequence[Any], shape: tuple[int, ...]) -> Any:
        """An array of what the rows have drawn, in order."""
        values = np.array(parts)
        if values.dtype.kind not in "biufc":
            what = f"what it draws, at {self.line}, is {type(parts[0]).__name__}, of which there is no array"
            raise RandomnessError(f"{self.name}", what, "", "Draw outside, or with another method")
        return values.reshape(*shape, *values.shape[1:])

    def _of_none(self, generators: Any) -> Any:
        """What no rows draw: an array without elements, of the dtype that it has otherwise."""
        alike = None if self.differing else np.random.default_rng(0)
        size = self.same.get("size") or ()
        sample = np.zeros(size)
        if alike is not None and hasattr(alike, str(self.name)):
            sample = np.asarray(self.of_row(alike, *next(self.rows([]))))
        return np.zeros((*generators.shape, *sample.shape), sample.dtype)


def block_of(generator: Any, block: Any, shape: tuple[int, ...]) -> Any:
    """What several calls draw, one after the other."""
    return block_method(generator, block)(size=shape)


def block_method(generator: Any, block: Any) -> Callable[..., Any]:
    """What draws one number of a block, or several with a size."""
    method = getattr(generator, block[0])
    return partial(method, **dict(block[1])) if block[1] else method


def _equal(x: Any, y: Any) -> bool:
    if x is y:
        return True
    if isinstance(x, np.ndarray) or isinstance(y, np.ndarray):
        return type(x) is type(y) and x.shape == y.shape and x.dtype == y.dtype and x.tobytes() == y.tobytes()
    try:
        return bool(x == y)
    except (TypeError, ValueError):
        return False


# States of generators of NumPy and of Python.


def bits_of(generator: Any) -> Any:
    """What has the state of a generator, which several may share."""
    return getattr(generator, "bit_generator", None) or getattr(generator, "_bit_generator", generator)


def state_of(generator: Any) -> Any:
    if isinstance(generator, np.random.RandomState):
        return generator.get_state(legacy=False)
    bits = bits_of(generator)
    if isinstance(bits, (random.SystemRandom, np.random.SeedSequence)):  # it has none; or it draws nothing
        return None
    return bits.state if isinstance(bits, np.random.BitGenerator) else bits.getstate()


def set_state(generator: Any, state: Any) -> None:
    bits = bits_of(generator)
    if isinstance(generator, np.random.RandomState):
        generator.set_state(state)
    elif isinstance(bits, np.random.BitGenerator):
        bits.state = state
    elif state is not None:
        bits.setstate(state)


def copied(generators: Any) -> Any:
    """An array of generators in the states that those of another are in."""
    made = np.empty(generators.shape, object)
    for i, g in enumerate(generators.flat):
        made.flat[i] = copy.deepcopy(g)
    return made
