"""The doors of recording: `trace` returns the graph of a run, `jit` replays a planned one."""

import functools
from collections.abc import Callable, Collection, Sequence
from operator import itemgetter
from typing import Any, NamedTuple

import numpy as np

from .arguments import check_callable, separate
from .arrays import instead_of, is_plain_array
from .core import RUNNING
from .errors import ArgumentError, describe, name_of, warn_caller
from .executors import build
from .graph import Graph, Literal, Var
from .keys import NUMBERS, Key, collect, is_recorded, is_value, places_of, plain, positions, static_key, without
from .names import call_user
from .parameters import Parameters, leaves_of, named_arguments
from .pytree import flatten, unflatten
from .recording import record
from .remade import Remade, remade
from .tracer import Tracer
from .views import as_argument
from .words import checks_keywords

MANY = {"floats": ((float, complex), 3), "Python numbers": (NUMBERS, 16)}
"""Recordings of one function, alike but for numbers of these types, from which a warning says so. A float that has had
three values will have more; an int may say what to do."""


@remade
@checks_keywords
def trace(fun: Callable[..., Any]) -> Callable[..., Graph]:
    """Records what `fun` does to its arguments.

    Law:  trace(fun)(x)(*leaves of x) == leaves of fun(x)

    Args:
        fun: a function of arrays in any pytree, with any transforms inside.

    Returns:
        A function of the same arguments that runs `fun` once and returns a `Graph`: it prints with shapes, dtypes and
        lines of source, and can be called with the leaves of other arguments of the same shapes and dtypes.

    Raises:
        ConcretizationError: `fun` asks for the value of an array, as `if`, `float` or `np.asarray` do.

    Example:
        >>> import numpy as np
        >>> graph = trace(lambda x: np.sum(x * x, axis=-1))(np.ones((2, 3), np.float32))
        >>> [(step.primitive.name, *step.outputs) for step in graph.steps]
        [('multiply', f32[2,3]), ('reduce_sum', f32[2])]
    """
    check_callable("trace", fun)

    @functools.wraps(fun)
    def traced(*args: Any, **kwargs: Any) -> Graph:
        return Recorded(f"trace({name_of(fun)})", fun, args, kwargs).graph

    return traced


@remade
@checks_keywords
def jit(
    fun: Callable[..., Any],
    static_argnums: int | Sequence[int] = (),
    donate_argnums: int | Sequence[int] = (),
    static_argnames: str | Sequence[str] = (),
) -> Callable[..., Any]:
    """Records the primitives of `fun` in its first call, and replays a faster plan of them in later ones.

    Law:  jit(fun)(x) == fun(x), for every x of a shape and dtype, up to rounding

    A recording is kept for each combination of tree, shapes, dtypes, device and values of static arguments. What the
    arguments do not reach is a constant of it: arrays, globals and defaults that `fun` closes over are as they were in
    the first call, and prints and other side effects happen then alone. A Python number among the
    arguments is static too, since NumPy's promotion depends on its being one; pass `np.float32(lr)` for one that often
    changes. Arguments written to in place inside `fun` stay unchanged outside. Inside another transform `fun` runs as
    it is: `jit` belongs outermost.

    Args:
        fun: a function of arrays in any pytree, with any transforms inside.
        static_argnums: positions of hashable arguments to record anew for each value, also where they are passed by
            keyword. Negative ones count from the last argument that is passed by position.
        donate_argnums: positions of arguments whose arrays the results may overwrite; the caller uses them no more.
        static_argnames: names of further static arguments, which are passed by keyword.

    Returns:
        A function of the same signature. Its results share no memory with its arguments, unless these are donated;
        those without axes are NumPy scalars, as NumPy's own are.

    Raises:
        ConcretizationError: `fun` asks for the value of an array, as `if`, `float` or `np.asarray` do.
        RandomnessError: `fun` draws random numbers, but of a generator that it makes of a constant seed.
        ArgumentError: an argument is neither an array nor hashable; or `fun` has no such parameter, or returns an
            object that holds an array but is no pytree.

    Example:
        >>> import numpy as np
        >>> from vmapcore import grad, vmap
        >>> loss = lambda w, x: np.sum(np.tanh(x @ w) ** 2)
        >>> gradients = jit(vmap(grad(loss), in_axes=(None, 0)))
        >>> gradients(np.ones(3), np.ones((5, 3))).shape
        (5, 3)
    """
    check_callable("jit", fun)
    replayed = Replayed(fun, static_argnums, donate_argnums, static_argnames)
    return functools.update_wrapper(replayed, fun, updated=())


class Replayed(Remade):
    """A function with the plans of its recordings."""

    def __init__(self, fun: Callable[..., Any], static_argnums: Any, donate_argnums: Any, static_argnames: Any) -> None:
        self.fun = fun
        self.call = f"jit({name_of(fun)})"
        parameters = Parameters(self.call, fun)
        self.static = parameters.positions("static_argnums", static_argnums)
        self.donated = parameters.positions("donate_argnums", donate_argnums)
        if set(self.static).intersection(self.donated):
            raise ArgumentError(
                self.call,
                f"static_argnums is {static_argnums!r} and donate_argnums {donate_argnums!r}",
                "an argument is either static or an array that may be overwritten",
            )
        self.names = parameters.names("static_argnames", static_argnames) | parameters.names_of(self.static)
        self.plans: dict[Key, Any] = {}
        self.alike: dict[Key, int] = {}

    def __repr__(self) -> str:
        return f"<{self.call}>"

    @property
    def peak_memory(self) -> int:
        """The most bytes that a planned call holds beyond its arguments, memory that is kept for it included."""
        return max([getattr(plan.replay, "peak_memory", 0) for plan in list(self.plans.values())], default=0)

    @property
    def held(self) -> int:
        """Bytes that plans keep from call to call."""
        return sum([getattr(plan.replay, "held", 0) for plan in list(self.plans.values())])

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if RUNNING.get():
            return call_user(self.fun, args, kwargs)
        arrays: list[Any] = []
        key = self._key(args, kwargs, arrays)
        try:
            plan = self.plans.get(key)
        except (TypeError, ValueError):  # something cannot be hashed, and _first says what
            plan = None
        return self._first(key, args, kwargs) if plan is None else plan(arrays)

    def _key(self, args: tuple[Any, ...], kwargs: dict[str, Any], arrays: list[Any]) -> Key:
        """What a recording of these arguments is kept under; adds all arrays but those of static ones to `arrays`."""
        key: list[Any] = [len(args)]
        if self.static or self.names:
            static = positions(self.static, len(args))
            named = self.names.intersection(kwargs)
            key += [static_key(self.call, i, args[i]) for i in static]
            key += [static_key(self.call, name, kwargs[name]) for name in sorted(named)]
            args = tuple([x for i, x in enumerate(args) if i not in static])
            kwargs = {name: x for name, x in kwargs.items() if name not in named}
        collect(args, arrays, key)
        if kwargs:
            key.append(tuple(kwargs))
            collect(kwargs.values(), arrays, key)
        return tuple(key)

    def _first(self, key: Key, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Records, keeps a plan for the next call, and returns the results of the recording."""
        if any(isinstance(x, Tracer) for x in flatten((args, kwargs))[0]):  # in a thread begun inside a transform
            return call_user(self.fun, args, kwargs)
        self._check(key, args, kwargs)
        static = positions(self.static, len(args))
        recorded = Recorded(self.call, self.fun, args, kwargs, static, self.names, True)
        replay = build(recorded.graph, recorded.arrays, recorded.donated(positions(self.donated, len(args))))
        self.plans.setdefault(key, _Plan(replay, recorded))
        self._count(key)
        return recorded.results()

    def _check(self, key: Key, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Raises if the key cannot be hashed and compared, and says by which argument."""
        for name, x in leaves_of(self.fun, args, kwargs):
            if not is_value(x) or instead_of(x):
                raise ArgumentError(
                    self.call,
                    f"argument {name} is {describe(x)}",
                    "arguments are arrays, pytrees of them, and values that can be hashed and compared",
                    instead_of(x) or "Register its type with register_pytree, or close over it",
                )
        for name, x in named_arguments(self.fun, args, kwargs):
            own: list[Any] = []
            collect((x,), [], own)
            try:
                hash(tuple(own))
            except (TypeError, ValueError) as error:
                raise ArgumentError(
                    self.call,
                    f"argument {name} has a static part that cannot be part of a key ({error})",
                    "what is static must be hashable",
                    "Make it a tuple, or declare the field without static",
                ) from None

    def _count(self, key: Key) -> None:
        last = key
        for what, (kinds, many) in MANY.items():
            alike = without(kinds, key)
            if alike == last:
                continue
            last = alike
            self.alike[alike] = self.alike.get(alike, 0) + 1
            if self.alike[alike] == many:
                warn_caller(
                    self.call,
                    f"was recorded {many} times for arguments that differ in {what} alone",
                    "each value of one is a recording of its own",
                    "Pass a number that changes as an array or a NumPy scalar, such as np.float32(x)",
                )
            if self.alike[alike] >= many:
                return


class Recorded:
    """A recorded run: the graph, the arrays it was given, its results and their tree.

    `places` are those of the arrays among all leaves, `order` those among the arrays of a call; `owners` has for each
    leaf the position of its argument, or None.
    """

    def __init__(
        self,
        call: str,
        fun: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        static: Collection[int] = (),
        names: Collection[str] = (),
        checked: bool = False,
    ) -> None:
        dynamic = [x for i, x in enumerate(args) if i not in static]
        options = {name: x for name, x in kwargs.items() if name in names}
        kwargs = {name: x for name, x in kwargs.items() if name not in names}
        leaves, tree = flatten((dynamic, kwargs))
        self.places = [i for i, x in enumerate(leaves) if is_recorded(x)]
        self.arrays = [plain(leaves[i]) for i in self.places]
        self.order = places_of(dynamic, kwargs)
        owners = [i for i, x in enumerate(args) if i not in static for _ in flatten(x)[0]]
        self.owners: list[int | None] = owners + [None] * (len(leaves) - len(owners))

        def run(tracers: list[Any]) -> list[Any]:
            full = list(leaves)
            for i, t in zip(self.places, tracers, strict=True):
                if isinstance(t, Tracer):
                    full[i] = as_argument(leaves[i], t)
                else:  # an array, where each call runs the function anew
                    full[i] = t[()] if isinstance(leaves[i], np.generic) else t
            rest, named = unflatten(tree, full)
            others = iter(rest)
            full_args = [x if i in static else next(others) for i, x in enumerate(args)]
            results, self.out_tree = flatten(call_user(fun, full_args, named | options))
            return results

        labels = [name for name, _ in leaves_of(fun, args, kwargs, static)]
        found = record(call, run, self.arrays, [labels[i] for i in self.places], checked)
        self.graph, self.values, self.kept, self.expects = found
        if self.expects:
            self.values.pop()
        given = {i: isinstance(leaves[i], np.generic) for i in self.places}
        others = [None if i in given else x for i, x in enumerate(leaves)]
        self.eager = Eager(fun, tree, others, given, {i: args[i] for i in static}, options)

    def donated(self, positions: Collection[int]) -> list[bool]:
        """For every array, whether it is part of an argument at one of these positions, and not wanted once more."""
        return [not self.expects and self.owners[i] in positions for i in self.places]

    def results(self) -> Any:
        """What the function returned, in memory that nothing else has: no argument, no constant of the graph, and
        nothing that an author's code may have kept."""
        atoms = [a for step in self.graph.steps for a in step.inputs] + list(self.graph.outputs)
        constants = [a.value for a in atoms if isinstance(a, Literal)]
        results = separate(self.values, [*self.arrays, *constants, *self.kept])
        return unflatten(self.out_tree, _as_scalars(results, scalars_of(self.graph, self.expects)))


class Eager(NamedTuple):
    """The function as it is, for a call with values for which it does something else than when it was recorded."""

    fun: Callable[..., Any]
    tree: Any
    leaves: list[Any]
    given: dict[int, bool]
    """The places of arrays, with whether each is a scalar."""
    static: dict[int, Any]
    options: dict[str, Any]

    def __call__(self, arrays: Sequence[Any]) -> Any:
        leaves = list(self.leaves)
        for (i, is_scalar), x in zip(self.given.items(), arrays, strict=True):
            leaves[i] = x[()] if is_scalar else x.copy()
        rest, named = unflatten(self.tree, leaves)
        others = iter(rest)
        args = [self.static[i] if i in self.static else next(others) for i in range(len(self.static) + len(rest))]
        found, tree = flatten(self.fun(*args, **named, **self.options))
        return unflatten(tree, [_as_result(x) for x in found])


def _as_result(x: Any) -> Any:
    """What a plan returns of a result."""
    if isinstance(x, (int, float, complex)):
        return np.asarray(x)[()]
    return x.copy() if is_plain_array(x) else x


class _Plan:
    """What a call does when its key is known."""

    __slots__ = ("eager", "places", "replay", "scalars", "structured")

    def __init__(self, replay: Callable[[list[Any]], list[Any]], recorded: Recorded) -> None:
        places = recorded.order
        self.replay = replay
        self.eager = recorded.eager if recorded.expects else None
        self.places = None if places == sorted(places) else places
        self.scalars = scalars_of(recorded.graph, recorded.expects)
        self.structured = itemgetter(0) if recorded.out_tree.is_leaf() else recorded.out_tree.unflatten

    def __call__(self, arrays: list[Any]) -> Any:
        if self.places is not None:
            arrays = [arrays[i] for i in self.places]
        if self.eager is None:
            results = self.replay(arrays)
        else:
            try:
                with np.errstate(all="ignore"):  # of numbers for which Python raises, and does not warn
                    results = self.replay(arrays)
            except (ArithmeticError, LookupError, ValueError):  # which may come of what Python does not get to
                return self.eager(arrays)
            if not results.pop():
                return self.eager(arrays)
        if self.scalars:
            results = _as_scalars(results, self.scalars)
        return self.structured(results)


def scalars_of(graph: Graph, expects: bool) -> list[int]:
    """Which results are NumPy scalars: those without axes, as what NumPy computes is, but for constants."""
    outputs = graph.outputs[:-1] if expects else graph.outputs
    return [i for i, a in enumerate(outputs) if isinstance(a, Var) and a.shape == ()]


def _as_scalars(results: list[Any], scalars: Sequence[int]) -> list[Any]:
    for i in scalars:
        results[i] = results[i][()]  # CuPy, which has no scalars, leaves it as it is
    return results
