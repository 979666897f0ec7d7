"""Formulas made into statements: what an operation computes, called with symbols in place of arrays.

A formula is a function of `xp` and arrays, as every `eval` is. Here `xp` is a `Formulas` and arrays are `Symbol`s: what
the function does to them, elementwise functions, reductions and moves, a `Builder` notes. It cannot ask for values.
"""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from .building import Builder, UnfusibleError, Value


class Symbol(NDArrayOperatorsMixin):
    """An array of a formula. What writes into it, as `out=` and `+=` do, makes it another value."""

    __slots__ = ("value", "xp")

    def __init__(self, xp: "Formulas", value: Value) -> None:
        self.xp = xp
        self.value = value

    @property
    def shape(self) -> tuple[int, ...]:
        return self.value.shape

    @property
    def ndim(self) -> int:
        return len(self.value.shape)

    @property
    def size(self) -> int:
        return int(np.prod(self.value.shape))

    @property
    def dtype(self) -> Any:
        return self.value.dtype

    @property
    def real(self) -> "Symbol":
        """Itself: kernels hold no complex numbers."""
        return self

    def __bool__(self) -> bool:
        raise UnfusibleError("a formula asks for a value")

    def __array_ufunc__(self, ufunc: Any, method: str, *args: Any, **options: Any) -> "Symbol":
        if method != "__call__" or ufunc.nout > 1:
            raise UnfusibleError(f"{ufunc.__name__}.{method}")
        return self.xp.apply(ufunc, *args, **options)

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        return getattr(self.xp, function.__name__)(*args, **kwargs)

    # Methods of arrays.

    def astype(self, dtype: Any) -> "Symbol":
        return self.xp.made(self.xp.builder.convert(self.value, np.dtype(dtype)))

    def copy(self) -> "Symbol":
        return self.xp.made(self.value)

    def clip(self, low: Any, high: Any) -> "Symbol":
        return self.xp.apply(np.minimum, self.xp.apply(np.maximum, self, low), high)

    def reshape(self, *shape: Any) -> "Symbol":
        """Axes of length 1 come and go; none is joined or cut."""
        x = self.value
        wanted = tuple(shape[0]) if len(shape) == 1 and not isinstance(shape[0], int) else shape
        if [n for n in x.shape if n != 1] != [n for n in wanted if n != 1]:
            raise UnfusibleError("a reshape that joins or cuts axes")
        longer = iter([i for i, n in enumerate(x.shape) if n != 1])
        nodes = [None if n == 1 else x.nodes[next(longer)] for n in wanted]
        parts = iter([n for i, n in enumerate(x.parts.shape) if x.shape[i] != 1])
        return self.xp.made(x.with_axes(wanted, nodes, x.parts.reshape([1 if n == 1 else next(parts) for n in wanted])))

    def transpose(self, order: Sequence[int]) -> "Symbol":
        x = self.value
        return self.xp.made(
            x.with_axes([x.shape[i] for i in order], [x.nodes[i] for i in order], x.parts.transpose(order))
        )

    def __getitem__(self, index: Any) -> "Symbol":
        """Positions of short axes by number; all of an axis; new axes of length 1."""
        entries = list(index) if isinstance(index, tuple) else [index]
        at = next((i for i, e in enumerate(entries) if e is Ellipsis), len(entries))
        taken = sum([e is not None and e is not Ellipsis for e in entries])
        entries[at : at + 1] = [slice(None)] * (self.ndim - taken)
        return self.xp.made(self._picked(entries))

    def _picked(self, entries: Sequence[Any]) -> Value:
        x, i = self.value, 0
        shape: list[int] = []
        nodes: list[Any] = []
        picked: list[Any] = []
        for entry in entries:
            if entry is None:
                shape.append(1)
                nodes.append(None)
                picked.append(None)
                continue
            if isinstance(entry, int):
                x = self.xp.builder.apart(x, i)
                picked.append(entry % x.shape[i])
            elif isinstance(entry, slice) and entry.indices(x.shape[i]) == (0, x.shape[i], 1):
                shape.append(x.shape[i])
                nodes.append(x.nodes[i])
                picked.append(slice(None))
            else:
                raise UnfusibleError("a part of an axis")
            i += 1
        return Value(tuple(shape), tuple(nodes), x.parts[(*picked, ...)], x.dtype)

    def sum(self, axis: Any = None, keepdims: bool = False) -> "Symbol":
        dtype = np.empty(0, self.dtype).sum().dtype if self.dtype.kind in "biu" else self.dtype
        return self._reduced("sum", "add", axis, keepdims, dtype)

    def max(self, axis: Any = None, keepdims: bool = False) -> "Symbol":
        return self._reduced("max", "maximum", axis, keepdims, self.dtype)

    def min(self, axis: Any = None, keepdims: bool = False) -> "Symbol":
        return self._reduced("min", "minimum", axis, keepdims, self.dtype)

    def any(self, axis: Any = None, keepdims: bool = False) -> "Symbol":
        return self._reduced("any", "logical_or", axis, keepdims, np.dtype(bool))

    def all(self, axis: Any = None, keepdims: bool = False) -> "Symbol":
        return self._reduced("all", "logical_and", axis, keepdims, np.dtype(bool))

    def _reduced(self, operation: str, combine: str, axis: Any, keepdims: bool, dtype: Any) -> "Symbol":
        axes = range(-self.ndim, 0) if axis is None else axis if isinstance(axis, tuple) else (axis,)
        negative = tuple([a - self.ndim if a >= 0 else a for a in axes])
        return self.xp.made(self.xp.builder.reduce(operation, combine, self.value, negative, keepdims, dtype))


class Formulas:
    """The `xp` of a formula: ufuncs by their names, and what else formulas are made of."""

    def __init__(self, builder: Builder) -> None:
        self.builder = builder

    def __getattr__(self, name: str) -> Callable[..., Any]:
        ufunc = getattr(np, name, None)
        if not isinstance(ufunc, np.ufunc) or ufunc.nout > 1:
            raise UnfusibleError(name)
        found = self.__dict__[name] = functools.partial(self.apply, ufunc)
        return found

    def made(self, value: Value) -> Symbol:
        return Symbol(self, value)

    def value(self, x: Any) -> Value:
        return x.value if type(x) is Symbol else self.builder.constant(x)

    def apply(self, ufunc: Any, *args: Any, out: Any = None) -> Symbol:
        made = self.builder.apply(ufunc, *map(self.value, args))
        if out is None:
            return self.made(made)
        target = out[0] if isinstance(out, tuple) else out
        target.value = made if made.dtype == target.dtype else self.builder.convert(made, target.dtype)
        return target

    def where(self, condition: Any, x: Any, y: Any) -> Symbol:
        values = [self.value(v) for v in (condition, x, y)]
        dtype = np.result_type(*[v.dtype if v.weak is None else v.weak for v in values[1:]])
        return self.made(self.builder.elementwise("where", values, (np.dtype(bool), dtype, dtype), dtype))

    def broadcast_to(self, x: Symbol, shape: Sequence[int]) -> Symbol:
        v, nodes_of = x.value, self.builder.nodes
        lead = len(shape) - x.ndim
        old, known = (1,) * lead + v.shape, (None,) * lead + v.nodes
        nodes = [nodes_of.new(n) if n != m else k for n, m, k in zip(shape, old, known, strict=True)]
        nodes_of.note(nodes)
        return self.made(v.with_axes(shape, nodes, v.parts.reshape((1,) * lead + v.parts.shape)))

    def concatenate(self, xs: Sequence[Symbol], axis: int) -> Symbol:
        """Of arrays with length 1 along the axis, whose positions are then apart."""
        if any(x.shape[axis] != 1 for x in xs):
            raise UnfusibleError("arrays joined along an axis")
        dtype = np.result_type(*[x.dtype for x in xs])
        shape, nodes, parts = self.builder.aligned([self.builder.convert(x.value, dtype) for x in xs])
        at = len(shape) + axis if axis < 0 else axis
        return self.made(Value((*shape[:at], len(xs), *shape[at + 1 :]), nodes, np.concatenate(parts, at), dtype))

    def position(self, x: Symbol, axis: int) -> Symbol:
        """The position of each element along an axis, in the rank of `x`."""
        return self.made(self.builder.index(x.value, axis))

    def refuse(self, wrong: Symbol) -> None:
        """Notes that an argument is wrong where this is true anywhere: the operation itself then says how."""
        self.builder.checks += wrong.value.parts.ravel().tolist()

    def full_like(self, x: Symbol, value: Any) -> Symbol:
        """A constant in the dtype of `x`, which broadcasts."""
        return self.made(self.builder.constant(x.dtype.type(value)))

    def empty_like(self, x: Symbol) -> Symbol:
        return self.full_like(x, 0)

    def asarray(self, x: Symbol) -> Symbol:
        return x
