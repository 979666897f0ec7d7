"""Gaussian process regression with a Matern kernel: predictive mean and deviation, log evidence."""
import numpy as np
from scipy.linalg import cho_factor, cho_solve, solve_triangular


def matern32(x1, x2, length, amp):
    r = np.abs(np.subtract.outer(x1, x2)) / length
    return amp**2 * (1 + np.sqrt(3) * r) * np.exp(-np.sqrt(3) * r)


def gp(length, noise, x, y, x_new, amp=1.0):
    K = matern32(x, x, length, amp)
    K[np.diag_indices_from(K)] += noise**2
    for jitter in (0.0, 1e-10, 1e-6):
        try:
            c, low = cho_factor(K + jitter * np.eye(len(x)), lower=True)
            break
        except np.linalg.LinAlgError:
            continue
    alpha = cho_solve((c, low), y)
    evidence = -0.5 * y @ alpha - np.log(np.diag(c)).sum() - 0.5 * len(x) * np.log(2 * np.pi)
    ks = matern32(x_new, x, length, amp)
    mean = ks @ alpha
    std = np.empty(len(x_new))
    for i, k in enumerate(ks):
        v = solve_triangular(c, k, lower=True)
        std[i] = np.sqrt(max(amp**2 - v @ v, 0.0))
    next_point = x_new[np.argmax(mean + 2 * std)]
    return mean, std, evidence, next_point


_rng = np.random.default_rng(24)
_x = np.sort(_rng.uniform(0, 5, 14))
_y = np.sin(1.5 * _x) + 0.1 * _rng.standard_normal(14)
CASES = {
    "fun": gp,
    "sweep": (_rng.uniform(0.3, 2.5, 12), _rng.uniform(0.05, 0.5, 12)),
    "fixed": (_x, _y, np.linspace(-0.5, 5.5, 16)),
    "differentiable": True,
    "features": ["scipy.linalg", "linalg", "write", "try", "break", "broadcast", "index-by-value"],
}
