"""The laws of jvp and vjp, checked along random directions and through orders."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..arrays import asarray, on_host
from ..derivatives import vjp
from ..errors import name_of
from ..forward import jvp
from ..pytree import flatten, unflatten
from ..transposing import has_derivative
from .compare import TOLERANCE, assert_close, assert_like, assert_own, assert_same, numbered, real_bytes, untouched
from .layouts import LAYOUTS, laid_out
from .oracles import Fun, call_seen, numeric_jvp
from .reproduction import reproducible

MODES = ("fwd", "rev")

FINITE = {2: (5e-2, 1e-1), 4: (1e-3, 5e-3), 8: (1e-6, 1e-5)}
"""By bytes of a real number: how far a derivative may be from a finite difference, relative to 1 + |value|, and the
step of the difference."""


def check_grads(
    fun: Fun,
    *args: Any,
    argnums: Sequence[int] | None = None,
    order: int = 2,
    modes: Sequence[str] = MODES,
    tol: float = 1.0,
    seed: int = 0,
) -> None:
    """Checks the derivative of `fun` against finite differences, and reverse mode against forward mode.

    Law:  <pullback(g), t> == <g, jvp(fun, (x,), (t,))[1]>, with <a, b> = Re(sum(a * b))

    Also that arguments and results have alone the derivatives that they have together, that tangents and cotangents
    have the shape and dtype of what they belong to and memory of their own, and that nothing given is written to.

    Args:
        fun: a function of arrays in any pytree.
        *args: where to check it: a point around which `fun` is smooth, with values, results and derivatives of order
            one. With floats of fewer than 64 bits, three digits of the derivative are checked.
        argnums: which to differentiate; by default every leaf of floats or complex numbers.
        order: 2 checks the derivatives of the derivatives as well, and so on.
        modes: "fwd" for `jvp`, "rev" for `vjp`.
        tol: a factor on the tolerances.
        seed: for the directions of tangents and cotangents.

    Raises:
        AssertionError: a derivative is wrong, or has not the shape and dtype of what it belongs to.

    Example:
        >>> check_grads(np.sin, np.linspace(0, 1, 4))
    """
    with reproducible("check_grads", fun, args, {"argnums": argnums, "order": order, "modes": tuple(modes)}):
        check_point(fun, args, argnums, order, modes, tol, seed)


def check_point(
    fun: Fun,
    args: Sequence[Any],
    argnums: Sequence[int] | None,
    order: int,
    modes: Sequence[str],
    tol: float,
    seed: int = 0,
) -> None:
    """What `check_grads` checks, for a check that shows its failures again itself."""
    f, primals = of_inexact(fun, args, argnums)
    results = f(*primals)
    if primals and results:
        bound, step = FINITE.get(min(map(real_bytes, primals + results)), FINITE[8])
        law = _Derivative(modes, tol * bound, step, tol, np.random.default_rng(seed))
        law.check_alone(f, primals)
        law.check(f, primals, order)
        law.check_additive(f, primals)


def check_layouts(
    fun: Fun, args: Sequence[Any], argnums: Sequence[int] | None, modes: Sequence[str], tol: float
) -> None:
    """Checks that derivatives are the same however primals, tangents and cotangents lie in memory."""
    f, primals = of_inexact(fun, args, argnums)
    rng = np.random.default_rng(0)
    tangents, cotangents = [direction(x, rng) for x in primals], [direction(y, rng) for y in f(*primals)]

    def inner(*xs: Any) -> Any:
        return f(*[np.flip(x) for x in xs])

    for mode, along in (("fwd", tangents), ("rev", cotangents)):
        if mode in modes:
            expected = derivatives(mode, f, primals, along)
            what = f"the {'jvp' if mode == 'fwd' else 'vjp'} of {name_of(fun)}"
            for layout in LAYOUTS:
                xs, directions = [[laid_out(x, layout) for x in xs] for xs in (primals, along)]
                assert_same(derivatives(mode, f, xs, directions), expected, f"{what} with {layout} arrays", tol)
            back, forth = [_reversed(x) for x in primals], [_reversed(x) for x in along]
            views = derivatives(mode, inner, back, forth if mode == "fwd" else along)
            views = views if mode == "fwd" else [_reversed(ct) for ct in views]
            assert_same(views, expected, f"{what} of reversed views", tol)


def derivatives(mode: str, f: Fun, primals: Sequence[Any], along: Sequence[Any]) -> list[Any]:
    """The tangents of the results of `f` along tangents, or the cotangents of its arguments along cotangents."""
    return list(jvp(f, tuple(primals), tuple(along))[1] if mode == "fwd" else vjp(f, *primals)[1](list(along)))


def _reversed(x: Any) -> Any:
    """A copy of `x` with its elements in reverse order along every axis."""
    return np.flip(x).copy()


def moving_leaves(args: Sequence[Any], argnums: Sequence[int] | None) -> list[int]:
    """Which leaves of the arguments to differentiate, as numbers: those with a derivative, of the arguments named."""
    leaves = [(i, x) for i, arg in enumerate(args) for x in flatten(arg)[0]]
    return [j for j, (i, x) in enumerate(leaves) if has_derivative(x) and (argnums is None or i in argnums)]


def of_inexact(fun: Fun, args: Sequence[Any], argnums: Sequence[int] | None) -> tuple[Fun, list[Any]]:
    """`fun` as a function of the leaves to differentiate that returns a list of the leaves with a derivative."""
    leaves, tree = flatten(list(args))
    moving = moving_leaves(args, argnums)

    def f(*primals: Any) -> list[Any]:
        values = list(leaves)
        for j, x in zip(moving, primals, strict=True):
            values[j] = x
        return [y for y in flatten(call_seen(fun, *unflatten(tree, values)))[0] if has_derivative(y)]

    return _named(name_of(fun), f), [leaves[j] for j in moving]


@dataclass(frozen=True)
class _Derivative:
    """Which modes to check, and how exactly: `bound` for finite differences of `step`, `tol` for the same two ways."""

    modes: Sequence[str]
    bound: float
    step: float
    tol: float
    rng: np.random.Generator

    def check(self, f: Fun, primals: list[Any], order: int) -> None:
        """The modes along one random direction; then the same for what they compute, up to `order`."""
        tangents = [direction(x, self.rng) for x in primals]
        cotangents = [direction(y, self.rng) for y in f(*primals)]
        expected = numeric_jvp(f, primals, tangents, self.step)
        higher = []
        if "fwd" in self.modes:
            self._check_jvp(f, primals, tangents, expected)
            higher.append((_jvp_of(f, tangents), primals))
        if "rev" in self.modes:
            self._check_vjp(f, primals, tangents, cotangents, expected)
            higher.append((along_vjp(f, len(cotangents)), cotangents + primals))
        if order > 1:
            for derivative, point in higher:
                self.check(derivative, point, order - 1)

    def _check_jvp(self, f: Fun, primals: list[Any], tangents: list[Any], expected: list[Any]) -> None:
        what = f"the tangent of {name_of(f)}"
        with untouched(f"the jvp of {name_of(f)}", [*primals, *tangents]):
            out, actual = jvp(f, tuple(primals), tuple(tangents))
        assert_same(out, f(*primals), f"the value of jvp({name_of(f)})", self.tol)
        for t, e, y in zip(actual, expected, out, strict=True):
            assert_like(t, y, what)
            assert_close(t, e, what, self.bound)
        assert_own(what, actual, [*primals, *out, *tangents])
        with untouched(f"the jvp of {name_of(f)}, called again,", [*actual, *out], "an earlier result"):
            twice = jvp(f, tuple(primals), tuple([t + t for t in tangents]))[1]
        for t, e in zip(twice, actual, strict=True):
            assert_close(t, 2 * e, f"{what} along 2 * t, against twice that along t", self.bound)

    def _check_vjp(
        self, f: Fun, primals: list[Any], tangents: list[Any], cotangents: list[Any], expected: list[Any]
    ) -> None:
        what = f"a cotangent of {name_of(f)}"
        with untouched(f"the vjp of {name_of(f)}", [*primals, *cotangents]):
            out, pullback = vjp(f, *primals)
            assert_same(out, f(*primals), f"the value of vjp({name_of(f)})", self.tol)
            grads = pullback(cotangents)
        for ct, x in zip(grads, primals, strict=True):
            assert_like(ct, x, what)
        assert_close(_dot(grads, tangents), _dot(cotangents, expected), f"<pullback(g), t> of {name_of(f)}", self.bound)
        assert_own(what, grads, [*primals, *out, *cotangents])
        again = f"pullback(g) of {name_of(f)}, called again,"
        with untouched(again, [*grads, *out], "an earlier result"):
            assert_same(pullback(cotangents), grads, again, self.tol)
            twice = pullback([g + g for g in cotangents])
        for ct, x in zip(twice, grads, strict=True):
            assert_close(ct, 2 * x, f"pullback(2 * g) of {name_of(f)}, against 2 * pullback(g)", self.bound)
        if "fwd" in self.modes:
            self._check_agreement(f, primals, tangents, cotangents, grads)

    def _check_agreement(self, f: Fun, primals: list[Any], tangents: list[Any], cotangents: Any, grads: Any) -> None:
        """Reverse mode against forward mode: as exactly as the numbers are, and more so than against differences."""
        along = jvp(f, tuple(primals), tuple(tangents))[1]
        size = sum([np.sum(np.abs(on_host(t))) for t in [*along, *grads]])
        bound = self.tol * TOLERANCE.get(min(map(real_bytes, primals + list(along))), 0.0) * (1 + size)
        what = f"<pullback(g), t> of {name_of(f)}, against <g, jvp(t)>"
        assert_close(_dot(grads, tangents), _dot(cotangents, along), what, bound)

    def check_alone(self, f: Fun, primals: list[Any]) -> None:
        """What moves alone has the derivative that it has among others: rules are told that those stand still."""
        tangents = [direction(x, self.rng) for x in primals]
        cotangents = [direction(y, self.rng) for y in f(*primals)]
        parts = [_part(f, primals, i) for i in range(len(primals))]
        if "fwd" in self.modes and len(primals) > 1:
            alone = [jvp(p, (x,), (t,))[1] for p, x, t in zip(parts, primals, tangents, strict=True)]
            for i, t in enumerate(jvp(f, tuple(primals), tuple(tangents))[1]):
                what = f"the tangents of {name_of(f)} by each argument alone, summed,"
                assert_close(sum([ts[i] for ts in alone]), t, what, self.bound)
        if "rev" not in self.modes:
            return
        together = vjp(f, *primals)[1](cotangents)
        for p, x, ct in zip(parts, primals, together, strict=True) if len(primals) > 1 else ():
            assert_close(vjp(p, x)[1](cotangents)[0], ct, f"the cotangent of {name_of(p)}", self.bound)
        if len(cotangents) > 1:
            each = [vjp(_output(f, j), *primals)[1](g) for j, g in enumerate(cotangents)]
            for i, ct in enumerate(together):
                what = f"the cotangents of {name_of(f)} from each result alone, summed,"
                assert_close(sum([cts[i] for cts in each]), ct, what, self.bound)

    def check_additive(self, f: Fun, primals: list[Any]) -> None:
        """Tangents and cotangents of which elements are zero: the derivatives along them add up to the whole."""
        for mode, what, spaces in (("fwd", "the tangent", primals), ("rev", "a cotangent", f(*primals))):
            if mode not in self.modes:
                continue
            whole = [direction(x, self.rng) for x in spaces]
            even = [np.where(numbered(x) % 2 == 0, x, 0 * x) for x in whole]
            parts = [whole, even, [x - e for x, e in zip(whole, even, strict=True)]]
            with np.errstate(all="ignore"):
                total, *found = [derivatives(mode, f, primals, part) for part in parts]
            for t, a, b in zip(total, *found, strict=True):
                assert_close(a + b, t, f"{what} of {name_of(f)} by parts with zeros in them, summed,", self.bound)


def is_holomorphic(fun: Fun, args: Sequence[Any], argnums: Sequence[int] | None) -> bool:
    """Whether, by finite differences, the derivative of `fun` at complex arguments is linear in complex numbers."""
    f, primals = of_inexact(fun, args, argnums)
    tangents = [direction(x, np.random.default_rng(0)) for x in primals]
    along = numeric_jvp(f, primals, tangents)
    across = numeric_jvp(f, primals, [1j * t for t in tangents])
    return all(np.all(np.abs(1j * a - b) <= 1e-5 * (1 + np.abs(a))) for a, b in zip(along, across, strict=True))


def _part(f: Fun, primals: list[Any], i: int) -> Fun:
    return _named(f"{name_of(f)} by argument {i} alone", lambda x: f(*primals[:i], x, *primals[i + 1 :]))


def _output(f: Fun, j: int) -> Fun:
    return lambda *primals: f(*primals)[j]


def _jvp_of(f: Fun, tangents: list[Any]) -> Fun:
    return _named(f"the jvp of {name_of(f)}", lambda *primals: derivatives("fwd", f, primals, tangents))


def along_vjp(f: Fun, n: int) -> Fun:
    """The vjp of `f` as a function of the `n` cotangents, in which it is linear, and the primals."""
    return _named(f"the vjp of {name_of(f)}", lambda *values: derivatives("rev", f, values[n:], values[:n]))


def _named(name: str, f: Fun) -> Fun:
    f.__name__ = name
    return f


def direction(x: Any, rng: np.random.Generator) -> Any:
    """A random array like `x`, no element near zero."""
    t = rng.uniform(0.5, 1.0, x.shape) * rng.choice([-1.0, 1.0], x.shape)
    if x.dtype.kind == "c":
        t = t + 1j * rng.uniform(-1.0, 1.0, x.shape)
    return asarray(np.asarray(t, x.dtype), x)


def _dot(xs: Sequence[Any], ys: Sequence[Any]) -> Any:
    return sum([np.real(np.sum(on_host(x) * on_host(y))) for x, y in zip(xs, ys, strict=True)])
