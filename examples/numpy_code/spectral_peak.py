"""Peaks of a windowed amplitude spectrum, refined by a parabola: strongest frequency, peak count, SNR in dB."""
import numpy as np
from scipy.signal import find_peaks, get_window


def refine(spec, k):
    if k == 0 or k == len(spec) - 1:
        return float(k), spec[k]
    a, b, c = np.log(spec[k - 1:k + 2])
    shift = 0.5 * (a - c) / (a - 2 * b + c)
    return k + shift, np.exp(b - 0.25 * (a - c) * shift)


def analyse(freq, noise, fs, n, seed):
    rng = np.random.default_rng(seed)
    t = np.arange(n) / fs
    x = np.sin(2 * np.pi * freq * t) + 0.4 * np.cos(2 * np.pi * 2.5 * freq * t + 0.3)
    x += noise * rng.standard_normal(n)
    x -= x.mean()
    w = get_window("hann", n)
    spec = np.abs(np.fft.rfft(x * w)) / w.sum() * 2
    peaks, props = find_peaks(spec, height=0.15)
    k = int(np.argmax(spec))
    pos, amp = refine(spec, k)
    background = np.median(spec)
    snr = 20 * np.log10(amp / background)
    centroid = np.sum(np.arange(len(spec)) * spec) / spec.sum() * fs / n
    return {"freq": pos * fs / n, "amp": amp, "snr": snr, "count": len(peaks), "centroid": centroid}


_rng = np.random.default_rng(14)
CASES = {
    "fun": analyse,
    "sweep": (_rng.uniform(5.0, 30.0, 12), _rng.uniform(0.05, 0.6, 12)),
    "fixed": (200.0, 256, 1),
    "differentiable": True,
    "features": ["fft", "scipy.signal", "random", "branch", "dict", "slice", "index-by-value", "int()"],
}
