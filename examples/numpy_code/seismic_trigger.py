"""STA/LTA trigger on a seismogram: onset, end, number of triggers and peak ratio, with hysteresis."""
import numpy as np
from scipy.signal import detrend


def moving_average(x, n):
    c = np.cumsum(np.insert(x, 0, 0.0))
    out = np.full(len(x), np.nan)
    out[n - 1:] = (c[n:] - c[:-n]) / n
    return out


def trigger(trace, on, off=1.2, n_sta=10, n_lta=80):
    trace = detrend(trace)
    energy = trace**2
    sta = moving_average(energy, n_sta)
    lta = moving_average(energy, n_lta)
    ratio = np.nan_to_num(sta / lta)
    active = False
    onset, end, count = -1, -1, 0
    for i, r in enumerate(ratio):
        if not active and r > on:
            active = True
            count += 1
            if onset < 0:
                onset = i
        elif active and r < off:
            active = False
            end = i
    snr = 10 * np.log10(energy[onset:onset + 40].mean() / energy[:80].mean()) if onset >= 0 else 0.0
    return onset, end, count, ratio.max(), snr


_rng = np.random.default_rng(108)
_t = np.arange(300)
_arrive = _rng.integers(120, 220, 12)[:, None]
_pulse = np.where(_t > _arrive, np.exp(-(_t - _arrive) / 30.0) * np.sin(0.8 * (_t - _arrive)), 0.0)
CASES = {
    "fun": trigger,
    "sweep": (0.3 * _rng.standard_normal((12, 300)) + _rng.uniform(1, 4, (12, 1)) * _pulse + 0.002 * _t,
              _rng.uniform(2.0, 4.0, 12)),
    "fixed": (),
    "differentiable": False,
    "features": ["scipy.signal", "cumsum", "insert", "enumerate", "branch", "bool", "slice-by-value", "ternary", "nan"],
}
