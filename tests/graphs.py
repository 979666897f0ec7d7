"""Graphs made step by step on real arrays, by hand or at random."""

import math

import numpy as np

from vmapcore.core import PRIMITIVES
from vmapcore.graph import Graph, Literal, Step, Var


class Builder:
    """A graph in the making, of which every value is known: `b("add", x, 1)` applies a primitive."""

    def __init__(self):
        self.inputs, self.steps, self.values = [], [], {}

    def input(self, array):
        array = np.asarray(array)
        v = Var(array.shape, array.dtype)
        self.inputs.append(v)
        self.values[v] = array
        return v

    def __call__(self, name, *args, **params):
        """The result of a primitive, or a tuple of them; arguments that are no values of the graph are constants."""
        primitive = PRIMITIVES[name] if isinstance(name, str) else name
        atoms = tuple([a if isinstance(a, Var) else Literal(a) for a in args])
        with np.errstate(all="ignore"):
            out = primitive.eval(np, *[self.values[a] if isinstance(a, Var) else a.value for a in atoms], **params)
        results = tuple(out) if primitive.multiple else (out,)
        outs = tuple([Var(x.shape, x.dtype) for x in results])
        self.values.update(zip(outs, results, strict=True))
        self.steps.append(Step(primitive, atoms, params, outs, "here.py:1 in f"))
        return outs if primitive.multiple else outs[0]

    def graph(self, *outputs):
        atoms = tuple([a if isinstance(a, Var) else Literal(a) for a in outputs])
        return Graph(tuple(self.inputs), tuple(self.steps), atoms)

    @property
    def arrays(self):
        """The arrays that were given, for the graph to be called with."""
        return [self.values[v] for v in self.inputs]


def names(graph):
    """What the steps apply, in order."""
    return [step.primitive.name for step in graph.steps]


def assert_same(graph, other, arrays, signs=True):
    """Both graphs give the same: shapes, dtypes, every bit but those of NaNs and, unless `signs`, signs of zeros."""
    with np.errstate(all="ignore"):
        results = graph(*arrays), other(*arrays)
    for a, b in zip(*results, strict=True):
        a, b = np.asarray(a), np.asarray(b)
        assert a.shape == b.shape and a.dtype == b.dtype, f"{a.shape} {a.dtype}, {b.shape} {b.dtype}\n{graph}\n{other}"
        same = np.array_equal(a, b, equal_nan=a.dtype.kind in "fc")
        if same and signs and a.dtype.kind == "f":
            same = np.array_equal(np.signbit(a[~np.isnan(a)]), np.signbit(b[~np.isnan(b)]))
        assert same, f"{a}\n{b}\n{graph}\n{other}"


# At random.

SHAPES = [(), (1,), (2,), (3,), (1, 3), (2, 3), (3, 2), (2, 1), (2, 1, 3), (2, 3, 1), (1, 1), (0, 3), (2, 2, 3)]
SPECIAL = [0.0, -0.0, 1.0, -1.0, math.inf, -math.inf, math.nan, 0.5, 1e-310]
CONSTANTS = [0, 1, -1, 2, 0.0, -0.0, 1.0, 0.5, True, np.float32(1), np.float64(0), np.int64(2)]
UNARY = ["negative", "sin", "exp", "absolute", "square", "positive", "conjugate", "sign", "sqrt", "rectify", "isnan"]
BINARY = ["add", "subtract", "multiply", "divide", "maximum", "minimum", "greater", "not_equal", "arctan2"]
INTEGER_UNARY = ["negative", "absolute", "square", "positive", "conjugate", "rectify", "sign"]
INTEGER_BINARY = ["add", "subtract", "multiply", "maximum", "minimum"]
LARGEST = 2.0**40


class Random(Builder):
    """A random graph; the numbers of one in `integers` are whole and so small that no sum of them is rounded."""

    def __init__(self, seed, length, integers):
        super().__init__()
        self.rng = np.random.default_rng(seed)
        self.integers = integers
        for _ in range(self.rng.integers(1, 4)):
            self.input(self.array(self.pick(SHAPES)))
        while len(self.steps) < length:
            self.pick(MOVES)(self)

    def pick(self, options):
        return options[self.rng.integers(len(options))]

    def array(self, shape):
        if self.integers:
            return self.rng.integers(-3, 4, shape).astype(float)
        dtype = self.pick(["float64", "float32", "float32", "int64", "bool"])
        x = self.rng.normal(size=shape)
        if self.rng.random() < 0.5:
            x = np.where(self.rng.random(shape) < 0.3, self.rng.choice(SPECIAL, shape), x)
        return np.nan_to_num(x, posinf=3, neginf=-3).astype(dtype) if dtype in ("int64", "bool") else x.astype(dtype)

    def any(self):
        """A value, a late one more likely than an early one."""
        values = list(self.values)
        return values[max(self.rng.integers(len(values)), self.rng.integers(len(values)))]

    def try_(self, name, *args, **params):
        """Applies a primitive if it can be, and if numbers stay small; returns the result or None."""
        before = len(self.steps)
        try:
            out = self(name, *args, **params)
        except (TypeError, ValueError, IndexError):
            return None
        value = self.values[out]
        large = value.size and value.dtype.kind == "f" and self.integers and not np.abs(value).max() < LARGEST
        if large or value.size > 300 or value.dtype.kind not in "fib":
            del self.steps[before:]
            del self.values[out]
            return None
        return out

    def result(self):
        """The graph of some of its values: the last one, and perhaps an input or a constant."""
        outputs = [list(self.values)[-1], *[self.any() for _ in range(self.rng.integers(3))]]
        return self.graph(*outputs, *([1.5] if self.rng.random() < 0.2 else []))


def unary(b):
    b.try_(b.pick(INTEGER_UNARY if b.integers else UNARY), b.any())


def binary(b):
    y = b.any() if b.rng.random() < 0.7 else b.constant()
    args = [b.any(), y] if b.rng.random() < 0.8 else [y, b.any()]
    b.try_(b.pick(INTEGER_BINARY if b.integers else BINARY), *args)


def constant(b):
    if b.rng.random() < 0.7:
        return int(b.rng.integers(-1, 3)) if b.integers else b.pick(CONSTANTS)
    return b.pick([np.ones, np.zeros])(b.pick(SHAPES))


Random.constant = constant


def of_constants(b):
    x = b.constant()
    b.try_("add", x, np.float64(1) if np.ndim(x) == 0 else x)


def reshape(b):
    x = b.any()
    shape = [n for n in x.shape if n != 1 or b.rng.random() < 0.5]
    if b.rng.random() < 0.4:
        shape = [x.size]
    for _ in range(b.rng.integers(3)):
        shape.insert(b.rng.integers(len(shape) + 1), 1)
    b.try_("reshape", x, shape=tuple(shape))


def transpose(b):
    x = b.any()
    n = len(x.shape)
    b.try_("transpose", x, perm=tuple([int(p) - n for p in b.rng.permutation(n)]))


def broadcast(b):
    x = b.any()
    shape = [int(b.rng.integers(1, 4)) if n == 1 else n for n in x.shape]
    b.try_("broadcast_to", x, shape=(*[2] * b.rng.integers(2), *shape))


def repeat_along(b):
    x = b.any()
    keepdims = bool(b.rng.random() < 0.5)
    n = len(x.shape) + (0 if keepdims else 1)
    axes = [i for i in range(-n, 0) if not keepdims or x.shape[i] == 1]
    if axes:
        b.try_("repeat_along", x, axis=(b.pick(axes),), sizes=(int(b.rng.integers(1, 4)),), keepdims=keepdims)


def reduction(b):
    x = b.any()
    n = len(x.shape)
    axis = tuple([i for i in range(-n, 0) if b.rng.random() < 0.5])
    name = b.pick(["reduce_sum", "reduce_max", "reduce_min"] if axis else ["reduce_sum"])
    b.try_(name, x, axis=axis, keepdims=bool(b.rng.random() < 0.5))


def convert(b):
    x = b.any()
    if b.integers:
        b.try_("convert", x, dtype=np.dtype("float64"))
    elif x.dtype.kind != "f" or b.rng.random() < 0.5:
        b.try_("convert", x, dtype=np.dtype(b.pick(["float32", "float64"])))


def contract(b):
    if not b.integers:
        return
    x, y = b.any(), b.any()
    letters = "abcdefghijklmnopqrst"
    term = letters[: len(x.shape)]
    other, free = "", iter(letters[len(term) :])
    for n in y.shape:
        shared = [c for c, m in zip(term, x.shape, strict=True) if m == n and c not in other]
        other += b.pick(shared) if shared and b.rng.random() < 0.8 else "1" if n == 1 else next(free)
    out = [
        c for c in dict.fromkeys(term + other) if c != "1" and not (c in term and c in other and b.rng.random() < 0.5)
    ]
    b.rng.shuffle(out)
    b.try_("contract", x, y, subscripts=f"{term},{other}->{''.join(out)}")


def select(b):
    x, y = b.any(), b.any()
    b.try_("select", b.try_("greater", x, b.pick([0, y])) or x, b.any(), b.pick([0, y]))


def cut(b):
    x = b.any()
    entries = [None, (None, None, None), (1, None, None), (None, None, -1), 0, (None, None, 1)]
    b.try_("slice_read", x, index=tuple([b.pick(entries) for _ in x.shape]))


def joined(b):
    x = b.any()
    if x.shape:
        b.try_(b.pick(["concatenate", "stack"]), *[x] * b.rng.integers(1, 3), axis=-1)


def again(b):
    """A step once more."""
    step = b.pick(b.steps) if b.steps else None
    if step is not None and not step.primitive.multiple:
        args = [a if isinstance(a, Var) else a.value for a in step.inputs]
        b.try_(step.primitive, *args, **step.params)


def rectified_and_pooled(b):
    x = b.input(b.rng.integers(-2, 3, (2, 4, 4)).astype(float))
    if not b.integers:
        b.values[x] = np.where(b.rng.random(x.shape) < 0.2, b.rng.choice(SPECIAL, x.shape), b.values[x])
    stride = int(b.rng.integers(1, 3))
    window = {"kernel": (2, 2), "stride": (stride, stride), "padding": ((0, 0), (0, 0)), "dilation": (1, 1)}
    q = b("rectify", x)
    out = b("max_pool", q, **window)
    if b.rng.random() < 0.8:
        ct = b.input(b.rng.integers(-2, 3, out.shape).astype(float))
        sent = b("max_pool_scatter", ct, q, out, **window)
        b("select", b("greater", q, 0), sent, 0)


def rectified(b):
    x = b.any()
    q = b.try_("rectify", x)
    if q is not None:
        b.try_("select", b("greater", q, 0), b.any(), 0)


MOVES = [unary, binary, binary, binary, of_constants, reshape, reshape, transpose, transpose, broadcast, repeat_along]
MOVES += [reduction, convert, contract, contract, select, cut, joined, again, again, rectified_and_pooled, rectified]
