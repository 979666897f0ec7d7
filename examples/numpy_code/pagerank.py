"""PageRank of a small random web graph by power iteration, with personalised teleportation."""
import numpy as np


def make_links(n, seed):
    rng = np.random.default_rng(seed)
    links = {}
    for page in range(n):
        k = rng.integers(0, 5)
        links[page] = [int(q) for q in rng.choice(n, size=k, replace=False) if q != page]
    return links


def pagerank(damping, teleport, n, seed, tol=1e-9):
    links = make_links(n, seed)
    teleport = teleport / teleport.sum()
    rank = np.full(n, 1.0 / n)
    iterations = 0
    while True:
        new = (1 - damping) * teleport
        for page, targets in links.items():
            if targets:
                share = damping * rank[page] / len(targets)
                for q in targets:
                    new[q] += share
            else:
                new += damping * rank[page] * teleport
        delta = np.abs(new - rank).sum()
        rank = new
        iterations += 1
        if delta < tol or iterations == 60:
            break
    order = np.argsort(-rank)
    return rank, order[:3], iterations


_rng = np.random.default_rng(8)
CASES = {
    "fun": pagerank,
    "sweep": (_rng.uniform(0.3, 0.85, 12), _rng.uniform(0.1, 1.0, (12, 15))),
    "fixed": (15, 21),
    "differentiable": True,
    "features": ["dict", "while", "break", "write", "sort", "list", "graph"],
}
