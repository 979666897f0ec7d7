"""Bootstrap particle filter for a nonlinear growth model: estimates, log likelihood, number of resamplings."""
import numpy as np


def growth(x, k, rng, q):
    return 0.5 * x + 25 * x / (1 + x * x) + 8 * np.cos(1.2 * k) + q * rng.standard_normal(np.shape(x))


def systematic_resample(weights, rng):
    n = len(weights)
    positions = (rng.random() + np.arange(n)) / n
    cumulative = np.cumsum(weights)
    cumulative[-1] = 1.0
    index = np.zeros(n, dtype=int)
    i = j = 0
    while i < n:
        if positions[i] < cumulative[j]:
            index[i] = j
            i += 1
        else:
            j += 1
    return index


def run_filter(meas_std, process_std, n_particles, n_steps, seed):
    rng = np.random.default_rng(seed)
    x = 0.1
    particles = rng.normal(0, 2, n_particles)
    weights = np.ones(n_particles) / n_particles
    estimates, truth = np.zeros(n_steps), np.zeros(n_steps)
    loglik, resampled = 0.0, 0
    for k in range(n_steps):
        x = growth(x, k, rng, 1.0)
        z = x * x / 20 + rng.normal()
        truth[k] = x
        particles = growth(particles, k, rng, process_std)
        logw = np.log(weights) - 0.5 * ((z - particles**2 / 20) / meas_std) ** 2 - np.log(meas_std)
        top = logw.max()
        weights = np.exp(logw - top) + 1e-300
        loglik += top + np.log(weights.sum())
        weights /= weights.sum()
        estimates[k] = weights @ particles
        n_eff = 1 / np.sum(weights**2)
        if n_eff < n_particles / 2:
            particles = particles[systematic_resample(weights, rng)]
            weights[:] = 1 / n_particles
            resampled += 1
    return estimates, loglik, resampled, np.sqrt(np.mean((estimates - truth) ** 2))


_rng = np.random.default_rng(103)
CASES = {
    "fun": run_filter,
    "sweep": (_rng.uniform(0.7, 2.0, 12), _rng.uniform(0.5, 3.0, 12)),
    "fixed": (60, 25, 17),
    "differentiable": False,
    "features": ["random", "while", "branch", "write", "fancy-index", "cumsum"],
}
