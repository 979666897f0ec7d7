"""Cantilever on an elastic foundation by finite differences (banded solver): deflection, moment, root stress."""
import numpy as np
from scipy.linalg import solve_banded

LENGTH = 2.0


def load_profile(x, q0, centre):
    q = np.zeros(len(x))
    for i, xi in enumerate(x):
        if abs(xi - centre) < 0.3:
            q[i] = q0 * (1 - abs(xi - centre) / 0.3)
    return q


def assemble(n, h, ei, k):
    ab = np.zeros((5, n))                      # rows: +2, +1, 0, -1, -2 diagonals
    ab[0, 2:] = ab[4, :-2] = ei / h**4
    ab[1, 1:] = ab[3, :-1] = -4 * ei / h**4
    ab[2] = 6 * ei / h**4 + k
    ab[2, 0] += ei / h**4                      # clamped: ghost w[-1] = w[1]
    ab[2, -1] = ei / h**4 + k / 2              # free end
    ab[1, -1] = ab[3, -2] = -2 * ei / h**4
    ab[2, -2] -= ei / h**4
    return ab


def beam(ei, q0, centre, k, n):
    x = np.linspace(0, LENGTH, n + 1)
    h = x[1] - x[0]
    q = load_profile(x[1:], q0, centre)
    q[-1] /= 2
    w = solve_banded((2, 2), assemble(n, h, ei, k), q)
    w = np.concatenate([[0.0], w])
    moment = np.zeros(n + 1)
    moment[1:-1] = ei * (w[2:] - 2 * w[1:-1] + w[:-2]) / h**2
    moment[0] = ei * 2 * w[1] / h**2
    lifted = x[w < 0]
    return w, moment, np.abs(moment).max(), len(lifted), w[-1]


_rng = np.random.default_rng(113)
CASES = {
    "fun": beam,
    "sweep": (_rng.uniform(500.0, 5000.0, 12), _rng.uniform(-400.0, 1000.0, 12), _rng.uniform(0.5, 1.6, 12)),
    "fixed": (2000.0, 40),
    "differentiable": True,
    "features": ["scipy.linalg", "write", "branch", "boolean-index", "enumerate", "pde"],
}
