"""`interp1d`, interpolation on grids, and which of SciPy's names make or are interpolants."""

import functools
import itertools
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any

import numpy as np

from ..core import RUNNING
from ..errors import OptionError
from ..names import SEES, stands_for
from ..numpy import Dispatching
from ..rules.casts import inexact
from ..rules.creation import as_array, asarray, made
from ..rules.taking import take
from ..tracer import is_traced
from .closures import Holder, known
from .splines import MAKERS, SEEN, interpolating_spline, scipys, seen_spline


class Maker(Dispatching):
    """A class of SciPy's, or a function, that makes an interpolant: of traced values ours, else SciPy's, as seen."""

    def __init__(self, theirs: Any, ours: Callable[..., Any], see: Callable[[Any], Any]) -> None:
        Dispatching.__init__(self, theirs, ours)
        self.see = see

    def __call__(self, *args: Any, **options: Any) -> Any:
        args, options = tuple(map(known, args)), {name: known(x) for name, x in options.items()}
        if is_traced((args, tuple(options.values()))):
            return self.applied(*args, **options)
        return self.see(self.theirs(*args, **options))

    def __mro_entries__(self, bases: Any) -> tuple[Any]:
        return (self.theirs,)

    def __instancecheck__(self, x: Any) -> bool:
        return isinstance(getattr(x, "_theirs", x), self.theirs)


# On a line.


class Interp1d(Holder):
    """`interp1d`; where SciPy raises since a point is outside, NaN."""

    def __init__(
        self,
        x: Any,
        y: Any,
        kind: Any = "linear",
        axis: int = -1,
        copy: bool = True,
        bounds_error: Any = None,
        fill_value: Any = np.nan,
        assume_sorted: bool = False,
        theirs: Any = None,
    ) -> None:
        x, y = asarray(x), inexact(asarray(y))
        if not assume_sorted:
            order = np.argsort(x, kind="stable")
            x, y = take(x, order), take(y, order, axis=axis)
        self.x, self.y, self.axis, self._theirs = x, y, axis % len(y.shape), theirs
        self._kind = "linear" if kind == "slinear" else ORDERS.get(kind, kind)
        if self._kind not in KINDS:
            raise OptionError("interp1d", f"kind is {kind!r}, and there are traced values", f"it must be in {KINDS}")
        self._beyond = isinstance(fill_value, str)
        below_above = fill_value if isinstance(fill_value, tuple) else (fill_value, fill_value)
        self._fill = (np.nan, np.nan) if self._beyond else below_above
        self._spline: Any = None
        if self._kind in ("quadratic", "cubic"):
            self._spline = interpolating_spline(x, y, {"quadratic": 2, "cubic": 3}[self._kind], axis=self.axis)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or self._theirs is None:
            raise AttributeError(name)
        return getattr(self._theirs, name)

    def __call__(self, x: Any) -> Any:
        if self._theirs is not None and not is_traced(x):
            found = self._theirs(x)
            return made(found) if RUNNING.get() and type(found) is np.ndarray else found
        x = inexact(asarray(x))
        if self._spline is not None:
            found = self._spline(x)
        else:
            values = np.moveaxis(self.y, self.axis, 0)
            found = self._linear(x, values) if self._kind == "linear" else take(values, self._place(x), axis=0)
            points = range(len(x.shape))
            found = np.moveaxis(found, [*points], [self.axis + i for i in points])
        if self._beyond:
            return found
        shape = (1,) * self.axis + x.shape + (1,) * (len(found.shape) - len(x.shape) - self.axis)
        below, above = [(x < self.x[0]).reshape(shape), (x > self.x[-1]).reshape(shape)]
        return np.where(below, self._filled(0), np.where(above, self._filled(1), found))

    def _filled(self, side: int) -> Any:
        return as_array(self._fill[side], None)

    def _linear(self, x: Any, values: Any) -> Any:
        i = np.clip(np.searchsorted(self.x, x), 1, self.x.shape[0] - 1)
        x0, x1 = take(self.x, i - 1), take(self.x, i)
        y0, y1 = take(values, i - 1, axis=0), take(values, i, axis=0)
        part = (x - x0) / (x1 - x0)
        return y0 + (y1 - y0) * part.reshape(part.shape + (1,) * (len(y0.shape) - len(part.shape)))

    def _place(self, x: Any) -> Any:
        """The number of the value that serves for `x`."""
        last = self.x.shape[0] - 1
        if self._kind.startswith("nearest"):
            middle = (self.x[1:] + self.x[:-1]) / 2
            up = self._kind == "nearest-up"
            place = np.searchsorted(middle, x, side="right") if up else np.searchsorted(middle, x)
            return np.clip(place, 0, last)
        if self._kind == "next":
            return np.clip(np.searchsorted(self.x, x, side="left"), 0, last)
        return np.clip(np.searchsorted(self.x, x, side="right") - 1, 0, last)


ORDERS: dict[Any, str] = {0: "zero", 1: "linear", 2: "quadratic", 3: "cubic"}
KINDS = ("linear", "nearest", "nearest-up", "zero", "previous", "next", "quadratic", "cubic")


def seen_interp1d(theirs: Any) -> Any:
    spline = getattr(theirs, "_spline", None)
    kind = theirs._kind if spline is None else ORDERS.get(getattr(spline, "k", None))
    if kind not in KINDS:
        return theirs
    fill = "extrapolate" if theirs._extrapolate else theirs.fill_value
    options = {"axis": theirs.axis, "fill_value": fill, "assume_sorted": True, "theirs": theirs}
    return Interp1d(theirs.x, theirs.y, kind, **options)


# On a grid.


class GridInterpolator(Holder):
    """`RegularGridInterpolator`; where SciPy raises since a point is outside, NaN."""

    def __init__(
        self,
        points: Sequence[Any],
        values: Any,
        method: str = "linear",
        bounds_error: bool = True,
        fill_value: Any = np.nan,
        *,
        theirs: Any = None,
    ) -> None:
        self.grid, values = tuple([inexact(asarray(p)) for p in points]), inexact(asarray(values))
        for i, p in enumerate(self.grid):
            if not is_traced(p) and len(p) > 1 and p[0] > p[-1]:
                values = np.flip(values, i)
        self.grid = tuple([p[::-1] if not is_traced(p) and len(p) > 1 and p[0] > p[-1] else p for p in self.grid])
        self.values, self.method, self.fill_value, self._theirs = values, method, fill_value, theirs
        _check_method("RegularGridInterpolator", method)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or self._theirs is None:
            raise AttributeError(name)
        return getattr(self._theirs, name)

    def __call__(self, xi: Any, method: Any = None) -> Any:
        method = self.method if method is None else method
        if self._theirs is not None and not is_traced(xi):
            found = self._theirs(xi, method)
            return made(found) if RUNNING.get() and type(found) is np.ndarray else found
        _check_method("RegularGridInterpolator", method)
        count = len(self.grid)
        if isinstance(xi, tuple) and len(xi) == count:
            xi = np.stack(np.broadcast_arrays(*[inexact(asarray(x)) for x in xi]), axis=-1)
        xi = inexact(asarray(xi))
        xi = xi.reshape(-1, count) if len(xi.shape) == 1 else xi
        if xi.shape[-1] != count:
            raise ValueError(f"The requested sample points xi have dimension {xi.shape[-1]} but there are {count}.")
        found = on_grid(self.grid, self.values, [xi[..., i] for i in range(count)], method == "nearest")
        if self.fill_value is None:
            return found
        pairs = zip(self.grid, range(count), strict=True)
        outside = functools.reduce(np.logical_or, [(xi[..., i] < p[0]) | (xi[..., i] > p[-1]) for p, i in pairs])
        outside = outside.reshape(outside.shape + (1,) * (len(found.shape) - len(outside.shape)))
        return np.where(outside, self.fill_value, found)


def _check_method(call: str, method: str) -> None:
    if method not in ("linear", "nearest"):
        fact = f"method is {method!r}, and there are traced values"
        raise OptionError(call, fact, "it must be 'linear' or 'nearest'")


def on_grid(grid: Sequence[Any], values: Any, xs: Sequence[Any], nearest: bool) -> Any:
    """Values between those of a grid, linear or of the nearest."""
    corners = []
    for p, x in zip(grid, xs, strict=True):
        last = p.shape[0] - 1
        i = np.clip(np.searchsorted(p, x) - 1, 0, max(last - 1, 0))
        x0, x1 = take(p, i), take(p, np.minimum(i + 1, last))
        part = (x - x0) / np.where(x1 == x0, 1, x1 - x0)
        if nearest:
            corners.append([(np.where(part <= 0.5, i, np.minimum(i + 1, last)), None)])
        else:
            corners.append([(i, 1 - part), (np.minimum(i + 1, last), part)])
    total: Any = 0.0
    strides = np.cumprod([1, *values.shape[len(grid) - 1 : 0 : -1]])[::-1]
    flat = values.reshape(-1, *values.shape[len(grid) :])
    for corner in itertools.product(*corners):
        place = sum([i * int(s) for (i, _), s in zip(corner, strides, strict=True)])
        term = take(flat, place, axis=0)
        if not nearest:
            weight = functools.reduce(np.multiply, [w for _, w in corner])
            term = term * weight.reshape(weight.shape + (1,) * (len(term.shape) - len(weight.shape)))
        total = total + term
    return total


def seen_grid(theirs: Any) -> Any:
    if theirs.method not in ("linear", "nearest"):
        return theirs
    fill = np.nan if theirs.bounds_error and theirs.fill_value is None else theirs.fill_value
    return GridInterpolator(theirs.grid, theirs.values, theirs.method, theirs.bounds_error, fill, theirs=theirs)


def interpn(
    points: Any, values: Any, xi: Any, method: str = "linear", bounds_error: bool = True, fill_value: Any = np.nan
) -> Any:
    return GridInterpolator(points, values, method, bounds_error, fill_value)(xi)


def map_coordinates(input: Any, coordinates: Any, order: int = 3, mode: str = "constant", cval: float = 0.0) -> Any:
    if order not in (0, 1) or mode not in ("constant", "nearest"):
        fact = f"order is {order!r} and mode {mode!r}, and there are traced values"
        raise OptionError(
            "scipy.ndimage.map_coordinates", fact, "order must be 0 or 1, and mode 'constant' or 'nearest'"
        )
    x, places = inexact(asarray(input)), inexact(asarray(coordinates))
    grid = [np.arange(float(n)) for n in x.shape]
    inside = functools.reduce(np.logical_and, [(c >= 0) & (c <= n - 1) for c, n in zip(places, x.shape, strict=True)])
    bounded = [np.clip(c, 0, n - 1) for c, n in zip(places, x.shape, strict=True)]
    if order == 0:
        bounded = [np.floor(c + 0.5) for c in bounded]
    found = on_grid(grid, x, bounded, False)
    return np.where(inside, found, cval) if mode == "constant" else found


def splev(x: Any, tck: Any, der: int = 0, ext: int = 0) -> Any:
    if not isinstance(tck, tuple) or is_traced(tck) or ext != 0:
        fact = "tck is traced" if is_traced(tck) else f"ext is {ext!r}, and x is traced"
        raise OptionError("scipy.interpolate.splev", fact, "tck must be plain, and ext 0")
    return seen_spline(scipys("BSpline")(*tck))(x, der)


def declare_interpolants(module: ModuleType) -> None:
    """The forms of classes of `scipy.interpolate`, and what of objects of theirs is seen."""
    makers = MAKERS | {"interp1d": Interp1d, "RegularGridInterpolator": GridInterpolator}
    see = SEEN | {"interp1d": seen_interp1d, "RegularGridInterpolator": seen_grid}
    for name, ours in makers.items():
        theirs = getattr(module, name, None)
        if theirs is not None:
            stands_for(Maker(theirs, ours, see.get(name, seen_spline)), theirs)
    for name, seen in see.items():
        if hasattr(module, name):
            SEES[getattr(module, name)] = seen


FUNCTIONS: dict[str, Callable[..., Any]] = {"interpn": interpn, "splev": splev}
OF_IMAGES: dict[str, Callable[..., Any]] = {"map_coordinates": map_coordinates}
