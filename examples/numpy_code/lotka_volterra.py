"""Predator-prey model integrated with RK4: final state, largest prey density and mean predator density."""
import numpy as np


def rhs(t, y, alpha, beta, delta, gamma):
    prey, pred = y
    return np.array([alpha * prey - beta * prey * pred,
                     delta * prey * pred - gamma * pred])


def rk4_step(f, t, y, h, *args):
    k1 = f(t, y, *args)
    k2 = f(t + h / 2, y + h / 2 * k1, *args)
    k3 = f(t + h / 2, y + h / 2 * k2, *args)
    k4 = f(t + h, y + h * k3, *args)
    return y + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)


def simulate(alpha, prey0, beta=0.4, t_end=10.0, n=200):
    h = t_end / n
    y = np.array([prey0, 2.0])
    history = [y]
    t = 0.0
    for _ in range(n):
        y = rk4_step(rhs, t, y, h, alpha, beta, 0.1, 0.4)
        t += h
        history.append(y)
    history = np.array(history)
    assert history.shape == (n + 1, 2)
    assert np.all(history > 0), "populations must stay positive"
    return y, history[:, 0].max(), history[:, 1].mean()


_rng = np.random.default_rng(1)
CASES = {
    "fun": simulate,
    "sweep": (_rng.uniform(0.8, 1.4, 12), _rng.uniform(5.0, 12.0, 12)),
    "fixed": (0.4, 10.0, 200),
    "differentiable": True,
    "features": ["list", "assert", "ode", "closure"],
}
