"""The doors of recording: `trace` returns the graph of a run, `jit` replays a planned one."""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .arguments import check_callable, separate
from .arrays import is_array
from .core import RUNNING
from .errors import ArgumentError, describe, name_of, warn_caller
from .executors import build
from .graph import Graph
from .pytree import Treedef, flatten, paths, unflatten
from .recording import record
from .tracer import Tracer
from .views import as_argument

MANY = 16
"""Recordings of one function, alike but for Python numbers, from which a warning says so."""


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
        >>> graph = trace(lambda x: np.sum(x * x, axis=-1))(np.ones((2, 3), np.float32))
        >>> [(step.primitive.name, *step.outputs) for step in graph.steps]
        [('multiply', f32[2,3]), ('reduce_sum', f32[2])]
    """
    check_callable("trace", fun)

    @functools.wraps(fun)
    def traced(*args: Any, **kwargs: Any) -> Graph:
        return Recorded(f"trace({name_of(fun)})", fun, *flatten((args, kwargs))).graph

    return traced


def jit(
    fun: Callable[..., Any], static_argnums: int | Sequence[int] = (), donate_argnums: int | Sequence[int] = ()
) -> Callable[..., Any]:
    """Records the primitives of `fun` in its first call, and replays a faster plan of them in later ones.

    Law:  jit(fun)(x) == fun(x), for every x of a shape and dtype, up to rounding

    A recording is kept for each combination of tree, shapes, dtypes, device and values of static arguments. What the
    arguments do not reach is a constant of it: arrays, globals and defaults that `fun` closes over, and random numbers,
    are as they were in the first call, and prints and other side effects happen then alone. A Python number among the
    arguments is static too, since NumPy's promotion depends on its being one; pass `np.float32(lr)` for one that often
    changes. Arguments written to in place inside `fun` stay unchanged outside. Inside another transform `fun` runs as
    it is: `jit` belongs outermost.

    Args:
        fun: a function of arrays in any pytree, with any transforms inside.
        static_argnums: positions of hashable arguments to record anew for each value.
        donate_argnums: positions of arguments whose arrays the results may overwrite; the caller uses them no more.

    Returns:
        A function of the same signature. Its results share no memory with its arguments, unless these are donated.

    Raises:
        ConcretizationError: `fun` asks for the value of an array, as `if`, `float` or `np.asarray` do.
        ArgumentError: an argument is neither an array nor hashable.

    Example:
        >>> from vmapcore import grad, vmap
        >>> loss = lambda w, x: np.sum(np.tanh(x @ w) ** 2)
        >>> gradients = jit(vmap(grad(loss), in_axes=(None, 0)))
        >>> gradients(np.ones(3), np.ones((5, 3))).shape
        (5, 3)
    """
    check_callable("jit", fun)
    return functools.update_wrapper(Replayed(fun, static_argnums, donate_argnums), fun)


class Replayed:
    """A function with the plans of its recordings."""

    def __init__(self, fun: Callable[..., Any], static_argnums: Any, donate_argnums: Any) -> None:
        self.fun = fun
        self.call = f"jit({name_of(fun)})"
        self.static = _argnums(self.call, "static_argnums", static_argnums)
        self.donated = _argnums(self.call, "donate_argnums", donate_argnums)
        self.plans: dict[Any, Any] = {}
        self.alike: dict[Any, int] = {}

    def __get__(self, instance: Any, owner: Any) -> Any:
        return self if instance is None else functools.partial(self, instance)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if RUNNING.get():
            return self.fun(*args, **kwargs)
        dynamic, static = self._split(args) if self.static else (args, ())
        leaves, tree = flatten((dynamic, kwargs))
        key: list[Any] = [tree, static]
        for x in leaves:
            if type(x) is np.ndarray:
                key.append(x.shape)
                key.append(x.dtype)
            else:
                key.append(_key_of(x))
        try:
            plan = self.plans.get(tuple(key))
        except TypeError:
            raise self._unhashable(args, kwargs) from None
        if plan is not None:
            return plan(leaves)
        if any(isinstance(x, Tracer) for x in leaves):
            return self.fun(*args, **kwargs)
        return self._first(key, args, dynamic, leaves, tree)

    def _first(self, key: list[Any], args: tuple[Any, ...], dynamic: tuple[Any, ...], leaves: Any, tree: Any) -> Any:
        """Records, keeps a plan for the next call, and returns the results of the recording."""

        def fun(*positional: Any, **kwargs: Any) -> Any:
            rest = iter(positional)
            return self.fun(*[x if i in static else next(rest) for i, x in enumerate(args)], **kwargs)

        static = {i % len(args) for i in self.static if i < len(args)} if args else ()
        recorded = Recorded(self.call, fun if static else self.fun, leaves, tree)
        donated = self._donated(args, dynamic, len(leaves))
        arrays = [leaves[i] for i in recorded.places]
        replay = build(recorded.graph, arrays, [donated[i] for i in recorded.places])
        self.plans[tuple(key)] = _Plan(replay, recorded)
        self._count(key)
        return unflatten(recorded.out_tree, separate(recorded.values, arrays))

    def _split(self, args: tuple[Any, ...]) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
        """The arguments without the static ones, and these as a key."""
        static = {i % len(args) for i in self.static if -len(args) <= i < len(args)}
        dynamic = tuple([x for i, x in enumerate(args) if i not in static])
        return dynamic, tuple([(i, *_key_of(args[i])) for i in sorted(static)])

    def _donated(self, args: tuple[Any, ...], dynamic: tuple[Any, ...], count: int) -> list[bool]:
        """For every leaf of the arguments, whether the results may overwrite it."""
        donated = [i % len(args) for i in self.donated if -len(args) <= i < len(args)]
        ids = {id(x) for i in donated for x in flatten(args[i])[0]}
        found = [id(x) in ids for x in flatten(dynamic)[0]]
        return found + [False] * (count - len(found))

    def _count(self, key: list[Any]) -> None:
        alike = tuple([k[0] if type(k) is tuple and k and k[0] in NUMBERS else k for k in key])
        if alike == tuple(key):
            return
        self.alike[alike] = self.alike.get(alike, 0) + 1
        if self.alike[alike] == MANY:
            warn_caller(
                self.call,
                f"was recorded {MANY} times for arguments that differ in Python numbers alone",
                "each value of one is a recording of its own",
                "Pass a number that changes as an array or a NumPy scalar, such as np.float32(x)",
            )

    def _unhashable(self, args: Any, kwargs: Any) -> ArgumentError:
        for i, x in enumerate(args):
            for leaf, path in zip(flatten(x)[0], paths(x), strict=True):
                if not _hashable(leaf):
                    return self._not_an_array(f"args[{i}]{path}", leaf)
        for name, x in kwargs.items():
            for leaf, path in zip(flatten(x)[0], paths(x), strict=True):
                if not _hashable(leaf):
                    return self._not_an_array(f"'{name}'{path}", leaf)
        return ArgumentError(self.call, "the structure of the arguments is not hashable")

    def _not_an_array(self, name: str, leaf: Any) -> ArgumentError:
        return ArgumentError(
            self.call,
            f"argument {name} is {describe(leaf)}",
            "arguments are arrays, pytrees of them, and hashable values",
            "Register its type with register_pytree, or close over it",
        )


NUMBERS = (int, float, complex, bool)


def _key_of(x: Any) -> tuple[Any, ...]:
    if is_array(x):
        return type(x), x.shape, x.dtype, getattr(x, "device", None)
    if type(x) in NUMBERS:
        return type(x), repr(x)  # 0.0 and -0.0 are equal, a NaN is not even to itself
    return type(x), x


def _hashable(x: Any) -> bool:
    try:
        hash(_key_of(x))
    except TypeError:
        return False
    return True


class Recorded:
    """A recorded run: the graph, the places of its inputs among the leaves, the results and their tree."""

    def __init__(self, call: str, fun: Callable[..., Any], leaves: list[Any], tree: Treedef) -> None:
        self.places = [i for i, x in enumerate(leaves) if is_array(x)]

        def run(tracers: list[Any]) -> list[Any]:
            full = list(leaves)
            for i, t in zip(self.places, tracers, strict=True):
                full[i] = as_argument(leaves[i], t)
            args, kwargs = unflatten(tree, full)
            results, self.out_tree = flatten(fun(*args, **kwargs))
            return results

        names = [path.removeprefix("[0]") for path in paths(unflatten(tree, leaves))]
        self.graph, self.values = record(call, run, [leaves[i] for i in self.places], [names[i] for i in self.places])


class _Plan:
    """What a call does when its key is known."""

    __slots__ = ("out_tree", "places", "replay")

    def __init__(self, replay: Callable[[list[Any]], list[Any]], recorded: Recorded) -> None:
        self.replay = replay
        self.places = recorded.places
        self.out_tree = recorded.out_tree

    def __call__(self, leaves: list[Any]) -> Any:
        places = self.places
        if len(places) != len(leaves):
            leaves = [leaves[i] for i in places]
        return unflatten(self.out_tree, self.replay(leaves))


def _argnums(call: str, name: str, given: Any) -> tuple[int, ...]:
    positions = (given,) if isinstance(given, int) else given
    if (
        isinstance(given, bool)
        or not isinstance(positions, (tuple, list))
        or not all(type(i) is int for i in positions)
    ):
        raise ArgumentError(call, f"{name} is {given!r}", "it must be an int or a tuple of ints")
    return tuple(positions)
