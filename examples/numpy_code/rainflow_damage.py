"""Rainflow counting of a load history with a stack, and Miner's damage sum with a mean-stress correction."""
import numpy as np


def turning_points(signal):
    points = [signal[0]]
    for i in range(1, len(signal) - 1):
        if (signal[i] - signal[i - 1]) * (signal[i + 1] - signal[i]) < 0:
            points.append(signal[i])
    points.append(signal[-1])
    return points


def rainflow(points):
    stack, cycles = [], []
    for p in points:
        stack.append(p)
        while len(stack) >= 3:
            x = abs(stack[-1] - stack[-2])
            y = abs(stack[-2] - stack[-3])
            if x < y:
                break
            if len(stack) == 3:
                cycles.append((y, (stack[0] + stack[1]) / 2, 0.5))
                stack.pop(0)
            else:
                cycles.append((y, (stack[-2] + stack[-3]) / 2, 1.0))
                last = stack.pop()
                stack.pop()
                stack.pop()
                stack.append(last)
    for a, b in zip(stack[:-1], stack[1:]):
        cycles.append((abs(b - a), (a + b) / 2, 0.5))
    return cycles


def damage(load, slope, strength=900.0, fatigue=400.0):
    total, worst = 0.0, 0.0
    for rng, mean, count in rainflow(turning_points(load)):
        amplitude = rng / 2 / (1 - max(mean, 0.0) / strength)
        total += count * (amplitude / fatigue) ** slope
        worst = max(worst, amplitude)
    return total, worst


_rng = np.random.default_rng(123)
CASES = {
    "fun": damage,
    "sweep": (np.cumsum(_rng.normal(0, 60, (12, 40)), axis=1), _rng.uniform(3.0, 6.0, 12)),
    "fixed": (),
    "differentiable": True,
    "features": ["list", "stack", "while", "break", "pop", "branch", "max", "tuple-unpack"],
}
