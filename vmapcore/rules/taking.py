"""Functions that read or write by position: take, put, compress, copyto and their kin.

All are made of gathers and writes, or of `np.where` where a mask has the shape of the array; flat and multi-dimensional
positions (`unravel`, `ravel_multi`) are elementwise and batch as themselves.
"""

import contextlib
import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from ..errors import ArgumentError, AxisError, DTypeError, IndexingError, ShapeError, describe
from ..evals.places import OutOfRangeError, said
from ..numpy_protocol import NUMPY, implements
from ..tracer import Tracer
from ._families import as_new_array, into, operand, trailing
from ._ints import as_int, as_sizes, is_row, last_axis
from .brackets import concrete
from .creation import as_array
from .gather import gather, scatter_set
from .indexing import as_value, fitting
from .joining import flat
from .layout import needs
from .slicing import slice_write

MODES = ("raise", "wrap", "clip")


def _positions(call: str, indices: Any, n: int, mode: str) -> Any:
    """Integer positions along an axis of length `n`, made to lie in it as `mode` says."""
    indices = as_array(indices)
    if indices.size == 0 and not isinstance(indices, Tracer):
        indices = indices.astype(np.intp)
    if indices.dtype.kind not in "iub":
        raise DTypeError(call, f"the indices are {describe(indices)}", "they must be ints")
    if mode not in MODES:
        raise ArgumentError(call, f"mode is {mode!r}", "it must be 'raise', 'wrap' or 'clip'")
    if n == 0 and indices.size:
        raise IndexingError(call, "there is nothing to take from an axis of length 0")
    if indices.dtype.kind == "b" or mode == "wrap":  # `n` may be beyond the dtype
        indices = indices.astype(np.intp)
    if mode == "raise":
        return indices
    return indices % n if mode == "wrap" and n else np.clip(indices, 0, max(n - 1, 0))


def line(call: str, a: Any, axis: Any) -> tuple[Any, int]:
    """The array and a negative axis of it; the flat array for no axis."""
    x = operand(a)
    return (flat(x), -1) if axis is None else (x, last_axis(axis, len(x.shape), call))


# Reading.


@implements(np.take)
def take(a: Any, indices: Any, axis: Any = None, out: Any = None, mode: str = "raise") -> Any:
    x, last = line("np.take", a, axis)
    indices = _positions("np.take", indices, x.shape[last], mode)
    return into("np.take", out, _gathered("np.take", x, indices, tail=-1 - last))


@implements(np.take_along_axis)
def take_along_axis(arr: Any, indices: Any, axis: Any = -1) -> Any:
    x, indices, last = _paired("np.take_along_axis", arr, indices, axis)
    return _gathered("np.take_along_axis", x, indices, paired=len(x.shape) - 1).swapaxes(last, -1)


@implements(np.compress)
def compress(condition: Any, a: Any, axis: Any = None, out: Any = None) -> Any:
    mask = concrete(as_array(condition))
    if mask.ndim != 1:
        raise ShapeError("np.compress", f"the condition is {describe(mask)}", "it must have one axis")
    x, last = line("np.compress", a, axis)
    if isinstance(mask, Tracer):
        extra = x.shape[last] - mask.shape[0]
        if extra < 0:
            raise ShapeError("np.compress", f"the condition is {describe(mask)}", f"the axis has {x.shape[last]}")
        full = np.concatenate([mask, np.zeros(extra, bool)]) if extra else mask
        return into("np.compress", out, x[(..., full, *[slice(None)] * (-1 - last))])
    chosen = mask.nonzero()[0]
    return into("np.compress", out, _gathered("np.compress", x, chosen, tail=-1 - last, unique=True))


@implements(np.extract)
def extract(condition: Any, arr: Any) -> Any:
    return compress(as_array(condition).reshape(-1), operand(arr).reshape(-1))


def _gathered(call: str, x: Any, indices: Any, paired: int = 0, tail: int = 0, unique: bool = False) -> Any:
    with _in_range(call):
        return gather(x, indices, paired=paired, tail=tail, unique=unique)


@contextlib.contextmanager
def _in_range(call: str) -> Iterator[None]:
    """Has an error for an index that is out of range speak of this call."""
    try:
        yield
    except OutOfRangeError as error:
        fact = f"index {error.index} is out of range for an axis of size {error.size}"
        raise said(error, IndexingError(call, fact)) from None


def _paired(call: str, arr: Any, indices: Any, axis: Any) -> tuple[Any, Any, int]:
    """The array and the indices with `axis` last and the others broadcast, and what it was as a negative int."""
    x, last = line(call, arr, axis)
    indices = as_array(indices)
    if indices.dtype.kind not in "iu":
        raise IndexingError(call, f"the indices are {describe(indices)}", "they must be ints")
    if len(indices.shape) != len(x.shape):
        fact = f"the indices are {describe(indices)}"
        raise ShapeError(call, fact, f"the array is {describe(x)}; axes must be as many")
    x, indices = (v.swapaxes(last, -1) for v in (x, indices))
    try:
        lead = np.broadcast_shapes(x.shape[:-1], indices.shape[:-1])
    except ValueError:
        fact = f"the indices have shape {indices.shape} and the array {x.shape}, with the axis last"
        raise IndexingError(call, fact, "the others broadcast") from None
    return np.broadcast_to(x, lead + x.shape[-1:]), np.broadcast_to(indices, lead + indices.shape[-1:]), last


# Writing, in place.


@implements(np.put)
def put(a: Any, ind: Any, v: Any, mode: str = "raise") -> None:
    x = operand(a)
    indices = _positions("np.put", ind, math.prod(x.shape), mode).reshape(-1)
    values = as_value(as_array(v), x.dtype).reshape(-1)
    if math.prod(values.shape) == 0:
        return
    with _in_range("np.put"):
        flat = scatter_set(x.reshape(-1), _cycled(values, indices.shape[0]), indices, paired=0, tail=0, unique=False)
    into("np.put", a, flat.reshape(x.shape))


def _cycled(values: Any, count: int) -> Any:
    """The first `count` of one-dimensional `values`, which start again at their end."""
    n = values.shape[0]
    return values if n in (1, count) else gather(values, np.arange(count) % n, paired=0, tail=0, unique=count <= n)


@implements(np.put_along_axis)
def put_along_axis(arr: Any, indices: Any, values: Any, axis: Any) -> None:
    x = operand(arr)
    line, indices, last = _paired("np.put_along_axis", x, indices, axis)
    if line.shape[:-1] != (x.swapaxes(last, -1) if axis is not None else line).shape[:-1]:
        raise ShapeError("np.put_along_axis", f"the indices have more places than the array, {describe(x)}")
    values = fitting(as_value(values, x.dtype), indices.swapaxes(last, -1).shape)
    if getattr(values, "shape", ()):
        values = np.broadcast_to(values, indices.swapaxes(last, -1).shape).swapaxes(last, -1)
    with _in_range("np.put_along_axis"):
        new = scatter_set(line, values, indices, paired=len(line.shape) - 1, tail=0, unique=False)
    into("np.put_along_axis", arr, new.swapaxes(last, -1).reshape(x.shape))


@implements(np.putmask)
def putmask(a: Any, mask: Any, values: Any) -> None:
    x, mask = operand(a), as_array(mask)
    if mask.shape != x.shape:
        raise ShapeError("np.putmask", f"the mask is {describe(mask)}", f"the array is {describe(x)}")
    values = _safely(values, x.dtype)
    if math.prod(values.shape):
        full = values if values.shape == x.shape else _cycled(values, math.prod(x.shape))
        full = full.reshape(x.shape) if math.prod(full.shape) == math.prod(x.shape) else full
        into("np.putmask", a, np.where(_truth(mask), full, x))


@implements(np.place)
def place(arr: Any, mask: Any, vals: Any) -> None:
    x, mask = operand(arr), as_array(mask)
    if math.prod(mask.shape) != math.prod(x.shape):
        raise ShapeError("np.place", f"the mask is {describe(mask)}", f"the array is {describe(x)}; sizes must agree")
    values = _safely(vals, x.dtype).reshape(-1)
    mask = _truth(mask).reshape(-1)
    if values.shape[0] == 0:
        if mask.shape[0] and (isinstance(mask, Tracer) or mask.any()):
            raise ShapeError("np.place", "there are no values to write")
        return
    turn = np.maximum(np.cumsum(mask) - 1, 0) % values.shape[0]
    chosen = gather(values, turn, paired=0, tail=0, unique=False)
    into("np.place", arr, np.where(mask, chosen, x.reshape(-1)).reshape(x.shape))


def _truth(mask: Any) -> Any:
    return mask if mask.dtype == bool else mask != 0


def _safely(values: Any, dtype: Any) -> Any:
    """Values to write in `dtype`, of one axis; an array of another dtype only where none of its values can be lost."""
    if not hasattr(values, "shape"):
        return as_value(as_array(values), dtype).reshape(-1)
    values = values if values.dtype == dtype else NUMPY["cast"](values, dtype, "safe")
    return values.reshape(-1)


@implements(np.copyto)
def copyto(dst: Any, src: Any, casting: str = "same_kind", where: Any = True) -> None:
    if isinstance(src, (list, tuple)):
        src = as_array(src)
    value = slice_write(dst, fitting(NUMPY["cast"](src, dst.dtype, casting), dst.shape), index=())
    into("np.copyto", dst, value if where is True else np.where(as_array(where), value, dst))


@implements(np.fill_diagonal)
def fill_diagonal(a: Any, val: Any, wrap: bool = False) -> None:
    x = needs("np.fill_diagonal", a, 2)
    shape = x.shape
    if len(shape) > 2 and len(set(shape)) > 1:
        raise ShapeError("np.fill_diagonal", f"the array is {describe(x)}", "all axes must be of one size")
    step = shape[1] + 1 if len(shape) == 2 else 1 + sum([math.prod(shape[:i]) for i in range(1, len(shape))])
    end = shape[1] * shape[1] if len(shape) == 2 and not wrap else math.prod(shape)
    values = as_value(val, x.dtype)
    count = len(range(0, min(end, math.prod(shape)), step))
    if hasattr(values, "shape"):
        values = values.reshape(-1)
        if values.shape[0] == 0:
            return
        values = _cycled(values, count)
    flat = slice_write(x.reshape(-1), values, index=((None, end, step),))
    into("np.fill_diagonal", a, flat.reshape(shape))


# Along axes, and over them.


@implements(np.apply_along_axis)
def apply_along_axis(func1d: Any, axis: Any, arr: Any, *args: Any, **kwargs: Any) -> Any:
    """As in NumPy, a loop over the other axes: what maps over an axis without one is `vmapcore.vmap`."""
    x, last = line("np.apply_along_axis", arr, as_int("np.apply_along_axis", "axis", axis))
    lines = np.moveaxis(x, last, -1)
    if 0 in lines.shape[:-1]:
        raise ShapeError("np.apply_along_axis", f"the array is {describe(x)}", "it must have a line along the axis")
    results = [as_array(func1d(lines[place], *args, **kwargs)) for place in np.ndindex(lines.shape[:-1])]
    first = results[0]
    rows = np.stack([NUMPY["cast"](r, first.dtype, "unsafe", copy=False) for r in results])
    rows = rows.reshape(lines.shape[:-1] + first.shape)
    position, rank = len(x.shape) + last, len(first.shape)
    own = tuple(range(len(rows.shape) - rank, len(rows.shape)))
    return as_new_array(np.moveaxis(rows, own, tuple(range(position, position + rank))))


@implements(np.apply_over_axes)
def apply_over_axes(func: Any, a: Any, axes: Any) -> Any:
    x = operand(a)
    for axis in axes if is_row(axes) else (axes,):
        last = last_axis(axis, len(x.shape), "np.apply_over_axes")
        result = func(x, last + len(x.shape))
        x = result if len(result.shape) == len(x.shape) else np.expand_dims(result, last)
    return x


# Positions, by the shape alone.


@implements(np.diag_indices_from)
def diag_indices_from(arr: Any) -> Any:
    return np.diag_indices_from(_shaped(arr))


@implements(np.tril_indices_from)
def tril_indices_from(arr: Any, k: int = 0) -> Any:
    return np.tril_indices_from(_shaped(arr), as_int("np.tril_indices_from", "k", k))


@implements(np.triu_indices_from)
def triu_indices_from(arr: Any, k: int = 0) -> Any:
    return np.triu_indices_from(_shaped(arr), as_int("np.triu_indices_from", "k", k))


def _shaped(x: Any) -> Any:
    """A plain array of the shape of `x`, without memory of its own."""
    return np.broadcast_to(np.int8(0), operand(x).shape)


# Flat positions.


@trailing(work=lambda ins, outs, **params: sum([v.size for v in outs]), multiple=True, zero_derivative=True)
def unravel(xp: Any, indices: Any, *, shape: tuple[int, ...], order: str) -> Any:
    """Flat positions in an array of `shape` as one index per axis."""
    return tuple(xp.unravel_index(indices, shape, order))


@trailing(work=lambda ins, outs, **params: 2 * outs[0].size * (len(ins) - 1), zero_derivative=True)
def ravel_multi(xp: Any, *indices: Any, dims: tuple[int, ...], mode: Any, order: str) -> Any:
    """One index per axis of an array of shape `dims` as flat positions."""
    return xp.ravel_multi_index(indices, dims, mode, order)


@implements(np.unravel_index)
def unravel_index(indices: Any, shape: Any, order: str = "C") -> Any:
    sizes = as_sizes("np.unravel_index", "shape", shape)
    return unravel(as_array(indices), shape=sizes, order=order)


@implements(np.ravel_multi_index)
def ravel_multi_index(multi_index: Any, dims: Any, mode: Any = "raise", order: str = "C") -> Any:
    sizes = as_sizes("np.ravel_multi_index", "dims", dims)
    if len(multi_index) != len(sizes):
        raise AxisError("np.ravel_multi_index", f"there are {len(multi_index)} indices for {len(sizes)} axes")
    mode = tuple(mode) if isinstance(mode, (tuple, list)) else mode
    return ravel_multi(*[as_array(i) for i in multi_index], dims=sizes, mode=mode, order=order)
