"""Activities along a radioactive decay chain after irradiation and cooling, by the matrix exponential."""
import numpy as np
from scipy.linalg import expm


def chain_matrix(half_lives, branching):
    lam = np.log(2) / np.asarray(half_lives)
    n = len(lam)
    A = np.zeros((n, n))
    for i in range(n):
        A[i, i] = -lam[i]
        if i + 1 < n:
            A[i + 1, i] = branching[i] * lam[i]
    return A, lam


def activities(half_lives, t_cool, t_irr, production, branching):
    A, lam = chain_matrix(half_lives, branching)
    source = np.zeros(len(lam))
    source[0] = production
    # constant source: N' = A N + s
    grown = np.linalg.solve(A, (expm(A * t_irr) - np.eye(len(lam))) @ source)
    after = expm(A * t_cool) @ grown
    act = lam * after
    order = np.argsort(act)[::-1]
    return act, act.sum(), order[0]


_rng = np.random.default_rng(102)
CASES = {
    "fun": activities,
    "sweep": (_rng.uniform(0.5, 30.0, (12, 4)), _rng.uniform(0.0, 20.0, 12)),
    "fixed": (5.0, 1e6, [1.0, 0.85, 0.6]),
    "differentiable": True,
    "features": ["scipy.linalg", "write", "branch", "linalg", "sort"],
}
