"""Kuramoto oscillators on a ring with all-to-all coupling: order parameter, locking time and cluster count."""
import numpy as np


def order_parameter(theta):
    return np.abs(np.mean(np.exp(1j * theta)))


def step_rk4(f, y, h):
    k1 = f(y)
    k2 = f(y + h / 2 * k1)
    k3 = f(y + h / 2 * k2)
    k4 = f(y + h * k3)
    return y + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)


def synchronise(coupling, spread, omega, theta0, h=0.05, steps=80):
    n = len(omega)
    w = spread * omega

    def f(theta):
        diff = np.subtract.outer(theta, theta)
        return w - coupling / n * np.sin(diff).sum(axis=1)

    theta = theta0
    r = [order_parameter(theta)]
    locked = None
    for s in range(steps):
        theta = step_rk4(f, theta, h)
        r.append(order_parameter(theta))
        if r[-1] > 0.8 and locked is None:
            locked = s
    wrapped = np.sort(np.mod(theta, 2 * np.pi))
    gaps = np.diff(np.append(wrapped, wrapped[0] + 2 * np.pi))
    clusters = max(1, int((gaps > 0.6).sum()))
    return r[-1], np.mean(r[steps // 2:]), -1 if locked is None else locked, clusters


_rng = np.random.default_rng(127)
CASES = {
    "fun": synchronise,
    "sweep": (_rng.uniform(0.5, 5.0, 12), _rng.uniform(0.2, 1.5, 12)),
    "fixed": (_rng.standard_normal(12), _rng.uniform(0, 2 * np.pi, 12)),
    "differentiable": True,
    "features": ["closure", "ode", "complex", "subtract.outer", "list", "None", "sort", "append", "int()"],
}
