"""Ball dropped on a staircase with drag: times of the bounces found inside a step, until it rests."""
import math

import numpy as np


def floor_height(x, depth=0.3, height=0.2, steps=6):
    i = min(int(x // depth), steps) if x > 0 else 0
    return -height * i


def drop(vx, restitution, h0=1.0, drag=0.05, dt=0.002, t_end=4.0):
    g = 9.81
    x, y, vy = 0.0, h0, 0.0
    t = 0.0
    bounces = 0
    first = math.nan
    while t < t_end:
        speed = math.hypot(vx, vy)
        ax, ay = -drag * speed * vx, -g - drag * speed * vy
        xn, yn = x + dt * vx, y + dt * vy
        ground = floor_height(xn)
        if yn < ground and vy < 0:
            frac = (y - ground) / (y - yn)
            frac = max(0.0, min(1.0, frac))
            t_hit = t + frac * dt
            if bounces == 0:
                first = t_hit
            vy = -restitution * vy
            yn = ground
            bounces += 1
            if abs(vy) < 0.05:
                break
        else:
            vy += dt * ay
        vx += dt * ax
        x, y = xn, yn
        t += dt
    return np.array([x, y, vx]), first, bounces


_rng = np.random.default_rng(105)
CASES = {
    "fun": drop,
    "sweep": (_rng.uniform(0.1, 1.0, 12), _rng.uniform(0.3, 0.9, 12)),
    "fixed": (),
    "differentiable": False,
    "features": ["math", "while", "break", "branch", "int()", "floordiv", "ternary", "nan"],
}
