"""Wright-Fisher drift of a selected allele: its path until fixation or loss, and mean heterozygosity."""
import numpy as np


def next_generation(p, s, pop, rng):
    w_bar = p * (1 + s) + (1 - p)
    expected = p * (1 + s) / w_bar
    return rng.binomial(2 * pop, expected) / (2 * pop)


def drift(s, pop, p0, generations, seed):
    rng = np.random.default_rng(seed)
    p = p0
    het = 0.0
    path = [p]
    absorbed = generations
    for g in range(generations):
        if p <= 0 or p >= 1:
            absorbed = g
            break
        het += 2 * p * (1 - p)
        p = next_generation(p, s, pop, rng)
        path.append(p)
    fate = 1 if p >= 1 else (-1 if p <= 0 else 0)
    return np.array(path), absorbed, het / generations, fate


_rng = np.random.default_rng(18)
CASES = {
    "fun": drift,
    "sweep": (_rng.uniform(-0.05, 0.15, 12), _rng.integers(10, 60, 12)),
    "fixed": (0.3, 150, 9),
    "differentiable": False,
    "features": ["random", "list", "integer", "ragged", "break", "branch", "ternary", "genetics"],
}
