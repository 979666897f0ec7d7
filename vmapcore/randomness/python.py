"""The methods of Python's `random.Random`, of arguments that are traced, or for rows that draw each for itself."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..errors import ArgumentError, describe
from ..tracer import Tracer
from .families import Drawing, Families, each, picked


def _element(x: Any, index: Any) -> Any:
    return picked(x, index) if isinstance(index, Tracer) else x[index]


def uniform(d: Drawing, a: Any, b: Any) -> Any:
    return a + (b - a) * d("random")


def gauss(d: Drawing, mu: Any = 0.0, sigma: Any = 1.0) -> Any:
    return mu + d("gauss", 0.0, 1.0) * sigma


def normalvariate(d: Drawing, mu: Any = 0.0, sigma: Any = 1.0) -> Any:
    return mu + d("normalvariate", 0.0, 1.0) * sigma


def lognormvariate(d: Drawing, mu: Any = 0.0, sigma: Any = 1.0) -> Any:
    return np.exp(normalvariate(d, mu, sigma))


def expovariate(d: Drawing, lambd: Any = 1.0) -> Any:
    return d("expovariate", 1.0) / lambd


def choice(d: Drawing, seq: Any) -> Any:
    return _element(seq, each(d, "choice", range(len(seq))))


def choices(d: Drawing, population: Any, weights: Any = None, *, cum_weights: Any = None, k: Any = 1) -> list[Any]:
    index = each(d, "choices", range(len(population)), weights, cum_weights=cum_weights, k=k)
    return [_element(population, i) for i in index]


def sample(d: Drawing, population: Any, k: Any, *, counts: Any = None) -> list[Any]:
    if counts is not None:
        population = [x for x, n in zip(population, counts, strict=True) for _ in range(n)]
    return [_element(population, i) for i in each(d, "sample", range(len(population)), k)]


def shuffle(d: Drawing, x: Any) -> None:
    if not isinstance(x, list):
        raise ArgumentError(d.call, f"the argument is {describe(x)}", "it must be a list", "Use NumPy's permutation")
    x[:] = [_element(list(x), i) for i in d(_shuffled, len(x))]


def _shuffled(generator: Any, count: int) -> Sequence[int]:
    places = list(range(count))
    generator.shuffle(places)
    return places


PYTHON: Families = {
    f.__name__: f
    for f in (choice, choices, expovariate, gauss, lognormvariate, normalvariate, sample, shuffle, uniform)
}
