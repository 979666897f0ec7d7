"""Luminosity distance of supernovae in a universe with curvature, and chi squared of a small Hubble diagram."""
import math

import numpy as np
from scipy import integrate

C_KM_S = 299792.458


def distance_modulus(z, omega_m, omega_l, h0):
    omega_k = 1.0 - omega_m - omega_l

    def inverse_e(x):
        return 1.0 / math.sqrt(omega_m * (1 + x) ** 3 + omega_k * (1 + x) ** 2 + omega_l)

    comoving, _ = integrate.quad(inverse_e, 0.0, z)
    if abs(omega_k) < 1e-8:
        d = comoving
    elif omega_k > 0:
        d = math.sinh(math.sqrt(omega_k) * comoving) / math.sqrt(omega_k)
    else:
        d = math.sin(math.sqrt(-omega_k) * comoving) / math.sqrt(-omega_k)
    return 5 * math.log10((1 + z) * d * C_KM_S / h0) + 25


def fit_quality(omega_m, omega_l, data, h0=70.0):
    residuals = []
    for z, mu, sigma in data:
        residuals.append((mu - distance_modulus(z, omega_m, omega_l, h0)) / sigma)
    residuals = np.array(residuals)
    return np.sum(residuals**2), residuals.mean(), np.argmax(np.abs(residuals))


_rng = np.random.default_rng(125)
_z = np.linspace(0.05, 1.2, 8)
_data = [(z, 42.3 + 5.2 * math.log10(z / 0.5) + 0.1 * _rng.standard_normal(), 0.15) for z in _z]
CASES = {
    "fun": fit_quality,
    "sweep": (_rng.uniform(0.15, 0.5, 12), _rng.uniform(0.4, 0.9, 12)),
    "fixed": (_data,),
    "differentiable": True,
    "features": ["scipy.integrate", "math", "closure", "branch", "list", "tuple-unpack"],
}
