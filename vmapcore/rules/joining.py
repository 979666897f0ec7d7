"""Joining, cutting and repeating along axes: concatenate, stack, split, pad, roll, and what is made of them.

`concatenate` and `stack` spread arguments that are not mapped, as all must have the batch. The other primitives work
on last axes, named by negative ints, and batch as themselves.
"""

import functools
import itertools
import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from ..core import Memory, Primitive, facts, primitive
from ..errors import ShapeError, describe
from ..numpy_protocol import NUMPY, implements
from ._families import into, linear, link, match, operand, spread, trailing
from ._ints import as_int, as_ints, is_row, last_axis
from ._work import nothing
from .creation import as_array
from .cumulative import along
from .layout import Shape, as_1d, as_2d, as_3d, copy, moveaxis, needs, reshape
from .slicing import ALL, slice_read

Width = tuple[int, int, int]
"""How many zeros `pad` puts before the elements of an axis, after them, and between one and the next."""


# Primitives.


def cut(x: Any, *, axis: int, start: int, stop: int, step: int = 1) -> Any:
    """The elements `start:stop:step` of `x` along the negative `axis`; all three are within bounds."""
    return slice_read(x, index=((start, stop, step), *(ALL,) * (-1 - axis)))


@trailing(work=nothing, memory=Memory.COPY)
def pad(xp: Any, x: Any, *, widths: tuple[Width, ...], value: Any = 0) -> Any:
    """`x` with `value` put around and between its elements, along its last axes."""
    lead = len(x.shape) - len(widths)
    inner = [n + max(n - 1, 0) * between for n, (_, _, between) in zip(x.shape[lead:], widths, strict=True)]
    shape = [n + before + after for n, (before, after, _) in zip(inner, widths, strict=True)]
    out = xp.full((*x.shape[:lead], *shape), value, x.dtype)
    out[(..., *[slice(w[0], w[0] + n, w[2] + 1) for n, w in zip(inner, widths, strict=True)])] = x
    return out


@pad.def_vjp
def pad_vjp(g: Any, out: Any, x: Any, *, widths: tuple[Width, ...], value: Any = 0) -> Any:
    for axis, (before, after, between) in enumerate(widths, -len(widths)):
        if before or after or between:
            g = cut(g, axis=axis, start=before, stop=g.shape[axis] - after, step=between + 1)
    return g


pad.def_jvp(lambda tangents, out, x, *, widths, value=0: pad(tangents[0], widths=widths))


@trailing(work=nothing, memory=Memory.VIEW, multiple=True)
def split(xp: Any, x: Any, *, at: tuple[int, ...], axis: int) -> Any:
    """The pieces of `x` along `axis` between the ascending positions `at`."""
    return tuple([x[along(axis, i, j)] for i, j in itertools.pairwise((0, *at, x.shape[axis]))])


@linear(split)
def split_vjp(g: Any, out: Any, x: Any, *, at: tuple[int, ...], axis: int) -> Any:
    return concatenate(*[np.zeros_like(o) if c is None else c for c, o in zip(g, out, strict=True)], axis=axis)


@facts(work=nothing, memory=Memory.COPY)
@primitive
def concatenate(xp: Any, *arrays: Any, axis: int) -> Any:
    """`arrays` one after the other along `axis`."""
    return xp.concatenate(arrays, axis)


@concatenate.def_vjp_all
def concatenate_vjp(i: int, g: Any, out: Any, *arrays: Any, axis: int) -> Any:
    start = sum([x.shape[axis] for x in arrays[:i]])
    return match(cut(g, axis=axis, start=start, stop=start + arrays[i].shape[axis]), arrays[i])


@facts(work=nothing, memory=Memory.COPY, formula=True)
@primitive
def stack(xp: Any, *arrays: Any, axis: int) -> Any:
    """`arrays` side by side along a new axis, `axis` of the result."""
    at = (..., None, *[slice(None)] * (-1 - axis))
    return xp.concatenate([x[at] for x in arrays], axis)


@stack.def_vjp_all
def stack_vjp(i: int, g: Any, out: Any, *arrays: Any, axis: int) -> Any:
    return match(reshape(cut(g, axis=axis, start=i, stop=i + 1), shape=arrays[i].shape), arrays[i])


def _joins(made: Primitive) -> None:
    """Declares that `made` puts arrays side by side: all need the batch, and all a tangent."""

    @made.def_vmap
    def joining_vmap(size: int, mapped: Sequence[bool], *arrays: Any, axis: int) -> Any:
        return made(*[spread(size, m, x) for m, x in zip(mapped, arrays, strict=True)], axis=axis)

    @made.def_jvp
    def joining_jvp(tangents: Sequence[Any], out: Any, *arrays: Any, axis: int) -> Any:
        return made(*[np.zeros_like(x) if t is None else t for t, x in zip(tangents, arrays, strict=True)], axis=axis)


_joins(concatenate)
_joins(stack)


# Joining.


def as_arrays(call: str, arrays: Any) -> list[Any]:
    """The arrays of a sequence, or of the first axis of an array; what is a number or a list becomes an array."""
    found = list(arrays)
    if not found:
        raise ShapeError(call, "got no array", "it needs one or more")
    if all(hasattr(x, "shape") for x in found):
        return found
    like = next((x for x in found if hasattr(x, "shape")), None)
    return [as_array(x, like) for x in found]


def _converted(arrays: list[Any], dtype: Any, casting: str) -> list[Any]:
    return arrays if dtype is None else [NUMPY["cast"](x, dtype, casting) for x in arrays]


def join(
    call: str, arrays: list[Any], axis: Any, out: Any = None, dtype: Any = None, casting: str = "same_kind"
) -> Any:
    """`concatenate` for NumPy's functions, after checks."""
    shapes = [x.shape for x in arrays]
    axis = last_axis(axis, len(shapes[0]), call)
    if len({s[:axis] + s[axis:][1:] for s in shapes}) > 1 or len({len(s) for s in shapes}) > 1:
        fact = f"arrays of shapes {', '.join(map(str, shapes))} do not fit along axis {axis}"
        raise ShapeError(call, fact, "their other sizes must be equal")
    return into(call, out, concatenate(*_converted(arrays, dtype, casting), axis=axis))


@implements(np.concatenate)
def concatenate_(
    arrays: Any, /, axis: Any = 0, out: Any = None, *, dtype: Any = None, casting: str = "same_kind"
) -> Any:
    found = as_arrays("np.concatenate", arrays)
    if axis is None:
        found, axis = [flat(x) for x in found], 0
    return join("np.concatenate", found, axis, out, dtype, casting)


@implements(np.stack)
def stack_(arrays: Any, axis: int = 0, out: Any = None, *, dtype: Any = None, casting: str = "same_kind") -> Any:
    found = as_arrays("np.stack", arrays)
    shape = found[0].shape
    if any(x.shape != shape for x in found):
        fact = f"arrays have shapes {', '.join([str(x.shape) for x in found])}"
        raise ShapeError("np.stack", fact, "all must be the same")
    axis = last_axis(axis, len(shape) + 1, "np.stack")
    return into("np.stack", out, stack(*_converted(found, dtype, casting), axis=axis))


def shaped(x: Any, shape: Shape) -> Any:
    """`x` in `shape`, linked to nothing."""
    return x if x.shape == shape else reshape(x, shape=shape)


def flat(x: Any) -> Any:
    """`x` with one axis, linked to nothing."""
    return shaped(x, (math.prod(x.shape),))


@implements(np.vstack)
def vstack(tup: Any, *, dtype: Any = None, casting: str = "same_kind") -> Any:
    return join("np.vstack", [shaped(x, as_2d(x.shape)) for x in as_arrays("np.vstack", tup)], 0, None, dtype, casting)


@implements(np.hstack)
def hstack(tup: Any, *, dtype: Any = None, casting: str = "same_kind") -> Any:
    found = [shaped(x, as_1d(x.shape)) for x in as_arrays("np.hstack", tup)]
    return join("np.hstack", found, 0 if len(found[0].shape) == 1 else 1, None, dtype, casting)


@implements(np.dstack)
def dstack(tup: Any) -> Any:
    return join("np.dstack", [shaped(x, as_3d(x.shape)) for x in as_arrays("np.dstack", tup)], 2)


@implements(np.column_stack)
def column_stack(tup: Any) -> Any:
    found = as_arrays("np.column_stack", tup)
    return join("np.column_stack", [shaped(x, (math.prod(x.shape), 1)) if len(x.shape) < 2 else x for x in found], 1)


@implements(np.append)
def append(arr: Any, values: Any, axis: int | None = None) -> Any:
    found = as_arrays("np.append", (arr, values))
    if axis is None:
        found, axis = [flat(x) for x in found], 0
    return join("np.append", found, axis)


@implements(np.block)
def block(arrays: Any) -> Any:
    depth = _depth(arrays)
    leaves = as_arrays("np.block", _leaves(arrays))
    joined = _block(arrays, depth, max([depth, *[len(x.shape) for x in leaves]]), iter(leaves))
    return joined if depth else copy(joined)


def _depth(nested: Any) -> int:
    if not isinstance(nested, list):
        return 0
    depths = {_depth(e) for e in nested}
    if len(depths) != 1:
        raise ShapeError("np.block", "lists are nested to different depths" if depths else "got an empty list")
    return depths.pop() + 1


def _leaves(nested: Any) -> list[Any]:
    return [leaf for e in nested for leaf in _leaves(e)] if isinstance(nested, list) else [nested]


def _block(nested: Any, depth: int, ndim: int, leaves: Iterator[Any]) -> Any:
    if depth == 0:
        x = next(leaves)
        return shaped(x, (1,) * (ndim - len(x.shape)) + x.shape)
    return join("np.block", [_block(e, depth - 1, ndim, leaves) for e in nested], -depth)


# Cutting. The pieces are views.


def _pieces(call: str, x: Any, at: Sequence[int], axis: int) -> list[Any]:
    """The pieces of `x` between positions, which like those of a slice may be negative or out of bounds."""
    n = x.shape[axis]
    bounds = [slice(i, j).indices(n)[:2] for i, j in itertools.pairwise([0, *at, n])]
    bounds = [(i, max(i, j)) for i, j in bounds]
    inner = tuple([j for _, j in bounds[:-1]])
    if bounds == list(itertools.pairwise([0, *inner, n])):
        pieces = list(split(x, at=inner, axis=axis))
    else:  # some overlap, or leave a gap
        pieces = [cut(x, axis=axis, start=i, stop=j) for i, j in bounds]
    return [_as_view(x, piece, axis, i, j) for piece, (i, j) in zip(pieces, bounds, strict=True)]


def _as_view(x: Any, piece: Any, axis: int, start: int, stop: int) -> Any:
    def write(base: Any, written: Any) -> Any:
        before, after = (cut(base, axis=axis, start=i, stop=j) for i, j in ((0, start), (stop, base.shape[axis])))
        return concatenate(before, written, after, axis=axis)

    return link(x, piece, functools.partial(cut, axis=axis, start=start, stop=stop), write)


@implements(np.array_split)
def array_split(ary: Any, indices_or_sections: Any, axis: int = 0) -> list[Any]:
    return _split_by("np.array_split", operand(ary), indices_or_sections, axis, equal=False)


def _split_by(call: str, x: Any, sections: Any, axis: int, equal: bool = True) -> list[Any]:
    axis = last_axis(axis, len(x.shape), call)
    n = x.shape[axis]
    if is_row(sections):
        return _pieces(call, x, as_ints(call, "indices_or_sections", sections), axis)
    count = as_int(call, "indices_or_sections", sections)
    if count <= 0 or (equal and n % count):
        pieces = f"{count} pieces of equal size" if count > 0 else f"{count} pieces"
        raise ShapeError(call, f"axis {axis} of {describe(x)} does not split into {pieces}")
    size, longer = divmod(n, count)
    return _pieces(call, x, [i * size + min(i, longer) for i in range(1, count)], axis)


@implements(np.split)
def split_(ary: Any, indices_or_sections: Any, axis: int = 0) -> list[Any]:
    return _split_by("np.split", operand(ary), indices_or_sections, axis)


def _implement_split(function: Any, axis: int, ndim: int) -> None:
    """Makes `function` of NumPy, which splits arrays of `ndim` axes or more along `axis`, run on tracers."""
    call = f"np.{function.__name__}"

    @implements(function)
    def split_along(ary: Any, indices_or_sections: Any) -> list[Any]:
        x = needs(call, ary, ndim)
        return _split_by(call, x, indices_or_sections, min(axis, len(x.shape) - 1))


_implement_split(np.hsplit, 1, 1)
_implement_split(np.vsplit, 0, 2)
_implement_split(np.dsplit, 2, 3)


@implements(np.unstack)
def unstack(x: Any, /, *, axis: int = 0) -> tuple[Any, ...]:
    return tuple(moveaxis(x, axis, 0))
