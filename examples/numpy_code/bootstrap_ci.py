"""Bias-corrected bootstrap confidence interval of the trimmed mean of a small sample."""
import numpy as np
from scipy import stats


def trimmed_mean(x, cut=0.1):
    x = np.sort(x)
    k = int(cut * len(x))
    return np.mean(x[k:len(x) - k])


def bootstrap(sample, level, n_boot, seed):
    rng = np.random.default_rng(seed)
    n = len(sample)
    theta = trimmed_mean(sample)
    replicates = np.array([trimmed_mean(sample[rng.integers(0, n, n)]) for _ in range(n_boot)])
    below = np.mean(replicates < theta)
    z0 = stats.norm.ppf(np.clip(below, 1 / n_boot, 1 - 1 / n_boot))
    z = stats.norm.ppf([(1 - level) / 2, (1 + level) / 2])
    lo, hi = np.quantile(replicates, stats.norm.cdf(2 * z0 + z))
    covered = lo <= 1.0 <= hi
    return theta, (lo, hi), replicates.std(ddof=1), int(covered)


_rng = np.random.default_rng(16)
CASES = {
    "fun": bootstrap,
    "sweep": (_rng.exponential(1.0, (12, 24)), _rng.choice([0.8, 0.9, 0.95], 12)),
    "fixed": (200, 42),
    "differentiable": True,
    "features": ["random", "scipy.stats", "sort", "list", "fancy-index", "chained-comparison", "int()"],
}
