"""Relaxation of a small Lennard-Jones cluster by steepest descent with a cutoff: energy, force and coordination."""
import numpy as np


def pair_forces(pos, eps, sigma, cutoff):
    n = len(pos)
    forces = np.zeros_like(pos)
    energy = 0.0
    for i in range(n):
        rij = pos[i] - pos[i + 1:]
        r2 = np.einsum("ij,ij->i", rij, rij)
        near = r2 < cutoff**2
        s6 = (sigma**2 / r2) ** 3
        e = 4 * eps * (s6**2 - s6)
        f = 24 * eps * (2 * s6**2 - s6) / r2
        e[~near] = 0.0
        f[~near] = 0.0
        energy += e.sum()
        fij = f[:, None] * rij
        forces[i] += fij.sum(axis=0)
        forces[i + 1:] -= fij
    return energy, forces


def relax(pos, eps, sigma=1.0, cutoff=3.0, steps=30, h=0.01):
    pos = pos.copy()
    energy, forces = pair_forces(pos, eps, sigma, cutoff)
    for _ in range(steps):
        biggest = np.abs(forces).max()
        trial = pos + h * forces / max(biggest, 1.0)
        e_new, f_new = pair_forces(trial, eps, sigma, cutoff)
        if e_new < energy:
            pos, energy, forces = trial, e_new, f_new
            h *= 1.2
        else:
            h *= 0.5
    d = np.linalg.norm(pos[:, None] - pos[None], axis=-1)
    coordination = ((d < 1.4 * sigma) & (d > 0)).sum(axis=1)
    return energy, np.sqrt((forces**2).sum()), coordination


_rng = np.random.default_rng(106)
_grid = 1.15 * np.array([[i, j, k] for i in range(2) for j in range(2) for k in range(2)], dtype=float)
CASES = {
    "fun": relax,
    "sweep": (_grid + _rng.normal(0, 0.05, (12, 8, 3)), _rng.uniform(0.5, 2.0, 12)),
    "fixed": (),
    "differentiable": True,
    "features": ["einsum", "mask", "write", "slice", "branch", "max"],
}
