"""Functions of samples of `scipy.stats` inside transforms, against SciPy in a loop."""

import numpy as np
import pytest

from vmapcore import vmap
from vmapcore.errors import OptionError, ShapeError
from vmapcore.testing import check_grads, check_jit, check_vmap

from .scipy_calls import check_call, with_names
from .together import together

stats = pytest.importorskip("scipy.stats")

pytestmark = pytest.mark.numpy_plans

RNG = np.random.default_rng(0)
X, Y, Z = RNG.normal(size=(2, 9)) + 3, RNG.normal(size=(2, 9)) + 2, RNG.normal(size=(2, 3, 5)) + 4
P = np.abs(X)
T = np.round(X)

CALLS = {
    "zscore": (lambda x: stats.zscore(x), X),
    "zscore all": (lambda x: stats.zscore(x, axis=None, ddof=1), Z),
    "zmap": (lambda x, y: stats.zmap(x, y), X, Y),
    "gmean": (lambda x: stats.gmean(x, axis=1), Z),
    "gmean weights": (lambda x, w: stats.gmean(x, weights=w), P, P[::-1]),
    "hmean": (lambda x: stats.hmean(x), P),
    "pmean": (lambda x: stats.pmean(x, 2.5) + stats.pmean(x, 0), P),
    "sem": (lambda x: stats.sem(x, axis=None), Z),
    "variation": (lambda x: stats.variation(x, ddof=1), X),
    "moment": (lambda x: stats.moment(x, order=3) + stats.moment(x, 2, center=0.5), X),
    "skew": (lambda x: stats.skew(x), X),
    "skew unbiased": (lambda x: stats.skew(x, axis=1, bias=False), Z),
    "kurtosis": (lambda x: stats.kurtosis(x), X),
    "kurtosis unbiased": (lambda x: stats.kurtosis(x, fisher=False, bias=False), X),
    "iqr": (lambda x: stats.iqr(x) + stats.iqr(x, rng=(10, 80), scale="normal"), X),
    "median_abs_deviation": (lambda x: stats.median_abs_deviation(x, axis=1, scale="normal"), Z),
    "trim_mean": (lambda x: stats.trim_mean(x, 0.2), X),
    "entropy": (lambda x: stats.entropy(x), P),
    "entropy relative": (lambda x, y: stats.entropy(x, y, base=2), P, np.abs(Y)),
    "ttest_1samp": (lambda x, m: tuple(stats.ttest_1samp(x, m)), X, X[:, 0]),
    "ttest_1samp less": (lambda x: stats.ttest_1samp(x, 2.0, alternative="less").pvalue, Z),
    "ttest_rel": (lambda x, y: tuple(stats.ttest_rel(x, y, alternative="greater")), X, Y),
    "ttest_ind": (lambda x, y: tuple(stats.ttest_ind(x, y)), X, Y[:, :6]),
    "f_oneway": (lambda x, y: tuple(stats.f_oneway(x, y, x[:4])), X, Y),
    "chisquare": (lambda x: tuple(stats.chisquare(x)), P),
    "pearsonr": (lambda x, y: tuple(stats.pearsonr(x, y)), X, Y),
    "pearsonr less": (lambda x, y: stats.pearsonr(x, y, alternative="less").pvalue, X, Y),
    "spearmanr": (lambda x, y: tuple(stats.spearmanr(x, y)), X, Y),
    "linregress": (lambda x, y: tuple(stats.linregress(x, y)), X, Y),
    "linregress parts": (lambda x, y: stats.linregress(x, y, alternative="greater").pvalue, X, Y),
}

WITHOUT_DERIVATIVE = {
    "mode": (lambda x: tuple(stats.mode(x)), T),
    "mode integers": (lambda x: tuple(stats.mode(x.astype(int), axis=1)), np.round(Z)),
    "rankdata": (lambda x: stats.rankdata(x), T),
    "rankdata axis": (lambda x: stats.rankdata(x, axis=0), np.round(Z)),
    "welch": (lambda x, y: tuple(stats.ttest_ind(x, y, equal_var=False)), X, Y[:, :6]),
    **{m: (lambda x, m=m: stats.rankdata(x, m) * 1.0, T) for m in ("min", "max", "ordinal")},
}


@together("name", CALLS, str, str)
def test_of_traced_values(name):
    check_call(*CALLS[name], tol=10.0)


@together("name", WITHOUT_DERIVATIVE)
def test_of_traced_values_without_derivative(name):
    fun, *args = WITHOUT_DERIVATIVE[name]
    check_vmap(with_names(fun), *args, like=fun)
    check_jit(vmap(with_names(fun)), *args)


def test_a_statistic_has_a_derivative_where_its_pvalue_has_none():
    fun = with_names(lambda x: stats.ttest_ind(x, Y[0], equal_var=False).statistic)
    check_grads(fun, X[0], modes=("rev",), order=1)


def test_constant_samples_and_nan():
    x = np.stack([np.ones(5), np.arange(5.0), np.array([1, np.nan, 2, 3, 4])])
    calls = {
        "zscore": lambda x: stats.zscore(x),
        "skew": lambda x: stats.skew(x),
        "kurtosis": lambda x: stats.kurtosis(x),
        "rankdata": lambda x: stats.rankdata(x),
        "pearsonr": lambda x: tuple(stats.pearsonr(x, np.arange(5.0) ** 2)),
        "linregress": lambda x: tuple(stats.linregress(np.arange(5.0), x))[:4],
        "two": lambda x: tuple(stats.pearsonr(x[:2], np.arange(2.0))),
        "two of a line": lambda x: tuple(stats.linregress(np.arange(2.0), x[2:4])),
        "hmean": lambda x: stats.hmean(x - 0.5),
    }
    for name, fun in calls.items():
        with pytest.warns() if name in ("zscore", "skew", "kurtosis", "pearsonr", "two", "hmean") else np.errstate():
            wanted = [fun(row) for row in x]
        ours = vmap(with_names(fun))(x)
        ours = np.stack(ours, axis=-1) if isinstance(ours, tuple) else ours
        np.testing.assert_allclose(ours, np.array(wanted), 1e-9, 1e-12, err_msg=name)


def test_what_is_refused():
    with pytest.raises(OptionError, match=r"scipy\.stats\.zscore: nan_policy is 'omit', .* must be 'propagate' then"):
        vmap(lambda x: stats.zscore(x, nan_policy="omit"))(X)
    with pytest.raises(OptionError, match=r"scipy\.stats\.rankdata: method is 'dense'"):
        vmap(lambda x: stats.rankdata(x, "dense"))(X)
    with pytest.raises(OptionError, match=r"scipy\.stats\.ttest_1samp: alternative is 'both'"):
        vmap(lambda x: stats.ttest_1samp(x, 0, alternative="both")[0])(X)
    with pytest.raises(ShapeError, match=r"scipy\.stats\.pearsonr: samples are f64\[9\] and f64\[8\]"):
        vmap(lambda x: stats.pearsonr(x, x[1:])[0])(X)
