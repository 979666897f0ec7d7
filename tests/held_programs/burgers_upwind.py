"""Viscous Burgers equation with periodic boundary and adaptive time step: final profile, energy, shock position."""
import numpy as np


def initial(x, amp):
    u = np.zeros_like(x)
    bump = (x > 0.2) & (x < 0.6)
    u[bump] = amp * np.sin(np.pi * (x[bump] - 0.2) / 0.4)
    return u + 0.1


def flux_difference(u, dx):
    f = 0.5 * u**2
    backward = (f - np.roll(f, 1)) / dx
    forward = (np.roll(f, -1) - f) / dx
    return np.where(u > 0, backward, forward)


def burgers(amp, nu, n, t_end, cfl):
    x = np.linspace(0, 1, n, endpoint=False)
    dx = x[1] - x[0]
    u = initial(x, amp)
    t, steps = 0.0, 0
    while t < t_end:
        dt = min(cfl * dx / np.abs(u).max(), 0.4 * dx * dx / nu, t_end - t)
        diffusion = nu * (np.roll(u, -1) - 2 * u + np.roll(u, 1)) / dx**2
        u = u + dt * (diffusion - flux_difference(u, dx))
        t += dt
        steps += 1
        if steps > 500:
            raise RuntimeError("too many steps")
    shock = x[np.argmin(np.gradient(u, dx))]
    return u, 0.5 * np.sum(u**2) * dx, shock, steps


_rng = np.random.default_rng(102)
CASES = {
    "fun": burgers,
    "sweep": (_rng.uniform(-1.5, 1.5, 12), 10 ** _rng.uniform(-3, -1.7, 12)),
    "fixed": (40, 0.4, 0.5),
    "differentiable": True,
    "features": ["pde", "while", "mask", "boolean-index", "where", "raise", "adaptive", "roll"],
}
