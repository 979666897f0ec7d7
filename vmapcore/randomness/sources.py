"""Generators as a running transform has them: which rows have their own, which share one, and which may not draw."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..core import RUNNING
from ..errors import MissingRuleError, RandomnessError, VmapcoreError, callers_line, warn_caller
from ..methods import RUN
from ..numbers import number
from ..refusals import ARRAY, Differentiated, refuse
from ..rules import creation
from ..tracer import Tracer
from ..views import mark_contiguous
from .calls import Call, bits_of, copied, set_state, sizes_of, state_of
from .order import OWN, TURNS, Draws

DIFFERENT, SAME, ERROR, RECORDED = "different", "same", "error", "recorded"
"""What a running transform makes of it that its function draws from a generator that was there before."""

REMEDIES = {
    ERROR: "Pass randomness='different' to vmap for numbers for each row, or 'same' for the same for all; or make the "
    "generator inside, np.random.default_rng(seed), with a mapped seed for rows that differ",
    RECORDED: "Draw outside, and pass the numbers as an argument; or make the generator inside, with a constant seed; "
    "or draw in a vmap(f, branches='split'), which runs in every call",
}
SEEDED = "Make a generator inside, np.random.default_rng(seed)"
MEANWHILE = {
    ERROR: "rows of a loop would draw one after the other",
    RECORDED: "later calls would get the same numbers again",
}


def concerned() -> list[Any]:
    """The running transforms that ask for what generators do, outermost first."""
    return [trace for trace in RUNNING.get() if trace.randomness]


def refused(trace: Any, call: str, what: str = "draws from a generator that was made outside") -> VmapcoreError:
    """The error for it, which a function may not catch unharmed."""
    fact = f"the function {what}, by {call} at {callers_line()}"
    why, instead = MEANWHILE.get(trace.randomness, ""), REMEDIES.get(trace.randomness, SEEDED)
    return refuse(trace, trace.call, fact, why, instead, RandomnessError)


class Source:
    """A generator; or an array of them, an axis for each of the vmaps in `lanes`, whose rows have their own."""

    __slots__ = ("born", "generators", "key", "lanes")

    def __init__(self, generators: Any, lanes: Sequence[Any] = (), born: int = -1, key: Any = None) -> None:
        self.generators = generators
        self.lanes: list[Any] = []
        self.born = born  # the level of the transform that it was made in
        self.key = key or id(self)
        self._take(lanes)

    def _take(self, lanes: Sequence[Any]) -> None:
        for lane in lanes:
            if lane not in self.lanes and lane.rows is not None:
                lane.rows.generators.append(self)
        self.lanes = list(lanes)

    def keep(self, trace: Any, places: Any) -> None:
        """Goes on with the generators of some rows of a vmap."""
        self.generators = np.take(self.generators, places, self.lanes.index(trace))

    @property
    def only(self) -> Any:
        """The generator, where there is one."""
        if any(lane.ended for lane in self.lanes):
            raise self.lanes[0].leaked()
        return self.generators.item()

    def over(self, lanes: Sequence[Any]) -> Any:
        """The generators with an axis for each of `lanes`."""
        return self.generators[(*[slice(None) if lane in self.lanes else None for lane in lanes], ...)]

    def fork(self, trace: Any) -> None:
        """Gives each row of a vmap a generator of its own, as they are now."""
        lanes = sorted([*self.lanes, trace], key=lambda lane: lane.level)
        self.generators = self._forked(lanes)
        self._take(lanes)

    def _forked(self, lanes: Sequence[Any]) -> Any:
        if any(lane.ended for lane in self.lanes):
            raise self.lanes[0].leaked()
        first = self.over(lanes)
        made = copied(np.broadcast_to(first, sizes_of(lanes)))
        made[tuple([slice(None) if lane in self.lanes else slice(1) for lane in lanes])] = first
        return made

    def copy(self, born: int) -> "Source":
        """Another, in the same state."""
        return Source(copied(self.generators), self.lanes, born)

    def follow(self, other: "Source", trace: Any) -> None:
        """Takes over the states of another; where rows of a vmap have their own, those of the last."""
        for lane in other.lanes:
            if lane is not trace and lane not in self.lanes:
                self.fork(lane)
        last = other.generators[(*[-1 if lane is trace else slice(None) for lane in other.lanes], ...)]
        if trace.size or trace not in other.lanes:
            for mine, theirs in zip(self.generators.flat, last.flat, strict=True):
                set_state(mine, state_of(theirs))


def source_of(generator: Any) -> Source:
    """The source of a generator that was there before."""
    return Source(held(generator), key=(type(generator), id(bits_of(generator))))


def held(generator: Any) -> Any:
    """An array of no axes with a generator in it."""
    made = np.empty((), object)
    made[()] = generator
    return made


def placed(source: Source, call: str) -> tuple[Source, list[Any]]:
    """From what is drawn, and the vmaps whose rows share it and draw one after the other."""
    run = RUN.get()
    if run is not None and source.key in run.seeded:
        source, _ = run.seeded[source.key]
    sharing: list[Any] = []
    for trace in concerned():
        if trace.level <= source.born:
            continue
        if trace.randomness not in (SAME, DIFFERENT):
            raise refused(trace, call)
        if trace.draws is None:
            trace.draws = Draws()
        if trace.rows is not None:  # and rows may answer differently
            fact = f"rows draw from a generator that they share, by {call} at {callers_line()}"
            warn_caller(trace.call, fact, TURNS, OWN)
            trace.rows.take_turns()
        if trace.randomness == DIFFERENT:
            if trace.size != 1:  # one row draws as it comes
                sharing.append(trace)
        elif not sharing:
            source = trace.draws.copy_of(source, trace)
    return source, sharing


# Values of arguments.


def lanes_of(x: Any) -> list[Any]:
    """The vmaps between whose rows a value differs."""
    found: list[Any] = []
    while isinstance(x, Tracer):
        known = x._known(ARRAY)
        if known is None and x._trace.randomness in (SAME, DIFFERENT, ERROR):
            found.append(x._trace)
        x = x.value if known is None else known
    return found


def values_of(x: Any, lanes: Sequence[Any]) -> Any:
    """The array of a value, with an axis for each of `lanes`; of one element where it does not differ."""
    mapped = lanes_of(x)
    while isinstance(x, Tracer):
        known = x._known(ARRAY)
        x = x.value if known is None else known
    return x[tuple([slice(None) if lane in mapped else None for lane in lanes])]


def check_constant(name: str, x: Any) -> None:
    """Raises for an argument that differs between calls of a recording."""
    while isinstance(x, Tracer):
        if x._trace.randomness == RECORDED and x._known(ARRAY) is None:
            raise refused(x._trace, name, "draws with an argument that differs between calls")
        known = x._known(ARRAY)
        x = x.value if known is None else known


def check_without_derivative(name: str, x: Any) -> None:
    """Raises for an argument by which what is drawn would be differentiated."""
    while isinstance(x, Tracer):
        known = x._known(ARRAY)
        if known is None and isinstance(x, Differentiated):
            fact = f"what {name} draws at {callers_line()} has no derivative by its arguments"
            raise MissingRuleError(x._trace.call, fact, "", "Use vmapcore.stop_gradient(x) if it is not wanted")
        x = x.value if known is None else known


def traced(values: Any, lanes: Sequence[Any]) -> Any:
    """A tracer of values that have an axis for each of `lanes`, outermost first."""
    for lane in lanes:
        values = lane.tracer(lane, values)
        if lane.rows is not None:
            lane.rows.add(values)
    return mark_contiguous(values) if values.shape else values


def made(value: Any) -> Any:
    """What NumPy has drawn, for the innermost running transform."""
    return creation.made(value) if type(value) is np.ndarray else value


# Drawing.


def draw(source: Source, call: str, name: Any, *args: Any, **options: Any) -> Any:
    """What all rows draw by a method of a generator."""
    source, sharing = placed(source, call)
    places: dict[Any, Any] = {**dict(enumerate(args)), **options}
    differing: list[Any] = []
    for x in places.values():
        if isinstance(x, Tracer):
            check_constant(call, x)
            differing += [lane for lane in lanes_of(x) if lane not in differing]
    for lane in differing:
        _settle(source, sharing, lane, call)
    lanes = sorted({*source.lanes, *sharing, *differing}, key=lambda lane: lane.level)
    made_call = Call(name, args, options, lanes)
    for key, x in places.items():
        if isinstance(x, Tracer):
            value = values_of(x, lanes)
            if lanes_of(x):
                made_call.same[key], made_call.differing[key] = None, value
            else:
                made_call.same[key] = value.reshape(value.shape[len(lanes) :])[()]
    if not lanes:
        return made(made_call.of_row(source.only, *next(made_call.rows([]))))
    if any(lane.ended for lane in lanes):
        raise lanes[0].leaked()
    if sharing:
        return as_drawn(name, traced(sharing[0].draws.draw(source, made_call, sharing), lanes))
    return as_drawn(name, traced(made_call.of_all(source.over(lanes)), lanes))


INTS = frozenset(
    {
        *("binomial", "geometric", "hypergeometric", "logseries", "negative_binomial", "poisson", "zipf", "randint"),
        *("random_integers", "randrange", "getrandbits", "binomialvariate"),
    }
)
"""What draws an int of Python's, and none of NumPy's."""


def as_drawn(name: Any, x: Any) -> Any:
    """What is drawn by a method of that name: a single float is Python's."""
    if x.shape or name == "choice":
        return x
    return number(float, x) if x.dtype == np.float64 else number(int, x) if name in INTS else x


def _settle(source: Source, sharing: list[Any], lane: Any, call: str) -> None:
    """Makes room for arguments that differ between the rows of a vmap."""
    if lane in source.lanes or lane in sharing or lane.size == 1:
        return
    if lane.level > source.born:
        fact = f"rows of {lane.call} draw the same by {call} at {callers_line()}, from what rows of another vmap share"
        raise RandomnessError(sharing[0].call if sharing else lane.call, fact, "", "Pass randomness='different' there")
    source.fork(lane)
