"""Primitives, traces and the one function that sends an operation down: `Primitive.__call__`.

A primitive is applied to values; the tracer of the highest level among them wins, its trace unwraps its own
tracers and applies a rule, and the rule applies primitives to what was inside, until `eval` touches arrays.
No operation is defined here, and no transform.
"""

import functools
import inspect
import itertools
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from enum import Enum
from typing import Any, NamedTuple, TypeVar

import numpy as np

from .arrays import UNTRACED, namespace
from .errors import ArgumentError, LeakedTracerError, MissingRuleError
from .outside import OutsideArray, inside
from .refusals import Refusal, check_returned
from .tracer import Tracer

PRIMITIVES: dict[str, "Primitive"] = {}
"""Every primitive of the package by name: read by tests and documentation, never by dispatch."""

R = TypeVar("R")
Rule = Callable[..., Any]

SEQUENCES = (list, tuple)
"""What a user may write for an array among the arguments."""

AS_ARRAYS = frozenset({*SEQUENCES, OutsideArray})
"""Of what traces make an array, among the arguments of an operation."""


class Memory(Enum):
    """Where the results of an operation are."""

    FRESH = "computed into memory of their own"
    COPY = "moved into memory of their own"
    VIEW = "in the memory of the first argument, and nothing moves"
    EITHER = "a copy, or the first argument itself"
    IN_PLACE = "a copy of the first argument with changes, which may go into that itself if nobody reads it later"


class Axes(NamedTuple):
    """Which axes of arguments and results run along together, so that an operation can be cut into tiles."""

    labels: Rule
    """`labels(shapes of the arguments, shapes of the results, **params) -> Labels`."""
    resized: Rule | None = None
    """`resized(params, shape)`: the parameters that make a piece of the first result, of that shape."""


class Primitive:
    """An operation that owns its rules, and what is known of it.

    Arrays are positional arguments, static parameters keyword-only. With `out = p(*args, **params)`:

    - `eval(xp, *args, **params)` computes on arrays of the library `xp`;
    - `vmap(axis_size, mapped, *args, **params)` gets mapped arguments with the batch on axis 0 and returns
      every output so;
    - `vjps[i](g, out, *args, **params)` is the cotangent of argument `i`;
    - `jvp(tangents, out, *args, **params)` is the tangent of `out`; an absent tangent is `None`.

    `vjps` is `None` for an operation whose derivative is zero everywhere it exists, and empty for one without
    a rule. `multiple` says that `eval` returns a tuple; `ufunc` is what an elementwise operation applies, if NumPy or
    an author has it as a function with `out=`.

    Plans and graphs ask for no more than is stated here, by `def_facts` or for a whole family at once:

    - `axes`: which axes run along together; None where it runs whole;
    - `work(ins, outs, **params)`: the operations that it takes;
    - `memory`: where its results are;
    - `formula(xp, *args, **params)`: what it computes, in elementwise functions, reductions and moves of `xp`, so that
      it becomes part of a kernel where `fits(ins, outs, **params)`; None where it has a kernel of its own;
    - `pure`: whether its results are functions of its arguments. Code of an author may read a clock or count its calls:
      none of its steps is merged with another or run while planning.
    """

    __slots__ = ("__dict__", "eval", "forward", "jvp", "multiple", "name", "ufunc", "vjps", "vmap")

    axes: Axes | None = None
    work: Rule | None = None
    memory = Memory.FRESH
    formula: Any = None
    fits: Rule | None = None
    pure = True

    spelled: Rule | None = None
    """What an author declared by its kind, as NumPy code: a recording takes down its steps instead, where it can."""

    raises = False
    """Whether it may raise for some values and not for others, as Python does and NumPy does not."""

    transparent = False
    """Whether `eval` is made of primitives itself, which a recording takes down in place of this one."""

    dynamic: "Dynamic | None" = None
    """What of its results depends on values, so that it cannot be recorded."""

    def __init__(self, evaluate: Rule, *, name: str | None = None, multiple: bool = False, listed: bool = True) -> None:
        self.name = name or evaluate.__name__
        self.eval = evaluate
        self.multiple = multiple
        self.vmap: Rule | None = None
        self.vjps: Any = ()
        self.jvp: Rule | None = None
        self.forward: Rule | None = None
        self.ufunc: Any = None
        self.__doc__ = evaluate.__doc__
        self.__name__ = self.name
        if listed:
            PRIMITIVES[self.name] = self

    def __call__(self, *args: Any, **params: Any) -> Any:
        """Applies the operation to arrays, tracers or both."""
        level = -1
        trace = None
        for a in args:
            if type(a) not in UNTRACED and isinstance(a, Tracer) and a._trace.level > level:
                trace = a._trace
                level = trace.level
        if OBSERVERS and (observer := OBSERVER.get()) is not None:
            return observer.apply(self, trace, args, params)
        if trace is None:
            return self.eval(namespace(args), *args, **params)
        return trace.process(self, args, params)

    def __repr__(self) -> str:
        return f"<primitive {self.name}>"

    def def_facts(
        self,
        *,
        work: Rule,
        axes: Axes | None = None,
        memory: Memory = Memory.FRESH,
        formula: Rule | bool = False,
        fits: Rule | None = None,
        pure: bool = True,
    ) -> None:
        """States what is known of the operation; what is left out is none. A formula of True is `eval` itself."""
        self.axes, self.work, self.memory, self.fits, self.pure = axes, work, memory, fits, pure
        self.formula = (self.eval if formula else None) if isinstance(formula, bool) else formula

    def def_formula(self, rule: Rule) -> Rule:
        """Declares a `formula(xp, *args, **params)` beside `eval`, whose facts are stated already."""
        self.formula = rule
        return rule

    def def_vmap(self, rule: Rule) -> Rule:
        """Declares the batching rule, `rule(axis_size, mapped, *args, **params)`."""
        self.vmap = rule
        return rule

    def def_vjp(self, *rules: Rule | None) -> Any:
        """Declares one `rule(g, out, *args, **params)` per array argument; `None` for one without gradient.

        Returns the first, so that this can be used as a decorator where there is one argument.
        """
        self.vjps = rules
        return rules[0]

    def def_vjp_all(self, rule: Rule) -> Rule:
        """Declares `rule(i, g, out, *args, **params)` for every argument of a primitive that takes any number."""
        self.vjps = Vjps(lambda i: functools.partial(rule, i))
        return rule

    def def_jvp(self, rule: Rule) -> Rule:
        """Declares the tangent rule, `rule(tangents, out, *args, **params)`."""
        self.jvp = rule
        return rule

    def def_zero_derivative(self) -> None:
        """Declares that the derivative is zero wherever it exists, so nothing is recorded for it."""
        self.vjps = None

    def def_forward(self, rule: Rule) -> Rule:
        """Declares `rule(wanted, *args, **params) -> (out, pullback)`, used in place of `vjps` by reverse mode.

        `pullback(g)` returns one cotangent, or None, per argument; `wanted` has a bool for each, whether it is read.
        """
        self.forward = rule
        return rule

    def remedy(self, kind: str) -> str:
        """What to do, says an error, about a missing rule of this kind: "vmap", "vjp" or "jvp"."""
        return f"Declare one with {self.name}.def_{kind}"


class Dynamic(NamedTuple):
    """What of the results of a primitive is not known until it has run."""

    call: str
    """What the user called."""
    what: str
    """"length"; or "dtype", which is known if arguments are complex."""
    instead: str
    """What to use instead."""


class Vjps:
    """The vjps of a primitive with any number of arguments, as if they were a tuple: each made when it is asked for."""

    __slots__ = ("made", "make")

    def __init__(self, make: Callable[[int], Rule | None]) -> None:
        self.make = make
        self.made: dict[int, Rule | None] = {}

    def __getitem__(self, i: int) -> Rule | None:
        if i not in self.made:
            self.made[i] = self.make(i)
        return self.made[i]


def primitive(evaluate: Rule) -> Primitive:
    """Makes a primitive of one output from its `eval(xp, *args, **params)`."""
    _check_signature(evaluate)
    return Primitive(evaluate)


def multiple(evaluate: Rule) -> Primitive:
    """Makes a primitive whose `eval` returns a tuple of arrays."""
    _check_signature(evaluate)
    return Primitive(evaluate, multiple=True)


def facts(**stated: Any) -> Callable[[Primitive], Primitive]:
    """States what is known of an operation, as `def_facts` does, where it is written."""

    def state(made: Primitive) -> Primitive:
        made.def_facts(**stated)
        return made

    return state


def _check_signature(evaluate: Rule) -> None:
    parameters = list(inspect.signature(evaluate).parameters.values())
    if not parameters or parameters[0].name != "xp":
        raise ArgumentError(
            f"primitive({evaluate.__name__})",
            "its first parameter is not xp",
            "eval is called as eval(xp, *arrays, **params)",
            "Add xp as the first parameter",
        )


class Trace:
    """One running transform. A later, and so inner, one has a higher level.

    Levels matter because two transforms of the same kind may hold the same value: in
    `grad(lambda x: x * grad(lambda y: x + y)(1.0))` the inner sum must differentiate by `y` alone.
    """

    __slots__ = ("call", "ended", "level", "refused")

    tracer: type[Tracer]
    differentiates = False

    overwrites = False
    """Whether a write may go into the memory of a value, since nothing is recorded that would be read again."""

    records = False
    """Whether it writes down what is applied, for other values than those that are there."""

    adopts = True
    """Whether an array that is made meanwhile becomes its tracer, so that its tracers may be written into it."""

    randomness: str | None = None
    """What it makes of draws from a generator that was there before; None where they are as in a plain call."""

    _levels = itertools.count()

    def __init__(self, call: str) -> None:
        self.level = next(Trace._levels)
        self.call = call
        self.ended = False
        self.refused: tuple[Refusal, ...] = ()

    def run(self, fun: Callable[..., R], *args: Any) -> R:
        """Runs the function; raises in place of an error that C code has put before ours, and where it caught ours."""
        running = RUNNING.get()
        try:
            RUNNING.set((*running, self))
            result = fun(*args)
        except Exception as error:
            self._check(error)
            raise
        finally:  # in this order, an interrupt may come after each call
            self.ended = True
            RUNNING.set(running)
        self._check(None)
        return result

    def _check(self, error: Exception | None) -> None:
        refused, self.refused = self.refused, ()  # an error there refers to what refers to it
        if refused:
            check_returned(self.call, refused, error)

    def process(self, primitive: Primitive, args: Sequence[Any], params: dict[str, Any]) -> Any:
        """Applies `primitive` to values among which this trace's tracers have the highest level."""
        raise NotImplementedError

    def settled(self, x: Tracer) -> Any:
        """The value of one of its tracers after the end: known of what does not depend on its inputs."""
        value = x._known("its value")
        if value is None:
            raise self.leaked()
        return value

    def after(self, primitive: Primitive, args: Sequence[Any], params: dict[str, Any]) -> Any:
        """Applies `primitive` after the end, to values that do not depend on its inputs: a function may keep them."""
        return primitive(
            *[self.settled(a) if isinstance(a, Tracer) and a._trace is self else a for a in args], **params
        )

    def lift(self, value: Any) -> Tracer:
        """Wraps a value that does not depend on this trace's inputs; of a tracer of its own, makes another."""
        if isinstance(value, Tracer) and value._trace is self:
            return self.tracer(self, value.value, value.beside)
        return self.wrap(value if hasattr(value, "shape") else np.asarray(value))

    def note(self, tracer: Tracer) -> None:
        """Takes note of a tracer of its own that it did not make."""

    def same(self, x: Tracer, y: Tracer) -> bool:
        """Whether two of its tracers, of ints or bools, are surely equal, whatever its inputs are."""
        return surely_equal(x.value, y.value)

    def wrap(self, value: Any) -> Tracer:
        """Makes a tracer of an array that does not depend on this trace's inputs."""
        return self.tracer(self, value)

    def holds(self, dtype: Any) -> bool:
        """Whether its tracers can have this dtype; one that differentiates lets ints and bools leave as they are."""
        return not self.differentiates or dtype.kind in "fc"

    def owns(self, x: Any) -> bool:
        """Whether a leaf of what the function returned is its tracer."""
        return isinstance(x, Tracer) and x._trace is self

    def unwrapped(self, leaves: Sequence[Any]) -> tuple[list[Any], list[Any]]:
        """The values of what the function returned, and what its tracers have beside; None for what is none."""
        values, beside = [], []
        for x in map(at_end, leaves):
            mine = self.owns(x)
            values.append(x.value if mine else x)
            beside.append(x.beside if mine else None)
        return values, beside

    def leaked(self) -> LeakedTracerError:
        """The error for using a tracer of this trace after it ended."""
        return LeakedTracerError(
            self.call,
            "a value traced by it was used after it returned",
            "",
            "Return the value from the function instead of storing it",
        )

    def no_rule(self, primitive: Primitive, kind: str) -> MissingRuleError:
        """The error for a primitive that lacks the rule this trace needs."""
        return MissingRuleError(
            self.call, f"primitive '{primitive.name}' has no {kind} rule", "", primitive.remedy(kind)
        )


def at_end(x: Any) -> Any:
    """A leaf of what a function returned, or uses: of a transform that has ended the value, if it is known."""
    return x._trace.settled(x) if isinstance(x, Tracer) and x._trace.ended else inside(x)


def surely_equal(a: Any, b: Any) -> bool:
    """Whether two arrays of ints or bools, traced or not, are equal, in all calls of what is recorded."""
    if a is b:
        return True
    if isinstance(a, Tracer) or isinstance(b, Tracer):
        return type(a) is type(b) and a._trace is b._trace and a._trace.same(a, b)
    return a.shape == b.shape and bool((a == b).all())


RUNNING: ContextVar[tuple[Trace, ...]] = ContextVar("running", default=())
"""The traces running in this context, outermost first: for creation functions alone, never for dispatch."""


OBSERVER: ContextVar[Any] = ContextVar("observer", default=None)
"""Who is told what is applied in this context, by `apply(primitive, trace, args, params)`, and does it then."""

OBSERVERS: list[Any] = []
"""Those of all contexts: mostly none, and then nobody looks further."""


@contextmanager
def observed(observer: Any) -> Iterator[None]:
    """Has `observer` told of what this context applies."""
    before = OBSERVER.get()
    try:
        OBSERVERS.append(observer)
        OBSERVER.set(observer)
        yield
    finally:
        OBSERVERS.remove(observer)
        OBSERVER.set(before)


def lift(value: Any) -> Any:
    """Wraps a fresh array in the innermost running transform of its dtype, so that tracers may be written into it."""
    for trace in reversed(RUNNING.get()):
        if trace.adopts and value.dtype.kind in "biufc" and trace.holds(value.dtype):
            return trace.lift(inside(value))
    return value
