"""Elo ratings of a season of matches with a home advantage: final table, upsets and log loss."""
from collections import defaultdict

import numpy as np

MATCHES = [("ajax", "roma", 1), ("roma", "porto", 0.5), ("porto", "ajax", 0), ("celtic", "ajax", 0.5),
           ("roma", "celtic", 1), ("celtic", "porto", 1), ("ajax", "porto", 1), ("porto", "roma", 0)] * 4


def expected(a, b):
    return 1 / (1 + 10 ** ((b - a) / 400))


def season(k, home):
    ratings = defaultdict(lambda: 1500.0)
    played = {}
    loss, upsets = 0.0, 0
    for one, two, result in MATCHES:
        p = expected(ratings[one] + home, ratings[two])
        factor = 2.0 if played.get(one, 0) < 3 else 1.0
        delta = factor * k * (result - p)
        ratings[one] += delta
        ratings[two] -= delta
        played[one] = played.get(one, 0) + 1
        p = min(max(p, 1e-6), 1 - 1e-6)
        loss -= result * np.log(p) + (1 - result) * np.log(1 - p)
        if (p > 0.5 and result == 0) or (p < 0.5 and result == 1):
            upsets += 1
    table = sorted(ratings, key=lambda team: -ratings[team])
    return {t: ratings[t] for t in sorted(ratings)}, loss / len(MATCHES), upsets, ratings[table[0]] - ratings[table[-1]]


_rng = np.random.default_rng(122)
CASES = {
    "fun": season,
    "sweep": (_rng.uniform(5.0, 60.0, 12), _rng.uniform(0.0, 120.0, 12)),
    "fixed": (),
    "differentiable": True,
    "features": ["dict", "defaultdict", "sorted-with-key", "string", "branch", "ternary", "short-circuit", "min", "max"],
}
