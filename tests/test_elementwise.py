"""Elementwise functions: dtypes with Python numbers, views of parts, methods of ufuncs, and what is refused."""

import numpy as np
import pytest

from vmapcore import grad, jit, jvp, vmap
from vmapcore.errors import ArgumentError, ConcretizationError, DTypeError, IndexingError, MutationError, ShapeError
from vmapcore.numpy_protocol import NUMPY

X = np.linspace(-1, 1, 6, dtype=np.float32).reshape(2, 3)


@pytest.mark.parametrize(
    "f",
    [
        lambda x: x + 1,
        lambda x: 2.5 * x,
        lambda x: x**3,
        lambda x: 2**x,
        lambda x: x / 3,
        lambda x: np.maximum(x, 0.1),
        lambda x: np.where(x > 0, x, 0.5),
        lambda x: np.clip(x, -0.5, 0.5),
        lambda x: np.hypot(x, 2.0),
        lambda x: np.logaddexp(x, 0.0),
        lambda x: np.arctan2(x, 1),
        lambda x: np.select([x > 0], [x], 0.5),
    ],
)
def test_numbers_leave_single_precision_alone(f):
    assert vmap(f)(X).dtype == np.float32
    assert grad(lambda x: f(x).sum())(X).dtype == np.float32
    assert jvp(f, (X,), (X,))[1].dtype == np.float32


def test_astype_is_a_copy():
    result = vmap(lambda x: x.astype(np.float32))(X)
    assert not np.shares_memory(result, X)
    assert np.shares_memory(vmap(lambda x: x.astype(np.float32, copy=False))(X), X)


def test_writes_to_parts_are_seen():
    def conjugated(z):
        z = z + 0
        part = z.imag
        part *= -1
        return z

    z = X + 1j * X[::-1]
    assert np.array_equal(vmap(conjugated)(z), z.conj())
    with pytest.raises(MutationError, match="read-only view"):
        vmap(lambda x: x.imag.fill(1))(X)


def test_ufunc_methods():
    assert np.array_equal(vmap(np.subtract.outer)(X, X), [np.subtract.outer(x, x) for x in X])
    assert np.array_equal(vmap(np.add.reduce)(X), X.sum(1))
    out = vmap(lambda x: np.divmod(x, 2, out=(np.zeros_like(x), np.zeros_like(x))))(X)
    assert np.array_equal(out, np.divmod(X, 2))


def test_what_is_masked_out_has_no_derivative():
    """It is not computed, so a pole there is not seen: neither in a derivative nor as a warning."""
    x = np.array([2.0, 0.0, -1.0], np.float32)

    def inverse(x):
        return np.divide(1, x, out=np.zeros_like(x), where=x != 0)

    def root_in_place(x):
        x = x + 0
        return np.sqrt(x, out=x, where=x > 0)

    def both(x):
        return np.power(x, x, out=x * 3, where=np.array([[True, False, False]]).any(0))

    def angle(x):
        return np.arctanh(x / 2, out=np.zeros_like(x), where=[False, True, False])

    for f, slopes, curvatures in [
        (inverse, [-0.25, 0, -1], [0.25, 0, -2]),
        (root_in_place, [8**-0.5, 1, 1], [-(128**-0.5), 0, 0]),
        (both, [4 * (1 + np.log(2)), 3, 3], [4 * (1 + np.log(2)) ** 2 + 2, 0, 0]),
        (angle, [0, 0.5, 0], [0, 0, 0]),
    ]:
        slope = grad(lambda x, f=f: f(x).sum())
        np.testing.assert_allclose(slope(x), slopes, rtol=1e-6)
        np.testing.assert_allclose(jvp(f, (x,), (np.ones_like(x),))[1], slopes, rtol=1e-6)
        np.testing.assert_allclose(grad(lambda x, s=slope: s(x).sum())(x), curvatures, rtol=1e-6)
        np.testing.assert_array_equal(vmap(slope)(np.stack([x, x]))[1], slope(x))
        assert slope(x).dtype == f(x).dtype == np.float32
    with np.errstate(all="raise"):
        assert np.array_equal(vmap(inverse)(x[None])[0], inverse(x))


@pytest.mark.parametrize("exponent", [2, 0.5, -1])
@pytest.mark.parametrize("number", [np.float64, np.float32, np.int64, float])
def test_powers_are_promoted_as_numpys(exponent, number):
    y = number(exponent) if number(exponent) == exponent else number(2)
    for x in (np.abs(X), np.abs(X) + 1j):
        x = x.astype(np.result_type(x, np.float32))
        for transform in (vmap, jit):
            assert transform(lambda x: x**y)(x).dtype == (x**y).dtype
        np.testing.assert_allclose(vmap(lambda x: x**y)(x), x**y, rtol=1e-15 if (x**y).dtype.char in "dD" else 1e-6)


def test_positions_need_unmapped_conditions():
    assert grad(lambda x: x[np.where(x > 0)].sum())(X).tolist() == (X > 0).astype(float).tolist()
    with pytest.raises(ConcretizationError, match="the length of its result differs"):
        vmap(lambda x: np.where(x > 0))(X)


def test_what_is_refused():
    for call, error, text in [
        (lambda x: np.where(x > 0, x), ArgumentError, "np.where: got one of x and y; either both or neither are given"),
        (lambda x: np.clip(x, 0, 1, min=0), ArgumentError, "np.clip: a bound is given twice"),
        (lambda x: np.select([x > 0], [x, x]), ShapeError, "np.select: got 1 conditions and 2 choices"),
        (lambda x: np.select([x], [x]), DTypeError, r"np.select: a condition is f32\[3\]; conditions must be"),
        (lambda x: np.choose([0], [x], mode="last"), ArgumentError, "np.choose: mode is 'last'"),
        (lambda x: np.piecewise(x, [x > 0], [1, 2, 3]), ShapeError, "np.piecewise: got 1 conditions and 3 functions"),
        (lambda x: np.piecewise(x, [x > 0], [np.diff, 0]), IndexingError, r"x\[i\]: the mask bool\[3\] differs"),
        (
            lambda x: x.astype(int, casting="safe"),
            DTypeError,
            r"astype: f32\[3\] cannot become int64 by the rule 'safe'",
        ),
        (lambda x: x.astype(str), DTypeError, "astype: the dtype is <U"),
        (lambda x: np.astype(x, int, device="gpu"), ArgumentError, "np.astype: device is 'gpu'"),
        (lambda x: np.isposinf(x + 1j), DTypeError, "np.isposinf: x is c64"),
        (lambda x: np.add(x, 1, dtype=int), TypeError, "Cannot cast ufunc 'add' input 0"),
    ]:
        with pytest.raises(error, match=text):
            vmap(call)(X)


def test_choices_out_of_range_raise():
    with pytest.raises(ValueError, match="invalid entry in choice array"):
        vmap(lambda i: np.choose(i, [1.0, 2.0]))(np.array([0, 2]))


def test_plain_arrays_are_written_to():
    """The functions of the table do with plain arrays what NumPy's do."""
    x, out = np.array([np.nan, 1.4]), np.zeros(2)
    assert NUMPY[np.round](x, out=out) is out
    assert out[1] == 1.0
    NUMPY[np.nan_to_num](x, copy=False)
    assert x.tolist() == [0.0, 1.4]
    z = np.array([1 + 1j])
    NUMPY[np.real](z)[0] = 3
    assert z[0] == 3 + 1j


@pytest.mark.parametrize("dtype", ["i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f2", "f4", "?"])
@pytest.mark.parametrize(
    "fun",
    [
        lambda x, c: np.arctan2(c, x),
        lambda x, c: np.arctan2(x, c),
        lambda x, c: np.power(np.abs(c), x),
        lambda x, c: np.hypot(c, x),
        lambda x, c: np.logaddexp(c, x),
        lambda x, c: np.fmod(x, c),
    ],
)
def test_derivatives_beside_constants_of_small_dtypes(fun, dtype):
    x, c = np.array([1.3, 2.1, 0.7]), np.array([100, 7, 1]).astype(dtype)
    wide = c.astype(np.float64)
    expected = grad(lambda x: np.sum(fun(x, wide)))(x)
    assert np.allclose(grad(lambda x: np.sum(fun(x, c)))(x), expected, rtol=1e-12)
    assert np.allclose(jvp(lambda x: fun(x, c), (x,), (np.ones(3),))[1], expected, rtol=1e-12)


@pytest.mark.parametrize("size", [1e-200, 1e-30, 1.0, 1e200])
def test_angles_of_very_long_and_short_vectors(size):
    by_y, by_x = grad(lambda y, x: np.arctan2(y, x), (0, 1))(3 * size, 4 * size)
    assert np.isclose(by_y * size, 4 / 25) and np.isclose(by_x * size, -3 / 25)


@pytest.mark.parametrize("call", [lambda x: x + np.ones(2), lambda x: np.clip(x, np.ones(2), 3), lambda x: x * x[:2]])
def test_shapes_that_do_not_fit_are_those_of_an_example(call):
    with pytest.raises(ShapeError, match=r"shapes \(.*3,\).* do not broadcast together") as caught:
        vmap(vmap(call))(np.ones((5, 4, 3)))
    assert "4" not in str(caught.value)
    with pytest.raises(ShapeError, match=r"np.mean: shapes \(2,\), \(3,\) do not broadcast together"):
        vmap(lambda x: np.mean(x, where=np.ones(2, bool)))(np.ones((5, 3)))


@pytest.mark.parametrize("shape", [(9, 2), (4, 3), (130, 1), (3, 4), (5, 6), (1, 2)])
def test_differences_of_all_points(shape):
    x, y = np.random.default_rng(0).normal(size=(2, 60, *shape))

    def apart(x, y):
        d = x[:, None] - y[None]
        return d, d * (d[..., :1] > 0), d + x[0], x[:, None, :1] * y, x.astype(np.float32)[:, None] + y

    found = vmap(apart)(x, y)
    for i, out in enumerate(found):
        np.testing.assert_array_equal(out, np.stack([apart(*pair)[i] for pair in zip(x, y, strict=True)]), strict=True)


@pytest.mark.parametrize("function", [np.sin, np.arccos, np.hypot, np.remainder, "expit", "xlogy"])
def test_heavy_functions_of_many_rows_are_shared_and_the_same(function):
    special = pytest.importorskip("scipy.special")
    function = getattr(special, function) if isinstance(function, str) else function
    x = np.random.default_rng(0).uniform(0.1, 0.9, size=(2, 700, 130))
    args = x[: function.nin]
    np.testing.assert_array_equal(vmap(function)(*args), function(*args))
    np.testing.assert_array_equal(vmap(function)(*[a.swapaxes(1, 0) for a in args]), function(*args).swapaxes(1, 0))
    if function.nin == 2:
        np.testing.assert_array_equal(vmap(function, in_axes=(0, None))(x[0], x[1, 0]), function(x[0], x[1, 0]))
    with pytest.raises(FloatingPointError), np.errstate(all="raise"):
        vmap(np.arccos)(np.full((1000, 60), 2.0))
