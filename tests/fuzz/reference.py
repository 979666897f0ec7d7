"""What the checks of a program are made of, beside the transforms: scalars of it, and what derivatives must equal."""

import numpy as np

from vmapcore import grad, jvp, vjp, vmap
from vmapcore.pytree import flatten
from vmapcore.testing import numeric_jvp, vmap_loop

STEP = 1e-5


def weight(y, i):
    """A fixed cotangent or tangent for an array, of its dtype."""
    x = np.cos(np.arange(float(np.size(y))) * 1.7 + i).reshape(np.shape(y))
    return (x * (1 + 0.5j) if y.dtype.kind == "c" else x).astype(y.dtype.newbyteorder("="))


def inexact(y):
    return y.dtype.kind in "fc"


def scalar(fun):
    """A weighted sum of all floats that `fun` returns, as a function of the same arguments."""

    def s(*args):
        terms = [np.sum(np.real(weight(y, i) * y)) for i, y in enumerate(fun(*args)) if inexact(y)]
        return sum(terms[1:], terms[0]) if terms else np.float64(0.0)

    return s


def along(fun, argnums):
    """The tangents of the floats among the results, along a fixed direction."""

    def pushed(*args):
        def f(*moving):
            full = list(args)
            for i, x in zip(argnums, moving, strict=True):
                full[i] = x
            return [y for y in fun(*full) if inexact(y)]

        points = tuple([args[i] for i in argnums])
        return jvp(f, points, tuple([weight(x, i) for i, x in enumerate(points)]))[1]

    return pushed


def differences(fun, argnums, step=STEP):
    """The same by central differences."""

    def moved(*args):
        def f(*moving):
            full = [np.array(x) for x in args]
            for i, x in zip(argnums, moving, strict=True):
                full[i] = x
            return [y for y in fun(*full) if inexact(y)]

        points = [args[i] for i in argnums]
        return numeric_jvp(f, points, [weight(x, i) for i, x in enumerate(points)], step)

    return moved


def product(fun, argnums):
    """The scalar product of the tangents and a fixed cotangent."""

    def forward(*args):
        tangents = along(fun, argnums)(*args)
        return np.float64(sum(np.sum(np.real(weight(t, i) * t)) for i, t in enumerate(tangents)))

    return forward


def transposed(fun, argnums):
    """The same by pulling the cotangent back."""

    def reverse(*args):
        def f(*moving):
            full = list(args)
            for i, x in zip(argnums, moving, strict=True):
                full[i] = x
            return [y for y in fun(*full) if inexact(y)]

        points = [args[i] for i in argnums]
        out, pullback = vjp(f, *points)
        found = pullback([weight(y, i) for i, y in enumerate(out)])
        return np.float64(
            sum(np.sum(np.real(weight(x, i) * g)) for i, (x, g) in enumerate(zip(points, found, strict=True)))
        )

    return reverse


def slope(fun, argnums):
    """The derivative of the scalar along a fixed direction."""
    gradient = grad(scalar(fun), argnums)

    def s(*args):
        terms = [np.sum(np.real(weight(x, i) * x)) for i, x in enumerate(gradient(*args))]
        return sum(terms[1:], terms[0])

    return s


def gradient_of_batch(fun, in_axes, argnums):
    """The gradient of the sum over a batch, by vmap."""
    return grad(lambda *args: np.sum(vmap(scalar(fun), in_axes)(*args)), argnums)


def sum_of_gradients(fun, in_axes, argnums):
    """The same by the gradients of the examples."""
    out_axes = tuple(["sum" if in_axes[i] is None else in_axes[i] for i in argnums])
    return vmap_loop(grad(scalar(fun), argnums), in_axes, out_axes)


def leaves(results):
    """All arrays of a pytree."""
    return flatten(results)[0]
