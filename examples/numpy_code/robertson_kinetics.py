"""Robertson's stiff reaction scheme by implicit Euler with Newton iterations and growing steps."""
import numpy as np


def rates(y, k1, k2, k3):
    a, b, c = y
    r1, r2, r3 = k1 * a, k2 * b * c, k3 * b * b
    return np.array([-r1 + r2, r1 - r2 - r3, r3])


def jacobian(y, k1, k2, k3):
    _, b, c = y
    J = np.zeros((3, 3))
    J[0] = [-k1, k2 * c, k2 * b]
    J[1, 0] = k1
    J[1, 1] = -k2 * c - 2 * k3 * b
    J[1, 2] = -k2 * b
    J[2, 1] = 2 * k3 * b
    return J


def implicit_step(y, h, k):
    z = y.copy()
    for it in range(12):
        residual = z - y - h * rates(z, *k)
        dz = np.linalg.solve(np.eye(3) - h * jacobian(z, *k), -residual)
        z += dz
        if np.max(np.abs(dz)) < 1e-12:
            break
    return z, it + 1


def react(k1, k2, k3, t_end):
    y = np.array([1.0, 0.0, 0.0])
    t, h = 0.0, 1e-4
    newton_total = 0
    while t < t_end:
        h = min(h, t_end - t)
        y, its = implicit_step(y, h, (k1, k2, k3))
        newton_total += its
        t += h
        if its <= 4:
            h *= 1.5
    assert abs(y.sum() - 1.0) < 1e-8
    return y, newton_total


_rng = np.random.default_rng(17)
CASES = {
    "fun": react,
    "sweep": (_rng.uniform(0.02, 0.08, 12), 10 ** _rng.uniform(3.5, 4.3, 12)),
    "fixed": (3e7, 40.0),
    "differentiable": True,
    "features": ["while", "break", "newton", "linalg", "write", "assert", "branch", "ode", "adaptive"],
}
