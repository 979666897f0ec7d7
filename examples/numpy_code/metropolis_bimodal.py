"""Random-walk Metropolis sampling of a two-peaked density: mean, variance and acceptance rate."""
import math

import numpy as np


def log_density(x, sep):
    a = -0.5 * (x - sep) ** 2
    b = -0.5 * (x + sep) ** 2
    m = max(a, b)
    return m + math.log(math.exp(a - m) + 0.5 * math.exp(b - m))


def metropolis(sep, step, seed, n, burn):
    rng = np.random.default_rng(seed)
    x = 0.0
    lp = log_density(x, sep)
    chain = np.zeros(n)
    accepted = 0
    for i in range(n):
        prop = x + step * rng.normal()
        lp_prop = log_density(prop, sep)
        if lp_prop >= lp or rng.random() < math.exp(lp_prop - lp):
            x, lp = prop, lp_prop
            accepted += 1
        chain[i] = x
    kept = chain[burn:]
    right = np.count_nonzero(kept > 0) / len(kept)
    return kept.mean(), kept.var(ddof=1), accepted / n, right


_rng = np.random.default_rng(4)
CASES = {
    "fun": metropolis,
    "sweep": (_rng.uniform(0.5, 2.0, 12), _rng.uniform(0.3, 3.0, 12), np.arange(100, 112)),
    "fixed": (800, 100),
    "differentiable": False,
    "features": ["random", "branch", "write", "math", "short-circuit"],
}
