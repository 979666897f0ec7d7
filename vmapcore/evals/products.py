"""How a product of two arrays with named axes reaches BLAS: a plan, made once per names, shapes, strides and dtypes.

The labels of a product are those shared by both operands and the result (a stack of matrix products), those summed,
and those free in one operand (rows, columns). Each group becomes one axis. What runs is `np.dot` where nothing is
stacked, else `np.matmul`, which calls BLAS once per member of the stack and is slow on operands that BLAS cannot
take as they lie in memory; such operands are copied once. Small and unfavourable products go to `np.einsum`.
"""

import functools
from collections.abc import Sequence
from itertools import pairwise
from math import prod
from string import ascii_letters
from typing import Any, NamedTuple

import numpy as np

from ..thresholds import IN_A_ROW
from .reductions import in_blocks, total

Labels = Sequence[str]


class Layout(NamedTuple):
    """What is done to an operand: transpose, copy, reshape, swap the last two axes."""

    axes: tuple[int, ...] | None
    copy: bool
    shape: tuple[int, ...] | None
    flip: bool

    def apply(self, xp: Any, x: Any) -> Any:
        """Returns `x` laid out."""
        if self.axes is not None:
            x = x.transpose(self.axes)
        if self.copy:
            x = xp.ascontiguousarray(x)
        if self.shape is not None:
            x = x.reshape(self.shape)
        return x.swapaxes(-1, -2) if self.flip else x


class ProductPlan(NamedTuple):
    """A product: operands (`swap`ped first) laid out, `function` of them, the result reshaped and transposed."""

    function: str
    """"dot", "matmul", "multiply", "einsum", the last with `names`, or "blocks", the function here."""
    swap: bool
    x: Layout | None
    y: Layout | None
    shape: tuple[int, ...] | None
    axes: tuple[int, ...] | None
    names: str = ""

    def operands(self, xp: Any, x: Any, y: Any) -> tuple[Any, Any]:
        """Returns what `function` takes."""
        if self.swap:
            x, y = y, x
        return (x if self.x is None else self.x.apply(xp, x), y if self.y is None else self.y.apply(xp, y))

    def result(self, made: Any) -> Any:
        """Returns what `function` gave with the axes of the product."""
        if self.shape is not None:
            made = made.reshape(self.shape)
        return made if self.axes is None else made.transpose(self.axes)


def terms_of(subscripts: str) -> tuple[str, str, str]:
    """The names of the axes of both operands and of the result."""
    operands, out = subscripts.split("->")
    x, y = operands.split(",")
    return x, y, out


def multiplied(names: str, x: Any, y: Any, out: Any = None) -> Any:
    """`np.einsum(names, x, y, out=out)` of NumPy's arrays, whose long sums are added up as `total` adds them."""
    split = _split(names, x.shape, y.shape) if x.dtype.kind in "fc" or y.dtype.kind in "fc" else None
    if split is None:
        return np.einsum(names, x, y, out=out)
    (blocks, rest), places, summed = split
    (x, x_rest), (y, y_rest) = (in_blocks(a, at) for a, at in zip((x, y), places, strict=True))
    terms = np.einsum(blocks, x, y)
    terms[: x_rest.shape[places[0]]] += np.einsum(rest, x_rest, y_rest)
    made = total(np, terms, tuple(range(-terms.ndim, summed - terms.ndim)), False)
    if out is None:
        return made
    np.copyto(out, made)
    return out


@functools.lru_cache(maxsize=4096)
def _split(names: str, x_shape: tuple[int, ...], y_shape: tuple[int, ...]) -> Any:
    """The names of a product with its longest summed axis in blocks, and of what these leave, whose results begin with
    axes to be summed; where that axis is in both operands; and how many those are. None where sums are short."""
    x, y, out = terms_of(names)
    size = {c: n for c, n in zip(x, x_shape, strict=True) if c not in out}
    if prod(size.values()) <= 2 * IN_A_ROW:
        return None
    long = max(size, key=size.__getitem__)
    block = next(c for c in ascii_letters if c not in names)
    later = block + "".join([c for c in size if c != long])
    found = [
        ",".join([term.replace(long, name) for term in (x, y)]) + f"->{later}{out}" for name in (long + block, block)
    ]
    return found, [term.index(long) - len(term) for term in (x, y)], len(later)


def blocks(x: Any, y: Any) -> Any:
    """`np.matmul(x, y)` of rows and matrices, or of matrices and columns, in whose memory summands lie far apart.

    BLAS adds these up one after the other; here, blocks of them and then what those have made: float32, 40000 by 12,
    39 us against 25, and 2 to 6 units in the last place against 21.
    """
    if x.ndim > 1 < x.shape[-2]:
        made = blocks(y if y.ndim == 1 else y.swapaxes(-1, -2), x.swapaxes(-1, -2))
        return made if y.ndim == 1 else made.swapaxes(-1, -2)
    depth, columns = y.shape[-2:]
    whole = depth // IN_A_ROW * IN_A_ROW
    rows = x[..., :whole].reshape(*x.shape[:-2], -1, 1, IN_A_ROW)
    terms = np.matmul(rows, y[..., :whole, :].reshape(*y.shape[:-2], -1, IN_A_ROW, columns))
    terms[..., 0, :, :] += np.matmul(x[..., whole:], y[..., whole:, :])
    made = total(np, terms, (-3,), False)
    return made[0] if x.ndim == 1 else made


class _Operand:
    """One operand: the labels of its axes, but for those of length 1, with their lengths and strides."""

    def __init__(self, term: str, shape: tuple[int, ...], strides: tuple[int, ...], unit: int) -> None:
        self.shape = shape
        self.unit = unit
        self.place = {c: i for i, c in enumerate(term) if shape[i] != 1}
        self.size = {c: shape[i] for c, i in self.place.items()}
        self.stride = {c: strides[i] for c, i in self.place.items()}
        self.free: list[str] = []

    def sort(self, labels: Labels) -> list[str]:
        """`labels` as they lie in memory, the outermost first."""
        return sorted(labels, key=lambda c: -self.stride[c])

    def count(self, labels: Labels) -> int:
        return prod([self.size[c] for c in labels])

    def merges(self, labels: Labels) -> bool:
        """Whether `labels` become one axis without a copy."""
        return all(self.stride[a] == self.stride[b] * self.size[b] for a, b in pairwise(labels))

    def fits(self, rows: Labels, columns: Labels) -> bool:
        """Whether BLAS takes the matrix of `rows` by `columns` as it lies: either runs in steps of one element."""
        if not (self.merges(rows) and self.merges(columns)):
            return False
        down = self.stride[rows[-1]] if rows else 0
        along = self.stride[columns[-1]] if columns else 0
        if not (rows and columns):
            return down + along == self.unit
        outer, inner = (down, columns) if along == self.unit else (along, rows)
        return self.unit in (down, along) and outer >= self.unit * self.count(inner) and outer % self.unit == 0

    def to_loop(self, summed: Labels, others: int) -> list[str]:
        """The free labels, outermost in memory, to stack over where folding them would need a copy that costs more.

        BLAS is at full speed on a block of 32 rows. Of thinner ones a copy pays where the other operand, read again
        for each of them, outweighs it: 128 rows of 784, times 64 blocks of 784x4: loop 1.86 ms, copy and fold 0.44;
        16 rows of 16 times 1000 blocks of 16x16: 0.25 and 0.30.
        """
        for i in range(len(self.free)):
            if self.fits(self.free[i:], summed):
                block = self.count(self.free[i:])
                pays = block < 32 and (others > 4 * block or block * self.count(summed) <= 64)
                return [] if pays else self.free[:i]
        return []

    def layout(self, stack: Labels, summed: Labels, summed_first: bool) -> Layout | None:
        """How it becomes a stack of matrices; those of the second operand have the summed axis first."""
        free = [c for c in self.free if c not in stack]
        groups = (summed, free) if summed_first else (free, summed)
        copy = not self.fits(*groups)
        flip = copy and self._copies_better_flipped(*groups)
        groups = groups[::-1] if flip else groups
        order = [c for c in stack if c in self.size] + [c for group in groups for c in group]
        shape = [self.size.get(c, 1) for c in stack] + [self.count(group) for group in groups if group or stack]
        return self._layout(order, tuple(shape), copy and bool(stack), flip)  # np.dot copies what it must by itself

    def _copies_better_flipped(self, rows: Labels, columns: Labels) -> bool:
        """A copy runs along its last axis: that keeps runs of 32 which lie in memory so, or else is the longer one."""
        if not (rows and columns):
            return False
        innermost = self.sort([*rows, *columns])[-1]
        return innermost in rows if self.size[innermost] >= 32 else self.size[rows[-1]] > self.size[columns[-1]]

    def aligned(self, out: Labels) -> Layout | None:
        """How it broadcasts to the labels `out`."""
        return self._layout([c for c in out if c in self.size], tuple([self.size.get(c, 1) for c in out]))

    def squeezed(self) -> Layout | None:
        """How it has its labels for axes, and no others."""
        return self._layout(list(self.size), tuple(self.size.values()))

    def _layout(self, order: Labels, shape: tuple[int, ...], copy: bool = False, flip: bool = False) -> Layout | None:
        axes = [self.place[c] for c in order]
        moved = axes != sorted(axes)
        if not (moved or copy or flip or shape != self.shape):
            return None
        units = [i for i, n in enumerate(self.shape) if n == 1]
        new_shape = shape if moved or shape != self.shape else None
        return Layout((*axes, *units) if moved else None, copy, new_shape, flip)


@functools.lru_cache(maxsize=4096)
def plan_product(
    subscripts: str,
    x_shape: tuple[int, ...],
    y_shape: tuple[int, ...],
    x_strides: tuple[int, ...],
    y_strides: tuple[int, ...],
    x_dtype: np.dtype[Any],
    y_dtype: np.dtype[Any],
    on_numpy: bool,
) -> ProductPlan:
    """Plans the product that `subscripts` names, as `contract` defines it."""
    x_term, y_term, out_term = terms_of(subscripts)
    x = _Operand(x_term, x_shape, x_strides, x_dtype.itemsize)
    y = _Operand(y_term, y_shape, y_strides, y_dtype.itemsize)
    size = x.size | y.size
    out = [c for c in out_term if c in size]
    x.free = x.sort([c for c in out if c not in y.size])
    y.free = y.sort([c for c in out if c not in x.size])
    swap = bool(y.free) and out[-1] in x.free  # the result lies in memory with its columns last
    if swap:
        x, y = y, x
    shared = [c for c in out if c in x.size and c in y.size]
    summed = _summed(x, y, [c for c in x.size if c not in out])

    inexact = x_dtype.kind in "fc" or y_dtype.kind in "fc"
    if on_numpy and _suits_einsum(x, y, shared, summed, inexact):
        names = dict(zip(size, ascii_letters, strict=False))
        left, right, result = ("".join([names[c] for c in term]) for term in (x.size, y.size, out))
        layouts = x.squeezed(), y.squeezed()
        return ProductPlan("einsum", swap, *layouts, *_restored(out, out_term, size), names=f"{left},{right}->{result}")
    if not summed:
        return ProductPlan("multiply", swap, x.aligned(out), y.aligned(out), *_restored(out, out_term, size))
    looped = {*shared, *x.to_loop(summed, y.count(y.free)), *y.to_loop(summed, x.count(x.free))}
    stack = [c for c in out if c in looped]
    free = [[c for c in a.free if c not in looped] for a in (x, y)]
    merged = max(map(len, free)) > 1 or (bool(stack) and not all(free))
    layouts = x.layout(stack, summed, False), y.layout(stack, summed, True)
    restored = _restored([*stack, *free[0], *free[1]], out_term, size, merged)
    function = "blocks" if on_numpy and _adds_in_a_row(x, y, stack, summed) else "matmul" if stack else "dot"
    return ProductPlan(function, swap, *layouts, *restored)


def _summed(x: _Operand, y: _Operand, labels: Labels) -> list[str]:
    """`labels` in an order that lets both operands merge them, or else the larger one."""
    orders = x.sort(labels), y.sort(labels)
    for order in orders:
        if x.merges(order) and y.merges(order):
            return order
    return orders[0] if prod(x.shape) >= prod(y.shape) else orders[1]


def _suits_einsum(x: _Operand, y: _Operand, shared: Labels, summed: Labels, inexact: bool) -> bool:
    """Where NumPy's own loop is faster than its calls of BLAS.

    Measured, einsum against matmul: 64 outer products of 128x784 in 1.5 ms against 9.1 (multiply: 2.9); integers,
    for which there is no BLAS, 256x256x256 in 9.5 ms against 26; 10000 vectors times 3x3 matrices 0.20 against 0.37;
    with the batch innermost in memory, 1000 products of 3x3 matrices 0.010 against 0.10, and 64 of a vector with
    128x784 matrices 2.5 against 23.
    """
    rows, columns, depth = x.count(x.free), y.count(y.free), x.count(summed)
    if not summed:
        return bool(x.free and y.free) and rows * columns * x.count(shared) >= 256
    if not inexact:
        return True
    if not shared:
        return False
    fits = x.fits(x.free, summed) and y.fits(summed, y.free)
    if x.free and y.free:
        return not fits and rows * depth * columns <= 512 and all(a.sort(list(a.size))[-1] in shared for a in (x, y))
    return not fits or rows * depth * columns <= (16 if x.free or y.free else 64)


def _adds_in_a_row(x: _Operand, y: _Operand, stack: Labels, summed: Labels) -> bool:
    """Whether BLAS would add up very many terms of a vector and a matrix one after the other."""
    rows, columns = ([c for c in a.free if c not in stack] for a in (x, y))
    if bool(rows) == bool(columns) or x.count(summed) <= 16 * IN_A_ROW:
        return False
    matrix, groups = (x, (rows, summed)) if rows else (y, (summed, columns))
    if matrix.fits(*groups):
        return matrix.sort([*rows, *columns, *summed])[-1] not in summed
    return bool(columns) != matrix._copies_better_flipped(*groups)


def _restored(
    labels: Labels, out_term: str, size: dict[str, int], merged: bool = False
) -> tuple[tuple[int, ...] | None, tuple[int, ...] | None]:
    """The shape and then the transposition that make a result with `labels` one with the axes `out_term`."""
    units = [i for i, c in enumerate(out_term) if c not in size]
    place = {c: i for i, c in enumerate(labels)}
    order = [place[c] for c in out_term if c in size]
    if order == sorted(order):
        return (tuple([size.get(c, 1) for c in out_term]) if merged or units else None), None
    ends = {i: len(labels) + j for j, i in enumerate(units)}
    axes = tuple([ends[i] if i in ends else place[c] for i, c in enumerate(out_term)])
    return (*[size[c] for c in labels], *[1] * len(units)) if merged or units else None, axes
