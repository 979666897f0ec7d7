"""The functions of `scipy.spatial.distance`: of two points, and of all pairs of points of one set or two."""

from collections.abc import Callable
from typing import Any

import numpy as np

from ..errors import OptionError, ShapeError, describe
from ..rules._families import operand
from ..rules.casts import inexact
from ..rules.creation import library

NAME = "scipy.spatial.distance"


def norm(x: Any) -> Any:
    return np.linalg.norm(x, axis=-1)


def _cosine(u: Any, v: Any) -> Any:
    return np.clip(1 - np.sum(u * v, axis=-1) / (norm(u) * norm(v)), 0, 2)


def _centred(x: Any) -> Any:
    return x - np.mean(x, axis=-1, keepdims=True)


def _canberra(u: Any, v: Any) -> Any:
    whole = np.abs(u) + np.abs(v)
    return np.sum(np.where(whole == 0, 0, np.abs(u - v) / np.where(whole == 0, 1, whole)), axis=-1)


DISTANCES: dict[str, Callable[..., Any]] = {
    "euclidean": lambda u, v: norm(u - v),
    "sqeuclidean": lambda u, v: np.sum((u - v) ** 2, axis=-1),
    "cityblock": lambda u, v: np.sum(np.abs(u - v), axis=-1),
    "chebyshev": lambda u, v: np.max(np.abs(u - v), axis=-1),
    "cosine": _cosine,
    "correlation": lambda u, v: _cosine(_centred(u), _centred(v)),
    "canberra": _canberra,
    "braycurtis": lambda u, v: np.sum(np.abs(u - v), axis=-1) / np.sum(np.abs(u + v), axis=-1),
    "minkowski": lambda u, v, p=2: np.sum(np.abs(u - v) ** p, axis=-1) ** (1.0 / p),
}
OTHERS = {"l2": "euclidean", "l1": "cityblock", "manhattan": "cityblock", "cheby": "chebyshev", "cos": "cosine"}


def _distance(call: str, metric: Any, options: dict[str, Any]) -> Callable[[Any, Any], Any]:
    name = OTHERS.get(metric, metric) if isinstance(metric, str) else metric
    if name not in DISTANCES:
        fact = f"metric is {metric!r}, and there are traced values"
        raise OptionError(f"{NAME}.{call}", fact, f"it must be of {[*DISTANCES]} then", "Pass plain values for another")
    if options.keys() - ({"p"} if name == "minkowski" else set()):
        raise OptionError(
            f"{NAME}.{call}", f"options are {[*options]} for metric={metric!r}", "weights must be left out"
        )
    return lambda u, v: DISTANCES[name](u, v, **options)


def _points(call: str, x: Any) -> Any:
    x = inexact(x)
    if len(x.shape) != 2:
        raise ShapeError(f"{NAME}.{call}", f"points are {describe(x)}", "they must be rows of a matrix")
    return x.astype(np.float64) if x.dtype.kind == "f" else x


def cdist(XA: Any, XB: Any, metric: Any = "euclidean", **kwargs: Any) -> Any:
    distance = _distance("cdist", metric, kwargs)
    return distance(_points("cdist", XA)[:, None], _points("cdist", XB))


def pdist(X: Any, metric: Any = "euclidean", **kwargs: Any) -> Any:
    x, distance = _points("pdist", X), _distance("pdist", metric, kwargs)
    first, second = (library(x).asarray(i) for i in np.triu_indices(x.shape[0], 1))
    return distance(x[first], x[second])


def squareform(X: Any, force: Any = "no") -> Any:
    x = operand(X)
    if len(x.shape) == 2 and force != "tovector":
        n = x.shape[0]
    elif len(x.shape) == 1 and force != "tomatrix":
        n = round((1 + (1 + 8 * x.shape[0]) ** 0.5) / 2)
    rows, columns = np.triu_indices(n, 1)
    if len(x.shape) == 2:
        return x[rows, columns]
    if n * (n - 1) != 2 * x.shape[0]:
        raise ShapeError(f"{NAME}.squareform", f"there are {x.shape[0]} distances", "it must be n (n - 1) / 2 of them")
    place = np.zeros((n, n), int)
    place[rows, columns] = place[columns, rows] = np.arange(x.shape[0])
    whole = np.take(x, library(x).asarray(place)) if x.shape[0] else np.zeros((n, n), x.dtype)
    return np.where(library(x).eye(n, dtype=bool), np.zeros_like(whole), whole)


def _of_two(name: str) -> Callable[..., Any]:
    if name == "minkowski":
        return lambda u, v, p=2: DISTANCES[name](inexact(u), inexact(v), p)
    return lambda u, v: DISTANCES[name](inexact(u), inexact(v))


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "cdist": cdist,
    "pdist": pdist,
    "squareform": squareform,
    **{name: _of_two(name) for name in DISTANCES},
}
