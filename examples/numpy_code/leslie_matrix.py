"""Age-structured population with a Leslie matrix: growth rate, stable ages, sensitivities and time to double."""
import numpy as np


def leslie(fecundity, survival):
    n = len(fecundity)
    L = np.zeros((n, n))
    L[0, :] = fecundity
    L[np.arange(1, n), np.arange(n - 1)] = survival
    return L


def project(fecundity, survival, start, years=60):
    L = leslie(fecundity, survival)
    values, vectors = np.linalg.eig(L)
    k = np.argmax(np.abs(values))
    lam = np.real(values[k])
    w = np.real(vectors[:, k])
    stable = w / w.sum()
    vals_left, left = np.linalg.eig(L.T)
    v = np.real(left[:, np.argmax(np.abs(vals_left))])
    sensitivity = np.outer(v, stable) / (v @ stable)
    pop = start
    doubled = -1
    for year in range(1, years + 1):
        pop = L @ pop
        if doubled < 0 and pop.sum() >= 2 * start.sum():
            doubled = year
    return lam, stable, sensitivity[L > 0].sum(), pop / pop.sum(), doubled


_rng = np.random.default_rng(110)
CASES = {
    "fun": project,
    "sweep": (_rng.uniform([0.0, 0.6, 0.9, 0.3], [0.1, 1.4, 1.8, 0.9], (12, 4)), _rng.uniform(0.4, 0.9, (12, 3))),
    "fixed": (np.array([40.0, 20.0, 10.0, 5.0]),),
    "differentiable": True,
    "features": ["linalg", "eig", "complex", "fancy-index", "write", "mask", "short-circuit"],
}
