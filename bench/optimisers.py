"""One step of SGD and of Adam (amsgrad) as formulas, for every library but vmapcore, which brings its own.

`lr` is a number, or an array that broadcasts against what it multiplies.
"""

from collections.abc import Callable
from typing import Any

STEP = 10
"""Which step of Adam is timed. Its moments are given, so that no update divides noise by noise as a first step does."""

BETAS = (0.9, 0.999)
EPS = 1e-8

Tree = dict[str, Any]


def sgd(params: Tree, grads: Tree, lr: Callable[[Any], Any]) -> Tree:
    """The parameters after a step; `lr(p)` is the learning rate shaped for `p`."""
    return {name: p - lr(p) * grads[name] for name, p in params.items()}


def adam(
    params: Tree,
    grads: Tree,
    state: dict[str, Tree],
    lr: Callable[[Any], Any],
    sqrt: Callable[[Any], Any],
    maximum: Callable[[Any, Any], Any],
) -> tuple[Tree, dict[str, Tree]]:
    """The parameters and the moments after step `STEP`."""
    beta1, beta2 = BETAS
    correction1, correction2 = 1 - beta1**STEP, (1 - beta2**STEP) ** 0.5
    new: dict[str, Tree] = {"m": {}, "v": {}, "vmax": {}}
    updated = {}
    for name, p in params.items():
        g = grads[name]
        m = beta1 * state["m"][name] + (1 - beta1) * g
        v = beta2 * state["v"][name] + (1 - beta2) * g * g
        vmax = maximum(state["vmax"][name], v)
        updated[name] = p - lr(p) / correction1 * m / (sqrt(vmax) / correction2 + EPS)
        new["m"][name], new["v"][name], new["vmax"][name] = m, v, vmax
    return updated, new
