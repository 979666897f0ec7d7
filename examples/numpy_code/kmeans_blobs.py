"""Lloyd's k-means on three synthetic clusters: inertia, sorted centres and cluster sizes."""
import numpy as np


def make_data(spread, seed, per_cluster=25):
    rng = np.random.default_rng(seed)
    means = np.array([[0.0, 0.0], [4.0, 1.0], [1.0, 5.0]])
    return np.concatenate([m + spread * rng.standard_normal((per_cluster, 2)) for m in means])


def assign(points, centres):
    d2 = ((points[:, None, :] - centres[None, :, :]) ** 2).sum(axis=2)
    return np.argmin(d2, axis=1), d2.min(axis=1).sum()


def kmeans(spread, start, k, seed):
    points = make_data(spread, seed)
    centres = points[start].copy()
    inertia_old = np.inf
    for it in range(50):
        labels, inertia = assign(points, centres)
        if inertia_old - inertia < 1e-9:
            break
        inertia_old = inertia
        for j in range(k):
            members = points[labels == j]
            if len(members) > 0:
                centres[j] = members.mean(axis=0)
    centres = centres[np.argsort(centres[:, 0])]
    sizes = np.bincount(labels, minlength=k)
    return inertia, centres, np.sort(sizes)


_rng = np.random.default_rng(9)
CASES = {
    "fun": kmeans,
    "sweep": (_rng.uniform(0.4, 1.5, 12), np.array([_rng.choice(75, 3, replace=False) for _ in range(12)])),
    "fixed": (3, 5),
    "differentiable": True,
    "features": ["random", "mask", "boolean-index", "break", "write", "sort", "bincount", "fancy-index"],
}
