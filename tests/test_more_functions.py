"""Functions and attributes whose lengths or dtypes hang on values, and what their rows do not say."""

import warnings

import numpy as np
import pytest

from vmapcore import grad, jit, vmap
from vmapcore.errors import ConcretizationError, DTypeError, MissingAttributeError, OptionError

from .together import together

RNG = np.random.default_rng(5)
X = RNG.normal(size=(5, 12))


def same(found, wanted):
    for a, b in zip(found, wanted, strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12)


# Histograms.

OPTIONS = [
    {},
    {"bins": 3},
    {"bins": 5, "range": (-1, 2)},
    {"bins": [-1, 0, 0.5, 2]},
    {"bins": 4, "density": True},
    {"bins": 4, "range": (1, 1)},
]


@together("options", OPTIONS)
@together("x", [X, X.astype("f4"), (4 * X).astype(int), X > 0, X[:, :1], X.reshape(5, 3, 4)])
def test_histograms_are_those_of_numpy(x, options):
    if x.dtype == bool and np.ndim(options.get("bins", 10)):
        return
    with warnings.catch_warnings(action="ignore"):
        wanted = [np.histogram(row.astype("u1") if x.dtype == bool else row, **options) for row in x]
        found = vmap(lambda row: np.histogram(row, **options))(x)
    same([found[0]], [np.stack([w[0] for w in wanted])])
    np.testing.assert_allclose(found[1], np.stack([w[1] for w in wanted]) if found[1].ndim > 1 else wanted[0][1])


def test_values_on_the_edges_are_counted_as_numpy_does():
    for step in (0.1, 1 / 3, 0.7):
        x = np.arange(30) * step
        for bins in (5, 10, 30):
            wanted = np.histogram(x, bins, (0, 3))[0]
            np.testing.assert_array_equal(
                vmap(lambda x, bins=bins: np.histogram(x, bins, (0, 3))[0])(x[None])[0], wanted
            )


def test_histograms_of_what_a_mask_chooses():
    def f(x):
        counts, edges = np.histogram(x[x > -0.5], bins=4, range=(-1.0, 2.0))
        return counts * 2.0 + edges[1:] + np.polyfit(np.arange(12.0)[x < 0.5], x[x < 0.5], 1)[0]

    np.testing.assert_allclose(vmap(f)(X), np.stack([f(x) for x in X]))


def test_what_has_no_known_number_of_bins():
    with pytest.raises(OptionError, match="bins is 'auto'; their number would depend on traced values"):
        vmap(lambda x: np.histogram(x, "auto")[0])(X)
    with pytest.raises(OptionError, match="edges must rise"):
        vmap(lambda x: np.histogram(x, [0, 2, 1])[0])(X)
    with pytest.raises(OptionError, match="it must rise"):
        vmap(lambda x: np.histogram(x, 3, (2, 1))[0])(X)
    with pytest.raises(ValueError, match="autodetected range"):
        vmap(lambda x: np.histogram(x * np.nan)[0])(X)


# Polynomials.

P, Q = RNG.normal(size=(4, 5)), RNG.normal(size=(4, 3))


def test_quotients():
    found = vmap(np.polydiv)(P, Q)
    for i, (p, q) in enumerate(zip(P, Q, strict=True)):
        same([x[i] for x in found], np.polydiv(p, q))
    assert vmap(lambda p, q: np.polydiv(q, p)[0])(P, Q).shape == (4, 1)
    ragged = np.array([[1.0, 2, 3], [1.0, 2, 1]])
    found = vmap(lambda p: np.sum(np.polydiv(p, [1.0, 1.0])[1]), branches="split")(ragged)
    np.testing.assert_allclose(found, [np.sum(np.polydiv(p, [1.0, 1.0])[1]) for p in ragged])


def test_leading_zeros():
    zeros = np.array([[0.0, 1, 2], [0.0, 3, 4]])
    np.testing.assert_allclose(
        vmap(lambda p: np.polymul(p, [1.0, 1.0]))(zeros), [np.polymul(p, [1.0, 1.0]) for p in zeros]
    )
    mixed = np.array([[0.0, 1, 2], [5.0, 3, 4]])
    with pytest.raises(ConcretizationError, match=r'branches="split"'):
        vmap(lambda p: np.polymul(p, [1.0, 1.0]))(mixed)
    found = vmap(lambda p: np.polymul(p, [1.0, 1.0]).sum(), branches="split")(mixed)
    np.testing.assert_allclose(found, [np.polymul(p, [1.0, 1.0]).sum() for p in mixed])
    planned = jit(lambda p: np.polymul(p, [1.0, 1.0]))
    for p in (P[0], P[1], P[2]):
        np.testing.assert_allclose(planned(p), np.polymul(p, [1.0, 1.0]))
    with pytest.raises(OptionError, match="the leading coefficient is zero"):
        planned(np.array([0.0, 1, 2, 3, 4]))


def test_roots():
    found = vmap(np.roots)(P + 0j)
    np.testing.assert_allclose(vmap(np.poly)(found) * P[:, :1], P, rtol=1e-9)
    real = np.array([[1.0, -3.0, 2.0], [1.0, 0.0, 1.0], [2.0, -2.0, 0.0]])
    found = vmap(lambda p: np.abs(np.roots(p)).sum(), branches="split")(real)
    np.testing.assert_allclose(found, [np.abs(np.roots(p)).sum() for p in real])


def test_the_package_of_polynomials_takes_traced_points():
    from_package = np.polynomial.polynomial.polyval
    np.testing.assert_allclose(vmap(lambda x: from_package(x, [1.0, 2.0, 3.0]))(X), from_package(X, [1.0, 2.0, 3.0]))
    np.testing.assert_allclose(vmap(grad(lambda x: from_package(x, [1.0, 2.0, 3.0])))(X[0]), 2 + 6 * X[0])


# Others that ask.


def test_what_is_real_if_close():
    close = np.array([1.0 + 1e-20j, 2.0, 3.0])
    assert vmap(np.real_if_close)(close[:2]).dtype == float
    assert vmap(np.real_if_close)(np.array([1.0, 2.0 + 1j])[1:]).dtype == complex
    with pytest.raises(ConcretizationError):
        vmap(np.real_if_close)(np.array([1.0 + 0j, 2.0 + 1j]))


def test_zeros_are_trimmed_where_rows_agree():
    x = np.array([[0.0, 0, 1, 2, 0], [0.0, 3, 4, 5, 6], [0.0, 0, 7, 8, 0], [0.0, 0, 0, 0, 0]])
    for trim in ("fb", "f", "b"):
        found = vmap(lambda x, trim=trim: np.trim_zeros(x, trim).sum() + len(np.trim_zeros(x, trim)), branches="split")(
            x
        )
        np.testing.assert_allclose(found, [np.trim_zeros(r, trim).sum() + len(np.trim_zeros(r, trim)) for r in x])


# Attributes.


def test_a_shape_is_set_in_place():
    def f(x):
        y = np.zeros(12)
        y += x
        y.shape = (3, 4)
        y[0] = 0
        y.shape = -1
        z = y * 1
        z.shape = 2, 6
        return z.sum(1)

    same(vmap(f)(X), [f(x) for x in X])
    with pytest.raises(MissingAttributeError, match="an array that has views, or is one, keeps its shape"):
        vmap(lambda x: (x[:2], setattr(x, "shape", (3, 4))))(X)
    with pytest.raises(MissingAttributeError, match="NumPy's scalar"):
        vmap(lambda x: setattr(x.sum(), "shape", (1,)))(X)


def test_bits_of_numbers_are_written_through():
    def f(x):
        y = x.copy()
        bits = y.view(np.int64)
        bits &= ~1
        y[0] = 2.0
        return y, bits

    same(vmap(f)(X), [np.stack(c) for c in zip(*[f(x) for x in X], strict=True)])
    with pytest.raises(DTypeError, match="has as many bytes"):
        vmap(lambda x: x.view(np.float32))(X)


def test_what_is_flat():
    def f(x):
        y = x.reshape(3, 4).copy()
        y.flat[::5] = [1.0, 2.0]
        y.flat[y.ravel() > 1] = -1.0
        y.flat[3] += 7
        total = 0.0
        for i, v in enumerate(y.flat):
            total = total + i * v
        return y, total + y.flat[[1, 2]].sum() + len(y.flat)

    same(vmap(f)(X), [np.stack(c) for c in zip(*[f(x) for x in X], strict=True)])
    same([vmap(grad(lambda x: f(x)[1]))(X)], [np.stack([grad(lambda x: f(x)[1])(x) for x in X])])


def test_derivatives_of_bessel_functions():
    x, step = np.array([-300.0, -2.0, 0.0, 0.5, 20.0, 600.0]), 1e-4
    slope = vmap(grad(np.i0))(x)
    ahead, behind = np.i0(x + step), np.i0(x - step)
    np.testing.assert_allclose(slope, (ahead - behind) / (2 * step), rtol=1e-7, atol=1e-9)
    curve = vmap(grad(grad(np.i0)))(x)  # x**2 y'' + x y' - x**2 y = 0
    np.testing.assert_allclose(x**2 * curve + x * slope, x**2 * np.i0(x), rtol=1e-12)
