"""What rows cannot say of reductions, sorting and searching: ties, zeros, NaN, data-dependent lengths, errors."""

import inspect
import re

import numpy as np
import pytest

import vmapcore.numpy as vnp
from vmapcore import grad, hessian, jit, jvp, vmap
from vmapcore.errors import ArgumentError, AxisError, ConcretizationError, OptionError, ShapeError, VmapcoreError
from vmapcore.numpy_protocol import NUMPY
from vmapcore.testing import assert_same

MODULES = ("reductions", "cumulative", "sorting", "searching", "statistics", "nans", "quantiles", "calculus")
"""The modules under vmapcore/rules/ that this file is for."""

ZEROS = ([2.0, 3.0, 5.0], [2.0, 0.0, 5.0], [0.0, 3.0, 0.0], [0.0, 0.0, 0.0])


def others(x):
    """By each element, the product of the others."""
    return np.array([np.prod(np.delete(x, i)) for i in range(len(x))])


def other_pairs(x):
    """By each pair of elements, the product of the others."""
    n = len(x)
    return np.array([[0.0 if i == j else np.prod(np.delete(x, [i, j])) for j in range(n)] for i in range(n)])


@pytest.mark.parametrize("x", ZEROS)
def test_derivatives_of_products_are_exact_where_factors_are_zero(x):
    x = np.array(x)
    assert_same(grad(np.prod)(x), others(x))
    assert_same(hessian(np.prod)(x), other_pairs(x))
    assert_same(jvp(np.prod, (x,), (np.ones(3),))[1], others(x).sum())
    assert_same(grad(lambda x: np.cumprod(x)[-1])(x), others(x))
    assert_same(hessian(lambda x: np.cumprod(x)[-1])(x), other_pairs(x))
    assert_same(grad(lambda x: np.prod(x.reshape(1, 3, 1), axis=(0, 1))[0])(x), others(x))


def test_cumprod_gradient_has_no_overflow_of_its_own():
    x = np.array([0.0, 1e200, 1e200, 1e200])
    assert_same(grad(lambda x: np.cumprod(x)[1])(x), np.array([1e200, 0.0, 0.0, 0.0]))


@pytest.mark.parametrize("function", [np.max, np.min, np.amax])
def test_ties_share_the_derivative(function):
    x = np.array([[1.0, 1.0, 1.0], [2.0, 1.0, 2.0]])
    largest = function is not np.min
    expected = np.array([[1, 1, 1], [0.5, 0, 0.5] if largest else [0, 1, 0]]) / [[3], [1]]
    assert_same(grad(lambda x: function(x, axis=1).sum())(x), expected)
    t = np.array([[1.0, 2.0, 6.0], [1.0, 5.0, 2.0]])
    assert_same(jvp(lambda x: function(x, axis=1), (x,), (t,))[1], (expected * t).sum(1))


def test_a_cotangent_of_infinity_stays_where_it_belongs():
    with np.errstate(divide="ignore"):
        assert_same(grad(lambda x: np.sqrt(np.max(x)))(np.array([0.0, -1.0])), np.array([np.inf, 0.0]))


def test_the_derivative_of_an_extremum_that_is_nan_is_nan():
    x = np.array([[1.0, np.nan], [1.0, 2.0]])
    expected = np.array([[np.nan, np.nan], [0.0, 1.0]])
    assert_same(grad(lambda x: np.max(x, axis=1).sum())(x), expected)
    assert_same(jvp(lambda x: np.max(x, axis=1), (x,), (np.ones_like(x),))[1], np.array([np.nan, 1.0]))


def test_running_maximum_gives_ties_to_the_first_and_keeps_nan():
    x = np.array([1.0, 3.0, 3.0, 2.0])
    assert_same(grad(lambda x: np.maximum.accumulate(x).sum())(x), np.array([1.0, 3.0, 0.0, 0.0]))
    out, tangent = jvp(np.maximum.accumulate, (np.array([1.0, np.nan, 3.0]),), (np.array([1.0, 2.0, 4.0]),))
    assert_same(out, np.array([1.0, np.nan, np.nan]))
    assert_same(tangent, np.array([1.0, 2.0, 2.0]))


def test_sort_moves_derivatives_with_their_elements():
    x = np.array([3.0, 1.0, 2.0, 1.0])
    gradient = grad(lambda x: np.sort(x) @ np.array([1.0, 2.0, 4.0, 8.0]))(x)
    assert gradient[0] == 8
    assert gradient[2] == 4
    assert sorted(gradient[[1, 3]]) == [1, 2]


def test_all_nan():
    x = np.array([[np.nan, np.nan], [1.0, np.nan]])
    assert_same(vmap(np.nanmax)(x), np.array([np.nan, 1.0]))
    assert_same(vmap(np.nanmedian)(x), np.array([np.nan, 1.0]))
    assert_same(vmap(lambda x: np.nanquantile(x, 0.5))(x), np.array([np.nan, 1.0]))
    assert_same(vmap(np.nansum)(x), np.array([0.0, 1.0]))
    with pytest.raises(ValueError, match="All-NaN"):
        vmap(np.nanargmax)(x)


def test_gradients_pass_over_nan():
    x = np.array([1.0, np.nan, 3.0])
    for function in (np.nansum, np.nanmean, np.nanvar, np.nanstd, np.nanprod, np.nanmax, np.nanmedian):
        gradient = grad(function)(x)
        assert gradient[1] == 0
        assert_same(gradient[[0, 2]], grad({np.nanmedian: np.median}.get(function, plain(function)))(x[[0, 2]]))


def plain(function):
    return getattr(np, function.__name__.removeprefix("nan"))


# Lengths that depend on the data.


@pytest.mark.parametrize("function", [np.nonzero, np.flatnonzero, np.argwhere, np.unique, np.unique_all])
def test_data_dependent_lengths_are_refused_under_vmap(function):
    with pytest.raises(ConcretizationError, match="Use np"):
        vmap(function)(np.ones((2, 3)))
    with pytest.raises(ConcretizationError):
        grad(lambda x: vmap(function)(x).sum())(np.ones((2, 3)))


def test_data_dependent_lengths_are_those_of_values_under_grad():
    x = np.array([3.0, 0.0, 1.0, 3.0])
    assert_same(grad(lambda x: x[np.nonzero(x)].sum())(x), np.array([1.0, 0.0, 1.0, 1.0]))
    assert_same(grad(lambda x: (x[np.flatnonzero(x > 2)] ** 2).sum())(x), np.array([6.0, 0.0, 0.0, 6.0]))
    assert_same(grad(lambda x: np.unique(x) @ np.array([1.0, 2.0, 4.0]))(x), np.array([4.0, 1.0, 2.0, 0.0]))
    assert_same(grad(lambda x: x[np.argwhere(x)[:, 0]].sum() * 2)(x), np.array([2.0, 0.0, 2.0, 2.0]))
    assert grad(lambda x: float(np.nonzero(x)[0][1]) * x.sum())(x)[0] == 2


def test_unmapped_values_have_lengths_under_vmap():
    y = np.array([0, 2, 0, 1])
    assert vmap(lambda x, y: x + np.flatnonzero(y).sum(), in_axes=(0, None))(np.zeros(2), y).tolist() == [4, 4]


@pytest.mark.parametrize("options", [{}, {"return_index": True}, {"return_inverse": True, "return_counts": True}])
@pytest.mark.parametrize("axis", [None, 0, -1])
def test_unique_is_numpys(options, axis):
    x = np.array([[1.0, 2.0, 1.0], [1.0, 2.0, 1.0]])
    assert_same(NUMPY[np.unique](x, axis=axis, **options), np.unique(x, axis=axis, **options))
    results = jvp(lambda x: np.unique(x, axis=axis, **options), (x,), (x,))
    assert_same(results[0], np.unique(x, axis=axis, **options))


@pytest.mark.parametrize("function", [np.unique_all, np.unique_counts, np.unique_inverse, np.unique_values])
def test_unique_of_the_standard_is_numpys(function):
    x = np.array([[2.0, np.nan, 1.0], [1.0, 2.0, np.nan]])
    assert type(NUMPY[function](x)) is type(function(x))
    assert_same(tuple(NUMPY[function](x)), tuple(function(x)))


def test_argwhere_is_numpys():
    for x in (np.eye(2), np.array(1.0), np.array(0.0), np.zeros((0, 3))):
        assert_same(NUMPY[np.argwhere](x), np.argwhere(x))


def test_bincount_checks_its_bins():
    x = np.array([[0, 1, 1], [2, 2, 0]])
    assert vmap(lambda x: np.bincount(x, minlength=3))(x).tolist() == [[1, 2, 0], [1, 0, 2]]
    with pytest.raises(OptionError, match="minlength"):
        vmap(lambda x: np.bincount(x, minlength=2))(x)
    for transform, differs in (
        (vmap, "between the examples"),
        (lambda f: lambda x: jit(f)(x[0]), r"between the calls of jit\(<lambda>\)"),
    ):
        text = rf"result depends on the values of i64\[3\], which differs {differs}, at test_r.* Pass a minlength above"
        with pytest.raises(ConcretizationError, match=text):
            transform(lambda x: np.bincount(x))(x)
    assert vmap(lambda x: np.bincount(x))(x[:, :0]).shape == (2, 0)
    assert jit(lambda x: np.bincount(vnp.asarray([0, 2])) * x)(2).tolist() == [2, 0, 2]
    with pytest.raises(OptionError, match="found -1"):
        NUMPY[np.bincount](np.array([-1, 2]))


# What is refused.


def weighted(function, x, w, **params):
    return function(x, 0.5, weights=w, method="inverted_cdf", **params)


@pytest.mark.filterwarnings("ignore:All-NaN")
def test_weights_of_ties_holes_and_nothing():
    """As in NumPy: what weighs nothing is not found, nor is it by q=0; a sum is met exactly, in the precision of q."""
    x = np.array([[3.0, 1, 2, 2, 5], [np.nan, 4, 1, 0, 2], [np.nan] * 5])
    w = np.array([[0.2, 0, 0.1, 0.3, 0.4], [9, 0.2, 0, 0.4, 0.4], [0.0] * 5])
    q = np.array([0, 0.1, 0.4, 0.6, 1])
    for function in (np.quantile, np.nanquantile):
        for at in (*q, 0.4, q, q.astype(np.float32), 0, [0, 1]):
            for rows in (slice(0, 1), slice(0, 2), slice(0, 3)) if function is np.nanquantile else (slice(0, 2),):
                options = {"axis": 1, "method": "inverted_cdf"}
                expected = function(x[rows], at, weights=w[rows], **options)
                found = vmap(lambda x, w: function(x, at, weights=w, **options))(x[None, rows], w[None, rows])
                assert_same(found, expected[None])
    slope = grad(lambda x, w: np.quantile(x, 0.5, weights=w, method="inverted_cdf"), argnums=(0, 1))(x[0], w[0])
    assert_same(slope, (np.array([1.0, 0, 0, 0, 0]), np.zeros(5)))


@pytest.mark.parametrize(
    ("kind", "match", "function"),
    [
        (AxisError, "axis 2 is out of range", lambda x: np.sum(x, axis=2)),
        (AxisError, "np.argmax", lambda x: np.argmax(x, axis=-3)),
        (AxisError, "twice", lambda x: np.max(x, axis=(0, -2))),
        (OptionError, "initial", lambda x: np.max(x, where=x > 0)),
        (ShapeError, "where has shape", lambda x: np.sum(x, where=np.ones((4, 2, 3), bool))),
        (OptionError, "both ddof= and correction=", lambda x: np.var(x, ddof=1, correction=1)),
        (OptionError, "method is 'middle'", lambda x: np.quantile(x, 0.5, method="middle")),
        (OptionError, "from 0 to 1", lambda x: np.quantile(x, 1.5)),
        (OptionError, "from 0 to 1", lambda x: np.quantile(x, x)),
        (OptionError, "with weights it must be 'inverted_cdf'", lambda x: np.quantile(x, 0.5, weights=x)),
        (OptionError, "none of them negative", lambda x: weighted(np.quantile, x, -x)),
        (OptionError, "not all zero", lambda x: weighted(np.nanpercentile, x, 0 * x)),
        (OptionError, "must be finite", lambda x: weighted(np.percentile, x, 1 / x)),
        (ArgumentError, "weights is f64[3]", lambda x: weighted(np.nanquantile, x, x[0])),
        (ShapeError, "weights is f64[3]", lambda x: weighted(np.quantile, x, x[0], axis=0)),
        (ArgumentError, "weights is f64[3]", lambda x: np.average(x, weights=x[0])),
        (OptionError, "got order=", lambda x: np.sort(x, order="f")),
        (ShapeError, "one axis", lambda x: np.searchsorted(x, 1.0)),
        (OptionError, "side is 'middle'", lambda x: np.searchsorted(x[0], 1.0, side="middle")),
        (ShapeError, "one axis", lambda x: np.interp(x, x, x)),
        (OptionError, "mode", lambda x: np.convolve(x[0], x[0], mode="most")),
        (ShapeError, "it needs 3", lambda x: np.gradient(x, edge_order=2)),
    ],
)
def test_errors_say_what_is_wrong(kind, match, function):
    x = np.arange(6.0).reshape(2, 3)
    with pytest.raises(kind, match=re.escape(match)), np.errstate(all="ignore"):
        vmap(function)(np.stack([x, x]))


def test_empty_extrema_raise_as_in_numpy():
    for function in (np.max, np.argmin, np.ptp):
        with pytest.raises(ValueError):
            vmap(function)(np.ones((2, 0)))
        assert vmap(function)(np.ones((0, 2))).shape == (0,)


def test_out():
    x = np.arange(6.0).reshape(2, 3)

    def f(x):
        out = np.zeros_like(x[0])
        assert np.sum(x, axis=0, out=out) is out
        np.sqrt(np.cumsum(out), out=out)
        return out

    assert_same(vmap(f)(x[None]), np.sqrt(np.cumsum(x.sum(0)))[None])
    out = np.zeros(3)
    assert NUMPY[np.mean](x, axis=0, out=out) is out
    assert_same(out, x.mean(0))


def test_kth_must_be_known():
    with pytest.raises(VmapcoreError):
        vmap(lambda x, k: np.partition(x, k), in_axes=(None, 0))(np.arange(3.0), np.arange(3))


@pytest.mark.parametrize("dtype", ["float32", "float64", "int16", "bool", "complex128"])
@pytest.mark.parametrize("shape", [(3000, 7), (200, 3, 2, 2), (2, 150, 16), (1025, 2), (4, 5, 100)])
def test_many_short_rows_reduce_as_in_numpy(shape, dtype):
    rng = np.random.default_rng(0)
    x = (rng.standard_normal(shape) * 9).astype(dtype)
    if dtype == "float32":
        x[0, 0] = np.nan
    for given in (x, x[::-1], np.asfortranarray(x), x[:, :1]):
        for axis in (-1, (-1, -2), 0, (0, -1)):
            for keepdims in (False, True):
                for function in (np.sum, np.max, np.min):
                    assert_same(
                        NUMPY[function](given, axis=axis, keepdims=keepdims),
                        function(given, axis=axis, keepdims=keepdims),
                        function.__name__,
                    )


@pytest.mark.parametrize("function", [np.sum, np.mean, np.var, np.std])
def test_what_where_leaves_out_takes_no_part_in_the_derivative(function):
    x, kept = np.array([1.0, np.nan, 2.0, np.inf, 4.0]), np.array([True, False, True, False, True])
    gradient = grad(lambda x: function(x, where=kept))(x)
    assert_same(gradient[kept], grad(function)(x[kept]))
    assert_same(gradient[~kept], np.zeros(2))


def test_signatures_are_numpys():
    for key, ours in NUMPY.items():
        module = getattr(ours, "__module__", "")
        if not callable(key) or isinstance(key, np.ufunc) or module.split(".")[-1] not in MODULES:
            continue
        theirs = [(p.name, p.kind) for p in inspect.signature(key).parameters.values()]
        assert [(p.name, p.kind) for p in inspect.signature(ours).parameters.values()] == theirs, key.__name__


WRITTEN = {
    "sum": lambda x, out: np.sum(x, axis=-1, out=out),
    "prod": lambda x, out: np.prod(x, axis=-1, out=out),
    "mean": lambda x, out: np.mean(x, axis=-1, out=out),
    "nansum": lambda x, out: np.nansum(x, axis=-1, out=out),
    "reduce": lambda x, out: np.add.reduce(x, axis=-1, out=out),
    "einsum": lambda x, out: np.einsum("ij->i", x, out=out),
    "product": lambda x, out: np.einsum("ij,ij->i", x, x, out=out),
    "last of cumsum": lambda x, out: np.copyto(out, np.cumsum(x, axis=-1, out=np.zeros_like(x, out.dtype))[:, -1]),
    "last of cumprod": lambda x, out: np.copyto(out, np.cumprod(x, axis=-1, out=np.zeros_like(x, out.dtype))[:, -1]),
}


@pytest.mark.parametrize("name", WRITTEN)
@pytest.mark.parametrize("dtype", ["i1", "i8", "f2", "?"])
def test_what_is_written_to_out_is_computed_in_its_dtype(name, dtype):
    def fun(x):
        out = np.zeros_like(x[:, 0], np.float64)
        WRITTEN[name](x, out)
        return out

    x = np.random.default_rng(0).integers(100, 127, (2, 3, 8)).astype(dtype)
    np.testing.assert_allclose(vmap(fun)(x), np.stack([fun(row) for row in x]), 1e-12)


def test_between_one_point():
    for x in (np.nan, 4.0, 6.0):
        assert vmap(lambda v: np.interp(v, [5.0], [7.0], left=1.0))(np.array([x])) == np.interp(x, [5.0], [7.0], 1.0)


@pytest.mark.parametrize("mean", "efdi")
@pytest.mark.parametrize("dtype", "efdi")
@pytest.mark.parametrize("function", [np.var, np.std, np.nanvar, np.nanstd])
def test_a_mean_that_is_given_counts_for_the_dtype(function, dtype, mean):
    x, m = np.arange(6).reshape(2, 3).astype(dtype), np.array([1]).astype(mean)
    expected = np.stack([function(row, mean=m) for row in x])
    for found in (vmap(lambda row: function(row, mean=m))(x), jit(vmap(lambda row: function(row, mean=m)))(x)):
        assert found.dtype == expected.dtype
        np.testing.assert_allclose(found, expected, rtol=1e-3)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("shape", [(300, 2), (500, 3), (400, 4), (300, 5, 1), (200, 9, 2), (150, 40, 7), (130, 3, 2)])
def test_short_rows_are_added_up_as_one_row_is(shape, dtype):
    x = np.random.default_rng(0).normal(size=shape).astype(dtype)
    x[7 % len(x), ..., -1] = np.nan
    for axis in range(1 - len(shape), 0):
        for reduce in (np.sum, np.max, np.min, np.mean):
            found = vmap(lambda x, axis=axis, reduce=reduce: reduce(x, axis=axis))(x)
            want = np.stack([reduce(row, axis=axis) for row in x])
            np.testing.assert_allclose(found, want, rtol=9 * np.finfo(dtype).eps, atol=99 * np.finfo(dtype).eps)
            if shape[-1] <= 4 and len(shape) == 2:
                np.testing.assert_array_equal(found, want)
