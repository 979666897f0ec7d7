"""A user's module that tests/test_names.py imports: functions that make arrays and ask for numbers."""

import math
from functools import wraps

import numpy as np

SCALE = 2.0
calls = 0


def pair(x):
    out = np.zeros(2)
    out[0], out[1] = x, SCALE * math.sin(x)
    return out


def counted(x):
    global calls
    calls += 1
    return np.full(2, x * calls)


def logged(fun):
    @wraps(fun)
    def wrapper(*args):
        return np.array([fun(*args), float(args[0])])

    return wrapper


class Spring:
    rest = 0.5

    def __init__(self, k):
        self.k = k

    def force(self, x):
        return np.array([-self.k * (x - self.rest), max(x, 0.0)])
