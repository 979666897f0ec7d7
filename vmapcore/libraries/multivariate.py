"""Distributions of `scipy.stats` of several numbers at once, by SciPy's names, frozen or not."""

import functools
import math
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np

from ..errors import OptionError, ShapeError, describe
from ..methods import PARTS
from ..names import SEES, STAND_INS
from ..rules._families import operand
from ..rules._matrices import diagonal
from ..rules.casts import inexact
from ..rules.creation import library
from .distributions import DrawingForm
from .forms import Counterpart
from .laws import generator
from .linalg import solve_triangular
from .slopes import s

LOG_2PI = math.log(2 * math.pi)


# The normal distribution. SciPy reads the lower triangle of a covariance, as a Cholesky factor does.


def _normal(call: str, mean: Any, cov: Any) -> tuple[Any, Any]:
    """The mean, and the lower factor of the covariance."""
    if hasattr(cov, "whiten"):
        raise OptionError(f"scipy.stats.{call}", "cov is a Covariance", "it must be an array, with traced values")
    cov = inexact(cov)
    size = int(cov.shape[0]) if mean is None and len(cov.shape) == 2 else int(np.size(mean)) if mean is not None else 1
    if len(cov.shape) < 2:
        cov = cov * library(cov).eye(size)
    mean = library(cov).zeros(size) if mean is None else inexact(mean).reshape(-1)
    if cov.shape != (size, size):
        fact = f"mean is {describe(mean)} and cov {describe(cov)}"
        raise ShapeError(f"scipy.stats.{call}", fact, "they must fit each other")
    return mean, np.linalg.cholesky(cov)


def _whitened(call: str, x: Any, mean: Any, factor: Any) -> Any:
    """Squares of distances, for each row of `x`."""
    size, x = factor.shape[-1], inexact(x)
    x = x.reshape((*x.shape, 1)) if size == 1 and len(x.shape) < 2 else x
    if not x.shape or x.shape[-1] != size:
        raise ShapeError(f"scipy.stats.{call}", f"x is {describe(x)}", f"its last axis must have {size} elements")
    rows = (x - mean).reshape((-1, size))
    far = solve_triangular(factor, rows.T, lower=True)
    return np.squeeze(np.sum(far * far, axis=0).reshape(x.shape[:-1]))


def _half_log_det(factor: Any) -> Any:
    return np.sum(np.log(diagonal(factor)), axis=-1)


def normal_logpdf(x: Any, mean: Any = None, cov: Any = 1) -> Any:
    mean, factor = _normal("multivariate_normal", mean, cov)
    far = _whitened("multivariate_normal", x, mean, factor)
    return -0.5 * (factor.shape[-1] * LOG_2PI + far) - _half_log_det(factor)


def normal_entropy(mean: Any = None, cov: Any = 1) -> Any:
    _, factor = _normal("multivariate_normal", mean, cov)
    return 0.5 * factor.shape[-1] * (LOG_2PI + 1) + _half_log_det(factor)


# Dirichlet's distribution, and the multinomial one. SciPy raises for bad parameters; where they are traced, it is NaN.


def _log_beta(alpha: Any) -> Any:
    return np.sum(s.gammaln(alpha)) - s.gammaln(np.sum(alpha))


def dirichlet_logpdf(x: Any, alpha: Any) -> Any:
    x, alpha = inexact(x), inexact(alpha)
    if x.shape[0] + 1 == alpha.shape[0]:
        x = np.concatenate([x, 1 - np.sum(x, axis=0, keepdims=True)])
    if x.shape[0] != alpha.shape[0]:
        raise ShapeError("scipy.stats.dirichlet", f"x is {describe(x)} and alpha {describe(alpha)}", "they must fit")
    weights = alpha.reshape(alpha.shape + (1,) * (len(x.shape) - 1))
    good = np.all(alpha > 0) & np.all((x >= 0) & (x <= 1) & ((x > 0) | (weights >= 1)), axis=0)
    good = good & (np.abs(np.sum(x, axis=0) - 1) < 1e-9)
    total = np.sum(s.xlogy(weights - 1, np.where(x > 0, x, 0)), axis=0) - _log_beta(np.where(alpha > 0, alpha, 1))
    return np.where(good, total, np.nan)


def dirichlet_entropy(alpha: Any) -> Any:
    alpha = inexact(alpha)
    total = np.sum(alpha)
    return _log_beta(alpha) + (total - alpha.shape[0]) * s.psi(total) - np.sum((alpha - 1) * s.psi(alpha))


def _dirichlet_var(alpha: Any) -> Any:
    alpha = inexact(alpha)
    total = np.sum(alpha)
    return alpha * (total - alpha) / (total * total * (total + 1))


def multinomial_logpmf(x: Any, n: Any, p: Any) -> Any:
    x, n, p = operand(x), operand(n), inexact(p)
    p = np.concatenate([p[..., :-1], 1 - np.sum(p[..., :-1], axis=-1, keepdims=True)], axis=-1)
    good = np.all((p >= 0) & (p <= 1), axis=-1) & (n >= 0)
    inside = np.all((x >= 0) & (x == np.floor(x)), axis=-1) & (np.sum(x, axis=-1) == n)
    counts = np.where(x >= 0, x, 0)
    total = s.gammaln(n + 1.0) + np.sum(s.xlogy(counts, np.where(p > 0, p, 0)) - s.gammaln(counts + 1.0), axis=-1)
    return np.where(good, np.where(inside, total, -np.inf), np.nan)


def _exp(log: Callable[..., Any]) -> Callable[..., Any]:
    return functools.wraps(log)(lambda *args, **options: np.exp(log(*args, **options)))


FORMULAS: dict[str, dict[str, Callable[..., Any]]] = {
    "multivariate_normal": {
        "logpdf": normal_logpdf,
        "pdf": _exp(normal_logpdf),
        "entropy": normal_entropy,
    },
    "dirichlet": {
        "logpdf": dirichlet_logpdf,
        "pdf": _exp(dirichlet_logpdf),
        "entropy": dirichlet_entropy,
        "mean": lambda alpha: inexact(alpha) / np.sum(alpha),
        "var": _dirichlet_var,
    },
    "multinomial": {"logpmf": multinomial_logpmf, "pmf": _exp(multinomial_logpmf)},
}
PARAMETERS = {"multivariate_normal": ("mean", "cov"), "dirichlet": ("alpha",), "multinomial": ("n", "p")}


class Multivariate:
    """Stands for a distribution of several numbers, or for one with parameters that are frozen."""

    def __init__(self, theirs: Any, name: str, frozen: dict[str, Any] | None = None) -> None:
        self._theirs, self._name, self._frozen = theirs, name, frozen

    @property
    def __class__(self) -> Any:
        return type(self._theirs)

    @__class__.setter
    def __class__(self, kind: Any) -> None:
        raise TypeError("the class of a distribution does not change")

    def __call__(self, *args: Any, **options: Any) -> Any:
        given = dict(zip(PARAMETERS[self._name], args, strict=False)) | options
        return Multivariate(self._theirs, self._name, given)

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._theirs, name)
        ours = FORMULAS[self._name].get(name)
        if name == "rvs":
            method = DrawingForm(method, self._drawn)
        elif ours is not None:
            method = Counterpart(method, ours, f"scipy.stats.{self._name}.{name}")
        if self._frozen is None:
            return method
        if name in self._frozen and ours is None:
            return self._frozen[name]
        return functools.partial(method, **self._frozen)

    def _drawn(self, *args: Any, random_state: Any = None, **options: Any) -> Any:
        drawn_from = generator(self._theirs, random_state)
        return self._theirs.rvs(*args, random_state=drawn_from, **options)

    def __repr__(self) -> str:
        return repr(self._theirs)


def declare_multivariate(stats: ModuleType) -> None:
    """What functions see of them."""

    def see(name: str, theirs: Any) -> None:
        kind: Any = type(theirs)
        SEES[kind], PARTS[kind] = lambda value: Multivariate(value, name), True

    def see_frozen(name: str, theirs: Any, example: Any) -> None:
        kind: Any = type(example)
        SEES[kind] = lambda value: Multivariate(theirs, name, {p: getattr(value, p) for p in PARAMETERS[name]})
        PARTS[kind] = True

    for name, parameters in (("multivariate_normal", ()), ("dirichlet", ([1.0, 1.0],)), ("multinomial", (1, [1.0]))):
        theirs = getattr(stats, name)
        see(name, theirs)
        see_frozen(name, theirs, theirs(*parameters))


STAND_INS.add(Multivariate)
