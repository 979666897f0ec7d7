"""Distinct elements, sets of them and places, of which each row has another number; and with `size=`."""

import numpy as np
import pytest

import vmapcore.numpy as vnp
from vmapcore import grad, jit, vmap
from vmapcore.errors import ConcretizationError, OptionError

from .together import together

RNG = np.random.default_rng(3)
A = RNG.integers(0, 4, (6, 7)) / 2
B = RNG.integers(1, 5, (6, 5)) / 2
NANS = np.where(A == 1, np.nan, A)

SETS = [np.intersect1d, np.union1d, np.setdiff1d, np.setxor1d]


def unique_parts(x):
    values, index, inverse, counts = np.unique(x, True, True, True)
    return values, index, inverse, counts


def first(values, size, fill):
    return np.concatenate([values[:size], np.full(max(size - len(values), 0), fill, values.dtype)])


@together("function", SETS)
def test_sets_of_two(function):
    def f(a, b):
        found = function(a, b)
        return found.sum() + 3 * np.max(found, initial=0) + len(found)

    want = np.array([f(a, b) for a, b in zip(A, B, strict=True)])
    np.testing.assert_allclose(vmap(f)(A, B), want)
    np.testing.assert_allclose(vmap(f, in_axes=(0, None))(A, B[0]), [f(a, B[0]) for a in A])
    planned = jit(vmap(f))
    for _ in range(3):
        np.testing.assert_allclose(planned(A, B), want)
    with pytest.raises(ConcretizationError, match=rf"Use np.{function.__name__}\(..., size=n\)"):
        vmap(function)(A, B)
    for size in (0, 2, 20):
        found = vmap(lambda a, b: getattr(vnp, function.__name__)(a, b, size=size, fill_value=-1))(A, B)
        np.testing.assert_array_equal(found, [first(function(a, b), size, -1) for a, b in zip(A, B, strict=True)])
        np.testing.assert_array_equal(
            getattr(vnp, function.__name__)(A[0], B[0], size=size, fill_value=-1), first(function(A[0], B[0]), size, -1)
        )


@together("function", SETS)
def test_sets_keep_dtypes_and_take_nothing(function):
    found = vmap(lambda a: getattr(vnp, function.__name__)(a, np.zeros(0), size=2, fill_value=9))(
        A[:3].astype(np.float32)
    )
    for row, a in zip(found, A, strict=False):
        want = function(a.astype(np.float32), np.zeros(0))
        assert found.dtype == want.dtype
        np.testing.assert_array_equal(row, first(want, 2, 9))


def test_indices_of_an_intersection():
    def f(a, b):
        values, i, j = np.intersect1d(a, b, return_indices=True)
        return values.sum() + 10 * i.sum() + 100 * j.sum() + (a[i] * b[j]).sum()

    np.testing.assert_allclose(vmap(f)(A, B), [f(a, b) for a, b in zip(A, B, strict=True)])
    found = vmap(lambda a, b: vnp.intersect1d(a, b, return_indices=True, size=2))(A, B)
    for k, (a, b) in enumerate(zip(A, B, strict=True)):
        values, i, j = np.intersect1d(a, b, return_indices=True)
        n = min(len(values), 2)
        for got, want in zip(found, (values, i, j), strict=True):
            np.testing.assert_array_equal(got[k, :n], want[:n])


@together("x", [A, NANS, A.astype(int), A > 0, A + 1j * (A > 1), A.astype(np.float32), A[:, :1]])
def test_unique_with_all_its_parts(x):
    def f(x):
        values, index, back, counts = unique_parts(x)
        return values[0], np.where(np.isnan(values), 0, values).sum(), index.sum(), back, counts.max(), values[-1]

    whole = vmap(lambda x: np.unique(x)[unique_parts(x)[2]], branches="split")(x)
    np.testing.assert_array_equal(whole, x)  # an index of what differs in length asks for it
    found = vmap(f)(x)
    for got, want in zip(found, zip(*[f(row) for row in x], strict=True), strict=True):
        np.testing.assert_array_equal(got, np.stack(want))
        assert got.dtype == np.stack(want).dtype


def test_unique_of_a_size():
    values, index, inverse, counts = vmap(lambda x: vnp.unique(x, True, True, True, size=3))(A)
    assert values.shape == index.shape == counts.shape == (6, 7)[:1] + (3,)
    values, index, inverse, counts = vmap(
        lambda x: vnp.unique(x, return_index=True, return_inverse=True, return_counts=True, size=5)
    )(A)
    for i, row in enumerate(A):
        v, n, _, c = np.unique(row, True, True, True)
        np.testing.assert_array_equal(values[i], first(v, 5, v[0]))
        np.testing.assert_array_equal(index[i], first(n, 5, n[0]))
        np.testing.assert_array_equal(counts[i], first(c, 5, 0))
        np.testing.assert_array_equal(values[i][inverse[i]], row)
    gradient = vmap(grad(lambda x: (vnp.unique(x, size=2) ** 2).sum()))(A)
    for g, row in zip(gradient, A, strict=True):
        want = np.zeros(7)
        v, n = np.unique(row, True)
        want[n[:2]] = 2 * v[:2]
        np.testing.assert_allclose(g, want)


@pytest.mark.parametrize("size", [0, 1, 4, 9])
def test_places_of_a_size(size):
    def f(x):
        return (
            vnp.flatnonzero(x > 1, size=size, fill_value=-1),
            vnp.nonzero(x > 1, size=size)[0],
            vnp.where(x > 1, size=size, fill_value=7)[0],
            vnp.argwhere(x > 1, size=size)[:, 0],
            vnp.extract(x > 1, x, size=size, fill_value=0.5),
        )

    for rows in (vmap(f)(A), jit(vmap(f))(A), tuple(map(np.stack, zip(*[f(x) for x in A], strict=True)))):
        for k, fill in enumerate((-1, 0, 7, 0, 0.5)):
            want = [first(x[x > 1] if k == 4 else np.flatnonzero(x > 1), size, fill) for x in A]
            np.testing.assert_array_equal(rows[k], want)


def test_places_of_matrices():
    x = A.reshape(3, 2, 7)
    i, j = vmap(lambda x: vnp.nonzero(x > 1, size=4, fill_value=(5, 6)))(x)
    for k in range(3):
        a, b = np.nonzero(x[k] > 1)
        np.testing.assert_array_equal(i[k], first(a, 4, 5))
        np.testing.assert_array_equal(j[k], first(b, 4, 6))


def test_what_size_is_not_for():
    with pytest.raises(OptionError, match="fill_value= without size="):
        vnp.nonzero(A, fill_value=2)
    with pytest.raises(OptionError, match="size= with x and y"):
        vnp.where(A > 1, A, B[:, :1], size=2)
    with pytest.raises(OptionError, match="fill_value has 3 values"):
        vnp.nonzero(A, size=2, fill_value=(1, 2, 3))
