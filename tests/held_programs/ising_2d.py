"""Two-dimensional Ising model with single-spin Metropolis flips: energy, magnetisation, susceptibility, lattice."""
import numpy as np


class Ising:
    def __init__(self, size, temperature, field, rng):
        self.n = size
        self.T = temperature
        self.h = field
        self.rng = rng
        self.spins = 2 * rng.integers(0, 2, (size, size)) - 1

    def neighbour_sum(self, i, j):
        s, n = self.spins, self.n
        return s[(i + 1) % n, j] + s[i - 1, j] + s[i, (j + 1) % n] + s[i, j - 1]

    def sweep(self):
        for _ in range(self.n**2):
            i, j = self.rng.integers(0, self.n, 2)
            cost = 2 * self.spins[i, j] * (self.neighbour_sum(i, j) + self.h)
            if cost <= 0 or self.rng.random() < np.exp(-cost / self.T):
                self.spins[i, j] *= -1

    def energy(self):
        s = self.spins
        bonds = s * np.roll(s, 1, axis=0) + s * np.roll(s, 1, axis=1)
        return -(bonds.sum() + self.h * s.sum()) / s.size


def ising(temperature, field, size, sweeps, warmup, seed):
    model = Ising(size, temperature, field, np.random.default_rng(seed))
    energies, mags = [], []
    for k in range(sweeps):
        model.sweep()
        if k < warmup:
            continue
        energies.append(model.energy())
        mags.append(model.spins.mean())
    mags = np.array(mags)
    chi = size**2 * mags.var() / temperature
    return np.mean(energies), np.abs(mags).mean(), chi, model.spins


_rng = np.random.default_rng(104)
CASES = {
    "fun": ising,
    "sweep": (_rng.uniform(1.0, 4.0, 12), _rng.uniform(-0.3, 0.3, 12)),
    "fixed": (6, 8, 3, 8),
    "differentiable": False,
    "features": ["class", "random", "branch", "continue", "list", "write", "modulo", "index-by-value"],
}
