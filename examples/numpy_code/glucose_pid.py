"""Insulin pump under a PID controller with saturation and anti-windup, against the Bergman minimal model."""
import numpy as np


class PID:
    def __init__(self, kp, ki, kd, lo, hi):
        self.kp, self.ki, self.kd = kp, ki, kd
        self.lo, self.hi = lo, hi
        self.integral = 0.0
        self.previous = None

    def __call__(self, error, dt):
        slope = 0.0 if self.previous is None else (error - self.previous) / dt
        self.previous = error
        u = self.kp * error + self.ki * self.integral + self.kd * slope
        clipped = np.clip(u, self.lo, self.hi)
        if clipped == u:
            self.integral += error * dt
        return clipped


def meal(t):
    return sum(g * np.exp(-((t - at) / 25.0) ** 2) for at, g in [(60, 4.0), (300, 6.0)])


def control(kp, ki, kd=20.0, target=90.0, dt=5.0, minutes=480):
    pid = PID(kp, ki, kd, 0.0, 3.0)
    glucose, action, insulin = 140.0, 0.0, 8.0
    trace = np.empty(minutes // int(dt))
    used = 0
    for k in range(len(trace)):
        u = pid(glucose - target, dt)
        used += u * dt
        glucose += dt * (-0.003 * (glucose - target) - action * glucose + meal(k * dt))
        action += dt * (-0.025 * action + 1.3e-5 * (insulin - 8.0))
        insulin += dt * (-0.09 * (insulin - 8.0) + u)
        trace[k] = glucose
    low = np.count_nonzero(trace < 70)
    return trace, trace.max(), low, used


_rng = np.random.default_rng(104)
CASES = {
    "fun": control,
    "sweep": (_rng.uniform(0.005, 0.05, 12), _rng.uniform(1e-5, 2e-4, 12)),
    "fixed": (),
    "differentiable": False,
    "features": ["class", "__call__", "None", "branch", "clip", "generator-expression", "write", "count_nonzero"],
}
