"""Sample size for a two-sample t test (noncentral t), and a check of its power by simulation."""
import numpy as np
from scipy import stats


def power_t(effect, n, alpha):
    df = 2 * n - 2
    nc = effect * np.sqrt(n / 2)
    crit = stats.t.ppf(1 - alpha / 2, df)
    return stats.nct.sf(crit, df, nc) + stats.nct.cdf(-crit, df, nc)


def sample_size(effect, alpha, wanted):
    lo, hi = 2, 4
    while power_t(effect, hi, alpha) < wanted:
        lo, hi = hi, 2 * hi
    while hi - lo > 1:
        mid = (lo + hi) // 2
        if power_t(effect, mid, alpha) < wanted:
            lo = mid
        else:
            hi = mid
    return hi


def design(effect, alpha, wanted, n_sim, seed):
    n = sample_size(effect, alpha, wanted)
    rng = np.random.default_rng(seed)
    crit = stats.t.ppf(1 - alpha / 2, 2 * n - 2)
    rejected = 0
    for _ in range(n_sim):
        a = rng.normal(0.0, 1.0, n)
        b = rng.normal(effect, 1.0, n)
        pooled = np.sqrt((a.var(ddof=1) + b.var(ddof=1)) / 2)
        t = (b.mean() - a.mean()) / (pooled * np.sqrt(2 / n))
        if abs(t) > crit:
            rejected += 1
    curve = np.array([power_t(effect, m, alpha) for m in (10, 20, 40)])
    return n, power_t(effect, n, alpha), rejected / n_sim, curve


_rng = np.random.default_rng(122)
CASES = {
    "fun": design,
    "sweep": (_rng.uniform(0.4, 1.5, 12), _rng.choice([0.01, 0.05, 0.1], 12)),
    "fixed": (0.8, 40, 19),
    "differentiable": False,
    "features": ["scipy.stats", "random", "while", "bisection", "integer", "branch", "list"],
}
