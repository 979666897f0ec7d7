"""The geometry of sliding windows over any number of spatial axes, for convolution and pooling; no arrays here."""

import functools
from typing import Any, NamedTuple

from ..errors import ArgumentError, ShapeError

Ints = tuple[int, ...]
Pairs = tuple[tuple[int, int], ...]


class Windows(NamedTuple):
    """Windows of `kernel` over arrays whose spatial axes have lengths `size`; one entry per axis everywhere."""

    size: Ints
    kernel: Ints
    stride: Ints
    padding: Pairs
    """What lies before and after the array."""
    dilation: Ints
    padded: Ints
    """`size` with its padding."""
    out: Ints
    """How many windows there are."""

    @property
    def is_padded(self) -> bool:
        return self.padded != self.size

    @property
    def is_pointwise(self) -> bool:
        """Whether every window is one element of the array."""
        return not self.is_padded and all(k == 1 for k in self.kernel)

    @property
    def overlap(self) -> bool:
        """Whether an element may lie in several windows."""
        return any(
            k > 1 and s < (k - 1) * d + 1 for k, s, d in zip(self.kernel, self.stride, self.dilation, strict=True)
        )

    def taps(self) -> list[tuple[tuple[slice, slice], ...]]:
        """For each axis its `taps`."""
        return list(map(taps, self.size, self.kernel, self.stride, self.padding, self.dilation))


@functools.lru_cache(maxsize=1024)
def windows(call: str, size: Ints, kernel: Ints, stride: Ints, padding: Pairs, dilation: Ints) -> Windows:
    """Plans the windows; there must be at least one."""
    padded = tuple([n + low + high for n, (low, high) in zip(size, padding, strict=True)])
    reach = tuple([d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True)])
    if any(r > n for r, n in zip(reach, padded, strict=True)):
        fact = f"the window reaches over {reach}, the array with its padding has spatial axes {padded}"
        raise ShapeError(call, fact, "the window must fit", "Pad more, or take a smaller window")
    out = tuple([(n - r) // s + 1 for n, r, s in zip(padded, reach, stride, strict=True)])
    return Windows(size, kernel, stride, padding, dilation, padded, out)


@functools.lru_cache(maxsize=1024)
def taps(
    size: int, kernel: int, stride: int, padding: tuple[int, int], dilation: int
) -> tuple[tuple[slice, slice], ...]:
    """For each position in a window of one axis: the windows in which it lies inside the array, and where it does.

    Positions that lie in the padding of every window are left out.
    """
    low, high = padding
    count = (size + low + high - dilation * (kernel - 1) - 1) // stride + 1
    found = []
    for k in range(kernel):
        offset = k * dilation - low
        first = max(0, -(offset // stride))
        last = min(count, (size - 1 - offset) // stride + 1)
        if first < last:
            start = first * stride + offset
            found.append((slice(first, last), slice(start, start + (last - first - 1) * stride + 1, stride)))
    return tuple(found)


def agree(call: str, found: Any, expected: Any) -> None:
    """Raises unless shapes that primitives of windows were given belong together."""
    if found != expected:
        raise ShapeError(call, f"the arguments have {found} where they need {expected}")


def each_axis(call: str, name: str, value: Any, axes: int, least: int) -> Ints:
    """An option given as one int for all axes, or as one per axis, as a tuple of ints."""
    values = tuple(value) if isinstance(value, (tuple, list)) else (value,) * axes
    if len(values) != axes or not all(hasattr(v, "__index__") and not isinstance(v, bool) for v in values):
        raise ArgumentError(call, f"{name} is {value!r}", f"it must be an int or {axes} of them")
    ints = tuple([v.__index__() for v in values])
    if min(ints) < least:
        raise ShapeError(call, f"{name} is {value!r}", f"it must be at least {least} on every axis")
    return ints


def window_options(call: str, kernel: Ints, stride: Any, padding: Any, dilation: Any) -> dict[str, Any]:
    """The options of windows as users give them, as primitives take them."""
    axes = len(kernel)
    steps = kernel if stride is kernel else each_axis(call, "stride", stride, axes, 1)
    dilations = each_axis(call, "dilation", dilation, axes, 1)
    return {"stride": steps, "padding": pad_pairs(call, padding, kernel, steps, dilations), "dilation": dilations}


def pad_pairs(call: str, padding: Any, kernel: Ints, stride: Ints, dilation: Ints) -> Pairs:
    """Padding given as an int, one int or one pair per axis, "valid" or "same", as pairs of ints."""
    axes = len(kernel)
    if isinstance(padding, str):
        if padding == "valid":
            return ((0, 0),) * axes
        if padding != "same":
            raise ArgumentError(call, f"padding is {padding!r}", 'as a word it must be "same" or "valid"')
        if any(s != 1 for s in stride):
            allowed = "the results can be as many as the inputs only where stride is 1"
            raise ArgumentError(call, f'padding is "same" with stride {stride}', allowed, "Give the padding as numbers")
        totals = [d * (k - 1) for k, d in zip(kernel, dilation, strict=True)]
        return tuple([(t // 2, t - t // 2) for t in totals])
    if isinstance(padding, (tuple, list)) and any(isinstance(p, (tuple, list)) for p in padding):
        if len(padding) != axes or not all(isinstance(p, (tuple, list)) for p in padding):
            raise ArgumentError(call, f"padding is {padding!r}", f"it must be an int, {axes} ints or {axes} pairs")
        pairs = [each_axis(call, "padding", p, 2, 0) for p in padding]
        return tuple([(p[0], p[1]) for p in pairs])
    return tuple([(p, p) for p in each_axis(call, "padding", padding, axes, 0)])
