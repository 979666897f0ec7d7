"""Oracles that share no code with the package, and a transform that does nothing.

`loop` and `slope` know plain arrays in a flat list of arguments, no more: the checks of `vmapcore.testing` are
themselves held against them.
"""

import numpy as np

from vmapcore.core import SEQUENCES, Trace
from vmapcore.tracer import Tracer


def loop(fun, in_axes, out_axes=0):
    """`vmap` of a function from arrays to one array or to a tuple of arrays, by slicing and stacking."""

    def looped(*args):
        size = next(x.shape[axis] for x, axis in zip(args, in_axes, strict=True) if axis is not None)
        results = [
            fun(*[x if axis is None else x.take(i, axis) for x, axis in zip(args, in_axes, strict=True)])
            for i in range(size)
        ]
        if isinstance(results[0], tuple):
            return tuple(np.stack(column, out_axes) for column in zip(*results, strict=True))
        return np.stack(results, out_axes)

    return looped


def slope(fun, x, t, step=1e-6):
    """The derivative of `fun` at `x` along `t` by central differences."""
    return (fun(x + step * t) - fun(x - step * t)) / (2 * step)


class PlainTracer(Tracer):
    """A value that goes through the table and the primitives, and changes nothing."""

    def _known(self, wanted):
        return self.value


class PlainTrace(Trace):
    """Runs every primitive's eval, and notes which were bound."""

    __slots__ = ("bound",)

    def __init__(self):
        Trace.__init__(self, "plain")
        self.bound = set()

    def process(self, primitive, args, params):
        self.bound.add(primitive.name)
        values = [a.value if type(a) is PlainTracer else np.asarray(a) if isinstance(a, SEQUENCES) else a for a in args]
        out = primitive(*values, **params)
        return tuple([PlainTracer(self, o) for o in out]) if primitive.multiple else PlainTracer(self, out)

    def lift(self, value):
        return PlainTracer(self, value.value if isinstance(value, PlainTracer) else value)
