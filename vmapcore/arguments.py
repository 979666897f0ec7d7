"""What the differentiating transforms ask of their arguments and results, checked at the door."""

from collections.abc import Callable
from typing import Any

import numpy as np

from .arrays import instead_of, is_array
from .core import at_end, lift
from .errors import ArgumentError, DTypeError, ShapeError, StructureError, describe
from .parameters import named_arguments
from .pytree import buffers, flatten, paths, unflatten
from .tracer import Tracer
from .views import as_argument


def check_callable(call: str, fun: Any) -> None:
    """Raises if `fun` is not a function."""
    if not callable(fun):
        models = isinstance(fun, (list, tuple)) and len(fun) and all(map(callable, fun))
        remedy = (
            "Stack the models: vmap(lambda net, x: net(x))(nn.stack(nets), xs), or nn.Ensemble(nets)(xs, in_axes=0)"
        )
        raise ArgumentError(call, f"argument 'fun' is {describe(fun)}", "it must be callable", remedy if models else "")


def check_differentiable(call: str, what: str, x: Any) -> Any:
    """Returns `x` as an array, or raises if it has no derivative."""
    x = at_end(x)
    if isinstance(x, (float, complex)) and not isinstance(x, np.generic):
        return np.asarray(x)[()]
    if not (is_array(x) or isinstance(x, Tracer)):
        allowed = "only arrays of floats or complex numbers can be differentiated"
        remedy = instead_of(x) or "Leave it out of argnums, or make it a float array"
        raise ArgumentError(call, f"{what} is {describe(x)}", allowed, remedy)
    if x.dtype.kind not in "fc":
        allowed = "only floats and complex numbers can be differentiated"
        remedy = "Convert it with astype(float), or leave it out of argnums"
        raise DTypeError(call, f"{what} is {describe(x)}", allowed, remedy)
    return x


def as_constant(x: Any) -> Any:
    """A buffer as a function sees it that is differentiated: without derivative; what is written to it stays inside."""
    if isinstance(x, Tracer):
        x = x.snapshot()
    elif not is_array(x):
        return x
    if x.dtype.kind in "fc":
        return as_argument(x, lift(x))
    return x if isinstance(x, Tracer) else x.copy()


class Split:
    """The leaves of the arguments to differentiate by, buffers apart, and how to put new ones in their place."""

    __slots__ = ("args", "buffers", "is_buffer", "leaves", "positions", "single", "tree")

    def __init__(self, call: str, fun: Callable[..., Any], argnums: Any, args: tuple[Any, ...]) -> None:
        self.args = args
        self.single = isinstance(argnums, int)
        self.positions = _positions(call, argnums, len(args))
        chosen = args[self.positions[0]] if self.single else tuple([args[i] for i in self.positions])
        leaves, self.tree = flatten(chosen)
        self.is_buffer = buffers(self.tree)
        self.buffers = [x for x, kept in zip(leaves, self.is_buffer, strict=True) if kept]
        self.leaves = [
            x if type(x) is np.ndarray and x.dtype.kind in "fc" else check_differentiable(call, self._path(fun, j), x)
            for j, x in enumerate(leaves)
            if not self.is_buffer[j]
        ]

    def tree_of(self, leaves: list[Any], buffer: Callable[[Any], Any] = np.zeros_like) -> Any:
        """A tree like what is split off: of `leaves`, and of what `buffer` makes of each buffer."""
        found, others = iter(leaves), map(buffer, self.buffers)
        return unflatten(self.tree, [next(others if kept else found) for kept in self.is_buffer])

    def put(self, leaves: list[Any]) -> list[Any]:
        """The arguments with `leaves` in the place of those split off."""
        values = self.tree_of(leaves, as_constant)
        full = list(self.args)
        for i, value in zip(self.positions, [values] if self.single else values, strict=True):
            full[i] = value
        return full

    def _path(self, fun: Callable[..., Any], leaf: int) -> str:
        names = [name for name, _ in named_arguments(fun, self.args, {})]
        return [f"argument '{names[i]}{path}'" for i in self.positions for path in paths(self.args[i])][leaf]


def _positions(call: str, argnums: Any, count: int) -> list[int]:
    if isinstance(argnums, bool) or not isinstance(argnums, (int, tuple, list)):
        raise ArgumentError(call, f"argnums is {argnums!r}", "it must be an int or a tuple of ints")
    positions = [argnums] if isinstance(argnums, int) else list(argnums)
    for i in positions:
        if not -count <= i < count:
            raise ArgumentError(
                call,
                f"argnums has {i}, but {count} positional arguments were passed",
                "",
                "Pass what is differentiated by position",
            )
    positions = [i % count for i in positions]
    if len(set(positions)) < len(positions):
        raise ArgumentError(call, f"argnums {argnums!r} names an argument twice")
    return positions


def with_aux(call: str, result: Any, has_aux: bool) -> tuple[Any, Any]:
    """Splits what a function returned into `(out, aux)`."""
    if not has_aux:
        return result, None
    if not isinstance(result, tuple) or len(result) != 2:
        raise StructureError(
            call, f"has_aux=True, but the function returned {describe(result)}", "it must return a pair (out, aux)"
        )
    return result


def check_scalar(call: str, value: Any) -> Any:
    """Returns the value of a function whose gradient is asked for, or raises if it has none."""
    if isinstance(value, (int, float)) and not isinstance(value, np.generic):
        value = np.float64(value)
    is_one = is_array(value) or isinstance(value, Tracer)
    if is_one and value.shape == () and value.dtype.kind == "f":
        return value
    returned = f"the function returned {describe(value)}"
    if not is_one:
        remedy = "Return (value, aux) and pass has_aux=True for further results"
        raise ArgumentError(call, returned, "it must return one real number", remedy)
    if value.shape != ():
        raise ShapeError(call, returned, "a gradient needs a scalar", "Use vjp or jacrev, or sum the result")
    remedy = "Use vjp for complex results, or take np.real or np.abs"
    raise DTypeError(call, returned, "a gradient needs a real float", remedy)


def check_cotangents(call: str, outputs: list[Any], out_tree: Any, cotangent: Any) -> list[Any]:
    """Returns the leaves of `cotangent`, each in its output's dtype, or raises if it is not like the outputs."""
    leaves, tree = flatten(cotangent)
    if tree != out_tree:
        raise StructureError(call, f"the cotangent has structure {tree}", f"the result has {out_tree}")
    for i, (g, out) in enumerate(zip(leaves, outputs, strict=True)):
        if np.shape(g) != np.shape(out):
            raise ShapeError(call, f"a cotangent is {describe(g)}", f"its result is {describe(out)}")
        dtype = out.dtype if hasattr(out, "dtype") else np.asarray(out).dtype
        g = g if hasattr(g, "dtype") else np.asarray(g, dtype)
        leaves[i] = g if g.dtype == dtype else g.astype(dtype)
    return leaves


def separate(results: list[Any], given: list[Any]) -> list[Any]:
    """Returns the results of a rule, so copied that a write to one is seen by no other and by nothing that was given.

    A rule may hand on what it got, or a zero-stride view of it.
    """
    owned = []
    seen = {id(_root(x)) for x in given if is_array(x)}
    for x in results:
        if isinstance(x, Tracer):
            x = x.snapshot()
        elif is_array(x) and not isinstance(x, np.generic):
            if id(_root(x)) in seen or not is_own(x):
                x = x.copy()
            seen.add(id(_root(x)))
        owned.append(x)
    return owned


def is_own(x: Any) -> bool:
    """Whether each element of an array has a place of its own that can be written to."""
    repeats = any(step == 0 and n > 1 for step, n in zip(x.strides, x.shape, strict=True))
    return not repeats and bool(getattr(x.flags, "writeable", True))


def _root(x: Any) -> Any:
    """The array that owns the memory of `x`."""
    while getattr(x, "base", None) is not None:
        x = x.base
    return x
