"""Period of a large-amplitude pendulum three ways: elliptic integral, AGM recursion and Romberg quadrature."""
import math

import numpy as np
from scipy.special import ellipk

G = 9.80665


def agm(a, b, tol=1e-14):
    if abs(a - b) <= tol * a:
        return a
    return agm((a + b) / 2, math.sqrt(a * b), tol)


def romberg(f, a, b, levels, tol):
    R = np.zeros((levels, levels))
    h = b - a
    R[0, 0] = h * (f(a) + f(b)) / 2
    for i in range(1, levels):
        h /= 2
        mids = sum(f(a + (2 * k - 1) * h) for k in range(1, 2 ** (i - 1) + 1))
        R[i, 0] = R[i - 1, 0] / 2 + h * mids
        for j in range(1, i + 1):
            R[i, j] = R[i, j - 1] + (R[i, j - 1] - R[i - 1, j - 1]) / (4**j - 1)
        if i > 2 and abs(R[i, i] - R[i - 1, i - 1]) < tol:
            break
    else:
        i = levels - 1
    return R[i, i], i


def pendulum(amplitude, length, tol):
    base = math.sqrt(length / G)
    k = math.sin(amplitude / 2)
    exact = 4 * base * ellipk(k**2)
    by_agm = 2 * math.pi * base / agm(1.0, math.cos(amplitude / 2))
    integral, level = romberg(lambda p: 1 / math.sqrt(1 - (k * math.sin(p)) ** 2), 0.0, math.pi / 2, 8, tol)
    by_romberg = 4 * base * integral
    small_angle = 2 * math.pi * base * (1 + amplitude**2 / 16)
    assert abs(exact - by_agm) < 1e-9
    return np.array([exact, by_agm, by_romberg, small_angle]), level


_rng = np.random.default_rng(121)
CASES = {
    "fun": pendulum,
    "sweep": (_rng.uniform(0.1, 2.8, 12), _rng.uniform(0.2, 3.0, 12)),
    "fixed": (1e-8,),
    "differentiable": True,
    "features": ["recursion", "math", "scipy.special", "write", "break", "for-else", "lambda", "assert", "generator"],
}
