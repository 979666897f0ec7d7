"""Site percolation on a square lattice with union-find: does it span, cluster sizes, largest cluster share."""
import numpy as np


class UnionFind:
    def __init__(self, n):
        self.parent = list(range(n))
        self.size = [1] * n

    def find(self, a):
        if self.parent[a] != a:
            self.parent[a] = self.find(self.parent[a])
        return self.parent[a]

    def union(self, a, b):
        a, b = self.find(a), self.find(b)
        if a == b:
            return
        if self.size[a] < self.size[b]:
            a, b = b, a
        self.parent[b] = a
        self.size[a] += self.size[b]


def percolate(p, seed, n):
    rng = np.random.default_rng(seed)
    occupied = rng.random((n, n)) < p
    uf = UnionFind(n * n + 2)
    top, bottom = n * n, n * n + 1
    for i in range(n):
        for j in range(n):
            if not occupied[i, j]:
                continue
            site = i * n + j
            if i == 0:
                uf.union(site, top)
            elif occupied[i - 1, j]:
                uf.union(site, site - n)
            if j > 0 and occupied[i, j - 1]:
                uf.union(site, site - 1)
            if i == n - 1:
                uf.union(site, bottom)
    spans = uf.find(top) == uf.find(bottom)
    sizes = {}
    for site in np.flatnonzero(occupied):
        root = uf.find(int(site))
        sizes[root] = sizes.get(root, 0) + 1
    ordered = np.array(sorted(sizes.values(), reverse=True))
    return int(spans), ordered, ordered[0] / occupied.sum()


_rng = np.random.default_rng(108)
CASES = {
    "fun": percolate,
    "sweep": (_rng.uniform(0.35, 0.8, 12), _rng.integers(0, 1000, 12)),
    "fixed": (14,),
    "differentiable": False,
    "features": ["class", "recursion", "random", "branch", "continue", "dict", "list", "sort", "ragged", "graph"],
}
