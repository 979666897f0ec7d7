"""Initialisers: functions `(rng, shape, dtype) -> array`, made from their hyper-parameters.

Shapes are those of weights: (out, in) or (out, in / groups, *kernel).
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..errors import ArgumentError, describe

Initialiser = Callable[[np.random.Generator, tuple[int, ...], Any], np.ndarray]


def generator(rng: Any) -> np.random.Generator:
    """Returns `rng` as a Generator: one already, a seed, or None for an unpredictable one."""
    return np.random.default_rng(rng)


def fans(shape: tuple[int, ...]) -> tuple[int, int]:
    """How many inputs feed one output of a weight of this shape, and the reverse.

    Example:
        >>> fans((64, 32, 3, 3))
        (288, 576)
    """
    if len(shape) < 2:
        raise ArgumentError("init", f"the shape is {shape}", "fans need a weight of two axes or more")
    window = math.prod(shape[2:])
    return shape[1] * window, shape[0] * window


def constant(value: float) -> Initialiser:
    """Every entry `value`."""
    return lambda rng, shape, dtype: np.full(shape, value, dtype)


zeros = constant(0.0)
ones = constant(1.0)


def uniform(bound: float) -> Initialiser:
    """Uniform in [-bound, bound]."""
    return lambda rng, shape, dtype: rng.uniform(-bound, bound, shape).astype(dtype)


def normal(sigma: float = 0.01) -> Initialiser:
    """Normal of mean 0 and standard deviation `sigma`; 0.01 is MindSpore's default for weights."""
    return lambda rng, shape, dtype: (sigma * rng.standard_normal(shape)).astype(dtype)


def torch_default(fan_in: int | None = None) -> Initialiser:
    """Uniform in ±1/sqrt(fan_in), as PyTorch initialises Linear and Conv; a bias needs its weight's `fan_in`."""

    def initialise(rng: np.random.Generator, shape: tuple[int, ...], dtype: Any) -> np.ndarray:
        bound = 1 / math.sqrt(max(1, fans(shape)[0] if fan_in is None else fan_in))
        return uniform(bound)(rng, shape, dtype)

    return initialise


def xavier_uniform(gain: float = 1.0) -> Initialiser:
    """Uniform with variance 2 gain² / (fan_in + fan_out) (Glorot and Bengio, 2010)."""
    return lambda rng, shape, dtype: uniform(gain * math.sqrt(6 / sum(fans(shape))))(rng, shape, dtype)


def xavier_normal(gain: float = 1.0) -> Initialiser:
    """Normal with variance 2 gain² / (fan_in + fan_out) (Glorot and Bengio, 2010)."""
    return lambda rng, shape, dtype: normal(gain * math.sqrt(2 / sum(fans(shape))))(rng, shape, dtype)


def he_uniform() -> Initialiser:
    """Uniform with variance 2 / fan_in, for layers followed by relu (He et al., 2015)."""
    return lambda rng, shape, dtype: uniform(math.sqrt(6 / fans(shape)[0]))(rng, shape, dtype)


def he_normal() -> Initialiser:
    """Normal with variance 2 / fan_in, for layers followed by relu (He et al., 2015)."""
    return lambda rng, shape, dtype: normal(math.sqrt(2 / fans(shape)[0]))(rng, shape, dtype)


def resolve(given: Any, default: Initialiser) -> Initialiser:
    """Returns the initialiser meant by a layer's argument: None for the layer's default, or a function."""
    if given is None:
        return default
    if not callable(given):
        raise ArgumentError("init", f"an initialiser is {describe(given)}", "it must be a function (rng, shape, dtype)")
    return given
