"""Three bodies under gravity with leapfrog: final positions, energy drift, closest approach, ejection check."""
import numpy as np

MASS = np.array([1.0, 1e-2, 3e-3])


def accelerations(pos, mass, soft=1e-3):
    acc = np.zeros_like(pos)
    n = len(mass)
    for i in range(n):
        for j in range(n):
            if i == j:
                continue
            d = pos[j] - pos[i]
            acc[i] += mass[j] * d / (d @ d + soft**2) ** 1.5
    return acc


def total_energy(pos, vel, mass):
    kinetic = 0.5 * np.sum(mass * np.sum(vel**2, axis=1))
    potential = 0.0
    for i in range(len(mass)):
        for j in range(i):
            potential -= mass[i] * mass[j] / np.linalg.norm(pos[i] - pos[j])
    return kinetic + potential


def three_body(distance, kick, steps, dt):
    pos = np.array([[0.0, 0.0], [1.0, 0.0], [-distance, 0.0]])
    vel = np.array([[0.0, 0.0], [0.0, 1.0], [0.0, -1 / np.sqrt(distance)]]) + np.outer([0, 0, 1], kick)
    vel -= (MASS[:, None] * vel).sum(axis=0) / MASS.sum()
    e0 = total_energy(pos, vel, MASS)
    closest = np.inf
    acc = accelerations(pos, MASS)
    for _ in range(steps):
        vel += 0.5 * dt * acc
        pos += dt * vel
        acc = accelerations(pos, MASS)
        vel += 0.5 * dt * acc
        closest = min(closest, np.linalg.norm(pos[1] - pos[2]))
    drift = (total_energy(pos, vel, MASS) - e0) / abs(e0)
    ejected = np.linalg.norm(pos[2] - pos[0]) > 5.0
    return pos, drift, closest, ejected


_rng = np.random.default_rng(112)
CASES = {
    "fun": three_body,
    "sweep": (_rng.uniform(1.5, 3.0, 12), _rng.normal(0.0, 0.25, (12, 2))),
    "fixed": (120, 0.04),
    "differentiable": True,
    "features": ["ode", "write", "continue", "linalg", "min", "in-place"],
}
