"""Titration of a polyprotic acid: pH by root finding on the charge balance, and the equivalence point."""
import numpy as np
from scipy.optimize import brentq

KW = 1e-14


def alphas(h, pka):
    ka = [10**-p for p in pka]
    terms = [h ** len(ka)]
    for i in range(len(ka)):
        terms.append(terms[-1] * ka[i] / h)
    total = sum(terms)
    return [t / total for t in terms]


def imbalance(ph, c_acid, c_base, pka):
    h = 10.0**-ph
    charge = sum(i * a for i, a in enumerate(alphas(h, pka)))
    return c_base + h - KW / h - c_acid * charge


def titrate(c_acid, pk1, volumes, c_base=0.1, v_acid=25.0):
    pka = [pk1, 7.2, 12.3]
    curve = np.zeros(len(volumes))
    for i, v in enumerate(volumes):
        dilution = v_acid / (v_acid + v)
        curve[i] = brentq(imbalance, 0.0, 14.0, args=(c_acid * dilution, c_base * v / (v_acid + v), pka))
    steepness = np.gradient(curve, volumes)
    return curve, volumes[np.argmax(steepness)], curve[0]


_rng = np.random.default_rng(109)
CASES = {
    "fun": titrate,
    "sweep": (_rng.uniform(0.02, 0.12, 12), _rng.uniform(1.8, 3.5, 12)),
    "fixed": (np.linspace(0.0, 60.0, 16),),
    "differentiable": True,
    "features": ["scipy.optimize", "list", "write", "generator-expression", "index-by-value", "power"],
}
