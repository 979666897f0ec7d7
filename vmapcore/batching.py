"""vmap: BatchedTensor, its trace, and the door where `in_axes` and `out_axes` exist.

Inside, the batch axis is axis 0. Knows no operation: a rule brings its own batching.
"""

import functools
import inspect
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .arrays import is_array
from .core import RUNNING, SEQUENCES, Primitive, Trace
from .errors import ArgumentError, AxisError, ShapeError, StructureError, describe, name_of
from .pytree import broadcast_prefix, flatten, flatten_axes, paths, unflatten
from .tracer import TRUTH, Tracer

REDUCTIONS = ("sum", "mean")


class BatchedTensor(Tracer):
    """vmap's tracer: `value` holds every example along axis 0, and the tracer shows one."""

    __slots__ = ()

    def __init__(self, trace: "BatchTrace", value: Any) -> None:
        self._trace = trace
        self.value = value
        self.storage = None

    @property
    def shape(self) -> tuple[int, ...]:
        return self.value.shape[1:]

    def _concrete(self, call: str, wanted: str) -> Any:
        remedy = (
            "Use np.where(condition, a, b)"
            if wanted == TRUTH
            else "Index a traced array with it, or use vmapcore.numpy.take(x, i, axis)"
            if call == "index"
            else "Keep it an array, with astype for another dtype; return it from the function to print it; make an "
            "array to write it into with vmapcore.numpy.zeros"
        )
        raise self._concretization(call, wanted + f": it has {self._trace.size} of them", remedy)


class BatchTrace(Trace):
    """One running vmap."""

    __slots__ = ("size",)

    def __init__(self, call: str, size: int) -> None:
        Trace.__init__(self, call)
        self.size = size

    def process(self, primitive: Primitive, args: Sequence[Any], params: dict[str, Any]) -> Any:
        if self.ended:
            raise self.leaked()
        rule = primitive.vmap
        if rule is None:
            raise self.no_rule(primitive, "vmap")
        values = []
        mapped = []
        for a in args:
            if type(a) is BatchedTensor and a._trace is self:
                values.append(a.value)
                mapped.append(True)
            else:
                values.append(np.asarray(a) if type(a) in SEQUENCES else a)
                mapped.append(False)
        out = rule(self.size, mapped, *values, **params)
        if primitive.multiple:
            return tuple([BatchedTensor(self, o) for o in out])
        return BatchedTensor(self, out)

    def lift(self, value: Any) -> BatchedTensor:
        if isinstance(value, BatchedTensor) and value._trace is self:
            return BatchedTensor(self, value.value)
        if not hasattr(value, "shape"):
            value = np.asarray(value)
        return BatchedTensor(self, np.broadcast_to(value, (self.size, *value.shape)))


def move_axis(x: Any, source: int, target: int) -> Any:
    """`np.moveaxis` for non-negative axes, as a method call that every array and tracer has."""
    if source == target:
        return x
    order = [i for i in range(len(x.shape)) if i != source]
    order.insert(target, source)
    return x.transpose(order)


def vmap(
    fun: Callable[..., Any], in_axes: Any = 0, out_axes: Any = 0, *, axis_size: int | None = None
) -> Callable[..., Any]:
    """Vectorises `fun` over one axis of its arguments.

    Law:  vmap(fun)(x)[i] == fun(x[i])

    No loop runs: every operation inside `fun` happens once, on all examples. Arguments written to in place inside
    `fun` stay unchanged outside.

    Args:
        fun: a function of arrays in any pytree, written for one example with NumPy.
        in_axes: the axis to map over: an int for every leaf; a tuple or list with an entry per positional argument,
            each a pytree prefix of it; or a dict with an entry per argument name. `None` marks what is not mapped.
        out_axes: where the batch goes in the results: an int or a pytree prefix. `None` returns an unmapped result
            as it is; `"sum"` and `"mean"` reduce over the batch.
        axis_size: the length of the mapped axis; needed only where no argument is mapped.

    Returns:
        A function of the same signature, with the batch axis added to arguments and results.

    Raises:
        ShapeError: mapped axes differ in size, or an argument to be mapped has no such axis.
        StructureError: `in_axes` or `out_axes` is not a prefix of what it is for.

    Example:
        >>> rows, v = np.ones((5, 3)), np.ones(3)
        >>> vmap(np.dot, in_axes=(0, None))(rows, v).shape
        (5,)
    """
    if not callable(fun):
        raise ArgumentError("vmap", f"argument 'fun' is {describe(fun)}", "it must be callable")
    if axis_size is not None and (isinstance(axis_size, bool) or not isinstance(axis_size, int) or axis_size < 0):
        raise ArgumentError("vmap", f"axis_size is {axis_size!r}", "it must be an int >= 0 or None")
    door = _Door(fun, in_axes, out_axes, axis_size)

    @functools.wraps(fun)
    def vmapped(*args: Any, **kwargs: Any) -> Any:
        return door(args, kwargs)

    return vmapped


class _Door:
    """Where arguments come in and results go out; every error about axes is raised here."""

    def __init__(self, fun: Callable[..., Any], in_axes: Any, out_axes: Any, axis_size: int | None) -> None:
        self.fun = fun
        self.in_axes = in_axes
        self.out_axes = out_axes
        self.axis_size = axis_size
        name = name_of(fun)
        self.call = (
            f"vmap({name})" if isinstance(in_axes, int) and in_axes == 0 else f"vmap({name}, in_axes={in_axes!r})"
        )
        self._check_spec("in_axes", in_axes, ())
        self._check_spec("out_axes", out_axes, REDUCTIONS)
        if not isinstance(in_axes, (int, tuple, list, dict)):
            raise ArgumentError(
                self.call,
                f"in_axes is {describe(in_axes)}",
                "it must be an int, a tuple or list with an entry per positional argument, or a dict by argument name",
                "Write in_axes=(None,) for one unmapped argument" if in_axes is None else "",
            )

    def __call__(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        leaves, treedef = flatten((args, kwargs))
        axes = self._leaf_axes(args, kwargs, len(leaves))
        size = self._size(args, kwargs, leaves, axes)
        trace = BatchTrace(self.call, size)
        inputs = [
            x
            if axis is None
            else BatchedTensor(
                trace,
                move_axis(x.snapshot() if isinstance(x, Tracer) else x, axis + len(x.shape) if axis < 0 else axis, 0),
            )
            for x, axis in zip(leaves, axes, strict=True)
        ]
        args, kwargs = unflatten(treedef, inputs)
        token = RUNNING.set((*RUNNING.get(), trace))
        try:
            result = self.fun(*args, **kwargs)
            return self._results(trace, result)
        finally:
            RUNNING.reset(token)
            trace.ended = True

    # The way in.

    def _check_spec(self, which: str, spec: Any, words: tuple[str, ...]) -> None:
        for leaf in flatten_axes(spec):
            if (
                leaf is None
                or (isinstance(leaf, int) and not isinstance(leaf, bool))
                or (isinstance(leaf, str) and leaf in words)
            ):
                continue
            allowed = "each entry must be an int or None" + "".join(f" or '{w}'" for w in words)
            raise ArgumentError(f"vmap({name_of(self.fun)})", f"{which} has the entry {leaf!r}", allowed)

    def _leaf_axes(self, args: tuple[Any, ...], kwargs: dict[str, Any], count: int) -> list[int | None]:
        spec = self.in_axes
        if isinstance(spec, int):
            return [spec] * count
        if isinstance(spec, dict):
            return self._axes_by_name(spec, args, kwargs)
        if kwargs:
            raise StructureError(
                self.call,
                f"keyword argument '{next(iter(kwargs))}' has no entry in in_axes, which is a {type(spec).__name__}",
                "a tuple or list covers positional arguments only",
                "Name the arguments: in_axes={" + ", ".join(f"'{n}': 0" for n in self._names(args, kwargs)) + "}",
            )
        if len(spec) != len(args):
            raise StructureError(
                self.call,
                f"in_axes has {len(spec)} entries for {len(args)} positional arguments",
                "it needs one each",
            )
        axes: list[int | None] = []
        for i, (prefix, arg) in enumerate(zip(spec, args, strict=True)):
            axes += self._prefix("in_axes", prefix, arg, f"argument '{self._names(args, kwargs)[i]}'" if prefix else "")
        return axes

    def _axes_by_name(self, spec: dict[str, Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[int | None]:
        names = self._names(args, kwargs)
        unnamed = [n for n in names if n not in spec]
        if unnamed:
            raise StructureError(
                self.call,
                f"argument '{unnamed[0]}' has no entry in in_axes",
                "a dict needs one for every argument passed",
                f"Add '{unnamed[0]}': None if it is not mapped",
            )
        unknown = [n for n in spec if n not in names and n not in self._parameters()]
        if unknown:
            raise StructureError(self.call, f"in_axes names '{unknown[0]}'", f"the arguments are {', '.join(names)}")
        axes: list[int | None] = []
        for name, arg in zip(names, args, strict=False):
            axes += self._prefix("in_axes", spec[name], arg, f"argument '{name}'")
        for name in sorted(kwargs):  # the order in which a dict is flattened
            axes += self._prefix("in_axes", spec[name], kwargs[name], f"argument '{name}'")
        return axes

    def _prefix(self, which: str, prefix: Any, tree: Any, what: str) -> list[Any]:
        if prefix is None or isinstance(prefix, (int, str)):
            return [prefix] * len(flatten(tree)[0])
        flatten(tree)
        try:
            return broadcast_prefix(prefix, tree)
        except ValueError as error:
            raise StructureError(
                self.call,
                f"{which} {prefix!r} is not a prefix of {what}: {error}",
                "an int or None may stand for a whole subtree; containers must match",
            ) from None

    def _parameters(self) -> list[str]:
        try:
            return list(inspect.signature(self.fun).parameters)
        except (TypeError, ValueError):  # a builtin or a ufunc without a signature
            return []

    def _names(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[str]:
        """The name of each argument passed: positional ones, then keywords."""
        names = self._parameters()
        positional = [
            names[i] if i < len(names) and names[i] not in ("args", "kwargs") else f"args[{i}]"
            for i in range(len(args))
        ]
        return positional + list(kwargs)

    def _size(self, args: tuple[Any, ...], kwargs: dict[str, Any], leaves: list[Any], axes: list[int | None]) -> int:
        size = self.axis_size
        for i, (x, axis) in enumerate(zip(leaves, axes, strict=True)):
            if axis is None:
                continue
            shape = x.shape if is_array(x) or isinstance(x, Tracer) else None
            if shape is None or not -len(shape) <= axis < len(shape):
                raise self._bad_axis(self._path(args, kwargs, i), x, axis)
            if size is None:
                size = shape[axis]
            elif shape[axis] != size:
                raise self._sizes_differ(args, kwargs, leaves, axes)
        if size is None:
            raise ShapeError(
                self.call,
                "no argument is mapped, so the batch has no size",
                "",
                "Map an argument, or pass axis_size",
            )
        return size

    def _path(self, args: tuple[Any, ...], kwargs: dict[str, Any], leaf: int) -> str:
        names = self._names(args, kwargs)
        arguments = list(args) + [kwargs[k] for k in kwargs]
        every = [f"argument '{n}{p}'" for n, a in zip(names[: len(args)], args, strict=True) for p in paths(a)]
        every += [f"argument '{k}{p}'" for k in sorted(kwargs) for p in paths(kwargs[k])]
        assert len(every) >= len(arguments)
        return every[leaf]

    def _bad_axis(self, path: str, x: Any, axis: int) -> Exception:
        if not (is_array(x) or isinstance(x, Tracer)):
            return ArgumentError(
                self.call,
                f"{path} is {describe(x)}, which has no axis {axis} to map",
                "only arrays can be mapped",
                "Give it None in in_axes, or make it an array",
            )
        if x.ndim == 0:
            return AxisError(
                self.call, f"{path} is {describe(x)}, which has no axis to map", "", "Give it None in in_axes"
            )
        return AxisError(
            self.call,
            f"{path} is {describe(x)}, so axis {axis} is out of range",
            f"expected {-x.ndim} <= axis < {x.ndim}",
        )

    def _sizes_differ(self, args: Any, kwargs: Any, leaves: list[Any], axes: list[int | None]) -> ShapeError:
        found = [
            (self._path(args, kwargs, i), x.shape[axis], axis)
            for i, (x, axis) in enumerate(zip(leaves, axes, strict=True))
            if axis is not None and -x.ndim <= axis < x.ndim
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

    # The way out.

    def _results(self, trace: BatchTrace, result: Any) -> Any:
        if (
            isinstance(self.out_axes, int) and type(result) is BatchedTensor and result._trace is trace
        ):  # the common case
            return self._result(trace, result, self.out_axes, lambda: "the result")
        leaves, treedef = flatten(result)
        axes = self._prefix("out_axes", self.out_axes, result, "the result")
        return unflatten(
            treedef,
            [
                self._result(trace, x, axis, lambda i=i: f"result{paths(result)[i]}")  # type: ignore[misc]
                for i, (x, axis) in enumerate(zip(leaves, axes, strict=True))
            ],
        )

    def _result(self, trace: BatchTrace, x: Any, axis: Any, path: Callable[[], str]) -> Any:
        if isinstance(x, Tracer) and x._trace.ended:
            raise x._trace.leaked()
        if isinstance(x, BatchedTensor) and x._trace is trace:
            return self._mapped_result(trace, x.value, axis, path)
        if axis is None:
            return x
        if not (is_array(x) or isinstance(x, (Tracer, int, float, complex))):
            raise ArgumentError(
                self.call,
                f"{path()} is {describe(x)}, which has no batch axis",
                "results must be arrays or numbers",
                "Give it None in out_axes",
            )
        x = x if hasattr(x, "shape") else np.asarray(x)
        if axis in REDUCTIONS:
            return self._mapped_result(trace, np.broadcast_to(x, (trace.size, *x.shape)), axis, path)
        axis = self._out_axis(axis, len(x.shape) + 1, path)
        shape = x.shape[:axis] + (trace.size,) + x.shape[axis:]
        return np.broadcast_to(x.reshape(x.shape[:axis] + (1,) + x.shape[axis:]), shape)

    def _mapped_result(self, trace: BatchTrace, value: Any, axis: Any, path: Callable[[], str]) -> Any:
        if axis is None:
            raise ShapeError(
                self.call,
                f"{path()} is {describe(BatchedTensor(trace, value))} for each of {trace.size} "
                "examples, but its out_axes is None",
                "None is for results that no mapped argument reaches",
                "Give an axis, 'sum' or 'mean'",
            )
        if axis == "sum":
            return np.sum(value, axis=0)
        if axis == "mean":
            return np.mean(value, axis=0)
        return move_axis(value, 0, self._out_axis(axis, len(value.shape), path))

    def _out_axis(self, axis: int, ndim: int, path: Callable[[], str]) -> int:
        if not -ndim <= axis < ndim:
            raise AxisError(
                self.call,
                f"{path()} has {ndim} axes with the batch, so out_axes {axis} is out of range",
                f"expected {-ndim} <= axis < {ndim}",
            )
        return axis + ndim if axis < 0 else axis
