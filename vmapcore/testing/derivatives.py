"""The laws of jvp and vjp, checked along random directions and through orders."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..arrays import asarray
from ..derivatives import vjp
from ..errors import name_of
from ..forward import jvp
from ..pytree import flatten, unflatten
from .compare import assert_close, assert_like, assert_same, on_host, untouched
from .oracles import Fun, numeric_jvp
from .reproduction import reproducible


def check_grads(
    fun: Fun,
    *args: Any,
    argnums: Sequence[int] | None = None,
    order: int = 2,
    modes: Sequence[str] = ("fwd", "rev"),
    tol: float = 1.0,
    seed: int = 0,
) -> None:
    """Checks the derivative of `fun` against finite differences, and reverse mode against forward mode.

    Law:  <pullback(g), t> == <g, jvp(fun, (x,), (t,))[1]>, with <a, b> = Re(sum(a * b))

    Args:
        fun: a function of arrays in any pytree.
        *args: where to check it: float64 or complex128, at a point around which `fun` is smooth.
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
    f, primals = _of_inexact(fun, args, argnums)
    options = f", argnums={argnums}, order={order}, modes={tuple(modes)}"
    with reproducible("check_grads", fun, args, options):
        _check(f, primals, order, modes, BOUND * tol, np.random.default_rng(seed))


BOUND = 1e-6
"""How far a derivative may be from a finite difference, relative to 1 + |value|: the differences are no better."""


def is_inexact(x: Any) -> bool:
    """Whether `x` is an array that can have a derivative."""
    return hasattr(x, "dtype") and x.dtype.kind in "fc"


def _of_inexact(fun: Fun, args: Sequence[Any], argnums: Sequence[int] | None) -> tuple[Fun, list[Any]]:
    """`fun` as a function of the leaves to differentiate that returns a list of the leaves with a derivative."""
    leaves, tree = flatten(list(args))
    owners = [i for i, arg in enumerate(args) for _ in flatten(arg)[0]]
    moving = [j for j, x in enumerate(leaves) if is_inexact(x) and (argnums is None or owners[j] in argnums)]

    def f(*primals: Any) -> list[Any]:
        values = list(leaves)
        for j, x in zip(moving, primals, strict=True):
            values[j] = x
        return [y for y in flatten(fun(*unflatten(tree, values)))[0] if is_inexact(y)]

    return _named(name_of(fun), f), [leaves[j] for j in moving]


def _check(f: Fun, primals: list[Any], order: int, modes: Sequence[str], bound: float, rng: Any) -> None:
    """Both modes along one random direction; then the same for what they compute, up to `order`."""
    tangents = [direction(x, rng) for x in primals]
    cotangents = [direction(y, rng) for y in f(*primals)]
    if not primals or not cotangents:
        return
    expected = numeric_jvp(f, primals, tangents)
    higher = []
    with untouched(f"a derivative of {name_of(f)}", primals + tangents + cotangents):
        if "fwd" in modes:
            _check_jvp(f, primals, tangents, expected, bound)
            higher.append((_jvp_of(f, tangents), primals))
        if "rev" in modes:
            _check_vjp(f, primals, tangents, cotangents, expected, bound)
            higher.append((_vjp_of(f, len(cotangents)), cotangents + primals))
    if order > 1:
        for derivative, point in higher:
            _check(derivative, point, order - 1, modes, bound, rng)


def _check_jvp(f: Fun, primals: list[Any], tangents: list[Any], expected: list[Any], bound: float) -> None:
    out, actual = jvp(f, tuple(primals), tuple(tangents))
    assert_same(out, f(*primals), f"the value of jvp({name_of(f)})", bound / BOUND)
    for t, e, y in zip(actual, expected, out, strict=True):
        assert_like(t, y, f"the tangent of {name_of(f)}")
        assert_close(t, e, f"the tangent of {name_of(f)}", bound)


def _check_vjp(
    f: Fun, primals: list[Any], tangents: list[Any], cotangents: list[Any], expected: list[Any], bound: float
) -> None:
    out, pullback = vjp(f, *primals)
    assert_same(out, f(*primals), f"the value of vjp({name_of(f)})", bound / BOUND)
    grads = pullback(cotangents)
    for ct, x in zip(grads, primals, strict=True):
        assert_like(ct, x, f"a cotangent of {name_of(f)}")
    assert_same(pullback(cotangents), grads, f"pullback(g) of {name_of(f)}, the second time", bound / BOUND)
    assert_close(_dot(grads, tangents), _dot(cotangents, expected), f"<pullback(g), t> of {name_of(f)}", bound)


def _jvp_of(f: Fun, tangents: list[Any]) -> Fun:
    return _named(f"the jvp of {name_of(f)}", lambda *primals: jvp(f, primals, tuple(tangents))[1])


def _vjp_of(f: Fun, n: int) -> Fun:
    """As a function of the `n` cotangents, in which it is linear, and the primals."""
    return _named(f"the vjp of {name_of(f)}", lambda *values: list(vjp(f, *values[n:])[1](list(values[:n]))))


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
