"""Arithmetic Asian call by Monte Carlo with antithetic paths and the geometric Asian as control variate."""
import numpy as np
from scipy.special import ndtr


def geometric_asian(spot, strike, sigma, r, T, n):
    dt = T / n
    mean = np.log(spot) + (r - 0.5 * sigma**2) * dt * (n + 1) / 2
    var = sigma**2 * dt * (n + 1) * (2 * n + 1) / (6 * n)
    d2 = (mean - np.log(strike)) / np.sqrt(var)
    d1 = d2 + np.sqrt(var)
    return np.exp(-r * T) * (np.exp(mean + var / 2) * ndtr(d1) - strike * ndtr(d2))


def paths(spot, sigma, r, T, n, z):
    dt = T / n
    steps = (r - 0.5 * sigma**2) * dt + sigma * np.sqrt(dt) * z
    return spot * np.exp(np.cumsum(steps, axis=1))


def asian_call(sigma, strike, spot, r, T, n_steps, n_paths, barrier):
    np.random.seed(2024)
    z = np.random.randn(n_paths, n_steps)
    arithmetic, geometric, knocked = [], [], 0
    for sign in (1, -1):
        S = paths(spot, sigma, r, T, n_steps, sign * z)
        alive = S.max(axis=1) < barrier
        knocked += np.sum(~alive)
        arithmetic.append(np.exp(-r * T) * np.maximum(S.mean(axis=1) - strike, 0) * alive)
        geometric.append(np.exp(-r * T) * np.maximum(np.exp(np.log(S).mean(axis=1)) - strike, 0))
    x = (arithmetic[0] + arithmetic[1]) / 2
    y = (geometric[0] + geometric[1]) / 2
    cov = np.cov(x, y)
    b = cov[0, 1] / cov[1, 1] if cov[1, 1] > 1e-12 else 0.0
    controlled = x - b * (y - geometric_asian(spot, strike, sigma, r, T, n_steps))
    stderr = controlled.std(ddof=1) / np.sqrt(n_paths)
    return controlled.mean(), stderr, x.mean(), knocked / (2 * n_paths)


_rng = np.random.default_rng(116)
CASES = {
    "fun": asian_call,
    "sweep": (_rng.uniform(0.1, 0.4, 12), _rng.uniform(85.0, 115.0, 12)),
    "fixed": (100.0, 0.03, 1.0, 12, 400, 150.0),
    "differentiable": True,
    "features": ["random", "np.random.seed", "scipy.special", "list", "cumsum", "mask", "ternary"],
}
