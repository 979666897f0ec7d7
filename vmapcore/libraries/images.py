"""The linear filters of `scipy.ndimage`: sums of neighbours, of an array that goes on beyond its ends."""

from collections.abc import Callable
from typing import Any

import numpy as np

from ..errors import OptionError, ShapeError, describe
from ..rules._families import operand
from ..rules._ints import as_int, as_ints, last_axis, listed_axes
from ..tracer import Tracer

NAME = "scipy.ndimage"
PADDING: dict[Any, Any] = {
    **dict.fromkeys(("reflect", "grid-mirror"), "symmetric"),
    **dict.fromkeys(("constant", "grid-constant"), "constant"),
    **dict.fromkeys(("wrap", "grid-wrap"), "wrap"),
    "mirror": "reflect",
    "nearest": "edge",
}
"""NumPy's names of SciPy's ways to go on."""


def _wide(x: Any) -> Any:
    """What SciPy computes in, whatever its result is."""
    return x.astype(np.complex128 if x.dtype.kind == "c" else np.float64)


def _correlated(call: str, x: Any, weights: Any, mode: Any, cval: Any, origins: Any) -> Any:
    """Sums of neighbours along all axes, times `weights`."""
    x, weights = operand(x), _wide(operand(weights))
    if len(weights.shape) != len(x.shape) or 0 in weights.shape:
        fact = f"the array is {describe(x)} and weights {describe(weights)}"
        raise ShapeError(f"{NAME}.{call}", fact, "they must have as many axes, and weights be there")
    if mode not in PADDING:
        raise OptionError(f"{NAME}.{call}", f"mode is {mode!r}", f"it must be of {[*PADDING]}")
    around = []
    for size, origin in zip(weights.shape, origins, strict=True):
        before = size // 2 + as_int(f"{NAME}.{call}", "origin", origin)
        if not 0 <= before < size:
            raise OptionError(f"{NAME}.{call}", f"origin is {origin} for {size} weights", "it must lie among them")
        around.append((before, size - 1 - before))
    options: Any = {"constant_values": cval} if PADDING[mode] == "constant" else {}
    whole = np.pad(_wide(x), around, PADDING[mode], **options)
    total: Any = 0.0
    for index in np.ndindex(weights.shape):
        part = tuple([slice(i, i + n) for i, n in zip(index, x.shape, strict=True)])
        total = total + whole[part] * weights[index]
    return total.astype(np.result_type(x.dtype, weights.dtype) if weights.dtype.kind == "c" else x.dtype)


def _origins(call: str, origin: Any, count: int) -> list[int]:
    given = as_ints(f"{NAME}.{call}", "origin", origin)
    return [*given] if len(given) == count else [*given] * count


def correlate(input: Any, weights: Any, mode: Any = "reflect", cval: Any = 0.0, origin: Any = 0) -> Any:
    return _correlated("correlate", input, weights, mode, cval, _origins("correlate", origin, len(np.shape(weights))))


def convolve(input: Any, weights: Any, mode: Any = "reflect", cval: Any = 0.0, origin: Any = 0) -> Any:
    weights = operand(weights)
    given = _origins("convolve", origin, len(weights.shape))
    back = [-o - (n % 2 == 0) for o, n in zip(given, weights.shape, strict=True)]
    return _correlated("convolve", input, np.flip(weights), mode, cval, back)


def _along(call: str, x: Any, weights: Any, axis: Any, mode: Any, cval: Any, origin: int) -> Any:
    x, weights = operand(x), operand(weights)
    axis = last_axis(axis, len(x.shape), f"{NAME}.{call}")
    shape = [1] * len(x.shape)
    shape[axis] = weights.shape[0]
    origins = [0] * len(x.shape)
    origins[axis] = origin
    return _correlated(call, x, weights.reshape(shape), mode, cval, origins)


def correlate1d(
    input: Any, weights: Any, axis: Any = -1, mode: Any = "reflect", cval: Any = 0.0, origin: Any = 0
) -> Any:
    return _along("correlate1d", input, weights, axis, mode, cval, origin)


def convolve1d(
    input: Any, weights: Any, axis: Any = -1, mode: Any = "reflect", cval: Any = 0.0, origin: Any = 0
) -> Any:
    weights = operand(weights)
    return _along("convolve1d", input, weights[::-1], axis, mode, cval, -origin - (weights.shape[0] % 2 == 0))


def _gaussian(call: str, sigma: Any, order: int, truncate: Any, radius: Any) -> Any:
    """A Gaussian, or its derivative of an order: that is times a polynomial."""
    if radius is None and isinstance(sigma, Tracer):
        fact = f"sigma is traced, {describe(sigma)}, and radius None"
        raise OptionError(f"{NAME}.{call}", fact, "the length of the kernel is the same for all", "Pass radius=")
    radius = int(float(truncate) * float(sigma) + 0.5) if radius is None else as_int(f"{NAME}.{call}", "radius", radius)
    x, inverse = np.arange(-radius, radius + 1), 1.0 / (sigma * sigma)
    bell = np.exp(-0.5 * inverse * x**2)
    bell = bell / np.sum(bell)
    powers: list[Any] = [1.0]
    for _ in range(order):
        slopes = [*[(i + 1) * q for i, q in enumerate(powers[1:])], 0.0, 0.0]
        powers = [a - b * inverse for a, b in zip(slopes, [0.0, *powers], strict=True)]
    return sum([q * x**i for i, q in enumerate(powers)]) * bell


def gaussian_filter1d(
    input: Any,
    sigma: Any,
    axis: Any = -1,
    order: Any = 0,
    mode: Any = "reflect",
    cval: Any = 0.0,
    truncate: Any = 4.0,
    *,
    radius: Any = None,
) -> Any:
    weights = _gaussian(
        "gaussian_filter1d", sigma, as_int(f"{NAME}.gaussian_filter1d", "order", order), truncate, radius
    )
    return _along("gaussian_filter1d", input, weights[::-1], axis, mode, cval, 0)


def _each(x: Any, value: Any, axes: Any) -> Any:
    """An option for each of some axes."""
    rows = value if isinstance(value, (list, tuple)) or np.ndim(value) else [value] * len(axes)
    return zip(axes, rows, strict=True)


def gaussian_filter(
    input: Any,
    sigma: Any,
    order: Any = 0,
    mode: Any = "reflect",
    cval: Any = 0.0,
    truncate: Any = 4.0,
    *,
    radius: Any = None,
    axes: Any = None,
) -> Any:
    x = operand(input)
    axes = listed_axes(axes, len(x.shape), f"{NAME}.gaussian_filter", "axes")
    orders, radii = dict(_each(x, order, axes)), dict(_each(x, radius, axes))
    for axis, width in _each(x, sigma, axes):
        if isinstance(width, Tracer) or width > 1e-15:
            x = gaussian_filter1d(x, width, axis, orders[axis], mode, cval, truncate, radius=radii[axis])
    return x


def uniform_filter1d(
    input: Any, size: Any, axis: Any = -1, mode: Any = "reflect", cval: Any = 0.0, origin: Any = 0
) -> Any:
    size = as_int(f"{NAME}.uniform_filter1d", "size", size)
    return _along("uniform_filter1d", input, np.full(size, 1.0 / size), axis, mode, cval, origin)


def uniform_filter(
    input: Any, size: Any = 3, mode: Any = "reflect", cval: Any = 0.0, origin: Any = 0, *, axes: Any = None
) -> Any:
    x = operand(input)
    axes = listed_axes(axes, len(x.shape), f"{NAME}.uniform_filter", "axes")
    origins = dict(_each(x, origin, axes))
    for axis, n in _each(x, size, axes):
        if n > 1:
            x = uniform_filter1d(x, n, axis, mode, cval, origins[axis])
    return x


def _across(middle: list[int]) -> Callable[..., Any]:
    """A difference along one axis, of means along the others."""

    def filtered(input: Any, axis: Any = -1, mode: Any = "reflect", cval: Any = 0.0) -> Any:
        x = operand(input)
        axis = last_axis(axis, len(x.shape), NAME)
        x = correlate1d(x, [-1, 0, 1], axis, mode, cval)
        for other in set(range(-len(x.shape), 0)) - {axis}:
            x = correlate1d(x, middle, other, mode, cval)
        return x

    return filtered


def laplace(input: Any, mode: Any = "reflect", cval: Any = 0.0) -> Any:
    return sum([correlate1d(input, [1, -2, 1], axis, mode, cval) for axis in range(len(operand(input).shape))])


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "sobel": _across([1, 2, 1]),
    "prewitt": _across([1, 1, 1]),
    **{
        f.__name__: f
        for f in (
            *(correlate, convolve, correlate1d, convolve1d, gaussian_filter1d, gaussian_filter, uniform_filter1d),
            *(uniform_filter, laplace),
        )
    },
}
