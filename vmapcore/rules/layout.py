"""Shape and order of axes: reshape, transpose, broadcast, flip, copy.

`reshape` and `broadcast_to` batch with the batch in front of the shape they are given. The other primitives work on
last axes, named by negative ints, and batch as themselves. The functions below them have NumPy's spellings and make
NumPy's views.
"""

import functools
import math
from collections.abc import Callable, Sequence
from itertools import takewhile
from typing import Any

import numpy as np

from ..core import Axes, Memory, facts, primitive
from ..errors import ArgumentError, AxisError, ShapeError, describe
from ..numpy_protocol import implements
from ..tracer import Tracer
from ..views import is_contiguous, mark_contiguous
from ._axes import EACH, Labels
from ._families import as_new_array, common_shape, linear, link, match, operand, trailing
from ._ints import as_int, as_ints, as_sizes, axis_ints, is_row, last_axes, last_axis, named_axes
from ._work import nothing

Shape = tuple[int, ...]


# Primitives.


def _reshaped(shapes: Any, outs: Any, *, shape: Shape) -> Labels:
    """The axes in front that stay as they are."""
    same = len(list(takewhile(lambda pair: pair[0] == pair[1], zip(shapes[0], outs[0], strict=False))))
    front = tuple(range(same if math.prod(shapes[0]) else 0))
    source, made = (front + (None,) * (len(full) - len(front)) for full in (shapes[0], outs[0]))
    return Labels((source,), (made,))


def _transposed(shapes: Any, outs: Any, *, perm: tuple[int, ...]) -> Labels:
    source = tuple(range(len(shapes[0])))
    return Labels((source,), (tuple([source[i] for i in _every_axis(len(source), perm)]),))


@facts(work=nothing, axes=Axes(_reshaped, lambda params, shape: {"shape": shape}), memory=Memory.VIEW, formula=True)
@primitive
def reshape(xp: Any, x: Any, *, shape: Shape) -> Any:
    """`x` in `shape`, whose sizes are all given."""
    return x.reshape(shape)


reshape.def_vmap(lambda size, mapped, x, *, shape: reshape(x, shape=(size, *shape)))
linear(reshape)(lambda g, out, x, *, shape: reshape(g, shape=x.shape))


@trailing(work=nothing, axes=Axes(_transposed), memory=Memory.VIEW, formula=True)
def transpose(xp: Any, x: Any, *, perm: tuple[int, ...]) -> Any:
    """`x` with its last axes in the order `perm`, negative ints."""
    return x.transpose(_every_axis(len(x.shape), perm))


@functools.lru_cache(maxsize=1024)
def _every_axis(ndim: int, perm: tuple[int, ...]) -> tuple[int, ...]:
    return (*range(ndim - len(perm)), *[ndim + p for p in perm])


@functools.lru_cache(maxsize=1024)
def inverse(perm: tuple[int, ...]) -> tuple[int, ...]:
    """The permutation, in negative ints, that undoes `perm`."""
    n = len(perm)
    return tuple([perm.index(a) - n for a in range(-n, 0)])


linear(transpose)(lambda g, out, x, *, perm: transpose(g, perm=inverse(perm)))


@facts(work=nothing, axes=Axes(EACH.labels, lambda params, shape: {"shape": shape}), memory=Memory.VIEW, formula=True)
@primitive
def broadcast_to(xp: Any, x: Any, *, shape: Shape) -> Any:
    """`x` broadcast to `shape`, without a copy."""
    return xp.broadcast_to(x, shape)


@broadcast_to.def_vmap
def broadcast_to_vmap(size: int, mapped: Sequence[bool], x: Any, *, shape: Shape) -> Any:
    gained = (1,) * (len(shape) + 1 - len(x.shape))  # axes that an example gains come after the batch
    return broadcast_to(reshape(x, shape=(size, *gained, *x.shape[1:])) if gained else x, shape=(size, *shape))


linear(broadcast_to)(lambda g, out, x, *, shape: match(g, x))


@trailing(work=nothing, memory=Memory.VIEW)
def flip(xp: Any, x: Any, *, axes: tuple[int, ...]) -> Any:
    """`x` with the order reversed along the negative `axes`."""
    backwards = [slice(None)] * -min(axes, default=0)
    for a in axes:
        backwards[a] = slice(None, None, -1)
    return x[(..., *backwards)]


linear(flip)(lambda g, out, x, *, axes: flip(g, axes=axes))


@trailing(axes=EACH, work=nothing, memory=Memory.COPY, formula=True)
def duplicate(xp: Any, x: Any) -> Any:
    """`x` in memory of its own, so that what a function asked to be a copy is no argument of it."""
    return x.copy()


linear(duplicate)(lambda g, out, x: g)


# Views: each notes how it is read from its base, and how a write to it is carried back.


def rearranged(a: Any, there: Callable[[Any], Any], back: Callable[[Any], Any], certain: bool = True) -> Any:
    """Returns `there(a)`, a view of the same elements in another arrangement; `back` undoes it."""
    view = there(a)
    return link(a, view, there, lambda base, written: back(written), certain) if isinstance(a, Tracer) else view


def read_only(a: Any, there: Callable[[Any], Any]) -> Any:
    """Returns `there(a)`, a view that NumPy does not let one write to."""
    return link(a, there(a), there, None)


@functools.lru_cache(maxsize=4096)
def _full_shape(old: Shape, new: Shape) -> Shape:
    """`new` with the one size that may be -1 worked out."""
    total, known = math.prod(old), math.prod([n for n in new if n != -1])
    unknown = new.count(-1)
    if unknown == 1 and known and total % known == 0:
        return tuple([total // known if n == -1 else n for n in new])
    if unknown or known != total or min(new, default=0) < 0:
        fact = f"an array of shape {old} has {total} elements, which do not fill shape {new}"
        raise ShapeError("np.reshape", fact, "one size may be -1")
    return new


@functools.lru_cache(maxsize=4096)
def splits(old: Shape, new: Shape) -> bool:
    """Whether reshaping only splits axes, or adds and drops axes of length 1: of any array NumPy makes a view then."""
    if math.prod(old) <= 1:
        return True
    rest = [n for n in new if n != 1]
    for n in old:
        part = 1
        while part < n:
            part *= rest.pop(0)
        if part != n:
            return False
    return True


@implements(np.reshape)
def reshape_(a: Any, /, shape: Any, order: str = "C", *, copy: bool | None = None) -> Any:
    a = operand(a)
    sizes = _full_shape(a.shape, as_ints("np.reshape", "shape", shape))
    if _fixed_order("np.reshape", a, order) == "F":
        return transpose_(reshape_(transpose_(a), sizes[::-1], copy=copy))
    if copy:
        return duplicate(reshape(a, shape=sizes))
    there, back = functools.partial(reshape, shape=sizes), functools.partial(reshape, shape=a.shape)
    return rearranged(a, there, back, copy is False or splits(a.shape, sizes) or is_contiguous(a))


@implements(np.ravel)
def ravel(a: Any, order: str = "C") -> Any:
    a = operand(a)
    if not isinstance(a, Tracer):
        return a.ravel(order)
    if _fixed_order("np.ravel", a, order) == "F":
        a = transpose_(a)
    there, back = functools.partial(reshape, shape=(a.size,)), functools.partial(reshape, shape=a.shape)
    return rearranged(a, there, back, a.size <= 1 or is_contiguous(a))


def _fixed_order(call: str, a: Any, order: str) -> str:
    """ "C" or "F", also for an order that depends on the layout in memory."""
    if order in ("C", "F"):
        return order
    if order not in ("A", "K"):
        raise ArgumentError(call, f"order is {order!r}", "it must be 'C', 'F', 'A' or, for ravel, 'K'")
    if len(a.shape) < 2 or is_contiguous(a):
        return "C"
    if isinstance(a, Tracer):
        fact = f"order {order!r} goes by the memory layout of {describe(a)}, which a tracer does not have"
        raise ArgumentError(call, fact, "", "Use 'C' or 'F'")
    return "F" if a.flags.f_contiguous and not a.flags.c_contiguous else "C"


@implements(np.transpose)
def transpose_(a: Any, axes: Any = None) -> Any:
    a = operand(a)
    perm = _permutation(axis_ints(axes, "np.transpose", "axes"), len(a.shape))
    return rearranged(a, functools.partial(transpose, perm=perm), functools.partial(transpose, perm=inverse(perm)))


@functools.lru_cache(maxsize=1024)
def _permutation(axes: Any, ndim: int) -> tuple[int, ...]:
    if axes is None:
        return tuple(range(-1, -ndim - 1, -1))
    order = axes if isinstance(axes, tuple) else (axes,)
    if len(order) != ndim or len(last_axes(order, ndim, "np.transpose")) != ndim:
        raise AxisError("np.transpose", f"axes {order} are not a permutation of the {ndim} axes of the array")
    return tuple([a - ndim if a >= 0 else a for a in order])


@implements(np.swapaxes)
def swapaxes(a: Any, axis1: int, axis2: int) -> Any:
    a = operand(a)
    order = list(range(len(a.shape)))
    i, j = (last_axis(axis, len(order), "np.swapaxes") for axis in (axis1, axis2))
    order[i], order[j] = order[j], order[i]
    return transpose_(a, tuple(order))


@implements(np.matrix_transpose, np.linalg.matrix_transpose)
def matrix_transpose(x: Any, /) -> Any:
    return swapaxes(needs("np.matrix_transpose", x, 2), -1, -2)


@implements(np.moveaxis)
def moveaxis(a: Any, source: Any, destination: Any) -> Any:
    a = operand(a)
    ndim = len(a.shape)
    origins, targets = [named_axes(axes, ndim, "np.moveaxis") for axes in (source, destination)]
    if len(origins) != len(targets):
        raise AxisError("np.moveaxis", f"source {source} and destination {destination} differ in length")
    order = [axis for axis in range(-ndim, 0) if axis not in origins]
    for target, origin in sorted(zip(targets, origins, strict=True)):
        order.insert(target + ndim, origin)
    return transpose_(a, tuple(order))


@implements(np.rollaxis)
def rollaxis(a: Any, axis: int, start: int = 0) -> Any:
    a = operand(a)
    ndim = len(a.shape)
    axis = last_axis(axis, ndim, "np.rollaxis") + ndim
    start = as_int("np.rollaxis", "start", start)
    if not -ndim <= start <= ndim:
        raise AxisError("np.rollaxis", f"start {start} is out of range", f"expected {-ndim} <= start <= {ndim}")
    start = start + ndim if start < 0 else start
    return moveaxis(a, axis, start - 1 if axis < start else start)


@implements(np.expand_dims)
def expand_dims(a: Any, axis: Any) -> Any:
    a = operand(a)
    axes = axis_ints(axis if is_row(axis) else (axis,), "np.expand_dims")
    ndim = len(a.shape) + len(axes)
    new = last_axes(axes, ndim, "np.expand_dims")
    sizes = iter(a.shape)
    return reshape_(a, tuple([1 if i in new else next(sizes) for i in range(-ndim, 0)]))


@implements(np.squeeze)
def squeeze(a: Any, axis: Any = None) -> Any:
    a = operand(a)
    ndim = len(a.shape)
    if axis is None:
        return reshape_(a, tuple([n for n in a.shape if n != 1])) if 1 in a.shape else a
    axis = axis_ints(axis, "np.squeeze")
    if ndim == 0 and axis in (0, -1):  # which NumPy takes for an axis here
        return a
    dropped = last_axes(axis, ndim, "np.squeeze")
    for i in dropped:
        if a.shape[i] != 1:
            fact = f"axis {axis} of {describe(a)} has size {a.shape[i]}"
            raise ShapeError("np.squeeze", fact, "only axes of size 1 can be dropped")
    return reshape_(a, tuple([n for i, n in enumerate(a.shape, -ndim) if i not in dropped]))


def as_1d(shape: Shape) -> Shape:
    return shape or (1,)


def as_2d(shape: Shape) -> Shape:
    return (1,) * (2 - len(shape)) + shape


def as_3d(shape: Shape) -> Shape:
    return (1, *as_1d(shape), 1) if len(shape) < 2 else shape + (1,) * (3 - len(shape))


def _implement_at_least(function: Any, ndim: int, shape: Callable[[Shape], Shape]) -> None:
    """Makes `function` of NumPy, which gives arrays of fewer than `ndim` axes that `shape`, run on tracers."""

    @implements(function)
    def at_least(*arys: Any) -> Any:
        arrays = [operand(a) for a in arys]
        found = tuple([a if len(a.shape) >= ndim else reshape_(a, shape(a.shape)) for a in arrays])
        return found[0] if len(found) == 1 else found


_implement_at_least(np.atleast_1d, 1, as_1d)
_implement_at_least(np.atleast_2d, 2, as_2d)
_implement_at_least(np.atleast_3d, 3, as_3d)


@implements(np.broadcast_to)
def broadcast_to_(array: Any, shape: Any, subok: bool = False) -> Any:
    array = operand(array)
    sizes = as_sizes("np.broadcast_to", "shape", shape)
    old = array.shape
    if len(old) > len(sizes) or any(n not in (1, m) for n, m in zip(old[::-1], sizes[::-1], strict=False)):
        raise ShapeError("np.broadcast_to", f"{describe(array)} does not broadcast to shape {sizes}")
    return read_only(array, functools.partial(broadcast_to, shape=sizes))


@implements(np.broadcast_arrays)
def broadcast_arrays(*args: Any, subok: bool = False) -> Any:
    arrays = tuple([operand(a) for a in args])
    shape = common_shape("np.broadcast_arrays", [a.shape for a in arrays])
    return tuple([as_new_array(a) if a.shape == shape else broadcast_to_(a, shape) for a in arrays])


@implements(np.flip)
def flip_(m: Any, axis: Any = None) -> Any:
    m = operand(m)
    axes = last_axes(axis, len(m.shape), "np.flip")
    if not m.shape:
        return m.copy()
    there = functools.partial(flip, axes=axes)
    return rearranged(m, there, there)


def needs(call: str, m: Any, ndim: int) -> Any:
    """Returns `m` as an array, if it has so many axes."""
    m = operand(m)
    if len(m.shape) < ndim:
        least = ("one axis", "two axes", "three axes")[ndim - 1]
        raise ShapeError(call, f"the array is {describe(m)}", f"it needs {least} or more")
    return m


@implements(np.flipud)
def flipud(m: Any) -> Any:
    return flip_(needs("np.flipud", m, 1), 0)


@implements(np.fliplr)
def fliplr(m: Any) -> Any:
    return flip_(needs("np.fliplr", m, 2), 1)


@implements(np.rot90)
def rot90(m: Any, k: int = 1, axes: Any = (0, 1)) -> Any:
    m = operand(m)
    named = named_axes(axes, len(m.shape), "np.rot90")
    if len(named) != 2:
        raise AxisError("np.rot90", f"axes is {axes}", "it must name two axes")
    first, second = named
    quarter = as_int("np.rot90", "k", k) % 4
    if quarter == 0:
        return reshape_(m, m.shape)
    if quarter == 2:
        return flip_(m, named)
    return swapaxes(flip_(m, second), first, second) if quarter == 1 else flip_(swapaxes(m, first, second), second)


@implements(np.copy)
def copy(a: Any, order: str = "K", subok: bool = False) -> Any:
    a = operand(a)
    if not isinstance(a, Tracer):
        return a.copy(order)
    made = duplicate(a)
    return mark_contiguous(made) if order == "C" or len(a.shape) < 2 or is_contiguous(a) else made
