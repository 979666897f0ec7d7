"""Van der Pol oscillator with the adaptive Bogacki-Shampine pair: accepted times, end state, zero crossings."""
import numpy as np


class AdaptiveSolver:
    def __init__(self, f, rtol=1e-4, atol=1e-6):
        self.f = f
        self.rtol, self.atol = rtol, atol
        self.rejected = 0

    def trial(self, t, y, h):
        k1 = self.f(t, y)
        k2 = self.f(t + h / 2, y + h / 2 * k1)
        k3 = self.f(t + 0.75 * h, y + 0.75 * h * k2)
        new = y + h * (2 * k1 + 3 * k2 + 4 * k3) / 9
        k4 = self.f(t + h, new)
        err = h * (-5 * k1 / 72 + k2 / 12 + k3 / 9 - k4 / 8)
        scale = self.atol + self.rtol * np.maximum(np.abs(y), np.abs(new))
        return new, np.sqrt(np.mean((err / scale) ** 2))

    def steps(self, y, t_end, h=0.05):
        t = 0.0
        yield t, y
        while t_end - t > 1e-12:
            h = min(h, t_end - t)
            new, err = self.trial(t, y, h)
            if err <= 1:
                t, y = t + h, new
                yield t, y
            else:
                self.rejected += 1
            h *= min(4.0, max(0.2, 0.9 * (err + 1e-10) ** (-1 / 3)))


def van_der_pol(mu, y0, t_end):
    solver = AdaptiveSolver(lambda t, y: np.array([y[1], mu * (1 - y[0] ** 2) * y[1] - y[0]]))
    times, xs = [], []
    crossings = 0
    for t, y in solver.steps(y0, t_end):
        if xs and xs[-1] * y[0] < 0:
            crossings += 1
        times.append(t)
        xs.append(float(y[0]))
    return np.array(times), y, crossings, solver.rejected, max(xs)


_rng = np.random.default_rng(117)
CASES = {
    "fun": van_der_pol,
    "sweep": (_rng.uniform(0.2, 3.0, 12), _rng.uniform(-2.0, 2.0, (12, 2))),
    "fixed": (8.0,),
    "differentiable": True,
    "features": ["class", "generator", "lambda", "while", "adaptive", "list", "branch", "max", "min", "ode", "ragged",
                 "float()"],
}
