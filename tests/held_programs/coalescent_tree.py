"""Kingman coalescent with growth: tree height, total branch length, site frequency spectrum, Tajima's D."""
import numpy as np


def simulate_tree(n, growth, rng):
    """Return (number of leaves below, branch length) pairs and the tree height."""
    lineages = [[1, 0.0] for _ in range(n)]          # leaves below, birth time
    branches = []
    t = 0.0
    while len(lineages) > 1:
        k = len(lineages)
        wait = rng.exponential(2.0 / (k * (k - 1)))
        if growth > 0:
            wait = np.log1p(growth * wait * np.exp(-growth * t)) / growth
        t += wait
        i, j = rng.choice(k, size=2, replace=False)
        a, b = lineages[i], lineages[j]
        branches += [(a[0], t - a[1]), (b[0], t - b[1])]
        lineages = [x for m, x in enumerate(lineages) if m != i and m != j]
        lineages.append([a[0] + b[0], t])
    return branches, t


def coalescent(growth, n, theta, seed):
    rng = np.random.default_rng(seed)
    branches, height = simulate_tree(n, growth, rng)
    spectrum = np.zeros(n - 1, dtype=int)
    total = 0.0
    for leaves, length in branches:
        total += length
        spectrum[leaves - 1] += rng.poisson(theta / 2 * length)
    i = np.arange(1, n)
    segregating = spectrum.sum()
    pairwise = np.sum(spectrum * i * (n - i)) / (n * (n - 1) / 2)
    a1, a2 = np.sum(1 / i), np.sum(1 / i**2)
    c1 = (n + 1) / (3 * (n - 1)) - 1 / a1
    c2 = 2 * (n * n + n + 3) / (9 * n * (n - 1)) - (n + 2) / (a1 * n) + a2 / a1**2
    variance = c1 / a1 * segregating + c2 / (a1**2 + a2) * segregating * (segregating - 1)
    tajima = (pairwise - segregating / a1) / np.sqrt(variance) if segregating > 0 else 0.0
    return height, total, spectrum, tajima


_rng = np.random.default_rng(118)
CASES = {
    "fun": coalescent,
    "sweep": (np.r_[0.0, _rng.uniform(0.0, 5.0, 11)], _rng.integers(5, 20, 12)),
    "fixed": (8.0, 31),
    "differentiable": False,
    "features": ["random", "while", "list", "branch", "write", "ternary", "genetics", "ragged", "integer",
                 "index-by-value"],
}
