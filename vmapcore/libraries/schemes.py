"""Formulas of explicit Runge-Kutta methods, and how long their steps are: NumPy code of rows, or of one in a transform.

Hairer, Norsett and Wanner, Solving Ordinary Differential Equations I, II.4, as SciPy has it; the tableaus are those of
SciPy's classes. States are (..., n), times and lengths of steps (...).
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

SAFETY, LEAST, MOST = 0.9, 0.2, 10.0
"""By how much a step is shorter than its error allows, and how it changes from one to the next."""

EPS = np.finfo(float).eps

Field = Callable[[Any, Any], Any]
"""The derivatives of states, at times."""


class Options(NamedTuple):
    """How precise, by SciPy's names."""

    rtol: Any
    atol: Any
    max_step: float
    first_step: float | None


class Scheme(NamedTuple):
    """A class of SciPy's, for its tableau, and what it is used with."""

    table: Any
    field: Field
    options: Options

    @property
    def exponent(self) -> float:
        return 1 / (self.table.error_estimator_order + 1)


class Attempt(NamedTuple):
    """What comes of a step from one time to the next: the state, its derivative, the stages."""

    t: Any
    y: Any
    f: Any
    h: Any
    stages: list[Any]
    error: Any
    """Less than 1 where it is small enough."""
    longer: Any
    """The length of the next step where this one is accepted."""
    shorter: Any
    """And of another attempt, where it is not."""


def combined(weights: Any, stages: list[Any]) -> Any:
    """A linear combination of stages."""
    used = [i for i, _ in enumerate(stages) if weights[i]]
    if len(used) < 3:
        terms = [float(weights[i]) * stages[i] for i in used]
        return sum(terms[1:], terms[0])
    return np.tensordot(weights[used], np.stack([stages[i] for i in used]), 1)


def root_mean_square(x: Any) -> Any:
    """Of each row; with a derivative at zero."""
    square = np.sum((x * x.conj()).real, axis=-1) / x.shape[-1]
    zero = square == 0
    return np.where(zero, 0, np.sqrt(np.where(zero, 1, square)))


def first_length(method: Scheme, t: Any, y: Any, f: Any, t1: Any, direction: Any) -> Any:
    """The length of the first step."""
    options = method.options
    if options.first_step is not None:
        return np.abs(t1 - t) * 0 + float(options.first_step)
    span = np.abs(t1 - t)
    scale = options.atol + np.abs(y) * options.rtol
    d0, d1 = root_mean_square(y / scale), root_mean_square(f / scale)
    small = (d0 < 1e-5) | (d1 < 1e-5)
    h = np.minimum(np.where(small, 1e-6, 0.01 * d0 / np.where(small, 1, d1)), span)
    step = h * direction
    moved = method.field(t + step, y + step[..., None] * f)
    d2 = root_mean_square((moved - f) / scale) / np.where(h == 0, 1, h)
    flat = (d1 <= 1e-15) & (d2 <= 1e-15)
    longer = (0.01 / np.where(flat, 1, np.maximum(d1, d2))) ** method.exponent
    longer = np.where(flat, np.maximum(1e-6, h * 1e-3), longer)
    return np.minimum(np.minimum(100 * h, longer), np.minimum(span, options.max_step))


def attempt(method: Scheme, t: Any, y: Any, f: Any, h: Any, t1: Any, direction: Any, rejected: Any) -> Attempt:
    """A step of length `h` at most."""
    table = method.table
    end = t + h * direction
    end = np.where(direction * (end - t1) > 0, t1, end)
    h = end - t
    wide = h[..., None]
    stages = [f]
    for a, c in zip(table.A[1:], table.C[1:], strict=True):
        stages.append(method.field(t + float(c) * h, y + combined(a, stages) * wide))
    new = y + wide * combined(table.B, stages)
    slope = method.field(end, new)
    stages.append(slope)
    error = _error(method, stages, h, np.maximum(np.abs(y), np.abs(new)))
    none = error == 0
    factor = SAFETY * np.where(none, 1, error) ** -method.exponent
    longer = np.where(none, MOST, np.minimum(MOST, factor))
    longer = np.where(rejected, np.minimum(1, longer), longer)
    return Attempt(end, new, slope, h, stages, error, np.abs(h) * longer, np.abs(h) * np.fmax(LEAST, factor))


def _error(method: Scheme, stages: list[Any], h: Any, size: Any) -> Any:
    table, options = method.table, method.options
    scale = options.atol + size * options.rtol
    if not hasattr(table, "E5"):
        return root_mean_square(combined(table.E, stages) * h[..., None] / scale)
    fifth = root_mean_square(combined(table.E5, stages) / scale) ** 2
    third = root_mean_square(combined(table.E3, stages) / scale) ** 2
    none = (fifth == 0) & (third == 0)
    return np.where(none, 0, np.abs(h) * fifth / np.sqrt(np.where(none, 1, fifth + 0.01 * third)))


def interpolant(method: Scheme, t: Any, y: Any, tried: Attempt) -> list[Any]:
    """The coefficients of the polynomial of a step."""
    table, wide, stages = method.table, tried.h[..., None], list(tried.stages)
    if not hasattr(table, "D"):
        return [wide * combined(p, stages) for p in table.P.T]
    step, first, last = tried.y - y, wide * stages[0], wide * tried.f
    for a, c in zip(table.A_EXTRA, table.C_EXTRA, strict=True):
        stages.append(method.field(t + float(c) * tried.h, y + combined(a, stages) * wide))
    return [step, first - step, 2 * step - last - first, *[wide * combined(d, stages) for d in table.D]]


def polynomial(method: Scheme, weights: list[Any], x: Any) -> Any:
    """What the polynomial adds to the state at the beginning of a step, at `x` of its length."""
    x = x[..., None]
    total: Any = 0.0
    by_turns = hasattr(method.table, "D")
    for i, w in enumerate(reversed(weights)):
        total = (total + w) * (1 - x if by_turns and i % 2 else x)
    return total
