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
from ..transposing import has_derivative
from .compare import assert_same, untouched
from .derivatives import MODES, direction, moving_leaves
from .law import Mapped, axes_of, nested, nests, of_leaves, patterns
from .oracles import Fun, vmap_loop
from .reproduction import reproducible


def check_composition(
    fun: Fun,
    *args: Any,
    argnums: Sequence[int] | None = None,
    order: int = 2,
    modes: Sequence[str] = MODES,
    deep: bool = False,
    tol: float = 1.0,
    seed: int = 0,
) -> None:
    """Checks that `vmap`, `grad` and `jvp` agree in either order with a loop over the derivatives of examples.

    Law:  vmap(grad(fun))(x)[i] == grad(fun)(x[i]) == grad(lambda x: sum(vmap(fun)(x)))(x)[i]

    Args:
        fun: a function of arrays in any pytree, written for one example; where its result is no scalar, a weighted sum
            is taken.
        *args: its arguments, every leaf an array with a batch of two or more on axis 0.
        argnums: which to differentiate; by default every leaf of floats or complex numbers.
        order: 1 leaves out the derivatives of derivatives.
        modes: "fwd" for `jvp`, "rev" for `grad`.
        deep: whether to check every combination of mapped and unmapped leaves in every order, and `grad` around two
            vmaps, between and in them.
        tol: a factor on the tolerances.
        seed: for the weights and directions.

    Raises:
        AssertionError: two orders give different results.

    Example:
        >>> check_composition(lambda x: np.exp(x) * x, np.linspace(0, 1, 6).reshape(3, 2))
    """
    leaves, tree = flatten(args)
    moving = tuple(moving_leaves(args, argnums))
    f = of_leaves(fun, tree)
    results, _ = flatten(f(*[x[0] for x in leaves]))
    if not moving or not any(map(has_derivative, results)):
        return
    rng = np.random.default_rng(seed)
    weights = [direction(y, rng) for y in results if has_derivative(y)]
    law = _Composition(f, weights, leaves, moving, [direction(leaves[i], rng) for i in moving], tol)
    options = {"argnums": argnums, "order": order, "modes": tuple(modes), "deep": deep or None}
    shown = reproducible("check_composition", fun, args, options)
    with shown, untouched(f"a composition of {name_of(fun)}", [*leaves, *weights, *law.tangents]):
        law.check(order, modes, deep)


@dataclass(frozen=True)
class _Composition:
    """A function of leaves, weights of its results, and a batch of points with directions at them."""

    fun: Fun
    weights: list[Any]
    leaves: Sequence[Any]
    moving: tuple[int, ...]
    tangents: list[Any]
    tol: float

    def check(self, order: int, modes: Sequence[str], deep: bool) -> None:
        k = len(self.leaves)
        every = (True,) * k
        shared = [tuple([i != j for i in range(k)]) for j in self.moving] if k > 1 else []
        for pattern in patterns(k) if deep else [every, *shared]:
            if "rev" in modes:
                self._check_gradients(pattern)
            if "fwd" in modes and (deep or pattern == every):
                self._check_along(self.fun, self.name, pattern)
            if order > 1 and (deep or pattern == every):
                self._check_curvature(pattern, modes)
        if not deep:
            return
        for levels in nests(k):
            if len(levels) == 2 and "rev" in modes:
                self._check_nested(levels)
            if len(levels) == 2 and "fwd" in modes:
                self._check_nested_tangents(levels)
        self._check_spread(modes)
        if "rev" in modes:
            self._check_empty()

    def _check_vmap(self, fun: Fun, in_axes: Any, values: Sequence[Any], what: str) -> Any:
        """`vmap` of a function against the loop, whose results are returned."""
        expected = vmap_loop(fun, in_axes)(*values)
        assert_same(vmap(fun, in_axes)(*values), expected, what, self.tol)
        return expected

    def _check_gradients(self, mapped: Mapped) -> None:
        """That of each example, and that of a weighted sum over the examples."""
        gradient, point, in_axes = grad(self._scalar, self.moving), self._point(mapped), axes_of(mapped)
        expected = self._check_vmap(gradient, in_axes, point, f"vmap(grad({self.name}), {in_axes})")
        factors = asarray(np.linspace(1.0, 2.0, len(self.leaves[0])), self.leaves[0])
        total = grad(lambda *xs: np.sum(factors * vmap(self._scalar, in_axes)(*xs)), self.moving)(*point)
        weighted = [(g * factors.reshape((-1,) + (1,) * (g.ndim - 1))).astype(g.dtype) for g in expected]
        summed = tuple([w if mapped[i] else np.sum(w, axis=0) for i, w in zip(self.moving, weighted, strict=True)])
        assert_same(total, summed, f"grad(vmap({self.name}, {in_axes}))", self.tol)

    def _check_curvature(self, mapped: Mapped, modes: Sequence[str]) -> None:
        """The tangent of the gradient, in either order, and the gradient of the gradient."""
        gradient, in_axes = grad(self._scalar, self.moving), axes_of(mapped)
        if "rev" in modes and "fwd" in modes:
            self._check_along(gradient, f"grad({self.name})", mapped)
        if "rev" in modes:
            values, axes = self._point_and_tangents(mapped)
            self._check_vmap(grad(self._slope, self.moving), axes, values, f"vmap(grad(grad({self.name})), {in_axes})")

    def _check_along(self, fun: Fun, name: str, mapped: Mapped) -> None:
        in_axes = axes_of(mapped)
        values, axes = self._point_and_tangents(mapped)
        expected = self._check_vmap(self._along(fun), axes, values, f"vmap(jvp({name}), {in_axes})")
        actual = self._along(vmap(fun, in_axes))(*values)
        assert_same(actual, expected, f"jvp(vmap({name}, {in_axes}))", self.tol)

    def _check_nested(self, levels: Sequence[Mapped]) -> None:
        """The gradient in two vmaps, between them and around them."""
        outer, inner = map(axes_of, levels)
        point = [nested(x, True, [level[i] for level in levels]) for i, x in enumerate(self.leaves)]
        gradient, what = grad(self._scalar, self.moving), f"in vmaps {outer} of {inner}"
        expected = vmap_loop(vmap_loop(gradient, inner), outer)(*point)
        actual = vmap(vmap(gradient, inner), outer)(*point)
        assert_same(actual, expected, f"vmap(vmap(grad({self.name}))), {what}", self.tol)

        def summed(levels: Sequence[Mapped], values: Any) -> Any:
            """Over the outermost axis of each gradient, if its leaf has no batch there."""
            return tuple([g if levels[0][i] else np.sum(g, axis=0) for i, g in zip(self.moving, values, strict=True)])

        between = grad(lambda *xs: np.sum(vmap(self._scalar, inner)(*xs)), self.moving)
        in_each = vmap_loop(lambda *gs: summed(levels[1:], gs))(*expected)
        assert_same(vmap(between, outer)(*point), in_each, f"vmap(grad(vmap({self.name}))), {what}", self.tol)
        around = grad(lambda *xs: np.sum(vmap(vmap(self._scalar, inner), outer)(*xs)), self.moving)(*point)
        assert_same(around, summed(levels, in_each), f"grad(vmap(vmap({self.name}))), {what}", self.tol)

    def _check_nested_tangents(self, levels: Sequence[Mapped]) -> None:
        """The tangents in two vmaps, between them and around them."""
        outer, inner = [(*axes_of(m), *[axes_of(m)[i] for i in self.moving]) for m in levels]
        every = [level + tuple([level[i] for i in self.moving]) for level in levels]
        values = [nested(x, True, [level[i] for level in every]) for i, x in enumerate([*self.leaves, *self.tangents])]
        along = self._along(self.fun)
        expected = vmap_loop(vmap_loop(along, inner), outer)(*values)
        what = f"vmap(vmap(jvp({self.name}))), in vmaps {outer} of {inner}"
        assert_same(vmap(vmap(along, inner), outer)(*values), expected, what, self.tol)
        batched = vmap(self.fun, axes_of(levels[1]))
        what = f"vmap(jvp(vmap({self.name}))), in vmaps {outer} of {inner}"
        assert_same(vmap(self._along(batched), outer)(*values), expected, what, self.tol)
        what = f"jvp(vmap(vmap({self.name}))), in vmaps {outer} of {inner}"
        assert_same(self._along(vmap(batched, axes_of(levels[0])))(*values), expected, what, self.tol)

    def _check_spread(self, modes: Sequence[str]) -> None:
        """At one point along a batch of directions: the batch is in tangents, or in cotangents, alone."""
        point, count = [x[0] for x in self.leaves], len(self.leaves)
        if "fwd" in modes:
            values = [*point, *self.tangents]
            axes = (*[None] * count, *[0] * len(self.moving))
            self._check_vmap(self._along(self.fun), axes, values, f"vmap(jvp({self.name})) over tangents")
        if "rev" in modes:
            gradient = grad(self._weighted, tuple([i + 1 for i in self.moving]))
            values = [[np.stack([w, -2.0 * w]) for w in self.weights], *point]
            self._check_vmap(gradient, (0, *[None] * count), values, f"vmap(vjp({self.name})) over cotangents")

    def _check_empty(self) -> None:
        """Of no examples, the gradient of each is none, and that of their sum, by what is not mapped, zero."""
        count = len(self.leaves)
        for pattern in patterns(count):
            in_axes = axes_of(pattern)
            point = [x[:0] if m else x[0] for x, m in zip(self.leaves, pattern, strict=True)]
            total = grad(lambda *xs, a=in_axes: np.sum(vmap(self._scalar, a)(*xs)), self.moving)(*point)
            zero = tuple([np.zeros_like(point[i]) for i in self.moving])
            assert_same(total, zero, f"grad(vmap({self.name}, {in_axes})) of no examples", self.tol)
            each = vmap(grad(self._scalar, self.moving), in_axes)(*point)
            none = tuple([np.zeros_like(self.leaves[i][:0]) for i in self.moving])
            assert_same(each, none, f"vmap(grad({self.name}), {in_axes}) of no examples", self.tol)

    @property
    def name(self) -> str:
        return name_of(self.fun)

    def _point(self, mapped: Mapped) -> list[Any]:
        return [x if m else x[0] for x, m in zip(self.leaves, mapped, strict=True)]

    def _point_and_tangents(self, mapped: Mapped) -> tuple[list[Any], tuple[int | None, ...]]:
        """With their in_axes."""
        tangents = [t if mapped[i] else t[0] for i, t in zip(self.moving, self.tangents, strict=True)]
        return [*self._point(mapped), *tangents], axes_of((*mapped, *[mapped[i] for i in self.moving]))

    def _scalar(self, *leaves: Any) -> Any:
        return self._weighted(self.weights, *leaves)

    def _weighted(self, weights: Any, *leaves: Any) -> Any:
        """The sum of the inexact results, weighted, as one real number."""
        results = [y for y in flatten(self.fun(*leaves))[0] if has_derivative(y)]
        terms = [np.sum(w * y) for w, y in zip(weights, results, strict=True)]
        return sum([np.real(t) if t.dtype.kind == "c" else t for t in terms])

    def _slope(self, *values: Any) -> Any:
        """The gradient of the scalar along the tangents, which come after the leaves."""
        count = len(self.leaves)
        grads = grad(self._scalar, self.moving)(*values[:count])
        return sum([np.real(np.sum(g * t)) for g, t in zip(grads, values[count:], strict=True)])

    def _along(self, fun: Fun) -> Fun:
        """The derivative of `fun` as a function of all arguments and of the tangents of those that move."""

        def tangent(*values: Any) -> Any:
            point, tangents = list(values[: len(self.leaves)]), values[len(self.leaves) :]

            def f(*primals: Any) -> Any:
                for i, x in zip(self.moving, primals, strict=True):
                    point[i] = x
                return fun(*point)

            return jvp(f, tuple([point[i] for i in self.moving]), tangents)[1]

        return tangent
