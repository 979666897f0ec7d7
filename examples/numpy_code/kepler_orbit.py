"""Position and velocity of a body on a Kepler orbit: Newton iteration for the eccentric anomaly, then rotation."""
import math

import numpy as np

MU = 398600.4418


def solve_kepler(M, e, tol=1e-12):
    M = math.fmod(M, 2 * math.pi)
    if M < 0:
        M += 2 * math.pi
    E = M if e < 0.8 else math.pi
    for _ in range(50):
        dE = (E - e * math.sin(E) - M) / (1 - e * math.cos(E))
        E -= dE
        if abs(dE) < tol:
            return E
    raise RuntimeError("Kepler equation did not converge")


def rot_x(a):
    c, s = math.cos(a), math.sin(a)
    return np.array([[1, 0, 0], [0, c, -s], [0, s, c]])


def rot_z(a):
    c, s = math.cos(a), math.sin(a)
    return np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])


def orbit_state(ecc, elapsed, a, incl, raan, argp):
    n = math.sqrt(MU / a**3)
    E = solve_kepler(n * elapsed, ecc)
    b = math.sqrt(1 - ecc**2)
    r_pf = a * np.array([math.cos(E) - ecc, b * math.sin(E), 0.0])
    rdot = n * a / (1 - ecc * math.cos(E))
    v_pf = rdot * np.array([-math.sin(E), b * math.cos(E), 0.0])
    R = rot_z(raan) @ rot_x(incl) @ rot_z(argp)
    r, v = R @ r_pf, R @ v_pf
    energy = v @ v / 2 - MU / np.linalg.norm(r)
    return np.concatenate([r, v]), energy, np.cross(r, v)


_rng = np.random.default_rng(12)
CASES = {
    "fun": orbit_state,
    "sweep": (_rng.uniform(0.0, 0.95, 12), _rng.uniform(-5000.0, 40000.0, 12)),
    "fixed": (12000.0, 0.5, 1.1, 2.0),
    "differentiable": True,
    "features": ["math", "newton", "branch", "early-return", "raise", "ternary", "linalg"],
}
