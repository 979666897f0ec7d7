"""What makes generators, while a transform runs: of a seed that differs between rows, one for each row.

And NumPy's and Python's modules of random numbers, in which names mean what knows the transforms.
"""

import copyreg
import random
from collections.abc import Callable
from functools import update_wrapper
from types import ModuleType
from typing import Any

import numpy as np

from ..core import RUNNING
from ..methods import PARTS, RUN
from ..names import seen as as_seen
from ..names import stands_for
from ..numpy_protocol import NUMPY
from ..seen_classes import SeenClass
from ..tracer import Tracer, is_traced
from .calls import set_state, sizes_of, state_of
from .generators import KINDS, Seen, check_seeding, seen
from .sources import DIFFERENT, SAME, Source, check_constant, concerned, held, lanes_of, refused, values_of


def make(theirs: Callable[..., Any], args: tuple[Any, ...], options: dict[str, Any]) -> Any:
    """A generator, or one for each row, that is made inside the transforms that run."""
    level = RUNNING.get()[-1].level
    if not any(x is not None for x in (*args, *options.values())):
        return Seen(_of_chance(theirs, level))
    args = tuple(map(_argument, args))
    options = {key: _argument(x) for key, x in options.items()}
    given = [*args, *options.values()]
    lanes: list[Any] = []
    for x in given:
        check_constant(theirs.__name__, x)
        lanes += [lane for lane in (x._source.lanes if type(x) is Seen else lanes_of(x)) if lane not in lanes]
    lanes.sort(key=lambda lane: lane.level)
    shared = [x._source for x in given if type(x) is Seen and not issubclass(x._kind, np.random.SeedSequence)]
    born = min([level, *[source.born for source in shared]])
    made = np.empty(sizes_of(lanes), object)
    columns = [_column(x, lanes) for x in given]
    for i in range(made.size):
        row = [column[i] for column in columns]
        made.flat[i] = theirs(*row[: len(args)], **dict(zip(options, row[len(args) :], strict=True)))
    return Seen(Source(made, lanes, born, *[source.key for source in shared]))


def _argument(x: Any) -> Any:
    if isinstance(x, (list, tuple)) and is_traced(x):
        return NUMPY["as_array"](list(x))
    return seen(x) if PARTS[type(x)] else x


def _column(x: Any, lanes: list[Any]) -> Any:
    """An argument for each row."""
    sizes = sizes_of(lanes)
    if type(x) is Seen:
        return np.broadcast_to(x._source.over(lanes), sizes).reshape(-1)
    if not isinstance(x, Tracer):
        return [x] * int(np.prod(sizes))
    values = values_of(x, lanes)
    values = np.broadcast_to(values, (*sizes, *values.shape[len(lanes) :]))
    values = values.reshape(-1, *values.shape[len(lanes) :])
    return values.tolist() if values.ndim == 1 else list(values)


def _of_chance(theirs: Callable[..., Any], level: int) -> Source:
    """One whose seed is chance: each row, and each call, has another."""
    source = Source(held(theirs()), born=level)
    for trace in concerned():
        if trace.randomness not in (SAME, DIFFERENT):
            raise refused(trace, f"{theirs.__name__}()", "makes a generator without a seed")
        if trace.randomness == DIFFERENT:
            source.fork(trace)
    for i in range(source.generators.size):
        source.generators.flat[i] = theirs()
    return source


class SeenMaker(SeenClass):
    """The type of the forms of classes of generators: called, they make a `Seen`."""

    def __call__(self, *args: Any, **options: Any) -> Any:
        return make(self.plain, args, options) if RUNNING.get() else self.plain(*args, **options)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.plain, name)


def _plain(kind: Any) -> Any:
    return kind


copyreg.pickle(SeenMaker, lambda kind: (_plain, (kind.plain,)))  # what is pickled inside is read outside

for _kind in (*KINDS, random.SystemRandom):
    stands_for(type.__new__(SeenMaker, _kind.__name__, (), {"plain": _kind, "__doc__": _kind.__doc__}), _kind)


def _function(ours: Callable[..., Any]) -> None:
    theirs = getattr(np.random, ours.__name__)
    stands_for(update_wrapper(ours, theirs), theirs)


@_function
def default_rng(seed: Any = None) -> Any:
    seed = seen(seed) if PARTS[type(seed)] else seed
    if isinstance(seed, np.random.Generator):
        return seed
    return make(np.random.default_rng, (seed,), {}) if RUNNING.get() else np.random.default_rng(seed)


GLOBAL = np.random.mtrand._rand
"""The generator of the functions of `np.random`."""


def _seeding(theirs: Callable[..., Any], generator: Any) -> None:
    """Declares what seeds a generator of a module: the function then draws from one of its own, of that seed.

    So each row does, as in a loop; and the last leaves the state of its own to the module's.
    """
    key = seen(generator)._source.key

    def seed(*args: Any, **options: Any) -> None:
        run = RUN.get()
        if run is None or not concerned():
            theirs(*args, **options)
            return
        if all(x is None for x in (*args, *options.values())):
            check_seeding(-1, path)
        options.pop("version", None)  # of Python's, which takes one alone here
        source = make(type(generator), args, options)._source
        run.seeded[key] = source, lambda: leave(generator, source)

    path = f"{'np.random' if generator is GLOBAL else 'random'}.seed"
    stands_for(update_wrapper(seed, theirs), theirs)


def leave(generator: Any, source: Source) -> None:
    """Puts a generator into the state in which the last row has left its own."""
    if source.generators.size:
        set_state(generator, state_of(source.generators.flat[-1]))


_seeding(np.random.seed, GLOBAL)
_seeding(random.seed, random._inst)


@_function
def ranf(*args: Any, **options: Any) -> Any:
    return seen(GLOBAL).random_sample(*args, **options)


@_function
def sample(*args: Any, **options: Any) -> Any:
    return seen(GLOBAL).random_sample(*args, **options)


class RandomModule(ModuleType):
    """`numpy.random` or `random`, whose generators and functions are seen as in the globals of a function."""

    def __init__(self, theirs: ModuleType) -> None:
        ModuleType.__init__(self, theirs.__name__, theirs.__doc__)
        self._theirs = theirs
        stands_for(self, theirs)

    def __getattr__(self, name: str) -> Any:
        return as_seen(getattr(self._theirs, name))

    def __dir__(self) -> list[str]:
        return dir(self._theirs)


NUMPYS, PYTHONS = RandomModule(np.random), RandomModule(random)
