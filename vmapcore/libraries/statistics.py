"""The functions of `scipy.stats` of samples: what describes them, ranks, and tests, with their p-values."""

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..errors import OptionError, ShapeError, describe
from ..rules._families import operand
from ..rules._ints import as_int, last_axis
from ..rules.casts import inexact
from .slopes import s

TINY = 1e-20


class Significance(NamedTuple):
    statistic: Any
    pvalue: Any


class TTest(NamedTuple):
    statistic: Any
    pvalue: Any

    @property
    def t(self) -> Any:
        return self.statistic


class Regression(NamedTuple):
    slope: Any
    intercept: Any
    rvalue: Any
    pvalue: Any
    stderr: Any


class Mode(NamedTuple):
    mode: Any
    count: Any


def along(x: Any, axis: Any) -> tuple[Any, int]:
    """An array of floats, and the axis that its numbers are along; one row of all for None."""
    x = inexact(x)
    return (x.reshape(-1), 0) if axis is None else (x, axis)


def count_of(call: str, x: Any, axis: int) -> int:
    return int(x.shape[last_axis(axis, len(x.shape), f"scipy.stats.{call}")])


# What describes a sample.


def zmap(scores: Any, compare: Any, axis: Any = 0, ddof: Any = 0) -> Any:
    compare, kept = inexact(compare), axis is not None
    mean, width = np.mean(compare, axis, keepdims=kept), np.std(compare, axis, ddof=ddof, keepdims=kept)
    still = width <= np.abs(np.finfo(compare.dtype).eps * mean)  # all are equal, but for rounding
    return (inexact(scores) - mean) / np.where(still, np.nan, width)


def zscore(a: Any, axis: Any = 0, ddof: Any = 0) -> Any:
    return zmap(a, a, axis, ddof)


def _mean(x: Any, axis: Any, weights: Any) -> Any:
    return np.mean(x, axis) if weights is None else np.average(x, axis, weights)


def gmean(a: Any, axis: Any = 0, weights: Any = None) -> Any:
    return np.exp(_mean(np.log(inexact(a)), axis, weights))


def hmean(a: Any, axis: Any = 0, *, weights: Any = None) -> Any:
    return pmean(a, -1.0, axis=axis, weights=weights)


def pmean(a: Any, p: Any, *, axis: Any = 0, weights: Any = None) -> Any:
    a = inexact(a)
    bad = np.any(a < 0, axis)
    if not hasattr(p, "shape") and p == 0:
        return np.where(bad, np.nan, gmean(np.where(a < 0, 1, a), axis, weights))
    with np.errstate(divide="ignore"):
        return np.where(bad, np.nan, _mean(np.where(a < 0, 1, a) ** p, axis, weights) ** (1.0 / p))


def sem(a: Any, axis: Any = 0, ddof: Any = 1) -> Any:
    a, axis = along(a, axis)
    return np.std(a, axis, ddof=ddof) / math.sqrt(count_of("sem", a, axis))


def variation(a: Any, axis: Any = 0, ddof: Any = 0) -> Any:
    a, axis = along(a, axis)
    return np.std(a, axis, ddof=ddof) / np.mean(a, axis)


def moment(a: Any, order: Any = 1, axis: Any = 0, *, center: Any = None) -> Any:
    a, axis = along(a, axis)
    order = as_int("scipy.stats.moment", "order", order)
    around = np.mean(a, axis, keepdims=True) if center is None else center
    return np.mean((a - around) ** order, axis)


def _moments(a: Any, axis: int, order: int) -> tuple[Any, Any, Any]:
    """The central moment of an order, the second one, and whether that is 0 but for rounding."""
    mean = np.mean(a, axis, keepdims=True)
    far = a - mean
    second = np.mean(far * far, axis)
    still = second <= (np.finfo(a.dtype).eps * np.squeeze(mean, axis)) ** 2
    return np.mean(far**order, axis), np.where(still, 1, second), still


def skew(a: Any, axis: Any = 0, bias: Any = True) -> Any:
    a, axis = along(a, axis)
    n, (third, second, still) = count_of("skew", a, axis), _moments(a, axis, 3)
    out = third / second**1.5
    if not bias and n > 2:
        out = out * (math.sqrt((n - 1.0) * n) / (n - 2.0))
    return np.where(still, np.nan, out)


def kurtosis(a: Any, axis: Any = 0, fisher: Any = True, bias: Any = True) -> Any:
    a, axis = along(a, axis)
    n, (fourth, second, still) = count_of("kurtosis", a, axis), _moments(a, axis, 4)
    out = fourth / second**2
    if not bias and n > 3:
        out = ((n**2 - 1.0) * out - 3 * (n - 1) ** 2.0) / ((n - 2) * (n - 3)) + 3.0
    return np.where(still, np.nan, out - 3 if fisher else out)


def iqr(x: Any, axis: Any = None, rng: Any = (25, 75), scale: Any = 1.0) -> Any:
    if scale == "normal":
        scale = 2 * float(s.erfinv(0.5)) * math.sqrt(2)
    low, high = sorted(rng)
    x = inexact(x)
    return (np.percentile(x, high, axis) - np.percentile(x, low, axis)) / scale


def median_abs_deviation(x: Any, axis: Any = 0, center: Any = None, scale: Any = 1.0) -> Any:
    x, axis = along(x, axis)
    if scale == "normal":
        scale = float(s.ndtri(0.75))
    middle = np.expand_dims((center or np.median)(x, axis=axis), axis)
    return np.median(np.abs(x - middle), axis) / scale


def trim_mean(a: Any, proportiontocut: Any, axis: Any = 0) -> Any:
    a, axis = along(a, axis)
    n = count_of("trim_mean", a, axis)
    cut = int(proportiontocut * n)
    if 2 * cut >= n:
        raise OptionError("scipy.stats.trim_mean", f"proportiontocut is {proportiontocut}", "it must be less than 0.5")
    return np.mean(np.moveaxis(np.sort(a, axis), axis, 0)[cut : n - cut], 0)


def mode(a: Any, axis: Any = 0) -> Any:
    x = operand(a)
    x = x.reshape(-1) if axis is None else np.moveaxis(x, axis, -1)
    counts = np.sum(x[..., :, None] == x[..., None, :], axis=-1)
    most = np.max(counts, axis=-1, keepdims=True)
    largest = np.max(x, axis=-1, keepdims=True)
    return Mode(np.min(np.where(counts == most, x, largest), axis=-1), most[..., 0])


def entropy(pk: Any, qk: Any = None, base: Any = None, axis: Any = 0) -> Any:
    p = inexact(pk)
    p = p / np.sum(p, axis, keepdims=True)
    if qk is None:
        terms = s.entr(p)
    else:
        q = inexact(qk)
        terms = s.rel_entr(p, q / np.sum(q, axis, keepdims=True))
    total = np.sum(terms, axis)
    return total if base is None else total / np.log(base)


def rankdata(a: Any, method: Any = "average", *, axis: Any = None) -> Any:
    x = operand(a)
    x = x.reshape(-1) if axis is None else np.moveaxis(x, axis, -1)
    if method == "ordinal":
        ranks = np.argsort(np.argsort(x, axis=-1, kind="stable"), axis=-1) + 1
    elif method in ("average", "min", "max"):
        below = np.sum(x[..., :, None] > x[..., None, :], axis=-1)
        same = np.sum(x[..., :, None] == x[..., None, :], axis=-1)
        ranks = {"average": below + (same + 1) / 2, "min": below + 1, "max": below + same}[method]
    else:
        allowed = "with traced values it must be 'average', 'min', 'max' or 'ordinal'"
        raise OptionError("scipy.stats.rankdata", f"method is {method!r}", allowed)
    if x.dtype.kind == "f":
        ranks = np.where(np.any(np.isnan(x), axis=-1, keepdims=True), np.nan, ranks)
    ranks = ranks.astype(np.float64)
    return ranks if axis is None else np.moveaxis(ranks, -1, axis)


# Tests.


def _pvalue(call: str, below: Callable[[Any], Any], statistic: Any, alternative: Any) -> Any:
    """Of a distribution around zero, of which `below` is the distribution function."""
    if alternative == "two-sided":
        return 2 * below(-np.abs(statistic))
    if alternative not in ("less", "greater"):
        allowed = "it must be 'two-sided', 'less' or 'greater'"
        raise OptionError(f"scipy.stats.{call}", f"alternative is {alternative!r}", allowed)
    return below(statistic if alternative == "less" else -statistic)


def _t_test(call: str, t: Any, df: Any, alternative: Any) -> Any:
    return TTest(t, _pvalue(call, lambda t: s.stdtr(df, t), t, alternative))


def ttest_1samp(a: Any, popmean: Any, axis: Any = 0, alternative: Any = "two-sided") -> Any:
    a, axis = along(a, axis)
    n = count_of("ttest_1samp", a, axis)
    with np.errstate(divide="ignore", invalid="ignore"):
        t = (np.mean(a, axis) - popmean) / np.sqrt(np.var(a, axis, ddof=1) / n)
    return _t_test("ttest_1samp", t, n - 1.0, alternative)


def ttest_rel(a: Any, b: Any, axis: Any = 0, alternative: Any = "two-sided") -> Any:
    (a, _), (b, axis) = along(a, axis), along(b, axis)
    return ttest_1samp(a - b, 0.0, axis, alternative=alternative)


def ttest_ind(a: Any, b: Any, *, axis: Any = 0, equal_var: Any = True, alternative: Any = "two-sided") -> Any:
    (a, _), (b, axis) = along(a, axis), along(b, axis)
    n, m = count_of("ttest_ind", a, axis), count_of("ttest_ind", b, axis)
    left, right = np.var(a, axis, ddof=1), np.var(b, axis, ddof=1)
    if equal_var:
        df: Any = n + m - 2.0
        width = ((n - 1) * left + (m - 1) * right) / df * (1 / n + 1 / m)
    else:
        left, right = left / n, right / m
        width = left + right
        df = width**2 / (left**2 / (n - 1) + right**2 / (m - 1))
    with np.errstate(divide="ignore", invalid="ignore"):
        t = (np.mean(a, axis) - np.mean(b, axis)) / np.sqrt(width)
    return _t_test("ttest_ind", t, df, alternative)


def f_oneway(*samples: Any) -> Any:
    rows = [inexact(x) for x in samples]
    if len(rows) < 2:
        raise ShapeError("scipy.stats.f_oneway", f"there is {len(rows)} sample", "there must be two or more")
    total, count = sum(x.shape[0] for x in rows), len(rows)
    mean = sum(np.sum(x, 0) for x in rows) / total
    between = sum(x.shape[0] * (np.mean(x, 0) - mean) ** 2 for x in rows) / (count - 1)
    within = sum(np.sum((x - np.mean(x, 0)) ** 2, 0) for x in rows) / (total - count)
    ratio = between / within
    return Significance(ratio, s.fdtrc(count - 1.0, total - count + 0.0, ratio))


def chisquare(f_obs: Any, f_exp: Any = None, ddof: Any = 0, axis: Any = 0) -> Any:
    seen, axis = along(f_obs, axis)
    wanted = np.mean(seen, axis, keepdims=True) if f_exp is None else along(f_exp, axis)[0]
    statistic = np.sum((seen - wanted) ** 2 / wanted, axis)
    return Significance(statistic, s.chdtrc(count_of("chisquare", seen, axis) - 1.0 - ddof, statistic))


def _pair(call: str, x: Any, y: Any) -> tuple[Any, Any, int]:
    """Two samples of as many numbers."""
    x, y = inexact(x), inexact(y)
    if x.shape != y.shape or len(x.shape) != 1 or x.shape[0] < 2:
        fact = f"samples are {describe(x)} and {describe(y)}"
        raise ShapeError(f"scipy.stats.{call}", fact, "with traced values they are two rows of as many numbers")
    return x, y, int(x.shape[0])


def _correlation(x: Any, y: Any) -> Any:
    """Of rows; NaN of what is constant."""
    x, y = x - np.mean(x), y - np.mean(y)
    width = np.sqrt(np.sum(x * x)) * np.sqrt(np.sum(y * y))
    r = np.sum(x * y) / np.where(width == 0, np.nan, width)
    return np.where(np.abs(r) > 1, np.sign(r), r)


def pearsonr(x: Any, y: Any, *, alternative: Any = "two-sided") -> Any:
    x, y, n = _pair("pearsonr", x, y)
    r, half = _correlation(x, y), n / 2 - 1
    if n == 2:
        r = np.sign(x[1] - x[0]) * np.sign(y[1] - y[0])
        r = np.where(r == 0, np.nan, r)
        return Significance(r, np.abs(r))
    return Significance(r, _pvalue("pearsonr", lambda r: s.betainc(half, half, (1 + r) / 2), r, alternative))


def spearmanr(a: Any, b: Any = None, alternative: Any = "two-sided") -> Any:
    if b is None:
        raise OptionError("scipy.stats.spearmanr", "b is None, and there are traced values", "it is another sample")
    a, b, n = _pair("spearmanr", a, b)
    r = _correlation(rankdata(a), rankdata(b))
    df = n - 2.0
    with np.errstate(divide="ignore"):
        t = r * np.sqrt(np.maximum(df / ((r + 1) * (1 - r)), 0))
    return Significance(r, _pvalue("spearmanr", lambda t: s.stdtr(df, t), t, alternative))


def linregress(x: Any, y: Any, alternative: Any = "two-sided") -> Any:
    x, y, n = _pair("linregress", x, y)
    dx, dy = x - np.mean(x), y - np.mean(y)
    xx, xy, yy = np.mean(dx * dx), np.mean(dx * dy), np.mean(dy * dy)
    flat = (xx == 0) | (yy == 0)
    r = np.where(flat, np.nan, xy / np.sqrt(np.where(flat, 1, xx * yy)))
    r = np.where(np.abs(r) > 1, np.sign(r), r)
    slope = xy / xx
    intercept = np.mean(y) - slope * np.mean(x)
    if n == 2:
        return Regression(slope, intercept, r, np.where(y[0] == y[1], 1.0, 0.0), np.zeros_like(r))
    df = n - 2.0
    t = r * np.sqrt(df / ((1.0 - r + TINY) * (1.0 + r + TINY)))
    width = np.sqrt((1 - r**2) * yy / xx / df)
    return Regression(slope, intercept, r, _pvalue("linregress", lambda t: s.stdtr(df, t), t, alternative), width)


ALL: Sequence[Callable[..., Any]] = (
    *(zmap, zscore, gmean, hmean, pmean, sem, variation, moment, skew, kurtosis, iqr, median_abs_deviation, trim_mean),
    *(mode, entropy, rankdata, ttest_1samp, ttest_rel, ttest_ind, f_oneway, chisquare, pearsonr, spearmanr, linregress),
)
FUNCTIONS = {f.__name__: f for f in ALL}
