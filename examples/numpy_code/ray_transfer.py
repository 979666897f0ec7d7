"""Gaussian beam through a train of lenses and gaps (ABCD matrices): spot size, wavefront radius, waist scan."""
import numpy as np


def space(d):
    return np.array([[1.0, d], [0.0, 1.0]])


def lens(f):
    return np.array([[1.0, 0.0], [-1.0 / f, 1.0]])


ELEMENTS = {"gap": space, "lens": lens}


def propagate(q, system):
    for kind, value in system:
        (a, b), (c, d) = ELEMENTS[kind](value)
        q = (a * q + b) / (c * q + d)
    return q


def beam_width(q, wavelength):
    return np.sqrt(-wavelength / (np.pi * (1 / q).imag))


def relay(f1, gap, w0, wavelength, f2):
    q0 = 1j * np.pi * w0**2 / wavelength
    system = [("gap", 0.2), ("lens", f1), ("gap", gap), ("lens", f2)]
    q = propagate(q0, system)
    widths = []
    distances = np.linspace(0.0, 1.5, 31)
    for d in distances:
        widths.append(beam_width(propagate(q, [("gap", d)]), wavelength))
    widths = np.array(widths)
    k = np.argmin(widths)
    total = np.eye(2)
    for kind, value in system:
        total = ELEMENTS[kind](value) @ total
    stable = abs(np.trace(total)) / 2 <= 1
    curvature = (1 / q).real
    return widths, distances[k], curvature, total, stable


_rng = np.random.default_rng(19)
CASES = {
    "fun": relay,
    "sweep": (_rng.uniform(0.1, 0.5, 12), _rng.uniform(0.2, 1.0, 12)),
    "fixed": (3e-4, 633e-9, 0.3),
    "differentiable": True,
    "features": ["complex", "dict", "list", "linalg", "tuple-unpack", "index-by-value"],
}
