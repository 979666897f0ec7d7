"""vmap: BatchedTensor, its trace, and the door where `in_axes` and `out_axes` exist.

Inside, the batch axis is axis 0. Knows no operation: a rule brings its own batching.
"""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .arguments import check_callable
from .arrays import is_array
from .axes import InAxes, check_entries, spread_prefix
from .core import SEQUENCES, Primitive, Trace, at_end
from .errors import ArgumentError, AxisError, ShapeError, VmapcoreError, callers_line, describe, name_of
from .names import call_user
from .pytree import flatten, paths, unflatten
from .refusals import BY_EXAMPLE, OTHERWISE, refuse
from .remade import remade
from .tracer import Tracer, fixed
from .words import checks_keywords

ALL_OF_ONE = (True,)
REDUCTIONS: dict[Any, Callable[..., Any]] = {"sum": np.sum, "mean": np.mean}


class BatchedTensor(Tracer):
    """vmap's tracer: `value` holds every example along axis 0, and the tracer shows one."""

    __slots__ = ()

    row = Tracer.beside  # type: ignore[misc]  # that slot, by its name in SharedTensor
    shape = fixed("shape", "reshape", lambda self: self.value.shape[1:])

    def _instead(self, call: str, wanted: str) -> tuple[str, str]:
        return f"{wanted}: it has {self._trace.size} of them", BY_EXAMPLE.get(call, OTHERWISE)


class SharedTensor(BatchedTensor):
    """vmap's tracer of a value that is the same for all examples, `row`: not mapped to rules, known to who asks.

    It becomes an ordinary one when a mapped value is written into it.
    """

    __slots__ = ()

    def __init__(self, trace: "BatchTrace", row: Any) -> None:
        self._trace = trace
        self.beside = row
        self.storage = None

    @property
    def value(self) -> Any:
        return np.broadcast_to(self.row, (self._trace.size, *self.row.shape))

    @value.setter
    def value(self, value: Any) -> None:
        self.row = None
        if value is not None:
            self.__class__ = BatchedTensor  # type: ignore[assignment]
            self.value = value

    shape = fixed("shape", "reshape", lambda self: self.row.shape)
    dtype = fixed("dtype", "astype", lambda self: self.row.dtype)

    def _known(self, wanted: str) -> Any:
        return self.row

    def rebind(self, other: Any) -> None:
        if type(other) is SharedTensor:
            self.row = other.row
        else:
            self.value = other.value


class BatchTrace(Trace):
    """One running vmap."""

    __slots__ = ("report", "size")

    tracer = BatchedTensor
    overwrites = True

    def __init__(self, call: str, size: int) -> None:
        Trace.__init__(self, call)
        self.size = size
        self.report: Any = None  # what operations have to say when the vmap is over, by its method tell()

    def process(self, primitive: Primitive, args: Sequence[Any], params: dict[str, Any]) -> Any:
        if self.ended:
            return self.after(primitive, args, params)
        rule = primitive.vmap
        if len(args) == 1 and rule is not None and type(args[0]) is BatchedTensor:
            out = rule(self.size, ALL_OF_ONE, args[0].value, **params)
        else:
            values = []
            mapped = []
            for a in args:
                if type(a) is BatchedTensor and a._trace is self:
                    values.append(a.value)
                    mapped.append(True)
                else:
                    if type(a) is SharedTensor and a._trace is self:
                        a = a.row
                    values.append(np.asarray(a) if type(a) in SEQUENCES else a)
                    mapped.append(False)
            if True not in mapped:
                return self._once(primitive(*values, **params))
            if rule is None:
                raise self._without_rule(primitive)
            out = rule(self.size, mapped, *values, **params)
        if primitive.multiple:
            return tuple([BatchedTensor(self, o) for o in out])
        return BatchedTensor(self, out)

    def _once(self, out: Any) -> Any:
        """The result of an operation on values that are the same for all examples; a scalar is never written to."""
        if type(out) is tuple:
            return tuple([self._once(x) for x in out])
        return SharedTensor(self, out) if out.shape else out

    def _without_rule(self, primitive: Primitive) -> VmapcoreError:
        if primitive.dynamic is None:
            return self.no_rule(primitive, "vmap")
        call, what, instead = primitive.dynamic
        fact = f"the array is mapped, and results may differ in {what}, at {callers_line()}"
        return refuse(self, call, fact, "", instead)

    def lift(self, value: Any) -> BatchedTensor:
        if type(value) is BatchedTensor and value._trace is self:
            return BatchedTensor(self, value.value)
        if type(value) is SharedTensor and value._trace is self:
            value = value.row
        return SharedTensor(self, value if hasattr(value, "shape") else np.asarray(value))


class TangentTrace(BatchTrace):
    """One running vmap over tangents: what a function makes meanwhile depends on its primals alone."""

    __slots__ = ()

    adopts = False


def move_axis(x: Any, source: int, target: int) -> Any:
    """`np.moveaxis` for non-negative axes, as a method call that every array and tracer has."""
    if source == target:
        return x
    order = [i for i in range(len(x.shape)) if i != source]
    order.insert(target, source)
    return x.transpose(order)


@remade
@checks_keywords
def vmap(
    fun: Callable[..., Any], in_axes: Any = 0, out_axes: Any = 0, *, axis_size: int | None = None
) -> Callable[..., Any]:
    """Vectorises `fun` over one axis of its arguments.

    Law:  vmap(fun)(x)[i] == fun(x[i])

    No loop runs: every operation inside `fun` happens once, on all examples. Mapped arguments written to in place
    inside `fun` stay unchanged outside.

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
    check_callable("vmap", fun)
    if instead := getattr(type(fun), "instead_of_vmap", ""):
        raise ArgumentError("vmap", f"argument 'fun' is {describe(fun)}, whose own call is a vmap", "", instead)
    door = _Door(fun, in_axes, out_axes, axis_size)

    @functools.wraps(fun)
    def vmapped(*args: Any, **kwargs: Any) -> Any:
        return door(args, kwargs)

    return vmapped


class _Door:
    """Where arguments come in and results go out: inside, the batch is on axis 0."""

    trace = BatchTrace

    def __init__(self, fun: Callable[..., Any], in_axes: Any, out_axes: Any, axis_size: int | None) -> None:
        self.fun = fun
        self.in_axes = InAxes(fun, in_axes, axis_size)
        self.out_axes = out_axes
        self.call = self.in_axes.call
        check_entries(f"vmap({name_of(fun)})", "out_axes", out_axes, REDUCTIONS)

    def __call__(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        leaves, treedef = flatten((args, kwargs))
        axes = self.in_axes.of_leaves(args, kwargs, len(leaves))
        size = self.in_axes.size(args, kwargs, leaves, axes)
        trace = self.trace(self.call, size)
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
        result = trace.run(lambda: self._results(trace, call_user(self.fun, args, kwargs)))
        if trace.report is not None:
            trace.report.tell()
        return result

    def _results(self, trace: BatchTrace, result: Any) -> Any:
        if isinstance(self.out_axes, int) and trace.owns(result):  # the common case
            return self._result(trace, result, self.out_axes, lambda: "the result")
        leaves, treedef = flatten(result)
        axes = spread_prefix(self.call, "out_axes", self.out_axes, result, "the result")
        return unflatten(
            treedef,
            [
                self._result(trace, x, axis, lambda i=i: f"result{paths(result)[i]}")  # type: ignore[misc]
                for i, (x, axis) in enumerate(zip(leaves, axes, strict=True))
            ],
        )

    def _result(self, trace: BatchTrace, x: Any, axis: Any, path: Callable[[], str]) -> Any:
        x = at_end(x)
        owned = trace.owns(x)
        if type(x) is SharedTensor and owned:
            x = x.row
        elif owned:
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
        return self._mapped_result(trace, np.broadcast_to(x, (trace.size, *x.shape)), axis, path)

    def _mapped_result(self, trace: BatchTrace, value: Any, axis: Any, path: Callable[[], str]) -> Any:
        if axis is None:
            raise ShapeError(
                self.call,
                f"{path()} is {describe(BatchedTensor(trace, value))} for each of {trace.size} "
                "examples, but its out_axes is None",
                "None is for results that no mapped argument reaches",
                "Give an axis, 'sum' or 'mean'",
            )
        if axis in REDUCTIONS:
            return REDUCTIONS[axis](value, axis=0)
        ndim = len(value.shape)
        if not -ndim <= axis < ndim:
            raise AxisError(
                self.call,
                f"{path()} has {ndim} axes with the batch, so out_axes {axis} is out of range",
                f"expected {-ndim} <= axis < {ndim}",
            )
        return move_axis(value, 0, axis + ndim if axis < 0 else axis)


class OverTangents(_Door):
    """vmap of a jvp over its tangents; the first of two results has no batch."""

    trace = TangentTrace

    def __init__(self, fun: Callable[..., Any], axis_size: int) -> None:
        _Door.__init__(self, fun, 0, (None, 0), axis_size)
