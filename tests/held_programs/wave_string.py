"""Plucked string with damping and a changing density: leapfrog in time, pickup spectrum, loudest partial, energy."""
import numpy as np


def pluck(x, where, height=0.01):
    return np.where(x < where, height * x / where, height * (1 - x) / (1 - where))


def string(tension, where, damping, nx, n_steps):
    x = np.linspace(0, 1, nx)
    density = np.ones(nx) * 1e-3
    density[x > 0.7] *= 1.5                    # wound part
    c = np.sqrt(tension / density)
    dx = x[1]
    dt = 0.9 * dx / c.max()
    r2 = (c * dt / dx) ** 2
    d = damping * dt
    now = pluck(x, where)
    now[[0, -1]] = 0.0
    before = now.copy()
    pickup = np.zeros(n_steps)
    energy = []
    for k in range(n_steps):
        new = np.zeros(nx)
        new[1:-1] = (2 * now[1:-1] - (1 - d) * before[1:-1]
                     + r2[1:-1] * (now[2:] - 2 * now[1:-1] + now[:-2])) / (1 + d)
        if k % 20 == 0:
            vel = (new - now) / dt
            energy.append(0.5 * np.sum(density * vel**2) * dx + 0.5 * tension * np.sum(np.diff(now) ** 2) / dx)
        before, now = now, new
        pickup[k] = now[nx // 4]
    spectrum = np.abs(np.fft.rfft(pickup * np.hanning(n_steps)))
    freqs = np.fft.rfftfreq(n_steps, dt)
    loudest = int(np.argmax(spectrum[1:])) + 1
    weights = spectrum[1:] / spectrum[1:].sum()
    brightness = (freqs[1:] * weights).sum()
    return {"pickup": pickup, "energy": np.array(energy), "freq": freqs[loudest], "brightness": brightness}


_rng = np.random.default_rng(123)
CASES = {
    "fun": string,
    "sweep": (_rng.uniform(50.0, 120.0, 12), _rng.uniform(0.1, 0.9, 12)),
    "fixed": (20.0, 41, 300),
    "differentiable": True,
    "features": ["pde", "fft", "where", "mask", "boolean-index", "write", "list", "modulo", "dict", "index-by-value",
                 "int()"],
}
