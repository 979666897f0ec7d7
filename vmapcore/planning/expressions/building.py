"""Builds an `Expression`: values with shapes, whose axes are found to be the same as they meet.

Every axis longer than 1 of an operand starts as a node of its own; an elementwise operation unites the nodes that it
aligns (`nodes.py`). A short axis that is stacked up, or picked from by number, has no node: its positions are computed
apart.
"""

import functools
from collections.abc import Callable, Iterable, Sequence
from itertools import product
from typing import Any, NamedTuple

import numpy as np

from .expression import Argument, Constant, Dimension, Statement, Store
from .nodes import Node, Nodes

SHORT = 8
"""The longest axis whose positions are computed apart."""

DTYPES = frozenset(map(np.dtype, "?bBhHiIlLqQfd"))
"""What kernels hold: no complex numbers, no float16."""


class UnfusibleError(Exception):
    """The group holds what no kernel can do; its text says what."""


class Value(NamedTuple):
    """An array of the program.

    `parts` has its rank, and length 1 along every axis but those whose positions are computed apart; `nodes` is None
    there and where the array itself has length 1. `weak` is the Python number that it is.
    """

    shape: tuple[int, ...]
    nodes: tuple[Node, ...]
    parts: Any
    dtype: Any
    weak: Any = None

    def with_axes(self, shape: Sequence[int], nodes: Sequence[Node], parts: Any) -> "Value":
        return Value(tuple(shape), tuple(nodes), parts, self.dtype)


def one_part(shape: Sequence[int], part: Argument) -> Any:
    parts = np.empty((1,) * len(shape), object)
    parts[(0,) * len(shape)] = part
    return parts


class Builder:
    """Statements so far, by nodes instead of axes; equal ones are made once."""

    def __init__(self) -> None:
        self.nodes = Nodes()
        self.find = self.nodes.find
        self.statements: list[Statement] = []
        self.known: dict[Any, int] = {}
        self.stores: list[Store] = []
        self.checks: list[int] = []

    # Values.

    def operand(self, number: int, shape: tuple[int, ...], dtype: Any, order: Sequence[int]) -> Value:
        """Input `number`, whose axes lie in memory in the `order` given, from the outermost."""
        nodes = [None if n == 1 else self.nodes.new(n) for n in shape]
        self.nodes.note(nodes)
        place = tuple([Dimension(-1 if (n := nodes[i]) is None else n, shape[i]) for i in order])
        return Value(shape, tuple(nodes), one_part(shape, self._load(number, place, dtype)), dtype)

    def _load(self, number: int, place: tuple[Dimension, ...], dtype: Any) -> int:
        return self.emit(Statement("load", (), dtype, (), (), number, place))

    def constant(self, value: Any) -> Value:
        if type(value) in (int, float):
            return Value((), (), None, None, value)
        scalar = np.asarray(value)[()]
        return Value((), (), one_part((), Constant(scalar)), scalar.dtype)

    def emit(self, statement: Statement) -> int:
        key = (*statement[:1], tuple(map(_key, statement.args)), *statement[2:])
        found = self.known.get(key)
        if found is None:
            found = self.known[key] = len(self.statements)
            self.statements.append(statement)
        return found

    # Operations.

    def cast(self, x: Argument, dtype: Any) -> Argument:
        if isinstance(x, Constant):
            with np.errstate(all="ignore"):
                return x if x.dtype == dtype else Constant(x.value.astype(dtype))
        return x if self.statements[x].dtype == dtype else self.emit(Statement("cast", (x,), dtype, ()))

    def convert(self, x: Value, dtype: Any) -> Value:
        parts = _each(lambda p: self.cast(p, dtype), x.parts)
        return Value(x.shape, x.nodes, parts, dtype)

    def apply(self, ufunc: Any, *args: Value) -> Value:
        """A ufunc of one result, in the loop that NumPy takes for these dtypes."""
        kinds = [a.dtype if a.weak is None else type(a.weak) for a in args]
        try:
            *loop, out = ufunc.resolve_dtypes((*kinds, None))
        except TypeError as error:
            raise UnfusibleError(str(error)) from None
        if not DTYPES.issuperset((*loop, out)):
            raise UnfusibleError(f"{ufunc.__name__} in {loop}")
        return self.elementwise(ufunc.__name__, args, loop, out)

    def elementwise(self, operation: str, args: Sequence[Value], loop: Sequence[Any], out: Any) -> Value:
        """`operation` of arguments that broadcast and are first cast to the dtypes `loop`."""
        args = [_typed(a, dtype) for a, dtype in zip(args, loop, strict=True)]
        shape, nodes, parts = self.aligned(args)
        made = np.empty(parts[0].shape, object)
        for i in np.ndindex(made.shape):
            arguments = tuple([self.cast(p[i], dtype) for p, dtype in zip(parts, loop, strict=True)])
            known = arguments[0] if operation == "where" else None
            if isinstance(known, Constant):
                made[i] = arguments[1] if known.value else arguments[2]
            else:
                made[i] = self.emit(Statement(operation, arguments, out, ()))
        return Value(shape, nodes, made, out)

    def aligned(self, args: Sequence[Value]) -> tuple[tuple[int, ...], tuple[Node, ...], list[Any]]:
        """Unites the axes that meet; returns the shape, its nodes, and the parts, broadcast."""
        shape = np.broadcast_shapes(*[a.shape for a in args])
        rank = len(shape)
        for i in range(-rank, 0):
            if any(len(a.shape) >= -i and a.parts.shape[i] > 1 for a in args):
                args = [self.apart(a, i) if len(a.shape) >= -i and a.nodes[i] is not None else a for a in args]
        nodes, anew = self.nodes.meet([(None,) * (rank - len(a.shape)) + a.nodes for a in args])
        found = [_each(functools.partial(self._along, names), a.parts) for names, a in zip(anew, args, strict=True)]
        parts = [p.reshape((1,) * (rank - p.ndim) + p.shape) for p in found]
        return shape, tuple(nodes), list(np.broadcast_arrays(*parts))

    def _along(self, names: dict[int, int], part: Argument) -> Argument:
        """A part computed again, along other nodes in the places of those named."""
        if not names or isinstance(part, Constant):
            return part
        names = {self.find(old): self.find(new) for old, new in names.items()}
        reached = self.reached([part])
        taken = {n for i in reached for n in self._own(i)} & set(names.values()) - names.keys()
        names = {**names, **{n: self.nodes.new(self.nodes.lengths[n]) for n in taken}}  # those are reduced within
        made: dict[int, int] = {}
        varies: dict[int, set[int]] = {}
        for i in reached:
            s = self.statements[i]
            below = [varies[a] for a in s.args if isinstance(a, int)]
            whole = set().union(self._own(i), *below)
            varies[i] = whole - set(map(self.find, s.over))
            if varies[i].isdisjoint(names):
                made[i] = i
                continue
            self.nodes.note({names.get(n, n) for n in whole})
            args = tuple([made.get(a, a) if isinstance(a, int) else a for a in s.args])
            axes, over = [tuple([names.get(self.find(n), n) for n in ns]) for ns in (s.axes, s.over)]
            dims = [d._replace(axis=names.get(self.find(d.axis), d.axis)) if d.axis >= 0 else d for d in s.dims]
            made[i] = self.emit(s._replace(args=args, axes=axes, over=over, dims=tuple(dims)))
        return made[part]

    def apart(self, x: Value, axis: int) -> Value:
        """`x`, an operand as it was loaded, with the positions of a short axis apart."""
        length = x.shape[axis]
        if x.parts.shape[axis] == length:
            return x
        if length > SHORT:
            raise UnfusibleError(f"an axis of {length} is picked from")
        pieces = [_each(functools.partial(self._held, x.nodes[axis], at), x.parts) for at in range(length)]
        nodes = list(x.nodes)
        nodes[axis] = None
        return x.with_axes(x.shape, nodes, np.concatenate(pieces, axis))

    def _held(self, node: Node, at: int, part: Argument) -> Argument:
        assert node is not None
        if isinstance(part, Constant):
            return part
        s = self.statements[part]
        here = self.find(node)
        if s.operation != "load":
            if any(here in self._own(i) for i in self.reached([part])):
                raise UnfusibleError("a computed axis is picked from")
            return part
        dims = [Dimension(-1, d.length, at) if d.axis >= 0 and self.find(d.axis) == here else d for d in s.dims]
        return self._load(s.operand, tuple(dims), s.dtype)

    def reached(self, parts: Iterable[Argument]) -> list[int]:
        """The statements that parts are computed from, and they themselves, in their order."""
        found: set[int] = set()
        left = [part for part in parts if isinstance(part, int)]
        while left:
            i = left.pop()
            if i not in found:
                found.add(i)
                left += [a for a in self.statements[i].args if isinstance(a, int)]
        return sorted(found)

    def _own(self, statement: int) -> set[int]:
        """The axes that a statement names itself."""
        s = self.statements[statement]
        return {self.find(n) for n in (*s.axes, *s.over, *[d.axis for d in s.dims if d.axis >= 0])}

    def reduce(self, operation: str, combine: Any, x: Value, axis: Sequence[int], keepdims: bool, dtype: Any) -> Value:
        """`x`, first cast to `dtype`, combined along the negative axes; `combine` does it to positions apart."""
        x = self.convert(x, dtype)
        parts = x.parts
        for i in axis:
            if parts.shape[i] > 1:
                folded, *rows = np.split(parts, parts.shape[i], i)
                for row in rows:
                    folded = _each(lambda p, q: self.emit(Statement(combine, (p, q), dtype, ())), folded, row)
                parts = folded
        over = tuple([self.find(n) for i in axis if (n := x.nodes[i]) is not None])
        if over:
            parts = _each(lambda p: self.emit(Statement(operation, (p,), dtype, (), over)), parts)
        return self._without(x, parts, axis, keepdims)

    def _without(self, x: Value, parts: Any, axis: Sequence[int], keepdims: bool) -> Value:
        rank = len(x.shape)
        if keepdims:
            shape = [1 if i - rank in axis else n for i, n in enumerate(x.shape)]
            return x.with_axes(shape, [None if i - rank in axis else n for i, n in enumerate(x.nodes)], parts)
        kept = [i for i in range(rank) if i - rank not in axis]
        parts = parts.reshape([parts.shape[i] for i in kept])
        return x.with_axes([x.shape[i] for i in kept], [x.nodes[i] for i in kept], parts)

    def index(self, x: Value, axis: int) -> Value:
        """The position along an axis of `x`, in its rank."""
        rank, length = len(x.shape), x.shape[axis]
        shape = [length if i - rank == axis else 1 for i in range(rank)]
        node = x.nodes[axis]
        if node is not None:
            part = self.emit(Statement("index", (), np.dtype(np.int64), (self.find(node),)))
            nodes = [node if n > 1 else None for n in shape]
            return Value(tuple(shape), tuple(nodes), one_part(shape, part), np.dtype(np.int64))
        parts = np.empty(shape, object)
        for i in np.ndindex(parts.shape):
            parts[i] = Constant(np.int64(i[axis]))
        return Value(tuple(shape), (None,) * rank, parts, np.dtype(np.int64))

    def store(self, x: Value, output: int, order: Sequence[int]) -> None:
        held = [range(n) for n in x.parts.shape]
        for at in product(*held):
            dims = [Dimension(-1 if (n := x.nodes[i]) is None else n, x.shape[i], at[i]) for i in order]
            self.stores.append(Store(x.parts[at], output, tuple(dims)))


def _key(argument: Argument) -> Any:
    return (argument.dtype, argument.value.tobytes()) if isinstance(argument, Constant) else argument


def _typed(x: Value, dtype: Any) -> Value:
    """A weak number in the dtype of the loop."""
    if x.weak is None:
        return x
    try:
        scalar = np.asarray(x.weak, dtype)[()]
    except OverflowError as error:
        raise UnfusibleError(str(error)) from None
    return Value((), (), one_part((), Constant(scalar)), dtype)


def _each(function: Callable[..., Any], *parts: Any) -> Any:
    made = np.empty(parts[0].shape, object)
    for i in np.ndindex(made.shape):
        made[i] = function(*[p[i] for p in parts])
    return made
