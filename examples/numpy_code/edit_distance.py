"""Weighted edit distance of two short sequences with traceback, by dynamic programming."""
import numpy as np

GAP = 1.0


def fill_table(a, b, sub_cost):
    m, n = len(a), len(b)
    D = np.zeros((m + 1, n + 1))
    D[:, 0] = GAP * np.arange(m + 1)
    D[0, :] = GAP * np.arange(n + 1)
    for i in range(1, m + 1):
        for j in range(1, n + 1):
            cost = 0.0 if a[i - 1] == b[j - 1] else sub_cost
            D[i, j] = min(D[i - 1, j] + GAP, D[i, j - 1] + GAP, D[i - 1, j - 1] + cost)
    return D


def edit_distance(a, b, sub_cost):
    D = fill_table(a, b, sub_cost)
    i, j = len(a), len(b)
    matches = inserts = deletes = subs = 0
    while i > 0 or j > 0:
        if i > 0 and j > 0 and a[i - 1] == b[j - 1] and D[i, j] == D[i - 1, j - 1]:
            matches += 1
            i, j = i - 1, j - 1
        elif i > 0 and D[i, j] == D[i - 1, j] + GAP:
            deletes += 1
            i -= 1
        elif j > 0 and D[i, j] == D[i, j - 1] + GAP:
            inserts += 1
            j -= 1
        else:
            subs += 1
            i, j = i - 1, j - 1
    return D[-1, -1], (matches, subs, inserts, deletes)


_rng = np.random.default_rng(7)
_a = _rng.integers(0, 4, (12, 14))
_b = np.where(_rng.random((12, 14)) < 0.5, _a, _rng.integers(0, 4, (12, 14)))
CASES = {
    "fun": edit_distance,
    "sweep": (_a, _b, _rng.choice([0.5, 1.0, 1.5, 2.5], 12)),
    "fixed": (),
    "differentiable": False,
    "features": ["dynamic-programming", "while", "branch", "write", "ternary", "index-by-value", "integer"],
}
