"""Explicit finite differences for the heat equation in a rod, run until the steady state is reached."""
import numpy as np


def heat_rod(kappa, t_left, nx, tol):
    dx = 1.0 / (nx - 1)
    dt = 0.4 * dx**2 / kappa
    u = np.zeros(nx)
    u[0] = t_left
    u[-1] = 20.0
    source = np.zeros(nx)
    source[nx // 3: nx // 2] = 50.0
    t = 0.0
    steps = 0
    change = np.inf
    while change > tol:
        lap = (u[2:] - 2 * u[1:-1] + u[:-2]) / dx**2
        du = dt * (kappa * lap + source[1:-1])
        u[1:-1] += du
        change = np.max(np.abs(du))
        t += dt
        steps += 1
        if steps >= 2000:
            break
    flux_left = -kappa * (u[1] - u[0]) / dx
    flux_right = -kappa * (u[-1] - u[-2]) / dx
    return u, t, flux_right - flux_left


_rng = np.random.default_rng(2)
CASES = {
    "fun": heat_rod,
    "sweep": (_rng.uniform(0.5, 2.0, 12), _rng.uniform(0.0, 100.0, 12)),
    "fixed": (16, 2e-3),
    "differentiable": True,
    "features": ["while", "break", "write", "slice", "pde"],
}
