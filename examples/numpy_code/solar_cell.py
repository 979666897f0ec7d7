"""Single-diode solar cell: current by Newton iteration, maximum power point by golden-section search."""
import numpy as np

Q_KT = 1.602e-19 / (1.381e-23 * 298.15)


def cell_current(v, photo, rs, rsh, i0=1e-9, ideality=1.3):
    a = Q_KT / ideality
    i = photo
    for _ in range(60):
        e = i0 * np.exp(a * (v + i * rs))
        f = photo - (e - i0) - (v + i * rs) / rsh - i
        step = f / (-a * rs * e - rs / rsh - 1)
        i = i - step
        if abs(step) < 1e-12:
            break
    return i


def golden_max(f, lo, hi, tol=1e-6):
    r = (np.sqrt(5) - 1) / 2
    a, b = hi - r * (hi - lo), lo + r * (hi - lo)
    fa, fb = f(a), f(b)
    while hi - lo > tol:
        if fa > fb:
            hi, b, fb = b, a, fa
            a = hi - r * (hi - lo)
            fa = f(a)
        else:
            lo, a, fa = a, b, fb
            b = lo + r * (hi - lo)
            fb = f(b)
    return 0.5 * (lo + hi)


def characterize(irradiance, rs, rsh):
    photo = 3.0 * irradiance / 1000
    v_mp = golden_max(lambda v: v * cell_current(v, photo, rs, rsh), 0.0, 0.75)
    i_mp = cell_current(v_mp, photo, rs, rsh)
    i_sc = cell_current(0.0, photo, rs, rsh)
    curve = [cell_current(v, photo, rs, rsh) for v in np.linspace(0, 0.6, 7)]
    return v_mp, v_mp * i_mp, i_sc, np.array(curve)


_rng = np.random.default_rng(114)
CASES = {
    "fun": characterize,
    "sweep": (_rng.uniform(200.0, 1000.0, 12), _rng.uniform(0.005, 0.03, 12), _rng.uniform(5.0, 100.0, 12)),
    "fixed": (),
    "differentiable": False,
    "features": ["newton", "break", "while", "lambda", "closure", "golden-section", "list-comprehension"],
}
