"""Piecewise polynomials of `scipy.interpolate`, of traced values and at traced points.

What SciPy's interpolants make of values is linear in them, but for PCHIP and Akima; so of plain knots it is a matrix,
which SciPy's own make of unit vectors.
"""

import math
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from ..core import RUNNING
from ..errors import OptionError, ShapeError, describe
from ..rules.casts import inexact
from ..rules.creation import asarray, made
from ..rules.taking import take
from ..tracer import is_traced
from .closures import Holder


def scipys(name: str) -> Any:
    return getattr(sys.modules["scipy.interpolate"], name)


def along(x: Any, y: Any) -> Any:
    """`x` (n,) with axes for those of `y` (n, ...)."""
    return x.reshape((-1,) + (1,) * (len(y.shape) - 1))


class Piecewise(Holder):
    """Polynomials with coefficients `c` (k + 1, m, ...), highest power first, between knots `x` (m + 1,).

    `theirs` is SciPy's own object, which answers plain questions, where all of it is plain.
    """

    def __init__(self, c: Any, x: Any, axis: int = 0, extrapolate: Any = True, theirs: Any = None) -> None:
        self.c, self.x, self.axis, self.extrapolate, self._theirs = c, x, axis, extrapolate, theirs

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or self._theirs is None:
            raise AttributeError(f"{name!r} is not known of an interpolant of traced values")
        return getattr(self._theirs, name)

    def __call__(self, x: Any, nu: int = 0, extrapolate: Any = None) -> Any:
        if self._theirs is not None and not is_traced(x):
            options = {} if extrapolate is None else {"extrapolate": extrapolate}
            found = self._theirs(x, nu, **options)
            return made(found) if RUNNING.get() and type(found) is np.ndarray else found
        x = inexact(asarray(x))
        extrapolate = self.extrapolate if extrapolate is None else extrapolate
        if extrapolate == "periodic":
            x = self.x[0] + (x - self.x[0]) % (self.x[-1] - self.x[0])
        piece = np.clip(np.searchsorted(self.x, x, side="right") - 1, 0, self.c.shape[1] - 1)
        found = _powers(take(self.c, piece, axis=1), x - take(self.x, piece), nu)
        if not extrapolate:
            outside = (x < self.x[0]) | (x > self.x[-1])
            found = np.where(outside.reshape(outside.shape + (1,) * (len(found.shape) - len(x.shape))), np.nan, found)
        points = range(len(x.shape))
        return np.moveaxis(found, [*points], [self.axis + i for i in points])

    def derivative(self, nu: int = 1) -> "Piecewise":
        if self._theirs is not None:
            return seen_piecewise(self._theirs.derivative(nu))
        c, count = self.c, len(self.c)
        if nu < 0:
            return self.antiderivative(-nu)
        scale = [math.perm(count - 1 - i, nu) for i in range(count - nu)]
        c = c[: count - nu] * along(np.array(scale, float), c) if scale else np.zeros_like(c[:1])
        return Piecewise(c, self.x, self.axis, self.extrapolate)

    def antiderivative(self, nu: int = 1) -> "Piecewise":
        if self._theirs is not None:
            return seen_piecewise(self._theirs.antiderivative(nu))
        whole = self
        for _ in range(nu):
            c = whole.c / along(np.arange(len(whole.c), 0, -1.0), whole.c)
            c = np.concatenate([c, np.zeros_like(c[:1])])
            steps = np.sum(c[:, :-1] * _descending(np.diff(self.x)[:-1], c[:, :-1]), axis=0)
            begin = np.concatenate([np.zeros_like(c[0, :1]), np.cumsum(steps, axis=0)])
            whole = Piecewise(np.concatenate([c[:-1], begin[None]]), self.x, self.axis, self.extrapolate)
        extrapolate = False if self.extrapolate == "periodic" else self.extrapolate
        return Piecewise(whole.c, self.x, self.axis, extrapolate)

    def integrate(self, a: Any, b: Any, extrapolate: Any = None) -> Any:
        extrapolate = self.extrapolate if extrapolate is None else extrapolate
        if self._theirs is not None and not is_traced((a, b)):
            return self._theirs.integrate(a, b, extrapolate)
        if extrapolate == "periodic":
            raise OptionError("integrate", "extrapolate is 'periodic', and there are traced values", "", "Pass True")
        whole = Piecewise(self.c, self.x, self.axis, extrapolate).antiderivative()
        return whole(b) - whole(a)


def _descending(h: Any, c: Any) -> Any:
    """Powers of `h` (m,) for coefficients `c` (k + 1, m, ...)."""
    powers = np.stack([h**i for i in range(len(c) - 1, -1, -1)])
    return powers.reshape(powers.shape + (1,) * (len(c.shape) - 2))


def _powers(c: Any, d: Any, nu: int) -> Any:
    """The polynomials `c` (k + 1, points, ...), `nu` times differentiated, at `d` (points)."""
    d = d.reshape(d.shape + (1,) * (len(c.shape) - 1 - len(d.shape)))
    total: Any = 0.0
    count = c.shape[0]
    for i in range(count - nu):
        total = total * d + math.perm(count - 1 - i, nu) * c[i]
    return total if count > nu else np.zeros_like(c[0]) * d


def seen_piecewise(theirs: Any) -> Piecewise:
    """A piecewise polynomial of SciPy's that was made outside."""
    return Piecewise(theirs.c, theirs.x, theirs.axis, theirs.extrapolate, theirs)


def seen_spline(theirs: Any) -> Piecewise:
    """A B-spline of SciPy's that was made outside."""
    breaks = np.unique(theirs.t[theirs.k : len(theirs.t) - theirs.k])
    return Piecewise(_pieces(theirs, breaks, theirs.k), breaks, theirs.axis, theirs.extrapolate, theirs)


def seen_smoothing(theirs: Any) -> Piecewise:
    """A spline of FITPACK's that was made outside."""
    breaks = theirs.get_knots()
    t, c, k = theirs._eval_args
    extrapolate = {0: True, 1: False}.get(theirs.ext)
    if extrapolate is None or theirs.ext == 1:
        return theirs  # zeros outside, an error or the value at the end: it takes plain points alone
    return Piecewise(_pieces(scipys("BSpline")(t, c, k), breaks, k), breaks, 0, True, theirs)


def _pieces(spline: Any, breaks: Any, degree: int) -> Any:
    """The coefficients of a spline between its knots."""
    powers = range(degree, -1, -1)
    axis = getattr(spline, "axis", 0)
    return np.stack([np.moveaxis(spline(breaks[:-1], nu=m), axis, 0) / math.factorial(m) for m in powers])


# Interpolants.


def prepared(call: str, x: Any, y: Any, axis: int) -> tuple[Any, Any, int]:
    """The knots, and the values with their axis in front."""
    x, y = inexact(asarray(x)), inexact(asarray(y))
    axis = axis % len(y.shape)
    y = np.moveaxis(y, axis, 0)
    if len(x.shape) != 1 or x.shape[0] != y.shape[0] or x.shape[0] < 2:
        raise ShapeError(call, f"x is {describe(x)}", f"there are {y.shape[0]} values along the axis")
    if not is_traced(x) and not np.all(np.diff(x) > 0):
        raise ValueError("`x` must be strictly increasing sequence.")
    return x, y, axis


def hermite(x: Any, y: Any, s: Any) -> Any:
    """The coefficients of cubics with values `y` and slopes `s` at `x`."""
    h = along(np.diff(x), y)
    m = np.diff(y, axis=0) / h
    bend = (s[:-1] + s[1:] - 2 * m) / h
    return np.stack([bend / h, (m - s[:-1]) / h - bend, s[:-1], y[:-1]])


def cubic_hermite(x: Any, y: Any, dydx: Any, axis: int = 0, extrapolate: Any = None) -> Piecewise:
    x, y, axis = prepared("CubicHermiteSpline", x, y, axis)
    slopes = np.moveaxis(inexact(asarray(dydx)), axis, 0)
    return Piecewise(hermite(x, y, slopes), x, axis, True if extrapolate is None else extrapolate)


def pchip(x: Any, y: Any, axis: int = 0, extrapolate: Any = None) -> Piecewise:
    """Fritsch and Butland, SIAM Journal on Scientific Computing 5 (1984)."""
    x, y, axis = prepared("PchipInterpolator", x, y, axis)
    h = along(np.diff(x), y)
    m = np.diff(y, axis=0) / h
    if len(m) == 1:
        slopes = np.concatenate([m, m])
    else:
        turns = np.sign(m[1:]) * np.sign(m[:-1]) <= 0
        w1, w2 = 2 * h[1:] + h[:-1], h[1:] + 2 * h[:-1]
        safe0, safe1 = np.where(turns, 1, m[:-1]), np.where(turns, 1, m[1:])
        inner = np.where(turns, 0, (w1 + w2) / (w1 / safe0 + w2 / safe1))
        first = _at_end(h[0], h[1], m[0], m[1])
        last = _at_end(h[-1], h[-2], m[-1], m[-2])
        slopes = np.concatenate([first[None], inner, last[None]])
    return Piecewise(hermite(x, y, slopes), x, axis, True if extrapolate is None else extrapolate)


def _at_end(h0: Any, h1: Any, m0: Any, m1: Any) -> Any:
    slope = ((2 * h0 + h1) * m0 - h0 * m1) / (h0 + h1)
    steep = (np.sign(m0) != np.sign(m1)) & (np.abs(slope) > 3 * np.abs(m0))
    return np.where(np.sign(slope) != np.sign(m0), 0, np.where(steep, 3 * m0, slope))


def akima(x: Any, y: Any, axis: int = 0, *, method: str = "akima", extrapolate: Any = None) -> Piecewise:
    """Akima, Journal of the ACM 17 (1970)."""
    x, y, axis = prepared("Akima1DInterpolator", x, y, axis)
    m = np.diff(y, axis=0) / along(np.diff(x), y)
    if len(m) == 1:
        slopes = np.concatenate([m, m])
    else:
        before, after = [2 * m[0] - m[1]], [2 * m[-1] - m[-2]]
        before, after = [2 * before[0] - m[0], *before], [*after, 2 * after[0] - m[-1]]
        m = np.concatenate([np.stack(before), m, np.stack(after)])
        change = np.abs(np.diff(m, axis=0))
        if method == "makima":
            change = change + 0.5 * np.abs(m[1:] + m[:-1])
        f1, f2 = change[2:], change[:-2]
        flat = f1 + f2 <= 1e-9 * np.max(f1 + f2)
        weight = f2 / np.where(flat, 1, f1 + f2)
        slopes = np.where(flat, (m[3:] + m[:-3]) / 2, m[1:-2] + weight * (m[2:-1] - m[1:-2]))
    return Piecewise(hermite(x, y, slopes), x, axis, False if extrapolate is None else extrapolate)


def cubic_spline(x: Any, y: Any, axis: int = 0, bc_type: Any = "not-a-knot", extrapolate: Any = None) -> Piecewise:
    x, y, axis = prepared("CubicSpline", x, y, axis)
    if extrapolate is None:
        extrapolate = "periodic" if bc_type == "periodic" else True
    if is_traced(x):
        slopes = _slopes_at(x, y, bc_type)
    else:
        slopes = _slopes_of(scipys("CubicSpline"), np.asarray(x), y, bc_type)
    return Piecewise(hermite(x, y, slopes), x, axis, extrapolate)


def _slopes_of(spline: Any, x: Any, y: Any, bc_type: Any) -> Any:
    """The slopes of a cubic spline at plain knots: linear in the values, and in what is given at the ends."""
    count = len(x)
    if bc_type == "periodic":
        unit = np.eye(count - 1)
        slopes = np.tensordot(spline(x, np.concatenate([unit, unit[:1]]), bc_type=bc_type)(x, 1), y[:-1], 1)
        return slopes
    ends = _ends(bc_type)
    kinds = [end if isinstance(end, str) else (end[0], np.zeros(count)) for end in ends]
    slopes = np.tensordot(spline(x, np.eye(count), bc_type=tuple(kinds))(x, 1), y, 1)
    for i, end in enumerate(ends):
        if not isinstance(end, str) and (is_traced(end[1]) or np.any(end[1])):
            unit_ends = [e if isinstance(e, str) else (e[0], float(i == j)) for j, e in enumerate(ends)]
            unit = spline(x, np.zeros(count), bc_type=tuple(unit_ends))(x, 1)
            slopes = slopes + along(unit, y) * asarray(end[1])
    return slopes


def _ends(bc_type: Any) -> list[Any]:
    """What is given at either end: "not-a-knot", or the order and value of a derivative."""
    ends = [bc_type] * 2 if isinstance(bc_type, str) else list(bc_type)
    return [{"clamped": (1, 0.0), "natural": (2, 0.0)}.get(e, e) if isinstance(e, str) else e for e in ends]


def _slopes_at(x: Any, y: Any, bc_type: Any) -> Any:
    """The slopes of a cubic spline at traced knots: the solution of a tridiagonal system."""
    ends, count = _ends(bc_type), x.shape[0]
    if bc_type == "periodic" or (count < 4 and "not-a-knot" in ends):
        fact = f"x is traced, and bc_type is {bc_type!r}" + f" with {count} knots" * (bc_type != "periodic")
        raise OptionError("CubicSpline", fact, "", "Pass plain knots")
    h = np.diff(x)
    wide = along(h, y)
    m = np.diff(y, axis=0) / wide
    middle = 3 * (wide[1:] * m[:-1] + wide[:-1] * m[1:])
    first = _end_row(ends[0], h[0], h[1], m[0], m[1], 1.0)
    last = _end_row(ends[1], h[-1], h[-2], m[-1], m[-2], -1.0)
    right = np.concatenate([first[2][None], middle, last[2][None]])
    own = np.concatenate([first[0][None], 2 * (h[1:] + h[:-1]), last[0][None]])
    upper = np.concatenate([first[1][None], h[:-1]])
    lower = np.concatenate([h[1:], last[1][None]])
    matrix = np.diag(own) + np.diag(upper, 1) + np.diag(lower, -1)
    return np.linalg.solve(matrix, right.reshape(count, -1)).reshape(right.shape)


def _end_row(end: Any, h0: Any, h1: Any, m0: Any, m1: Any, sign: float) -> tuple[Any, Any, Any]:
    """The equation at an end: what the slope there is multiplied by, and the next one; and the right side."""
    if end == "not-a-knot":
        return h1, h0 + h1, ((h0 + 2 * (h0 + h1)) * h1 * m0 + h0**2 * m1) / (h0 + h1)
    order, value = end
    if order == 1:
        return h0 * 0 + 1, h0 * 0, m0 * 0 + asarray(value)
    return 2 * h0, h0, 3 * h0 * m0 - sign * 0.5 * asarray(value) * h0**2


def interpolating_spline(x: Any, y: Any, k: int = 3, t: Any = None, bc_type: Any = None, axis: int = 0) -> Piecewise:
    """`make_interp_spline`, of plain knots."""
    x, y, axis = prepared("make_interp_spline", x, y, axis)
    if is_traced(x) or not (bc_type is None or isinstance(bc_type, str)) or bc_type == "periodic":
        fact = "x is traced" if is_traced(x) else f"bc_type is {bc_type!r}, and y is traced"
        raise OptionError("make_interp_spline", fact, "it must be plain, of derivatives that are 0 or none")
    spline = scipys("make_interp_spline")(x, np.eye(len(x)), k, t, bc_type)
    breaks = np.unique(spline.t[k : len(spline.t) - k])
    return Piecewise(np.tensordot(_pieces(spline, breaks, k), y, 1), breaks, axis, True)


MAKERS: dict[str, Callable[..., Any]] = {
    "CubicSpline": cubic_spline,
    "CubicHermiteSpline": cubic_hermite,
    "PchipInterpolator": pchip,
    "Akima1DInterpolator": akima,
    "PPoly": lambda c, x, extrapolate=None, axis=0: Piecewise(
        inexact(asarray(c)), inexact(asarray(x)), axis, True if extrapolate is None else extrapolate
    ),
    "make_interp_spline": interpolating_spline,
}
"""What makes an interpolant of traced values, by SciPy's names."""

SEEN: dict[str, Callable[[Any], Any]] = {
    **dict.fromkeys(("CubicSpline", "CubicHermiteSpline", "PchipInterpolator", "Akima1DInterpolator"), seen_piecewise),
    "PPoly": seen_piecewise,
    "BSpline": seen_spline,
    **dict.fromkeys(("UnivariateSpline", "InterpolatedUnivariateSpline", "LSQUnivariateSpline"), seen_smoothing),
}
"""How one that was made outside is seen, by the names of SciPy's classes."""
