"""Histograms: places among edges, and sums of weights there. The number of bins is known, their edges may be traced."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..errors import OptionError, ShapeError
from ..numpy_protocol import implements
from ..tracer import Tracer
from ._families import operand
from ._ints import as_size
from .brackets import concrete
from .chosen import require
from .joining import flat
from .searching import searchsorted
from .sorting import scatter_along


@implements(np.histogram_bin_edges)
def histogram_bin_edges(a: Any, bins: Any = 10, range: Any = None, weights: Any = None) -> Any:
    return _edges("np.histogram_bin_edges", flat(operand(a)), bins, range)


def _edges(call: str, x: Any, bins: Any, limits: Any) -> Any:
    if isinstance(bins, str):
        remedy = "Give a number of bins, or their edges"
        raise OptionError(call, f"bins is {bins!r}", "their number would depend on traced values", remedy)
    given = operand(bins)
    if len(given.shape) == 1:
        known = concrete(np.diff(given) < 0) if given.dtype.kind in "iuf" else given
        if not isinstance(known, Tracer) and known.any():
            raise OptionError(call, "bins fall somewhere", "edges must rise")
        return given
    if given.shape:
        raise ShapeError(call, f"bins has shape {given.shape}", "it must be a number, or a line of edges")
    count = as_size(call, "bins", bins)
    if count < 1:
        raise OptionError(call, f"bins is {count}", "there must be one or more")
    low, high = _limits(call, x, limits)
    dtype = np.result_type(x.dtype, *[v if type(v) in (int, float) else operand(v).dtype for v in (low, high)])
    dtype = np.result_type(dtype, float) if dtype.kind in "iub" else dtype
    same = operand(low) == high
    low, high = np.where(same, low - 0.5, low), np.where(same, high + 0.5, high)
    return np.linspace(low, high, count + 1).astype(dtype)


def _limits(call: str, x: Any, limits: Any) -> tuple[Any, Any]:
    if limits is not None:
        low, high = limits
        if not isinstance(low > high, Tracer) and low > high:
            raise OptionError(call, f"range is {limits}", "it must rise")
        return low, high
    if not x.shape[0]:
        return 0.0, 1.0
    low, high = (v - 0 if x.dtype != bool else v.astype(int) for v in (x.min(), x.max()))
    require(np.isfinite(low) & np.isfinite(high), ValueError("autodetected range of values is not finite"), call)
    return low, high


def _places(x: Any, edges: Any) -> tuple[Any, Any]:
    """The bin of every element, and whether it is in any; the last bin has both its edges."""
    count = edges.shape[0] - 1
    if count < 1:
        return np.zeros_like(x, dtype=np.intp), np.zeros_like(x, dtype=bool)
    place = searchsorted(edges, x, "right") - 1
    place = np.where(x == edges[-1], count - 1, place)
    return np.clip(place, 0, count - 1), (place >= 0) & (place < count)


def _counted(places: Any, within: Any, length: int, weights: Any) -> Any:
    w = np.ones_like(places) if weights is None else weights
    if length < 1:
        return np.zeros_like(w, shape=0)
    return scatter_along(np.where(within, w, w.dtype.type(0)), places, axis=-1, unique=False, length=length)


def _weights(call: str, weights: Any, shape: Any) -> Any:
    if weights is None:
        return None
    w = operand(weights)
    if w.shape != shape:
        raise ShapeError(call, f"weights has shape {w.shape}", f"the values have {shape}")
    return flat(w)


@implements(np.histogram)
def histogram(a: Any, bins: Any = 10, range: Any = None, density: Any = None, weights: Any = None) -> Any:
    values = operand(a)
    w = _weights("np.histogram", weights, values.shape)
    x = flat(values)
    edges = _edges("np.histogram", x, bins, range)
    counts = _counted(*_places(x, edges), edges.shape[0] - 1, w)
    return (counts / np.diff(edges) / counts.sum() if density else counts), edges


@implements(np.histogramdd)
def histogramdd(
    sample: Any, bins: Any = 10, range: Any = None, density: Any = None, weights: Any = None
) -> tuple[Any, Any]:
    call = "np.histogramdd"
    listed = isinstance(sample, (list, tuple))
    columns = [operand(c) for c in sample] if listed else list(np.atleast_2d(operand(sample).T))
    each = list(bins) if isinstance(bins, (list, tuple)) else [bins] * len(columns)
    limits: Sequence[Any] = [None] * len(columns) if range is None else range
    if not len(each) == len(limits) == len(columns):
        raise ShapeError(call, f"got bins or range for {len(each)} and {len(limits)} dimensions", f"{len(columns)}")
    edges = [_edges(call, x, b, r) for x, b, r in zip(columns, each, limits, strict=True)]
    place, within, shape = 0, True, tuple([e.shape[0] - 1 for e in edges])
    for x, e, n in zip(columns, edges, shape, strict=True):
        along, inside = _places(x, e)
        place, within = place * n + along, within & inside
    w = _weights(call, weights, columns[0].shape)
    counts = _counted(place, within, int(np.prod(shape)), w).astype(float).reshape(shape)
    if density:
        total = counts.sum()
        for i, e in enumerate(edges):
            counts = counts / np.diff(e).reshape((-1,) + (1,) * (len(shape) - 1 - i))
        counts = counts / total
    return counts, edges


@implements(np.histogram2d)
def histogram2d(
    x: Any, y: Any, bins: Any = 10, range: Any = None, density: Any = None, weights: Any = None
) -> tuple[Any, Any, Any]:
    pair = isinstance(bins, (list, tuple)) and len(bins) == 2
    same = bins if pair or np.ndim(bins) == 0 else [operand(bins)] * 2
    counts, edges = histogramdd([operand(x), operand(y)], same, range, density, weights)
    return counts, *edges
