"""`quad` and its kin: the derivative of an integral is that by its ends, and the integral of the derivative.

Integrands of all rows go together through the rule with which QUADPACK begins (Piessens and others, 1983); where its
error estimate is not small enough, through that rule for halves and quarters, as far as QUADPACK takes their sum. Where
it would extrapolate, SciPy goes on, row by row.
"""

import inspect
import sys
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..batching import vmap
from ..derivatives import vjp
from ..errors import ConcretizationError, OptionError
from ..forward import jvp
from ..names import call_user
from ..rules.casts import inexact
from ..rules.creation import as_array
from ..tracer import Tracer
from .calls import Returned, SolverCall, applied, unknown
from .operations import PlainRun, Rule, by_rows, no_derivative

HALF = (
    *(0.995657163025808080735527280689003, 0.973906528517171720077964012084452, 0.930157491355708226001207180059508),
    *(0.865063366688984510732096688423493, 0.780817726586416897063717578345042, 0.679409568299024406234327365114874),
    *(0.562757134668604683339000099272694, 0.433395394129247190799265943165784, 0.294392862701460198131126603103866),
    0.148874338981631210884826001129720,
)
WEIGHTS_OF_HALF = (
    *(0.011694638867371874278064396062192, 0.032558162307964727478818972459390, 0.054755896574351996031381300244580),
    *(0.075039674810919952767043140916190, 0.093125454583697605535065465083366, 0.109387158802297641899210590325805),
    *(0.123491976262065851077958109831074, 0.134709217311473325928054001771707, 0.142775938577060080797094273138717),
    0.147739104901338491374841515972068,
)
NODES = np.array([-x for x in HALF] + [0.0] + list(HALF[::-1]))
WEIGHTS = np.array([*WEIGHTS_OF_HALF, 0.149445554002916905664936468389821, *WEIGHTS_OF_HALF[::-1]])
"""Kronrod's rule of 21 points, every second of which is one of Gauss's rule of 10."""
GAUSS = np.polynomial.legendre.leggauss(10)[1]

EPS, TINY = float(np.finfo(float).eps), float(np.finfo(float).tiny)
TOLERANCE = 1.49e-8
FINEST = 4
"""Parts, after which QUADPACK extrapolates."""

FEW = 4
"""Rows for which SciPy's own, one by one, costs no more."""


class Estimate(NamedTuple):
    """An integral by Kronrod's rule."""

    whole: Any
    error: Any
    proven: Any
    """Whether the error is one, and not the size of what was found."""
    settled: Any
    """Whether it is of rounding, which no finer rule makes smaller."""


def kronrod(values: Any, a: Any, b: Any) -> Estimate:
    """The integral from values at the nodes, along axis 0."""
    half = (b - a) / 2
    whole = np.tensordot(WEIGHTS, values, 1)
    rough = np.tensordot(GAUSS, values[1::2], 1)
    size = np.tensordot(WEIGHTS, np.abs(values), 1) * np.abs(half)
    spread = np.tensordot(WEIGHTS, np.abs(values - whole / 2), 1) * np.abs(half)
    error = np.abs((whole - rough) * half)
    with np.errstate(all="ignore"):
        scaled = spread * np.minimum(1, (200 * error / spread) ** 1.5)
    error = np.where((spread != 0) & (error != 0), scaled, error)
    error = np.where(size > TINY / (50 * EPS), np.maximum(50 * EPS * size, error), error)
    return Estimate(whole * half, error, error != spread, error <= 100 * EPS * size)


def nodes(a: Any, b: Any) -> Any:
    """Where an integrand is asked, along axis 0."""
    return (a + b) / 2 + (b - a) / 2 * NODES.reshape(-1, *[1] * np.ndim(a))


class Integral:
    """The integral of `fun(x, leaves)`, an array, between `ends(leaves)`, by the options of `quad`.

    `moving` says which of the ends hang on leaves.
    """

    def __init__(self, name: str, fun: Rule, ends: Rule, moving: tuple[bool, bool], options: dict[str, Any]) -> None:
        self.name, self.fun, self.ends, self.moving, self.options = name, fun, ends, moving, options
        self.simple = options.get("points") is None and options.get("weight") is None

    def __call__(self, *leaves: Any) -> Any:
        return PlainRun(self.name, self._run, self.push, self.pull, self._rows)(*leaves)[0]

    # Values.

    def _run(self, *leaves: Any) -> tuple[Any]:
        return (call_user(self._one, (leaves,)),)

    def _one(self, leaves: Sequence[Any]) -> Any:
        """Of one row; each element that is not done with the first rule by SciPy."""
        a, b = map(float, self.ends(leaves))
        if self.simple and np.isfinite(a) and np.isfinite(b):
            values = self._values(nodes(np.float64(a), np.float64(b)), leaves)
            whole, _, done = self.judged(kronrod(values, a, b))
        else:
            whole = np.zeros(np.shape(self.fun(np.float64(_inside(a, b)), leaves)))
            done = np.zeros(whole.shape, bool)
        whole = np.array(whole)
        for place in map(tuple, np.argwhere(~np.asarray(done))):
            whole[place] = self._by_scipy(place, a, b, leaves)
        return whole

    def _by_scipy(self, place: Any, a: float, b: float, leaves: Sequence[Any]) -> Any:
        def element(x: float) -> float:
            return float(self.fun(np.float64(x), leaves)[place])

        return sys.modules["scipy.integrate"].quad(element, a, b, **self.options)[0]

    def _values(self, x: Any, leaves: Sequence[Any]) -> Any:
        return by_rows(lambda x: (self.fun(x, leaves),), [0], len(x), [x])[0]

    def judged(self, found: Estimate) -> tuple[Any, Any, Any]:
        """The integral, its error, and where that is small enough."""
        whole, error, proven, _ = found
        return whole, error, (self._is_small(whole, error) & proven) | (error == 0)

    def _is_small(self, whole: Any, error: Any) -> Any:
        return error <= np.maximum(self.options["epsabs"], self.options["epsrel"] * np.abs(whole))

    def together(self, size: int, mapped: Sequence[bool], leaves: Sequence[Any]) -> tuple[Any, Any, Any] | None:
        """The same of all rows at once; None where the integrand asks for values, or the ends are infinite."""
        axes = [0 if m else None for m in mapped]
        try:
            a, b = vmap(lambda *xs: self.ends(xs), tuple(axes), axis_size=size)(*leaves)
            if not (self.simple and np.all(np.isfinite(a)) and np.all(np.isfinite(b))):
                return None
            a, b = [np.broadcast_to(end, size) for end in (a, b)]
            found = self._between(a, b, axes, leaves)
            whole, error, done = self.judged(found)
            open_ones = ~(done | found.settled) & (self.options.get("limit", FINEST + 1) > FINEST)
            some = np.flatnonzero(open_ones.reshape(size, -1).any(1))
            if len(some):
                given = [x[some] if m else x for x, m in zip(leaves, mapped, strict=True)]
                finer, its_error, close = self._by_parts(a[some], b[some], axes, given)
                close &= open_ones[some]
                for out, new in ((whole, finer), (error, its_error), (done, True)):
                    out[some] = np.where(close, new, out[some])
        except ConcretizationError:
            return None
        return whole, error, done

    def _between(self, a: Any, b: Any, axes: Sequence[int | None], leaves: Sequence[Any]) -> Estimate:
        """Of rows with ends of their own."""
        each = vmap(lambda x, *xs: vmap(lambda x: self.fun(x, xs))(x), (0, *axes), axis_size=len(a))
        values = np.moveaxis(each(nodes(a, b).T, *leaves), 1, 0)
        a, b = [end.reshape(-1, *(1,) * (values.ndim - 2)) for end in (a, b)]
        return kronrod(values, a, b)

    def _by_parts(self, a: Any, b: Any, axes: Sequence[int | None], leaves: Sequence[Any]) -> tuple[Any, Any, Any]:
        """The integral, its error, and where that is small enough, of halves, the worse of which are halved."""
        places = np.linspace(0, 1, 5)
        ends = [a + (b - a) * x for x in places]
        halves = [self._between(ends[i], ends[i + 2], axes, leaves) for i in (0, 2)]
        whole, error = halves[0].whole + halves[1].whole, halves[0].error + halves[1].error
        done = self._is_small(whole, error)
        if not done.all():
            quarters = [self._between(ends[i], ends[i + 1], axes, leaves) for i in range(4)]
            first = halves[0].error >= halves[1].error
            kept, kept_error = [np.where(first, h[1], h[0]) for h in zip(*[h[:2] for h in halves], strict=True)]
            parts = [[np.where(first, quarters[i][k], quarters[i + 2][k]) for i in (0, 1)] for k in (0, 1)]
            errors = parts[1]
            finer = kept + parts[0][0] + parts[0][1], kept_error + errors[0] + errors[1]
            finest = sum(q.whole for q in quarters), sum(q.error for q in quarters)
            close = self._is_small(*finer)
            closer = (kept_error >= np.maximum(*errors)) & self._is_small(*finest)
            for better, (its, its_error) in ((~close & closer, finest), (close, finer)):
                better = better & ~done
                whole, error = np.where(better, its, whole), np.where(better, its_error, error)
            done = done | close | closer
        return whole, error, done

    def _rows(self, size: int, mapped: Sequence[bool], *leaves: Any) -> Any:
        whole, _, done = (self.together(size, mapped, leaves) if size else None) or (None, None, np.zeros(size, bool))
        if whole is None:
            return PlainRun(self.name, self._run, self.push, self.pull).rows(size, mapped, *leaves)
        whole = np.array(whole)
        for i in np.flatnonzero(~np.all(done.reshape(size, -1), axis=1)):
            whole[i] = self._run(*[x[i] if m else x for x, m in zip(leaves, mapped, strict=True)])[0]
        return (whole,)

    # Derivatives.

    def push(self, leaves: Any, outs: Any, tangents: Sequence[Any]) -> list[Any]:
        count, moving = len(leaves), [i for i, t in enumerate(tangents) if t is not None]
        ts = tuple([tangents[i] for i in moving])

        def slope(x: Any, xs: Sequence[Any]) -> Any:
            along = _of_some(lambda full: self.fun(x, full), xs[:count], moving)
            return jvp(along, tuple([xs[i] for i in moving]), tuple(xs[count:]))[1]

        total = self._of(slope, count)(*leaves, *ts)
        for end, sign in self._moving_ends():
            along = _of_some(lambda full, end=end: self.ends(full)[end], leaves, moving)
            moved = jvp(along, tuple([leaves[i] for i in moving]), ts)[1]
            total = total + sign * moved * self.fun(self.ends(leaves)[end], leaves)
        return [total, *[np.full_like(x, np.nan if x.dtype.kind in "fc" else 0) for x in outs[1:]]]

    def pull(self, leaves: Any, outs: Any, gs: Sequence[Any], wanted: Sequence[int]) -> list[Any]:
        count, g = len(leaves), gs[0]
        given = tuple([leaves[i] for i in wanted])

        def slopes(x: Any, xs: Sequence[Any]) -> Any:
            along = _of_some(lambda full: self.fun(x, full), xs[:count], wanted)
            value, pullback = vjp(along, *[xs[i] for i in wanted])
            return np.concatenate([ct.reshape(-1) for ct in pullback(xs[count].astype(value.dtype))])

        total = self._of(slopes, count)(*leaves, g)
        ends = np.cumsum([0, *[x.size for x in given]])
        found = [total[i:j].reshape(x.shape) for i, j, x in zip(ends[:-1], ends[1:], given, strict=True)]
        for end, sign in self._moving_ends():
            along = _of_some(lambda full, end=end: self.ends(full)[end], leaves, wanted)
            moved, pullback = vjp(along, *given)
            more = pullback((sign * np.sum(g * self.fun(moved, leaves))).astype(moved.dtype))
            found = [x + y for x, y in zip(found, more, strict=True)]
        return found

    def _of(self, fun: Rule, count: int) -> "Integral":
        """The integral of another function, whose leaves begin with those of this one."""
        return Integral(self.name, fun, lambda leaves: self.ends(leaves[:count]), self.moving, self.options)

    def _moving_ends(self) -> list[tuple[int, float]]:
        return [(end, sign) for end, sign in ((0, -1.0), (1, 1.0)) if self.moving[end]]


def _inside(a: float, b: float) -> float:
    if np.isfinite(a):
        return (a + b) / 2 if np.isfinite(b) else a + 1
    return b - 1 if np.isfinite(b) else 0.0


def _of_some(fun: Rule, leaves: Sequence[Any], places: Sequence[int]) -> Rule:
    """`fun(leaves)` as a function of those at some places."""

    def of_some(*values: Any) -> Any:
        full = list(leaves)
        for i, x in zip(places, values, strict=True):
            full[i] = x
        return fun(full)

    return of_some


def _integral(call: SolverCall, name: str, options: dict[str, Any]) -> Integral:
    """The integral that a call of `quad` or `quad_vec` asks for."""

    def fun(x: Any, leaves: Sequence[Any]) -> Any:
        given = call.given(leaves)
        args = given["args"] if isinstance(given["args"], tuple) else (given["args"],)
        return inexact(applied(given[name], x, *args))

    def ends(leaves: Sequence[Any]) -> tuple[Any, Any]:
        given = call.given(leaves)
        return as_array(given["a"], None).astype(float), as_array(given["b"], None).astype(float)

    asked = call.bound.arguments
    moving = isinstance(asked["a"], Tracer), isinstance(asked["b"], Tracer)
    if any(moving) and options.get("weight") is not None:
        fact = f"weight is {options['weight']!r}, and an end is traced"
        raise OptionError(call.name, fact, "it must be None then", "Multiply the function by it")
    return Integral(call.name, fun, ends, moving, options)


OPTIONS = ("epsabs", "epsrel", "limit", "points", "weight", "wvar", "wopts", "maxp1", "limlst")


def quad(call: SolverCall) -> Any:
    asked = call.bound.arguments
    if asked.get("complex_func"):
        raise OptionError(call.name, "complex_func is True, and there are traced values", "it must be False then")
    options = {"epsabs": TOLERANCE, "epsrel": TOLERANCE, **{name: asked[name] for name in OPTIONS if name in asked}}
    integral = _integral(call, "func", options)

    def rows(size: int, mapped: Sequence[bool], *leaves: Any) -> Any:
        found = None if asked.get("full_output") or size < FEW else integral.together(size, mapped, leaves)
        one_by_one = PlainRun(call.name, call.run, *no_derivative(call.name)).rows
        if found is None:
            return one_by_one(size, mapped, *leaves)
        whole, error, done = found
        call.noted(Returned(call.name, (0.0, 0.0)))
        whole, error = np.array(whole), np.array(error)
        for i in np.flatnonzero(~done):
            whole[i], error[i] = call.run(*[x[i] if m else x for x, m in zip(leaves, mapped, strict=True)])
        return [whole, error]

    return call.solved(integral.push, _checked(call, integral.pull), rows, lambda given: (0.0, 0.0))


def quad_vec(call: SolverCall) -> Any:
    asked = call.bound.arguments
    options = {"epsabs": TOLERANCE, "epsrel": asked.get("epsrel", 1e-8), "limit": 200}
    integral = _integral(call, "f", options)
    return call.solved(integral.push, _checked(call, integral.pull))


def _checked(call: SolverCall, pull: Rule) -> Rule:
    """A rule of an operation of whose results the first alone has a derivative."""

    def checked(leaves: Any, outs: Any, gs: Sequence[Any], wanted: Sequence[int]) -> Any:
        assert call.form is not None
        unknown(call.name, call.form, call.form.paths[:1], gs)
        return pull(leaves, outs, [np.zeros_like(outs[0]) if gs[0] is None else gs[0]], wanted)

    return checked


def fixed_quad(call: SolverCall) -> Any:
    asked = inspect.BoundArguments(call.bound.signature, call.bound.arguments)
    asked.apply_defaults()
    func, a, b, args, n = asked.args
    x, weights = np.polynomial.legendre.leggauss(n)
    if not any(isinstance(end, Tracer) for end in (a, b)) and np.isinf([a, b]).any():
        raise ValueError("Gaussian quadrature is only available for finite limits.")
    values = as_array(func((b - a) * (x + 1) / 2.0 + a, *args), None)
    return (b - a) / 2.0 * np.sum(weights * values, axis=-1), None


FUNCTIONS: dict[str, Callable[[SolverCall], Any]] = {"quad": quad, "quad_vec": quad_vec, "fixed_quad": fixed_quad}
