"""external: code that cannot be traced, as an operation that gets NumPy arrays and nothing else."""

from collections.abc import Callable, Sequence
from typing import Any, overload

import numpy as np

from ..arguments import check_callable
from ..arrays import on_host
from ..errors import ArgumentError, OptionError, describe, name_of
from ..pytree import flatten, tree_map
from .guards import locked
from .op import CustomOp
from .signature import anything, signature_of
from .specs import as_arrays

METHODS = ("loop", "expand_dims", "broadcast_all")


class ExternalOp(CustomOp):
    """A function of NumPy arrays, as an operation."""

    probed = False

    def __init__(self, fun: Callable[..., Any], name: str, vmap_method: str | None) -> None:
        def evaluate(xp: Any, *args: Any, **params: Any) -> Any:
            return as_arrays(xp, fun(*self.prepared(args), **params))

        self.bare = fun
        found = signature_of(fun)
        signature = anything() if found.defaults else found  # positional defaults may be arrays or not
        CustomOp.__init__(self, evaluate, signature, name, fun.__doc__)
        self.wrapped = self.evaluate
        self.method = None if vmap_method == "loop" else vmap_method
        self.declared_loop = vmap_method == "loop"
        if vmap_method is not None:
            self._declare("vmap_method", "vmap")

    def prepared(self, leaves: Sequence[Any]) -> Sequence[Any]:
        return [locked(x if type(x) is np.ndarray else _host(x)) for x in leaves]

    def swift(self, xp: Any) -> Callable[..., Any]:
        return self.bare if xp is np and self.evaluate is self.wrapped else super().swift(xp)

    def tidy(self, xp: Any, found: Any) -> Any:
        return as_arrays(xp, found)

    def remedy(self, kind: str) -> str:
        if kind == "vmap":
            return (
                f"Pass vmap_method='expand_dims' or 'broadcast_all' to external if {self.name} takes leading axes, or "
                f"declare a rule with {self.name}.def_vmap; vmap_method='loop' says that the loop is meant"
            )
        return f"It cannot be traced: declare its derivative with {self.name}.def_vjp or {self.name}.def_jvp"


def _host(x: Any) -> Any:
    """An argument, a pytree perhaps, with NumPy arrays for what there is of arrays and Python numbers."""
    if isinstance(x, np.generic):
        return x
    return np.asarray(x) if isinstance(x, (int, float, complex)) else tree_map(on_host, x)


@overload
def external(
    fun: Callable[..., Any], *, result: Any = ..., vmap_method: str | None = ..., name: str | None = ...
) -> CustomOp: ...
@overload
def external(
    fun: None = ..., *, result: Any = ..., vmap_method: str | None = ..., name: str | None = ...
) -> Callable[[Callable[..., Any]], CustomOp]: ...
def external(
    fun: Callable[..., Any] | None = None,
    *,
    result: Any = None,
    vmap_method: str | None = None,
    name: str | None = None,
) -> Any:
    """Makes an operation of code that cannot be traced: SciPy's, compiled, of a service.

    Law:  external(fun)(x) == fun(x), and vmap(external(fun))(x)[i] == fun(x[i])

    The function gets real NumPy arrays, read-only, or scalars, in every transform and on every device, never a tracer
    and never made-up numbers. To differentiate it, declare a rule as for any `custom_op`.

    Args:
        fun: `fun(*arrays, **params)`, of arrays or pytrees of them by position and static parameters by name. Left
            out, `external(...)` is a decorator.
        result: what it returns: an `ArraySpec` or a pytree of them, or a function of the arguments' specs that returns
            such. Every result is held to it. Without it results are taken as they come, and an empty batch, which has
            none, is an error.
        vmap_method: how it takes a batch. "loop" calls it once per example; "expand_dims" once, with the batch in
            front of mapped arguments and an axis of length 1 in front of the others; "broadcast_all" once, with the
            batch in front of all of them. By default it loops too, but warns, for it may be able to do better.
        name: for messages; that of the function by default.

    Returns:
        A `CustomOp`.

    Raises:
        OptionError: `vmap_method` is none of the three.

    Example:
        >>> from vmapcore import vmap
        >>> import math
        >>> gamma = external(math.gamma, result=lambda x: x, vmap_method="loop")
        >>> vmap(gamma)(np.array([3.0, 5.0]))
        array([ 2., 24.])
    """
    if fun is None:
        return lambda f: external(f, result=result, vmap_method=vmap_method, name=name)
    check_callable("external", fun)
    name = name or name_of(fun)
    if vmap_method is not None and vmap_method not in METHODS:
        allowed = f"it must be one of {', '.join(METHODS)}, or None"
        raise OptionError(f"external({name})", f"vmap_method is {vmap_method!r}", allowed)
    op = ExternalOp(fun, name, vmap_method)
    if callable(result):
        op.def_result(result)
    elif result is not None:
        for spec in flatten(result)[0]:
            if not (hasattr(spec, "shape") and hasattr(spec, "dtype")):
                fact = f"result has {describe(spec)}"
                raise ArgumentError(f"external({name})", fact, "it must be made of vmapcore.ops.ArraySpec")
        op.def_result(lambda *args, **params: result)
    return op
