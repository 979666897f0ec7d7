"""Reflectance and transmittance of a thin-film stack by transfer matrices, with dispersive glass and a metal."""
import cmath
import math

import numpy as np

SILVER_NM = np.array([400.0, 450.0, 500.0, 550.0, 600.0, 650.0, 700.0])
SILVER_N = np.array([0.05, 0.04, 0.05, 0.06, 0.055, 0.05, 0.04])
SILVER_K = np.array([2.10, 2.66, 3.13, 3.59, 4.01, 4.41, 4.80])


def index(material, nm):
    if material == "air":
        return 1.0 + 0j
    if material == "glass":
        um2 = (nm / 1000) ** 2
        return complex(math.sqrt(1 + 1.0396 * um2 / (um2 - 0.0060) + 0.2318 * um2 / (um2 - 0.0200)))
    if material == "silver":
        return complex(np.interp(nm, SILVER_NM, SILVER_N), -np.interp(nm, SILVER_NM, SILVER_K))
    return {"MgF2": 1.38, "TiO2": 2.40}[material] + 0j


def stack_response(nm, angle, layers, polarisation):
    n0 = index("air", nm)
    sin0 = n0 * math.sin(angle)

    def admittance(n):
        cos = cmath.sqrt(1 - (sin0 / n) ** 2)
        return (n * cos if polarisation == "s" else n / cos), cos

    m = np.eye(2, dtype=complex)
    for material, thickness in layers:
        n = index(material, nm)
        eta, cos = admittance(n)
        delta = 2 * math.pi * n * thickness * cos / nm
        c, s = cmath.cos(delta), cmath.sin(delta)
        m = m @ np.array([[c, 1j * s / eta], [1j * eta * s, c]])
    eta0, _ = admittance(n0)
    eta_sub, _ = admittance(index("glass", nm))
    b, c = m @ np.array([1.0, eta_sub])
    r = (eta0 * b - c) / (eta0 * b + c)
    return abs(r) ** 2, 4 * (eta0 * eta_sub).real / abs(eta0 * b + c) ** 2, cmath.phase(r)


def coating(thickness, angle, layers):
    stack = [("MgF2", thickness)] + list(layers)
    nms = np.arange(420, 700, 20.0)
    R = np.array([[stack_response(nm, angle, stack, pol)[0] for nm in nms] for pol in "sp"]).mean(axis=0)
    r, t, phase = stack_response(550.0, angle, stack, "s")
    return R, 1 - r - t, phase, nms[R.argmin()]


_rng = np.random.default_rng(119)
CASES = {
    "fun": coating,
    "sweep": (_rng.uniform(50.0, 180.0, 12), _rng.uniform(0.0, 1.2, 12)),
    "fixed": ((("TiO2", 30.0), ("silver", 12.0)),),
    "differentiable": True,
    "features": ["complex", "math", "cmath", "interp", "table", "string", "dict", "list", "closure", "early-return"],
}
