"""Heart beats from a noisy synthetic ECG: Butterworth band-pass, squared energy, peaks; heart rate and variability."""
import numpy as np
from scipy import signal


def synthetic_ecg(rate, fs, seconds, rng):
    t = np.arange(int(fs * seconds)) / fs
    ecg = np.zeros(len(t))
    beat = 0.4
    while beat < seconds - 0.3:
        ecg += np.exp(-0.5 * ((t - beat) / 0.012) ** 2)
        ecg += 0.25 * np.exp(-0.5 * ((t - beat - 0.22) / 0.05) ** 2)
        beat += 60.0 / rate + 0.02 * rng.standard_normal()
    return t, ecg


def moving_average(x, width):
    return np.convolve(x, np.ones(width) / width, mode="same")


def heart_rate(rate, noise, fs, seconds, seed):
    rng = np.random.default_rng(seed)
    t, ecg = synthetic_ecg(rate, fs, seconds, rng)
    raw = ecg + noise * rng.standard_normal(len(t)) + 0.4 * np.sin(2 * np.pi * 0.3 * t)
    b, a = signal.butter(2, [5.0, 25.0], btype="bandpass", fs=fs)
    clean = signal.filtfilt(b, a, raw)
    energy = moving_average(clean**2, int(0.1 * fs))
    threshold = 0.4 * np.percentile(energy, 98)
    beats = []
    last = -np.inf
    for i in range(1, len(t) - 1):
        if energy[i] > threshold and energy[i - 1] <= energy[i] > energy[i + 1]:
            if t[i] - last > 0.25:
                beats.append(t[i])
                last = t[i]
    rr = np.diff(beats)
    if len(rr) < 2:
        return np.nan, np.nan, len(beats), clean[::10]
    return 60 / np.median(rr), rr.std(ddof=1), len(beats), clean[::10]


_rng = np.random.default_rng(114)
CASES = {
    "fun": heart_rate,
    "sweep": (_rng.uniform(50.0, 130.0, 12), _rng.uniform(0.02, 0.25, 12)),
    "fixed": (100.0, 8.0, 6),
    "differentiable": False,
    "features": ["scipy.signal", "while", "random", "list", "branch", "convolve", "chained-comparison",
                 "early-return", "int()"],
}
