"""Root finders of one number for all rows together, step by step as SciPy's go: Brent's, bisection, secants, Newton's.

Brent, Algorithms for Minimization without Derivatives (1973), chapter 4. What does not come to an end as it should is
left to SciPy, row by row.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

Rows = Callable[[Any], Any]
"""A function of rows."""


class Found(NamedTuple):
    """Roots, how many steps and calls they took, and where they are roots."""

    root: Any
    iterations: Any
    calls: Any
    done: Any


def brent(f: Rows, a: Any, b: Any, xtol: float, rtol: float, most: int) -> Found:
    before, x, other = a.copy(), b.copy(), np.zeros_like(a)
    f_before, f_x, f_other = f(before), f(x), np.zeros_like(a)
    step_before, step = np.zeros_like(a), np.zeros_like(a)
    able = (f_before == 0) | (f_x == 0) | (np.signbit(f_before) != np.signbit(f_x))
    at_a, at_b = f_before == 0, (f_x == 0) & (f_before != 0)
    root, done = np.where(at_a, a, b), at_a | at_b
    iterations, calls = np.zeros(len(a), int), np.full(len(a), 2)
    for _ in range(most):
        going = able & ~done
        if not going.any():
            break
        iterations += going
        turn = (f_before != 0) & (f_x != 0) & (np.signbit(f_before) != np.signbit(f_x))
        other, f_other = np.where(turn, before, other), np.where(turn, f_before, f_other)
        step, step_before = np.where(turn, x - before, step), np.where(turn, x - before, step_before)
        swap = np.abs(f_other) < np.abs(f_x)
        before, x, other = np.where(swap, x, before), np.where(swap, other, x), np.where(swap, x, other)
        f_before, f_x, f_other = (
            np.where(swap, f_x, f_before),
            np.where(swap, f_other, f_x),
            np.where(swap, f_x, f_other),
        )
        least = (xtol + rtol * np.abs(x)) / 2
        half = (other - x) / 2
        ends = going & ((f_x == 0) | (np.abs(half) < least))
        root, done = np.where(ends, x, root), done | ends
        secant = -f_x * (x - before) / (f_x - f_before)
        slope, slope_other = (f_before - f_x) / (before - x), (f_other - f_x) / (other - x)
        curve = -f_x * (f_other * slope_other - f_before * slope) / (slope_other * slope * (f_other - f_before))
        tried = np.where(before == other, secant, curve)
        short = 2 * np.abs(tried) < np.minimum(np.abs(step_before), 3 * np.abs(half) - least)
        short &= (np.abs(step_before) > least) & (np.abs(f_x) < np.abs(f_before))
        step_before, step = np.where(short, step, half), np.where(short, tried, half)
        before, f_before = x, f_x
        x = x + np.where(np.abs(step) > least, step, np.where(half > 0, least, -least))
        x = np.where(done | ~able, root, x)
        f_x = f(x)
        calls += able & ~done
    return Found(root, iterations, calls, done & able)


def bisection(f: Rows, a: Any, b: Any, xtol: float, rtol: float, most: int) -> Found:
    f_a, f_b = f(a), f(b)
    able = (f_a == 0) | (f_b == 0) | (np.signbit(f_a) != np.signbit(f_b))
    root, done = np.where(f_a == 0, a, b), (f_a == 0) | (f_b == 0)
    iterations, calls, step = np.zeros(len(a), int), np.full(len(a), 2), b - a
    for _ in range(most):
        going = able & ~done
        if not going.any():
            break
        iterations += going
        calls += going
        step = step / 2
        middle = a + step
        f_middle = f(middle)
        a = np.where(np.signbit(f_middle) == np.signbit(f_a), middle, a)
        ends = going & ((f_middle == 0) | (np.abs(step) < xtol + rtol * np.abs(middle)))
        root, done = np.where(ends, middle, root), done | ends
    return Found(root, iterations, calls, done & able)


def secants(f: Rows, x0: Any, tol: float, rtol: float, most: int) -> Found:
    old = x0
    x = x0 * (1 + 1e-4)
    x = x + np.where(x >= 0, 1e-4, -1e-4)
    f_old, f_x = f(old), f(x)
    swap = np.abs(f_x) < np.abs(f_old)
    old, x, f_old, f_x = [np.where(swap, v, w) for v, w in ((x, old), (old, x), (f_x, f_old), (f_old, f_x))]
    root, done, able = x, np.zeros(len(x), bool), np.ones(len(x), bool)
    iterations, calls = np.zeros(len(x), int), np.full(len(x), 2)
    for _ in range(most):
        going = able & ~done
        if not going.any():
            break
        iterations += going
        able &= done | (f_x != f_old)
        larger = np.abs(f_x) > np.abs(f_old)
        ratio = np.where(larger, -f_old / f_x, -f_x / f_old)
        new = np.where(larger, ratio * x + old, ratio * old + x) / (1 + ratio)
        ends = going & able & np.isclose(new, x, rtol=rtol, atol=tol)
        root, done = np.where(ends, new, root), done | ends
        old, f_old = x, f_x
        x = np.where(done | ~able, root, new)
        f_x = f(x)
        calls += able & ~done
    return Found(root, iterations, calls, done & able)


def newtons(f: Rows, slope: Rows, x0: Any, tol: float, rtol: float, most: int) -> Found:
    x, root = x0, x0
    done, able = np.zeros(len(x), bool), np.ones(len(x), bool)
    iterations, calls = np.zeros(len(x), int), np.zeros(len(x), int)
    for i in range(most):
        going = able & ~done
        if not going.any():
            break
        value = f(x)
        calls += going
        at_root = going & (value == 0)
        root, done = np.where(at_root, x, root), done | at_root
        iterations = np.where(at_root, i, iterations)
        going &= ~at_root
        fall = slope(x)
        calls += going
        able &= done | (fall != 0)
        new = x - value / np.where(fall == 0, 1, fall)
        ends = going & able & np.isclose(new, x, rtol=rtol, atol=tol)
        root, done = np.where(ends, new, root), done | ends
        iterations = np.where(ends, i + 1, iterations)
        x = np.where(done | ~able, root, new)
    return Found(root, iterations, calls, done & able)
