"""Adaptive Simpson quadrature by recursion of a damped oscillation; value and number of evaluations."""
import math

import numpy as np


def simpson(fa, fm, fb, h):
    return h / 6 * (fa + 4 * fm + fb)


def adapt(f, a, fa, b, fb, m, fm, whole, eps, depth):
    lm, rm = 0.5 * (a + m), 0.5 * (m + b)
    flm, frm = f(lm), f(rm)
    left = simpson(fa, flm, fm, m - a)
    right = simpson(fm, frm, fb, b - m)
    delta = left + right - whole
    if depth <= 0 or abs(delta) <= 15 * eps:
        return left + right + delta / 15
    return (adapt(f, a, fa, m, fm, lm, flm, left, eps / 2, depth - 1)
            + adapt(f, m, fm, b, fb, rm, frm, right, eps / 2, depth - 1))


def integrate(omega, upper, decay, eps):
    calls = 0

    def f(x):
        nonlocal calls
        calls += 1
        return math.exp(-decay * x) * math.sin(omega * x) ** 2

    a, b = 0.0, float(upper)
    m = 0.5 * (a + b)
    fa, fm, fb = f(a), f(m), f(b)
    value = adapt(f, a, fa, b, fb, m, fm, simpson(fa, fm, fb, b - a), eps, 12)
    return value, calls


_rng = np.random.default_rng(21)
CASES = {
    "fun": integrate,
    "sweep": (_rng.uniform(0.5, 4.0, 12), _rng.uniform(1.0, 6.0, 12)),
    "fixed": (0.3, 1e-7),
    "differentiable": True,
    "features": ["recursion", "math", "nonlocal", "closure", "branch", "float()"],
}
