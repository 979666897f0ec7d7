"""The laws of compositions: vmap, grad and jvp in either order give what the loop gives."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..arrays import asarray
from ..batching import vmap
from ..derivatives import grad
from ..errors import name_of
from ..forward import jvp
from ..pytree import flatten
from .compare import assert_same, function_source, reproducible, untouched
from .derivatives import direction, is_inexact
from .oracles import Fun, vmap_loop


def check_composition(
    fun: Fun, *args: Any, argnums: Sequence[int] | None = None, tol: float = 1.0, seed: int = 0
) -> None:
    """Checks that `vmap`, `grad` and `jvp` agree in either order with a loop over the derivatives of examples.

    Law:  vmap(grad(fun))(x)[i] == grad(fun)(x[i]) == grad(lambda x: sum(vmap(fun)(x)))(x)[i]

    Args:
        fun: a function of arrays, written for one example; where its result is no scalar, a weighted sum is taken.
        *args: its arguments, each an array with a batch of two or more on axis 0.
        argnums: which to differentiate; by default those of floats or complex numbers.
        tol: a factor on the tolerances.
        seed: for the weights and directions.

    Raises:
        AssertionError: two orders give different results.

    Example:
        >>> check_composition(lambda x: np.exp(x) * x, np.linspace(0, 1, 6).reshape(3, 2))
    """
    moving = tuple(argnums) if argnums is not None else tuple([i for i, x in enumerate(args) if is_inexact(x)])
    results, _ = flatten(fun(*[x[0] for x in args]))
    if not moving or not any(map(is_inexact, results)):
        return
    rng = np.random.default_rng(seed)
    scalar = _weighted(fun, [direction(y, rng) for y in results if is_inexact(y)])
    tangents = [direction(args[i], rng) for i in moving]
    name = name_of(fun)
    with reproducible("check_composition", function_source(fun), args, ""), untouched(f"a composition of {name}", args):
        _check_gradients(name, scalar, args, moving, tol)
        for position in moving:
            _check_shared(name, scalar, args, position, tol)
        _check_tangents(fun, args, moving, tangents, tol)


def _weighted(fun: Fun, weights: list[Any]) -> Fun:
    """The sum of the inexact results of `fun`, weighted, as one real number."""

    def scalar(*args: Any) -> Any:
        results = [y for y in flatten(fun(*args))[0] if is_inexact(y)]
        terms = [np.sum(w * y) for w, y in zip(weights, results, strict=True)]
        return sum([np.real(t) if t.dtype.kind == "c" else t for t in terms])

    return scalar


def _check_gradients(name: str, scalar: Fun, args: Sequence[Any], moving: tuple[int, ...], tol: float) -> None:
    gradients = vmap_loop(grad(scalar, moving))(*args)
    assert_same(vmap(grad(scalar, moving))(*args), gradients, f"vmap(grad({name}))", tol)
    factors = asarray(np.linspace(1.0, 2.0, len(args[0])), args[0])
    total = grad(lambda *xs: np.sum(factors * vmap(scalar)(*xs)), moving)(*args)
    expected = tuple([g * factors.reshape((-1,) + (1,) * (g.ndim - 1)) for g in gradients])
    assert_same(total, expected, f"grad(vmap({name}))", tol)


def _check_shared(name: str, scalar: Fun, args: Sequence[Any], position: int, tol: float) -> None:
    """The gradient by an argument that all examples share is the sum over the examples."""
    size = len(args[0])
    shared = [x[0] if i == position else x for i, x in enumerate(args)]
    in_axes = tuple([None if i == position else 0 for i in range(len(args))])
    actual = grad(lambda *xs: np.sum(vmap(scalar, in_axes, axis_size=size)(*xs)), position)(*shared)
    expected = np.sum(vmap_loop(grad(scalar, position), in_axes, axis_size=size)(*shared), axis=0)
    assert_same(actual, expected, f"grad(vmap({name}, {in_axes}), {position})", tol)


def _check_tangents(fun: Fun, args: Sequence[Any], moving: tuple[int, ...], tangents: list[Any], tol: float) -> None:
    def with_primals(values: Sequence[Any], primals: Sequence[Any]) -> list[Any]:
        every = list(values)
        for i, x in zip(moving, primals, strict=True):
            every[i] = x
        return every

    def along(*values: Any) -> Any:
        point, directions = values[: len(args)], values[len(args) :]
        return jvp(lambda *p: fun(*with_primals(point, p)), tuple([point[i] for i in moving]), directions)[1]

    expected = vmap_loop(along)(*args, *tangents)
    assert_same(vmap(along)(*args, *tangents), expected, f"vmap(jvp({name_of(fun)}))", tol)
    _, actual = jvp(lambda *p: vmap(fun)(*with_primals(args, p)), tuple([args[i] for i in moving]), tuple(tangents))
    assert_same(actual, expected, f"jvp(vmap({name_of(fun)}))", tol)
