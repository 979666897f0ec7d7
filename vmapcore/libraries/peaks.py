"""`scipy.signal.find_peaks`: where the peaks of a signal are, and how high, without asking how many there are."""

from collections.abc import Callable
from typing import Any

import numpy as np

from ..errors import ShapeError, describe
from ..rules._families import operand


def _summits(x: Any) -> Any:
    """Where `x` is larger than what is before and after it; of equal numbers in a row, the one in the middle."""
    n = x.shape[0]
    place = np.arange(n)
    edge = np.ones(1, bool)
    changes = np.not_equal(x[1:], x[:-1])
    first = np.maximum.accumulate(np.where(np.concatenate([edge, changes]), place, 0))
    last = np.minimum.accumulate(np.where(np.concatenate([changes, edge]), place, n - 1)[::-1])[::-1]
    rises = np.concatenate([~edge, np.less(x[:-1], x[1:])])
    falls = np.concatenate([np.greater(x[:-1], x[1:]), ~edge])
    return np.equal(place, (first + last) // 2) & np.take(rises, first) & np.take(falls, last)


def _within(low: Any, high: Any, limits: Any) -> Any:
    """Whether numbers, the lower and the higher one of each place, are within limits: a smallest, or two."""
    pair = type(limits) in (tuple, list) and len(limits) == 2
    least, most = limits if pair or np.shape(limits) == (2,) else (limits, None)
    fine = np.ones(low.shape, bool)
    fine = fine if least is None else fine & (low >= least)
    return fine if most is None else fine & (high <= most)


def find_peaks(x: Any, height: Any = None, threshold: Any = None) -> Any:
    x = operand(x)
    if len(x.shape) != 1:
        raise ShapeError("scipy.signal.find_peaks", f"x is {describe(x)}", "it must have one axis")
    x = x.astype(float)
    if x.shape[0] < 3:
        chosen = np.zeros(x.shape, bool)
    else:
        chosen = _summits(x)
    sides = {}
    if height is not None:
        chosen = chosen & _within(x, x, height)
    if threshold is not None:
        left = x - np.concatenate([x[:1], x[:-1]])
        right = x - np.concatenate([x[1:], x[-1:]])
        chosen = chosen & _within(np.minimum(left, right), np.maximum(left, right), threshold)
        sides = {"left_thresholds": left[chosen], "right_thresholds": right[chosen]}
    heights = {} if height is None else {"peak_heights": x[chosen]}
    return np.flatnonzero(chosen), heights | sides


FUNCTIONS: dict[str, Callable[..., Any]] = {"find_peaks": find_peaks}
