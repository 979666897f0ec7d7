"""Psychophysics: a two-down one-up staircase with a simulated observer, then a maximum-likelihood threshold."""
import random

import numpy as np
from scipy.special import expit


def observer(level, threshold, slope, rnd):
    p = 0.5 + 0.5 * expit(slope * (level - threshold))
    return rnd.random() < p


def run(threshold, slope, seed, trials=60):
    rnd = random.Random(int(seed))
    level, step = 3.0, 0.8
    right_in_row, direction = 0, -1
    reversals, levels, answers = [], [], []
    for _ in range(trials):
        correct = observer(level, threshold, slope, rnd)
        levels.append(level)
        answers.append(correct)
        if correct:
            right_in_row += 1
            change = -1 if right_in_row == 2 else 0
        else:
            change = 1
        if change != 0:
            right_in_row = 0
            if change != direction:
                reversals.append(level)
                step = max(step / 2, 0.1)
                direction = change
            level = level + change * step
    levels, answers = np.array(levels), np.array(answers)
    grid = np.linspace(-3, 5, 33)
    p = 0.5 + 0.5 * expit(slope * (levels[:, None] - grid))
    ll = np.where(answers[:, None], np.log(p), np.log1p(-p)).sum(axis=0)
    last = reversals[-4:]
    return grid[ll.argmax()], sum(last) / max(len(last), 1), answers.mean(), len(reversals)


_rng = np.random.default_rng(128)
CASES = {
    "fun": run,
    "sweep": (_rng.uniform(-0.5, 2.0, 12), _rng.uniform(1.0, 4.0, 12), np.arange(12)),
    "fixed": (),
    "differentiable": False,
    "features": ["random-module", "scipy.special", "list", "branch", "ternary", "where", "max"],
}
