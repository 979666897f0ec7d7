"""Rules of the primitives that are ufuncs, choices, casts, shapes and reductions.

A primitive that is a ufunc is one statement, in the loop that NumPy takes for its dtypes.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from .building import SHORT, Builder, UnfusibleError, Value
from .operations import PRODUCT, UFUNCS

Rule = Callable[..., Value]
RULES: dict[str, Rule] = {}
"""Name of a primitive -> `rule(builder, *values, **params)`."""


def registering(table: dict[str, Rule]) -> Callable[[str], Callable[[Rule], Rule]]:
    """A decorator that notes the rule of the primitive named."""

    def rule(name: str) -> Callable[[Rule], Rule]:
        def register(made: Rule) -> Rule:
            table[name] = made
            return made

        return register

    return rule


rule = registering(RULES)


# Ufuncs.


def _ufunc_rule(ufunc: Any) -> Rule:
    return lambda b, *xs: b.apply(ufunc, *xs)


for _name in UFUNCS:
    RULES[_name] = _ufunc_rule(getattr(np, _name))


RULES["root"] = _ufunc_rule(np.sqrt)
RULES["conjugate"] = lambda b, x: x


@rule("share")
def share(b: Builder, x: Value, y: Value, out: Value) -> Value:
    if out.dtype.kind != "f":
        raise UnfusibleError("the share of an integer")
    mine, other = b.apply(np.equal, x, out), b.apply(np.equal, y, out)
    none, half, whole = [b.constant(out.dtype.type(part)) for part in (0, 0.5, 1)]
    return where(b, mine, where(b, other, half, whole), none)


@rule("power")
def power(b: Builder, x: Value, y: Value) -> Value:
    short = {2: np.square, 0.5: np.sqrt, -1: np.reciprocal}.get(y.weak) if y.weak is not None else None
    if short is not None and x.weak is None and x.dtype.kind == "f":
        return b.apply(short, x)
    out = b.apply(np.power, x, y)
    if out.dtype.kind != "f":
        raise UnfusibleError("powers of integers")
    return out


@rule("rectify")
def rectify(b: Builder, x: Value) -> Value:
    return b.apply(np.maximum, x, b.constant(0))


# Choices and casts.


@rule("select")
def where(b: Builder, condition: Value, x: Value, y: Value) -> Value:
    dtypes = [v.dtype if v.weak is None else v.weak for v in (x, y)]
    dtype = np.result_type(*dtypes)
    return b.elementwise("where", (condition, x, y), (np.dtype(bool), dtype, dtype), dtype)


@rule("clamp")
def clamp(b: Builder, x: Value, low: Value, high: Value) -> Value:
    return b.apply(np.minimum, b.apply(np.maximum, x, low), high)


@rule("convert")
def convert(b: Builder, x: Value, dtype: Any) -> Value:
    dtype = np.dtype(dtype)
    if x.weak is not None:
        raise UnfusibleError("a cast number")
    if x.dtype.kind == "f" and dtype.kind in "iu" and dtype.char not in "ilq":
        raise UnfusibleError(f"{x.dtype} to {dtype}: out of range it is what the processor makes of it")
    return b.convert(x, dtype)


RULES["convert_to_discrete"] = convert
RULES["duplicate"] = lambda b, x: x


# Shapes.


def keeps_axes(x: Any, shape: tuple[int, ...]) -> bool:
    """Whether a reshape only adds and removes axes of length 1."""
    return [n for n in x.shape if n != 1] == [n for n in shape if n != 1]


@rule("reshape")
def reshape(b: Builder, x: Value, shape: tuple[int, ...]) -> Value:
    """Axes of length 1 come and go."""
    if not keeps_axes(x, shape):
        raise UnfusibleError("a reshape that joins or cuts axes")
    longer = iter([i for i, n in enumerate(x.shape) if n != 1])
    nodes = [None if n == 1 else x.nodes[next(longer)] for n in shape]
    longer = iter([n for i, n in enumerate(x.parts.shape) if x.shape[i] != 1])
    return x.with_axes(shape, nodes, x.parts.reshape([1 if n == 1 else next(longer) for n in shape]))


@rule("broadcast_to")
def broadcast_to(b: Builder, x: Value, shape: tuple[int, ...]) -> Value:
    lead = len(shape) - len(x.shape)
    old = (1,) * lead + x.shape
    known = (None,) * lead + x.nodes
    nodes = [b.nodes.new(n) if n != m else k for n, m, k in zip(shape, old, known, strict=True)]
    b.nodes.note(nodes)
    return x.with_axes(shape, nodes, x.parts.reshape((1,) * lead + x.parts.shape))


@rule("repeat_along")
def repeat_along(b: Builder, x: Value, axis: tuple[int, ...], sizes: tuple[int, ...], keepdims: bool) -> Value:
    rank = len(x.shape) + (0 if keepdims else len(axis))
    rest = iter([n for i, n in enumerate(x.shape, -len(x.shape)) if not (keepdims and i in axis)])
    full = [(axis.index(i), 1) if i in axis else (None, next(rest)) for i in range(-rank, 0)]
    kept = reshape(b, x, tuple([n for _, n in full]))
    return broadcast_to(b, kept, tuple([n if at is None else sizes[at] for at, n in full]))


@rule("transpose")
def transpose(b: Builder, x: Value, perm: tuple[int, ...]) -> Value:
    lead = len(x.shape) - len(perm)
    order = [*range(lead), *[len(x.shape) + p for p in perm]]
    return x.with_axes([x.shape[i] for i in order], [x.nodes[i] for i in order], x.parts.transpose(order))


@rule("stack")
def stack(b: Builder, *xs: Value, axis: int) -> Value:
    dtype = np.result_type(*[x.dtype for x in xs])
    shape, nodes, parts = b.aligned([b.convert(x, dtype) for x in xs])
    at = len(shape) + 1 + axis
    made = np.stack(parts, at)
    return Value((*shape[:at], len(xs), *shape[at:]), (*nodes[:at], None, *nodes[at:]), made, dtype)


@rule("slice_read")
def slice_read(b: Builder, x: Value, index: tuple[Any, ...], copy: bool = False) -> Value:
    """Positions of short axes by number; all of an axis; new axes of length 1."""
    shape, nodes, i = list(x.shape), list(x.nodes), len(x.shape) - sum([e is not None for e in index])
    picked: list[Any] = [slice(None)] * i
    shape, nodes = shape[:i], nodes[:i]
    for entry in index:
        if entry is None:
            shape, nodes = [*shape, 1], [*nodes, None]
        elif isinstance(entry, int):
            x = b.apart(x, i)
            picked_at = entry % x.shape[i]
            picked.append(picked_at)
            i += 1
            continue
        elif slice(*entry).indices(x.shape[i]) == (0, x.shape[i], 1):
            shape, nodes = [*shape, x.shape[i]], [*nodes, x.nodes[i]]
            i += 1
        else:
            raise UnfusibleError("a slice of a part of an axis")
        picked.append(None if entry is None else slice(None))
    parts = x.parts[(*picked, ...)]
    return Value(tuple(shape), tuple(nodes), parts, x.dtype)


def picks_or_keeps(x: Any, index: tuple[Any, ...]) -> bool:
    """Whether an index takes positions of short axes, and all of the others."""
    entries = [e for e in index if e is not None]
    axes = x.shape[len(x.shape) - len(entries) :]
    return all(
        n <= SHORT if isinstance(e, int) else slice(*e).indices(n) == (0, n, 1)
        for e, n in zip(entries, axes, strict=True)
    )


def sums_nothing(subscripts: str) -> bool:
    """Whether a product has all axes of its factors."""
    terms, out = subscripts.split("->")
    return set(terms) - {"1", ","} <= set(out)


@rule("contract")
def contract(b: Builder, x: Value, y: Value, subscripts: str) -> Value:
    """Products without a sum: outer products, rows times factors."""
    terms, out = subscripts.split("->")
    left, right = terms.split(",")
    repeated = any(term.count(name) > 1 for term in (left, right, out) for name in term if name != "1")
    if x.dtype != y.dtype or x.dtype.kind == "b" or repeated or not sums_nothing(subscripts):
        raise UnfusibleError("a sum of products")
    factors = (_named(b, x, left, out), _named(b, y, right, out))
    return b.elementwise(PRODUCT, factors, (x.dtype, x.dtype), x.dtype)


def _named(b: Builder, x: Value, term: str, out: str) -> Value:
    kept = [i for i, name in enumerate(term) if name != "1"]
    order = sorted(kept, key=lambda i: out.index(term[i]))
    ones = [i for i, name in enumerate(term) if name == "1"]
    turned = transpose(b, x, tuple([i - len(term) for i in (*ones, *order)]))
    names = [term[i] for i in order]
    lengths = {name: x.shape[i] for name, i in zip(names, order, strict=True)}
    return reshape(b, turned, tuple([lengths.get(name, 1) for name in out]))


# Reductions.


def _reduction(operation: str, combine: str, truth: bool = False) -> Rule:
    def reduce(b: Builder, x: Value, axis: tuple[int, ...], keepdims: bool) -> Value:
        if x.weak is not None:
            raise UnfusibleError("a reduced number")
        dtype = np.dtype(bool) if truth else x.dtype
        if operation == "sum" and dtype.kind in "biu":
            dtype = np.empty(0, dtype).sum().dtype
        return b.reduce(operation, combine, x, axis, keepdims, dtype)

    return reduce


RULES["reduce_sum"] = total = _reduction("sum", "add")
RULES["reduce_max"] = largest = _reduction("max", "maximum")
RULES["reduce_min"] = _reduction("min", "minimum")
RULES["reduce_any"] = _reduction("any", "logical_or", truth=True)
RULES["reduce_all"] = _reduction("all", "logical_and", truth=True)


@rule("euclidean")
def euclidean(b: Builder, x: Value, axis: tuple[int, ...], keepdims: bool) -> Value:
    return b.apply(np.sqrt, total(b, b.apply(np.multiply, x, x), axis, keepdims))
