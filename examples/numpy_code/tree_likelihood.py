"""Likelihood of a phylogenetic tree for aligned bases by Felsenstein's pruning, under the Kimura model."""
import numpy as np

TREE = ((("human", 0.05), ("chimp", 0.06), 0.08), (("mouse", 0.2), ("rat", 0.22), 0.3), 0.0)


def kimura(t, kappa):
    beta = 1 / (2 + kappa)
    alpha = kappa * beta
    e1, e2 = np.exp(-4 * beta * t), np.exp(-2 * (alpha + beta) * t)
    same, ts, tv = 0.25 + 0.25 * e1 + 0.5 * e2, 0.25 + 0.25 * e1 - 0.5 * e2, 0.25 - 0.25 * e1
    P = np.full((4, 4), tv)
    for i in range(4):
        P[i, i] = same
        P[i, (i + 2) % 4] = ts
    return P


def partial(node, sites, kappa, scale):
    """Likelihoods of the bases at a node, for each site."""
    if isinstance(node[0], str):
        return np.eye(4)[sites[node[0]]]
    left, right, _ = node
    like = 1.0
    for child in (left, right):
        below = partial(child, sites, kappa, scale)
        like = like * (below @ kimura(child[-1] * scale, kappa).T)
    return like


def log_likelihood(kappa, scale, sites):
    root = partial(TREE, sites, kappa, scale)
    per_site = np.log(root @ np.full(4, 0.25))
    return per_site.sum(), per_site.min(), np.argmin(per_site)


_rng = np.random.default_rng(120)
_base = _rng.integers(0, 4, 50)
_sites = {name: np.where(_rng.uniform(size=50) < 0.8, _base, _rng.integers(0, 4, 50))
          for name in ("human", "chimp", "mouse", "rat")}
CASES = {
    "fun": log_likelihood,
    "sweep": (_rng.uniform(1.0, 6.0, 12), _rng.uniform(0.3, 3.0, 12)),
    "fixed": (_sites,),
    "differentiable": True,
    "features": ["recursion", "isinstance", "dict", "tuple-unpack", "write", "fancy-index", "full"],
}
