"""Plane truss by the stiffness method: nodal displacements, member forces and the most stressed member."""
import numpy as np

NODES = np.array([[0, 0], [2, 0], [4, 0], [6, 0], [1, 1.5], [3, 1.5], [5, 1.5]], dtype=float)
MEMBERS = [(0, 1), (1, 2), (2, 3), (4, 5), (5, 6), (0, 4), (1, 4), (1, 5), (2, 5), (2, 6), (3, 6)]
FIXED = [0, 1, 7]


def member_geometry(i, j):
    d = NODES[j] - NODES[i]
    length = np.linalg.norm(d)
    return length, d / length


def truss(load, area, young, yield_stress):
    ndof = 2 * len(NODES)
    K = np.zeros((ndof, ndof))
    for i, j in MEMBERS:
        length, (c, s) = member_geometry(i, j)
        k = young * area / length * np.array([[c * c, c * s], [c * s, s * s]])
        dofs = [2 * i, 2 * i + 1, 2 * j, 2 * j + 1]
        K[np.ix_(dofs, dofs)] += np.block([[k, -k], [-k, k]])
    f = np.zeros(ndof)
    f[[8, 9]] = load
    f[[3, 11]] = -1e3, -10e3
    free = [d for d in range(ndof) if d not in FIXED]
    u = np.zeros(ndof)
    u[free] = np.linalg.solve(K[np.ix_(free, free)], f[free])
    forces = np.empty(len(MEMBERS))
    for m, (i, j) in enumerate(MEMBERS):
        length, direction = member_geometry(i, j)
        forces[m] = young * area / length * direction @ (u[2 * j:2 * j + 2] - u[2 * i:2 * i + 2])
    stress = forces / area
    worst = int(np.argmax(np.abs(stress)))
    safe = bool(abs(stress[worst]) < yield_stress)
    return u.reshape(-1, 2), forces, worst, safe, K[FIXED] @ u - f[FIXED]


_rng = np.random.default_rng(13)
CASES = {
    "fun": truss,
    "sweep": (_rng.uniform(-20e3, 20e3, (12, 2)), _rng.uniform(2e-4, 8e-4, 12)),
    "fixed": (210e9, 50e6),
    "differentiable": True,
    "features": ["linalg", "write", "fancy-index", "list", "tuple-unpack", "int()", "bool()", "enumerate"],
}
