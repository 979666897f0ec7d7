"""What vmap makes of `in_axes`: an axis, or None, for every leaf of the arguments, and the size they have in common.

Every error about arguments and the axes to map them over is raised here, before anything runs; and what an entry of
`out_axes` asks for is done here.
"""

from collections.abc import Callable, Collection
from typing import Any

import numpy as np

from .arrays import instead_of, is_array
from .errors import ArgumentError, AxisError, ShapeError, StructureError, describe, name_of
from .parameters import Parameters, leaves_of, named_arguments
from .pytree import broadcast_prefix, flatten, flatten_axes
from .tracer import Tracer
from .words import meant

REDUCTIONS: dict[Any, Callable[..., Any]] = {"sum": np.sum, "mean": np.mean}
"""What `out_axes` may have for an axis, and what it is."""


def move_axis(x: Any, source: int, target: int) -> Any:
    """`np.moveaxis` for non-negative axes, as a method call that every array and tracer has."""
    if source == target:
        return x
    order = [i for i in range(len(x.shape)) if i != source]
    order.insert(target, source)
    return x.transpose(order)


def check_entries(call: str, which: str, spec: Any, words: Collection[str] = ()) -> None:
    """Raises unless every leaf of `spec` is an int, None or one of `words`."""
    for leaf in () if spec is list and words else flatten_axes(spec):
        if leaf is None or (isinstance(leaf, int) and not isinstance(leaf, bool)):
            continue
        if not (isinstance(leaf, str) and leaf in words):
            allowed = "each entry must be an int or None" + "".join(f" or '{w}'" for w in words)
            remedy = "Arguments are for the function that this returns, vmap(f)(x)" if hasattr(leaf, "shape") else ""
            raise ArgumentError(call, f"{which} has the entry {leaf!r:.40}", allowed, remedy)


def spread_prefix(call: str, which: str, prefix: Any, tree: Any, what: str) -> list[Any]:
    """Returns the axis that `prefix` gives each leaf of `tree`, or raises if it is not a prefix of it."""
    if prefix is None or isinstance(prefix, (int, str)):
        return [prefix] * len(flatten(tree)[0])
    flatten(tree)
    try:
        return broadcast_prefix(prefix, tree)
    except ValueError as error:
        raise StructureError(
            call,
            f"{which} {prefix!r} is not a prefix of {what}: {error}",
            "an int or None may stand for a whole subtree; containers must match",
        ) from None


class InAxes:
    """`in_axes` and `axis_size`, ready to be applied to the arguments of a call."""

    __slots__ = ("axis_size", "call", "fun", "spec")

    def __init__(self, fun: Callable[..., Any], spec: Any, axis_size: int | None) -> None:
        name = name_of(fun)
        self.call = f"vmap({name})" if isinstance(spec, int) and spec == 0 else f"vmap({name}, in_axes={spec!r})"
        self.fun = fun
        self.spec = spec
        self.axis_size = axis_size
        check_entries(f"vmap({name})", "in_axes", spec)
        if not isinstance(spec, (int, tuple, list, dict)):
            raise ArgumentError(
                self.call,
                f"in_axes is {describe(spec)}",
                "it must be an int, a tuple or list with an entry per positional argument, or a dict by argument name",
                "Write in_axes=(None,) for one unmapped argument" if spec is None else "",
            )
        if axis_size is not None and (isinstance(axis_size, bool) or not isinstance(axis_size, int) or axis_size < 0):
            raise ArgumentError("vmap", f"axis_size is {axis_size!r}", "it must be an int >= 0 or None")

    def of_leaves(self, args: tuple[Any, ...], kwargs: dict[str, Any], count: int) -> list[int | None]:
        """Returns the axis of each of the `count` leaves of the arguments, in the order of flattening."""
        spec = self.spec
        if isinstance(spec, int):
            return [spec] * count
        if isinstance(spec, dict):
            return self._by_name(spec, args, kwargs)
        if kwargs:
            entries = [f"'{name}': 0" for name, _ in named_arguments(self.fun, args, kwargs)]
            raise StructureError(
                self.call,
                f"keyword argument '{next(iter(kwargs))}' has no entry in in_axes, which is a {type(spec).__name__}",
                "a tuple or list covers positional arguments only",
                f"Name the arguments: in_axes={{{', '.join(entries)}}}",
            )
        if len(spec) != len(args):
            raise StructureError(
                self.call,
                f"in_axes has {len(spec)} entries for {len(args)} positional arguments",
                "it needs one each",
            )
        axes: list[int | None] = []
        for i, (prefix, arg) in enumerate(zip(spec, args, strict=True)):
            if prefix is None or isinstance(prefix, int):
                axes += [prefix] * len(flatten(arg)[0])
            else:
                what = f"argument '{named_arguments(self.fun, args, kwargs)[i][0]}'"
                axes += spread_prefix(self.call, "in_axes", prefix, arg, what)
        return axes

    def _by_name(self, spec: dict[str, Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[int | None]:
        named = named_arguments(self.fun, args, kwargs)
        names = [name for name, _ in named]
        unnamed = [n for n in names if n not in spec]
        if unnamed:
            raise StructureError(
                self.call,
                f"argument '{unnamed[0]}' has no entry in in_axes",
                "a dict needs one for every argument passed",
                f"Add '{unnamed[0]}': None if it is not mapped",
            )
        known = [*names, *[p.name for p in Parameters(self.call, self.fun).known]]
        unknown = [n for n in spec if n not in known]
        if unknown:
            allowed = f"the arguments are {', '.join(names)}"
            raise StructureError(self.call, f"in_axes names '{unknown[0]}'", allowed, meant(unknown[0], names))
        axes: list[int | None] = []
        for name, arg in named:
            axes += spread_prefix(self.call, "in_axes", spec[name], arg, f"argument '{name}'")
        return axes

    def size(self, args: tuple[Any, ...], kwargs: dict[str, Any], leaves: list[Any], axes: list[int | None]) -> int:
        """Returns the size of the batch, which all mapped axes must have."""
        size = self.axis_size
        for i, (x, axis) in enumerate(zip(leaves, axes, strict=True)):
            if axis is None:
                continue
            shape = x.shape if isinstance(x, Tracer) or (is_array(x) and x.dtype.isbuiltin != 2) else None
            if shape is None or not -len(shape) <= axis < len(shape):
                raise self._bad_axis(self._paths(args, kwargs)[i], x, axis)
            if size is None:
                size = shape[axis]
            elif shape[axis] != size:
                raise self._sizes_differ(self._paths(args, kwargs), leaves, axes)
        if size is None:
            raise ShapeError(
                self.call,
                "no argument is mapped, so the batch has no size",
                "",
                "Map an argument, or pass axis_size",
            )
        return size

    def _paths(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[str]:
        """How a message names each leaf."""
        return [f"argument '{name}'" for name, _ in leaves_of(self.fun, args, kwargs)]

    def _bad_axis(self, path: str, x: Any, axis: int) -> Exception:
        instead = "" if isinstance(x, Tracer) else instead_of(x)
        if instead or not (is_array(x) or isinstance(x, Tracer)):
            lacks = "no array of NumPy's" if instead else f"has no axis {axis} to map"
            return ArgumentError(
                self.call,
                f"{path} is {describe(x)}, which {'is ' * bool(instead)}{lacks}",
                "only arrays can be mapped",
                instead or "Give it None in in_axes, or make it an array",
            )
        if x.ndim == 0:
            fact = f"{path} is {describe(x)}, which has no axis to map"
            return AxisError(self.call, fact, "", "Give it None in in_axes")
        return AxisError(
            self.call,
            f"{path} is {describe(x)}, so axis {axis} is out of range",
            f"expected {-x.ndim} <= axis < {x.ndim}",
        )

    def _sizes_differ(self, every: list[str], leaves: list[Any], axes: list[int | None]) -> ShapeError:
        found = [
            (path, x.shape[axis], axis)
            for path, x, axis in zip(every, leaves, axes, strict=True)
            if axis is not None and hasattr(x, "shape") and -x.ndim <= axis < x.ndim
        ]
        if self.axis_size is not None:
            path, n, axis = next(f for f in found if f[1] != self.axis_size)
            return ShapeError(self.call, f"axis_size is {self.axis_size}, but {path} has {n} on axis {axis}")
        first = found[0]
        other = next(f for f in found if f[1] != first[1])
        return ShapeError(
            self.call,
            f"mapped axes differ in size: {first[0]} has {first[1]} on axis {first[2]}, "
            f"{other[0]} has {other[1]} on axis {other[2]}",
            "",
            "Give None in in_axes to what is not mapped",
        )


def placed(call: str, size: int, x: Any, mapped: bool, axis: Any, path: Callable[[], str]) -> Any:
    """A leaf of the results with its batch where `out_axes` wants it: at `axis`, or reduced.

    `x` has the batch on axis 0 if it is `mapped`; if it is not, it is one value for all `size` examples.
    """
    if axis is None:
        if not mapped:
            return x
        of_one = np.broadcast_to(np.zeros((), x.dtype), x.shape[1:])
        raise ShapeError(
            call,
            f"{path()} is {describe(of_one)} for each of {size} examples, but its out_axes is None",
            "None is for results that no mapped argument reaches",
            "Give an axis, 'sum' or 'mean'",
        )
    if not mapped:
        if not (is_array(x) or isinstance(x, (Tracer, int, float, complex))):
            raise ArgumentError(
                call,
                f"{path()} is {describe(x)}, which has no batch axis",
                "results must be arrays or numbers",
                "Give it None in out_axes",
            )
        x = x if hasattr(x, "shape") else np.asarray(x)
        x = np.broadcast_to(x, (size, *x.shape))
    if axis in REDUCTIONS:
        return REDUCTIONS[axis](x, axis=0)
    ndim = len(x.shape)
    if not -ndim <= axis < ndim:
        raise AxisError(
            call,
            f"{path()} has {ndim} axes with the batch, so out_axes {axis} is out of range",
            f"expected {-ndim} <= axis < {ndim}",
        )
    return move_axis(x, 0, axis + ndim if axis < 0 else axis)
