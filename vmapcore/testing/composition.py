"""The laws of compositions: vmap, grad and jvp in either order give what the loop gives."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..arrays import asarray
from ..batching import vmap
from ..derivatives import grad
from ..errors import name_of
from ..forward import jvp
from ..pytree import flatten
from .compare import assert_same, untouched
from .derivatives import direction, is_inexact
from .oracles import Fun, vmap_loop
from .reproduction import reproducible


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
    law = _Composition(name_of(fun), fun, scalar, args, moving, [direction(args[i], rng) for i in moving], tol)
    shown = reproducible("check_composition", fun, args, f", argnums={argnums}")
    with shown, untouched(f"a composition of {name_of(fun)}", args):
        law.check_gradients()
        law.check_tangents()
        law.check_curvature()
        for position in moving:
            law.check_shared(position)


def _weighted(fun: Fun, weights: list[Any]) -> Fun:
    """The sum of the inexact results of `fun`, weighted, as one real number."""

    def scalar(*args: Any) -> Any:
        results = [y for y in flatten(fun(*args))[0] if is_inexact(y)]
        terms = [np.sum(w * y) for w, y in zip(weights, results, strict=True)]
        return sum([np.real(t) if t.dtype.kind == "c" else t for t in terms])

    return scalar


@dataclass(frozen=True)
class _Composition:
    """A function, a scalar of its results, and a batch of points with directions at them."""

    name: str
    fun: Fun
    scalar: Fun
    args: Sequence[Any]
    moving: tuple[int, ...]
    tangents: list[Any]
    tol: float

    def check_gradients(self) -> None:
        """Each of each example, and that of a weighted sum over the examples."""
        gradient = grad(self.scalar, self.moving)
        expected = vmap_loop(gradient)(*self.args)
        assert_same(vmap(gradient)(*self.args), expected, f"vmap(grad({self.name}))", self.tol)
        factors = asarray(np.linspace(1.0, 2.0, len(self.args[0])), self.args[0])
        total = grad(lambda *xs: np.sum(factors * vmap(self.scalar)(*xs)), self.moving)(*self.args)
        weighted = tuple([g * factors.reshape((-1,) + (1,) * (g.ndim - 1)) for g in expected])
        assert_same(total, weighted, f"grad(vmap({self.name}))", self.tol)

    def check_tangents(self) -> None:
        """Those of each example, in either order."""
        expected = vmap_loop(self._along(self.fun))(*self.args, *self.tangents)
        actual = vmap(self._along(self.fun))(*self.args, *self.tangents)
        assert_same(actual, expected, f"vmap(jvp({self.name}))", self.tol)
        actual = self._along(vmap(self.fun))(*self.args, *self.tangents)
        assert_same(actual, expected, f"jvp(vmap({self.name}))", self.tol)

    def check_curvature(self) -> None:
        """Hessian times tangent: the tangent of the gradient, in either order."""
        gradient = grad(self.scalar, self.moving)
        expected = vmap_loop(self._along(gradient))(*self.args, *self.tangents)
        actual = vmap(self._along(gradient))(*self.args, *self.tangents)
        assert_same(actual, expected, f"vmap(jvp(grad({self.name})))", self.tol)
        actual = self._along(vmap(gradient))(*self.args, *self.tangents)
        assert_same(actual, expected, f"jvp(vmap(grad({self.name})))", self.tol)

    def check_shared(self, position: int) -> None:
        """One argument has the same value for all examples: the gradient of each, and of the sum over them."""
        size = len(self.args[0])
        shared = [x[0] if i == position else x for i, x in enumerate(self.args)]
        in_axes = tuple([None if i == position else 0 for i in range(len(self.args))])
        gradient = grad(self.scalar, self.moving)
        expected = vmap_loop(gradient, in_axes, axis_size=size)(*shared)
        actual = vmap(gradient, in_axes, axis_size=size)(*shared)
        assert_same(actual, expected, f"vmap(grad({self.name}), {in_axes})", self.tol)
        total = grad(lambda *xs: np.sum(vmap(self.scalar, in_axes, axis_size=size)(*xs)), position)(*shared)
        summed = np.sum(expected[self.moving.index(position)], axis=0)
        assert_same(total, summed, f"grad(vmap({self.name}, {in_axes}), {position})", self.tol)

    def _along(self, fun: Fun) -> Fun:
        """The derivative of `fun` as a function of all arguments and of the tangents of those that move."""

        def tangent(*values: Any) -> Any:
            point, tangents = list(values[: len(self.args)]), values[len(self.args) :]

            def f(*primals: Any) -> Any:
                for i, x in zip(self.moving, primals, strict=True):
                    point[i] = x
                return fun(*point)

            return jvp(f, tuple([point[i] for i in self.moving]), tangents)[1]

        return tangent
