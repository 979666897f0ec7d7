"""Rate equations of a Q-switched laser: peak power, pulse energy and width, with an adaptive solver."""
import numpy as np
from scipy.integrate import solve_ivp


def rates(t, y, pump, loss, tau):
    n, phi = y
    gain = n * phi
    return [pump - n / tau - gain, phi * (n - loss) + 1e-6 * n]


def pulse(pump, loss, tau=230.0, n0=4.0):
    sol = solve_ivp(rates, (0.0, 40.0), [n0, 1e-4], args=(pump, loss, tau), t_eval=np.linspace(0, 40, 200), rtol=1e-6)
    if not sol.success:
        raise RuntimeError(sol.message)
    n, phi = sol.y
    top = np.argmax(phi)
    half = np.where(phi > phi[top] / 2)[0]
    width = sol.t[half[-1]] - sol.t[half[0]]
    return phi[top], np.trapezoid(phi, sol.t), width, n[-1]


_rng = np.random.default_rng(124)
CASES = {
    "fun": pulse,
    "sweep": (_rng.uniform(0.01, 0.1, 12), _rng.uniform(0.8, 1.5, 12)),
    "fixed": (),
    "differentiable": False,
    "features": ["scipy.integrate", "ode", "raise", "nonzero", "argmax", "tuple-unpack", "index-by-value"],
}
