"""Pooling over the trailing spatial axes, of any number.

Everything here is free over leading axes, so under vmap each primitive becomes itself.

- max_pool: the maximum of each window, one axis after the other. Its derivative sends a cotangent to the first maximum
  of the window (`max_pool_scatter`) or takes a tangent from there (`max_pool_gather`). These two are each other's
  transposes and find the maxima again by comparison with the result, so no indices are kept.
- avg_pool: linear; its transpose is `avg_pool_spread`.
"""

import functools
import itertools
import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from .. import memory
from ..core import Axes, Primitive
from ..errors import DTypeError, ShapeError, describe
from ..evals.windows import Ints, Pairs, Windows, agree, each_axis, pad_pairs, window_options, windows
from ._axes import broadcasting
from ._families import linear, match, operand, trailing
from ._work import parts

TILE = 1 << 20
"""Bytes of input that are worked on at a time, so that what lies between input and result stays in a CPU's cache."""

BITS = {1: np.int8, 2: np.int16, 4: np.int32, 8: np.int64}
"""Ints of the size of an element: masking bits, unlike multiplying by 0, leaves no NaN where an element is infinite."""


# Maximum.


def pooled_work(ins: Any, outs: Any, *, kernel: tuple[int, ...], **params: Any) -> float:
    """Every element of a window is looked at, in whichever array there are windows."""
    windows = min([a.size for a in (*ins, *outs) if a.size], default=0)
    return windows * math.prod(kernel) * parts(ins)


POOLED = Axes(lambda shapes, outs, *, kernel, **params: broadcasting(shapes, outs, len(kernel)))
"""Windows lie along the last axes."""


@trailing(work=pooled_work, axes=POOLED)
def max_pool(xp: Any, x: Any, *, kernel: Ints, stride: Ints, padding: Pairs, dilation: Ints) -> Any:
    """The maximum of each window over the last axes of x; padding is never chosen, NaN always."""
    win = windows("max_pool", x.shape[-len(kernel) :], kernel, stride, padding, dilation)
    out = memory.empty(xp, (*x.shape[: -len(kernel)], *win.out), x.dtype)
    lowest = -np.inf if x.dtype.kind == "f" else np.iinfo(x.dtype).min if x.dtype.kind in "iu" else False
    for at in _tiles(xp, x.shape[: -len(kernel)], math.prod(win.size) * x.itemsize):
        _pool(xp, xp.maximum, lowest, x[at], win, out[at])
    return out


@trailing(work=pooled_work, axes=POOLED)
def max_pool_scatter(xp: Any, g: Any, x: Any, out: Any, **window: Any) -> Any:
    """Sends each element of g to where the first maximum of its window in x is; `out` is max_pool of x."""
    axes = len(window["kernel"])
    win = windows("max_pool_scatter", x.shape[-axes:], **window)
    agree("max_pool_scatter", (g.shape[-axes:], out.shape[-axes:]), (win.out, win.out))
    return _moved(xp, win, g, x, out, False)


@trailing(work=pooled_work, axes=POOLED)
def max_pool_gather(xp: Any, t: Any, x: Any, out: Any, **window: Any) -> Any:
    """Takes from t, of the shape of x, what lies where the first maximum of each window in x is."""
    axes = len(window["kernel"])
    win = windows("max_pool_gather", x.shape[-axes:], **window)
    agree("max_pool_gather", (t.shape[-axes:], out.shape[-axes:]), (win.size, win.out))
    return _moved(xp, win, t, x, out, True)


def _moved(xp: Any, win: Windows, t: Any, x: Any, out: Any, taken: bool) -> Any:
    """Elements of `t` sent from each window to where its first maximum in x is, or `taken` from there."""
    t, x, out = _broadcast(xp, len(win.kernel), t, x, out)
    result = memory.empty(xp, out.shape if taken else x.shape, t.dtype)
    once = not taken and not win.overlap  # what is sent goes to places of its own
    for at in _tiles(xp, x.shape[: -len(win.kernel)], math.prod(win.size) * x.itemsize):
        source, target = t[at], result[at]
        if taken or not _fills(win):
            target[...] = 0
        for there, inside, won in _winners(xp, x[at], out[at], win):
            moved = _masked(xp, source[inside if taken else there], won)
            if once:
                target[inside] = moved
            else:
                part = target[there if taken else inside]
                part += moved
    return result


def _select(made: Primitive, transpose: Primitive) -> None:
    """Declares that `made(t, x, out)` is linear in t and that where it takes t from jumps with x."""
    made.def_vjp(lambda ct, result, t, x, out, **window: match(transpose(ct, x, out, **window), t), None, None)
    made.def_jvp(
        lambda tangents, result, t, x, out, **window: (
            None if tangents[0] is None else made(tangents[0], x, out, **window)
        )
    )


max_pool.def_vjp(lambda g, out, x, **window: max_pool_scatter(g, x, out, **window))
max_pool.def_jvp(lambda tangents, out, x, **window: max_pool_gather(tangents[0], x, out, **window))
_select(max_pool_scatter, max_pool_gather)
_select(max_pool_gather, max_pool_scatter)


def _winners(xp: Any, x: Any, out: Any, win: Windows) -> Iterator[tuple[Any, Any, Any]]:
    """Yields, position by position of the window: which windows, where it is in x, and -1 where it wins, else 0.

    An element wins unless it is less than the maximum or an earlier one has won; in a window with a NaN the first does.
    """
    free = xp.full(out.shape, -1, np.int8)
    for there, inside in _positions(win):
        beaten = xp.less(x[inside], out[there]).view(np.int8)
        beaten -= 1
        left = free[there]
        beaten &= left
        left ^= beaten
        yield there, inside, beaten


def _masked(xp: Any, t: Any, won: Any) -> Any:
    """Returns t where `won` is -1 and 0 where it is 0."""
    bits = BITS.get(t.dtype.itemsize)
    if bits is None:
        return xp.where(won != 0, t, xp.zeros_like(t))
    return xp.bitwise_and(t.view(bits), won).view(t.dtype)


# Mean.


@trailing(work=pooled_work, axes=POOLED)
def avg_pool(xp: Any, x: Any, *, kernel: Ints, stride: Ints, padding: Pairs, counted: Pairs) -> Any:
    """The mean of each window over the last axes of x, where `counted` zeros around them count too."""
    axes = len(kernel)
    win = windows("avg_pool", x.shape[-axes:], kernel, stride, padding, (1,) * axes)
    dtype = x.dtype if x.dtype.kind in "fc" else np.dtype(np.float64)
    wide = np.promote_types(dtype, np.float32)  # sums of float16 would overflow
    out = memory.empty(xp, (*x.shape[:-axes], *win.out), dtype)
    counts = _counts(xp, win, counted, dtype)
    for at in _tiles(xp, x.shape[:-axes], math.prod(win.size) * dtype.itemsize):
        target = out[at]
        sums = target if wide == dtype else xp.empty(target.shape, wide)
        _pool(xp, xp.add, 0, x[at].astype(wide, copy=False), win, sums)
        sums /= counts
        if sums is not target:
            target[...] = sums
    return out


@trailing(work=pooled_work, axes=POOLED)
def avg_pool_spread(xp: Any, g: Any, *, size: Ints, kernel: Ints, stride: Ints, padding: Pairs, counted: Pairs) -> Any:
    """The transpose of `avg_pool` of an array whose last axes have lengths `size`."""
    axes = len(kernel)
    win = windows("avg_pool_spread", size, kernel, stride, padding, (1,) * axes)
    agree("avg_pool_spread", g.shape[-axes:], win.out)
    result = memory.empty(xp, (*g.shape[:-axes], *size), g.dtype)
    counts = _counts(xp, win, counted, g.dtype)
    for at in _tiles(xp, g.shape[:-axes], math.prod(size) * g.itemsize):
        tile = g[at] / counts
        for axis, steps in zip(range(-1, -axes - 1, -1), reversed(win.taps()), strict=True):
            target = result[at] if axis == -axes else xp.empty((*tile.shape[:axis], *size[axis:]), g.dtype)
            target[...] = 0
            behind = (slice(None),) * (-1 - axis)
            for there, inside in steps:
                part = target[(..., inside, *behind)]
                part += tile[(..., there, *behind)]
            tile = target
    return result


linear(avg_pool)(
    lambda g, out, x, *, kernel, **window: avg_pool_spread(g, size=x.shape[-len(kernel) :], kernel=kernel, **window)
)
linear(avg_pool_spread)(lambda ct, out, g, *, size, **window: avg_pool(ct, **window))


def _counts(xp: Any, win: Windows, counted: Pairs, dtype: Any) -> Any:
    """How many elements each window has: a number, or an array of the real part's dtype where windows differ."""
    counts = _count(win, counted)
    return counts if isinstance(counts, float) else xp.asarray(counts.astype(np.empty(0, dtype).real.dtype))


@functools.lru_cache(maxsize=256)
def _count(win: Windows, counted: Pairs) -> Any:
    count = np.ones(())
    for n, k, s, (low, _), (before, after), m in zip(
        win.size, win.kernel, win.stride, win.padding, counted, win.out, strict=True
    ):
        start = np.arange(m) * s - low
        count = np.multiply.outer(count, np.minimum(start + k, n + after) - np.maximum(start, -before))
    first = float(count.flat[0])
    return first if (count == first).all() else count


# Windows over arrays.


def _pool(xp: Any, combine: Any, neutral: Any, x: Any, win: Windows, out: Any) -> None:
    """Combines the elements of each window, axis by axis, into `out`."""
    axes = len(win.out)
    for axis, steps in enumerate(win.taps(), -axes):
        behind = (slice(None),) * (-1 - axis)
        everywhere = slice(0, win.out[axis])
        shape = (*x.shape[:axis], win.out[axis], *win.size[axes + axis + 1 :])
        target = out if axis == -1 else xp.empty(shape, out.dtype)
        whole = [x[(..., inside, *behind)] for there, inside in steps if there == everywhere]
        if len(whole) > 1:
            combine(whole[0], whole[1], out=target)
        else:
            target[...] = whole[0] if whole else neutral
        for part in whole[2:]:
            combine(target, part, out=target)
        for there, inside in steps:
            if there != everywhere:
                part = target[(..., there, *behind)]
                combine(part, x[(..., inside, *behind)], out=part)
        x = target


@functools.lru_cache(maxsize=256)
def _positions(win: Windows) -> tuple[tuple[Any, Any], ...]:
    """For each position in the window, in order: which windows have it inside the array, and where it is then."""
    every = itertools.product(*win.taps())
    return tuple([((..., *[t[0] for t in tap]), (..., *[t[1] for t in tap])) for tap in every])


@functools.lru_cache(maxsize=256)
def _fills(win: Windows) -> bool:
    """Whether every element lies in exactly one window."""
    met = [sum([there.stop - there.start for there, _ in steps]) for steps in win.taps()]
    return not win.overlap and met == list(win.size)


def _broadcast(xp: Any, axes: int, *arrays: Any) -> list[Any]:
    """Broadcasts the leading axes of `arrays` against each other."""
    lead = np.broadcast_shapes(*[a.shape[:-axes] for a in arrays])
    return [xp.broadcast_to(a, (*lead, *a.shape[-axes:])) for a in arrays]


def _tiles(xp: Any, lead: Ints, size: int) -> Iterator[tuple[Any, ...]]:
    """Yields indices of the leading axes that cut an array, `size` bytes for each of their elements, into tiles."""
    items = max(1, TILE // max(size, 1))
    axis = len(lead)
    inner = 1
    while axis and inner * lead[axis - 1] <= items:
        axis -= 1
        inner *= lead[axis]
    if axis == 0 or xp is not np:
        yield (...,)
        return
    step = max(1, items // max(inner, 1))
    for outer in itertools.product(*[range(n) for n in lead[: axis - 1]]):
        for i in range(0, lead[axis - 1], step):
            yield (*outer, slice(i, i + step), ...)


# What users call, in torch's argument order.


def max_pool1d(
    x: Any, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1, ceil_mode: bool = False
) -> Any:
    """The maximum of each window over the last axis; see `max_pool2d`."""
    return _max_pool("max_pool1d", 1, x, kernel_size, stride, padding, dilation, ceil_mode)


def max_pool2d(
    x: Any, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1, ceil_mode: bool = False
) -> Any:
    """The maximum of each window over the last two axes, as torch.nn.functional.max_pool2d.

    Where several elements of a window are its maximum, the first has the derivative.

    Args:
        x: real numbers (..., H, W), with any leading axes.
        kernel_size: the window: an int, or one per axis.
        stride: the step between windows; the window's own size unless given.
        padding: how far windows reach over the edges: an int, one per axis, or a pair (before, after) per axis.
        dilation: the step between the elements of a window.
        ceil_mode: whether a last window that is cut off by the edge counts.

    Raises:
        ShapeError: no window fits, or one would lie in the padding alone.

    Example:
        >>> max_pool2d(np.arange(16.0).reshape(4, 4), 2)
        array([[ 5.,  7.],
               [13., 15.]])
    """
    return _max_pool("max_pool2d", 2, x, kernel_size, stride, padding, dilation, ceil_mode)


def max_pool3d(
    x: Any, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1, ceil_mode: bool = False
) -> Any:
    """The maximum of each window over the last three axes; see `max_pool2d`."""
    return _max_pool("max_pool3d", 3, x, kernel_size, stride, padding, dilation, ceil_mode)


def avg_pool1d(
    x: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Any:
    """The mean of each window over the last axis; see `avg_pool2d`."""
    return _avg_pool("avg_pool1d", 1, x, kernel_size, stride, padding, ceil_mode, count_include_pad)


def avg_pool2d(
    x: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Any:
    """The mean of each window over the last two axes, as torch.nn.functional.avg_pool2d; options as in `max_pool2d`.

    Args:
        count_include_pad: whether the padding counts, as zeros.

    Example:
        >>> avg_pool2d(np.arange(16.0).reshape(4, 4), 2)
        array([[ 2.5,  4.5],
               [10.5, 12.5]])
    """
    return _avg_pool("avg_pool2d", 2, x, kernel_size, stride, padding, ceil_mode, count_include_pad)


def avg_pool3d(
    x: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Any:
    """The mean of each window over the last three axes; see `avg_pool2d`."""
    return _avg_pool("avg_pool3d", 3, x, kernel_size, stride, padding, ceil_mode, count_include_pad)


def _max_pool(
    call: str, axes: int, x: Any, kernel: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: bool
) -> Any:
    x = operand(x)
    if x.dtype.kind not in "fiub":
        raise DTypeError(call, f"x is {describe(x)}", "a maximum needs real numbers")
    window = _window(call, axes, x, kernel, stride, padding, dilation, ceil_mode)
    return max_pool(x, **window)


def _avg_pool(
    call: str, axes: int, x: Any, kernel: Any, stride: Any, padding: Any, ceil_mode: bool, count_include_pad: bool
) -> Any:
    x = operand(x)
    if x.dtype.kind not in "fciub":
        raise DTypeError(call, f"x is {describe(x)}", "a mean needs numbers")
    window = _window(call, axes, x, kernel, stride, padding, 1, ceil_mode)
    kept = pad_pairs(call, padding, window["kernel"], window["stride"], window.pop("dilation"))
    return avg_pool(x, counted=kept if count_include_pad else ((0, 0),) * axes, **window)


def _window(
    call: str, axes: int, x: Any, kernel: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: bool
) -> dict[str, Any]:
    """Returns the canonical params of a pooling; `ceil_mode` becomes padding behind."""
    if x.ndim < axes:
        raise ShapeError(call, f"x is {describe(x)}", f"it must have at least {axes} axes")
    kernel = each_axis(call, "kernel_size", kernel, axes, 1)
    window = window_options(call, kernel, kernel if stride is None else stride, padding, dilation)
    size = x.shape[-axes:]
    if ceil_mode:
        window["padding"] = tuple(map(_ceil, size, kernel, window["stride"], window["padding"], window["dilation"]))
    win = windows(call, size, kernel, **window)
    for steps, m in zip(win.taps(), win.out, strict=True):
        if len({i for there, _ in steps for i in range(there.start, there.stop)}) < m:
            fact = f"padding is {padding!r} for a window {kernel} over {describe(x)}"
            raise ShapeError(call, fact, "every window must have an element of x", "Pad by at most half the window")
    return {"kernel": kernel, **window}


def _ceil(n: int, kernel: int, stride: int, pair: tuple[int, int], dilation: int) -> tuple[int, int]:
    """Padding with which a last window that begins inside the array, or in the padding before it, is whole."""
    (low, high), reach = pair, (kernel - 1) * dilation + 1
    count = -(-(n + low + high - reach) // stride) + 1
    if (count - 1) * stride >= n + low:
        count -= 1
    return low, max(high, (count - 1) * stride + reach - n - low)
