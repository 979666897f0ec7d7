"""Operations with a mistake each, and the right ones they are made of: what `check_op` must tell apart.

A `Right` is an operation with all its rules, which passes. A `Wrong` is one with some of them replaced.
"""

import functools
import math
from dataclasses import dataclass, field

import numpy as np

import vmapcore as vc
from vmapcore import custom_op, external, stop_gradient
from vmapcore.core import Primitive
from vmapcore.ops import ArraySpec

X = np.linspace(0.2, 1.8, 6).reshape(2, 3)
V = np.array([0.7, -1.2, 0.4])
A = np.array([[1.0, 0.3, -0.5], [0.2, -0.8, 0.9], [0.6, 0.1, 1.4]])
Z = np.array([0.5 + 0.8j, -1.1 + 0.3j, 0.9 - 0.7j])


@dataclass
class Right:
    """A function of arrays, the rules that are declared for it, and an example to check it on."""

    evaluate: object
    rules: dict
    examples: tuple
    params: dict = field(default_factory=dict)

    def op(self):
        return make(self.evaluate, self.rules)


def make(evaluate, rules):
    op = custom_op(evaluate, name="op")
    for declare, rule in rules.items():
        if rule is not None:
            getattr(op, declare)(*(rule if isinstance(rule, tuple) else (rule,)))
    return op


@dataclass
class Wrong:
    """A right operation with other rules, or another function."""

    right: Right
    rules: dict
    evaluate: object = None

    @property
    def examples(self):
        return self.right.examples

    @property
    def params(self):
        return self.right.params

    def op(self):
        return make(self.evaluate or self.right.evaluate, {**self.right.rules, **self.rules})


# Right ones.


def product(xp, x, y):
    return x * y


def fit(g, x):
    """A cotangent summed to the shape of what was broadcast."""
    lead = g.ndim - x.ndim
    g = np.sum(g, axis=tuple(range(lead)))
    return np.sum(g, axis=tuple([i for i, n in enumerate(x.shape) if n == 1]), keepdims=True)


def aligned(mapped, *args):
    rank = max(np.ndim(x) - m for x, m in zip(args, mapped, strict=True))
    return [
        x.reshape(x.shape[:1] + (1,) * (rank + 1 - x.ndim) + x.shape[1:]) if m else x
        for x, m in zip(args, mapped, strict=True)
    ]


def product_vmap(size, mapped, x, y):
    x, y = aligned(mapped, x, y)
    return x * y


def product_jvp(tangents, out, x, y):
    dx, dy = tangents
    return (0 * out if dx is None else dx * y) + (0 * out if dy is None else x * dy)


PRODUCT = Right(
    product,
    {
        "def_vmap": product_vmap,
        "def_vjp": (lambda g, out, x, y: fit(g * y, x), lambda g, out, x, y: fit(g * x, y)),
        "def_jvp": product_jvp,
    },
    (X, V),
)


SQUARE_PRODUCT = Right(product, PRODUCT.rules, (A, V))
"""Where it cannot be seen by the shape what was summed over which axis."""

EQUAL_PRODUCT = Right(product, PRODUCT.rules, (X, X + 1.5))
"""Where it cannot be seen by the shape which argument is which."""


def total(xp, x, *, axis=-1, scale=1.0):
    return xp.sum(x, axis=axis) * scale


TOTAL = Right(
    total,
    {
        "def_vmap": lambda size, mapped, x, *, axis, scale: np.sum(x, axis=axis + 1 if axis >= 0 else axis) * scale,
        "def_vjp": (lambda g, out, x, *, axis, scale: np.broadcast_to(np.expand_dims(g * scale, axis), x.shape),),
        "def_jvp": lambda tangents, out, x, *, axis, scale: np.sum(tangents[0], axis=axis) * scale,
    },
    (np.linspace(-1.0, 1.0, 9).reshape(3, 3) ** 3 + 0.2,),
    {"axis": 0, "scale": 2.0},
)

SCALED = Right(
    lambda xp, x, *, scale=1.0: scale * x,
    {"def_vmap": lambda size, mapped, x, *, scale: scale * x, "linear": lambda g, out, x, *, scale: scale * g},
    (X,),
)


def normalised(e):
    return e / np.sum(e, axis=-1, keepdims=True)


def softmax(xp, x):
    return normalised(xp.exp(x - xp.max(x, axis=-1, keepdims=True)))


def softmax_vmap(size, mapped, x):
    return normalised(np.exp(x - np.max(x, axis=-1, keepdims=True)))


SOFTMAX = Right(
    softmax,
    {"def_vmap": softmax_vmap, "def_vjp": (lambda g, out, x: out * (g - np.sum(g * out, axis=-1, keepdims=True)),)},
    (V,),
)


def matvec(xp, a, v):
    return xp.matmul(a, v)


def matvec_vmap(size, mapped, a, v):
    return np.matmul(a, v[..., None])[..., 0]


MATVEC = Right(
    matvec,
    {
        "def_vmap": matvec_vmap,
        "bilinear": (lambda g, out, a, v: np.outer(g, v), lambda g, out, a, v: np.matmul(a.T, g)),
    },
    (A, V),
)


def sine(xp, x):
    return xp.sin(x)


SINE = Right(
    sine,
    {
        "def_vmap": lambda size, mapped, x: np.sin(x),
        "def_vjp": (lambda g, out, x: g * np.cos(x),),
        "def_jvp": lambda tangents, out, x: tangents[0] * np.cos(x),
    },
    (X,),
)


EXP = Right(
    lambda xp, x: xp.exp(x),
    {
        "def_vmap": lambda size, mapped, x: np.exp(x),
        "def_vjp": (lambda g, out, x: g * out,),
        "def_jvp": lambda tangents, out, x: tangents[0] * out,
    },
    (X,),
)

DOUBLE = Right(lambda xp, x: 2 * x, {"vmap_by_loop": (), "linear": lambda g, out, x: 2 * g}, (X,))


def power_spectrum(xp, z):
    return (z * z.conj()).real


POWER = Right(
    power_spectrum,
    {
        "def_vmap": lambda size, mapped, z: (z * np.conj(z)).real,
        "def_vjp": (lambda g, out, z: 2 * g * np.conj(z),),
        "def_jvp": lambda tangents, out, z: 2 * np.real(tangents[0] * np.conj(z)),
    },
    (Z,),
)


def parts(xp, x):
    return {"sine": xp.sin(x), "double": 2 * x}


PARTS = Right(
    parts,
    {
        "def_vmap": lambda size, mapped, x: {"sine": np.sin(x), "double": 2 * x},
        "def_vjp": (lambda g, out, x: g["sine"] * np.cos(x) + 2 * g["double"],),
        "def_jvp": lambda tangents, out, x: {"sine": tangents[0] * np.cos(x), "double": 2 * tangents[0]},
    },
    (X,),
)


def shifted(xp, x, y):
    return x * y, y + 1


def shifted_vmap(size, mapped, x, y):
    return product_vmap(size, mapped, x, y), np.broadcast_to(y + 1, (size, *y.shape[mapped[1] :]))


SHIFTED = Right(shifted, {"def_vmap": shifted_vmap}, (V, V + 1.5))


def affine(xp, params, x):
    return xp.matmul(x, params["w"]) + params["b"]


AFFINE = Right(
    affine,
    {
        "vmap_by_loop": (),
        "def_vjp": (
            lambda g, out, params, x: {"w": np.outer(x, g), "b": g},
            lambda g, out, params, x: np.matmul(params["w"], g),
        ),
    },
    ({"w": A, "b": V}, np.array([0.3, 1.1, -0.6])),
)


def pick(xp, x, i):
    return xp.take(x, i, axis=-1)


def pick_vmap(size, mapped, x, i):
    if mapped[0] and mapped[1]:
        return vc.numpy.take_along_axis(x, i, axis=-1)
    return vc.numpy.take(x, i, axis=-1)


def pick_vjp(g, out, x, i):
    return np.sum(g[..., None] * (i[..., None] == np.arange(x.shape[-1])), axis=0, dtype=g.dtype)


PICK = Right(
    pick, {"def_vmap": pick_vmap, "def_vjp": (pick_vjp, None)}, (np.array([0.3, -0.9, 1.4, 0.8]), np.array([2, 0, 3]))
)


def softplus(xp, x):
    return xp.logaddexp(x, 0)


SOFTPLUS = Right(softplus, {"elementwise": (lambda out, x: 1 - np.exp(-out),)}, (V,))


def mean(xp, x, *, axis=None, keepdims=False):
    return xp.mean(x, axis=axis, keepdims=keepdims)


def share(x, axis):
    """One over how many elements are taken into each mean."""
    axes = range(x.ndim) if axis is None else [axis] if isinstance(axis, int) else axis
    return 1.0 / np.prod([x.shape[a] for a in axes])


MEAN = Right(
    mean, {"reduction": (lambda out, x, *, axis, keepdims: np.full_like(x, share(x, axis)),)}, (X,), {"axis": 0}
)


def length(xp, x):
    return xp.sqrt(xp.sum(x * x, axis=-1))


LENGTH = Right(
    length, {"gufunc": "(n)->()", "def_vjp": (lambda g, out, x: g * x / out,)}, (np.array([0.6, -1.1, 0.8]),)
)


def sinc(xp, x):
    return xp.sinc(x)


def sinc_slope(out, x):
    near = np.abs(x) < 0.01
    apart = np.where(near, 1.0, x)
    square = (np.pi * x) ** 2
    series = -(np.pi**2) * x * (1 / 3 - square / 30 + square * square / 840)
    return np.where(near, series, (np.cos(np.pi * apart) - np.sinc(apart)) / apart)


SINC = Right(sinc, {"elementwise": (sinc_slope,)}, (V,))


def product_of_others(x):
    return np.prod(np.where(np.eye(x.shape[-1], dtype=bool), np.ones_like(x), x), axis=-1)


PROD = Right(
    lambda xp, x: xp.prod(x, axis=-1),
    {"gufunc": "(n)->()", "def_vjp": (lambda g, out, x: g * product_of_others(x),)},
    (V,),
)

LOGISTIC = Right(lambda xp, x: (1 + xp.tanh(x / 2)) / 2, {"elementwise": (lambda out, x: out * (1 - out),)}, (X,))


def cube(xp, x):
    return x * x * x


def cube_forward(x):
    square = x * x
    return square * x, lambda g: (3 * g * square,)


CUBE = Right(cube, {"def_vmap": lambda size, mapped, x: x * x * x, "def_forward": cube_forward}, (X,))

CUBE_BY_VJP = Right(cube, {"elementwise": (), "def_vjp": (lambda g, out, x: 3 * g * x * x,)}, (X,))


SIGNED_SQUARE = Right(
    lambda xp, x: x * xp.abs(x), {"elementwise": (), "def_vjp": (lambda g, out, x: 2 * g * np.abs(x),)}, (X,)
)
"""Of real numbers: where it takes complex ones it has no derivative that a rule could be held to."""

ROTATED = Right(lambda xp, z: (1 + 2j) * z, {"elementwise": (), "linear": lambda g, out, z: (1 + 2j) * g}, (Z,))

TO_COMPLEX = Right(lambda xp, x: (1 + 2j) * x, {"elementwise": (), "linear": lambda g, out, x: (1 + 2j) * g}, (X,))


def shifted_axis(axis, ndim):
    """`axis` of an example of `ndim` axes, in a batch."""
    if axis is None:
        return tuple(range(1, ndim + 1))
    return tuple([a % ndim + 1 for a in axis]) if isinstance(axis, tuple) else axis % ndim + 1


REDUCED = Right(
    lambda xp, x, *, axis=0: xp.sum(x, axis=axis),
    {"def_vmap": lambda size, mapped, x, *, axis: np.sum(x, axis=shifted_axis(axis, x.ndim - 1))},
    (A,),
)


def six(xp, a, b, c, d, e, f):
    return a * b + c * d + e * f


def six_vmap(size, mapped, *args):
    a, b, c, d, e, f = aligned(mapped, *args)
    return a * b + c * d + e * f


SIX = Right(six, {"def_vmap": six_vmap}, (V, V + 1.5, V - 2.0, V + 3.0, V * V, V + 0.5))


def sine_of_rows(xp, x):
    if not x.shape[0]:
        return np.zeros_like(x)
    rows = x.reshape(math.prod(x.shape[:-1]), x.shape[-1])
    return np.concatenate([np.zeros_like(rows[:0]), *[np.sin(row)[None] for row in rows]]).reshape(x.shape)


SHIFTED_SINC = Right(
    lambda xp, x: xp.sinc(x - 1),
    {"elementwise": (lambda out, x: sinc_slope(out, x - 1),)},
    (np.array([1.0, 0.3, -0.8]),),
)
"""What is special of it is in the example alone."""

RAISED = Right(lambda xp, x, *, n=2: x**n, {"elementwise": (lambda out, x, *, n: n * x ** (n - 1),)}, (X,))

PICK_SORTED = Right(pick, PICK.rules, (np.array([0.3, -0.9, 1.4, 0.8]), np.array([0, 1, 3])))
"""Where no index comes twice."""

SUMMED = Right(
    lambda xp, x: xp.sum(x, axis=-1), {"def_vmap": lambda size, mapped, x: np.sum(x, axis=-1)}, (np.array([0.5, -2.0]),)
)

SCALED_BY_NUMBER = Right(product, PRODUCT.rules, (V, 1.5))

SOFTPLUS_BY_RULES = Right(
    softplus,
    {
        "elementwise": (),
        "def_vjp": (lambda g, out, x: g * (1 - np.exp(-out)),),
        "def_jvp": lambda tangents, out, x: tangents[0] * (1 - np.exp(-out)),
    },
    (V,),
)

LONGER = Right(product, PRODUCT.rules, (np.linspace(-1.0, 2.0, 5), np.linspace(0.5, 1.5, 5)))
"""Longer than a batch is without a reason."""

FLAT = Right(lambda xp, x: xp.ones_like(x), {"def_vmap": lambda size, mapped, x: np.ones_like(x)}, (X,))

ROWS = Right(sine_of_rows, {"elementwise": ()}, (V,))


def outer_product(x, y):
    return np.multiply.outer(x, y)


def outer_specs(x, y):
    return ArraySpec(x.shape + y.shape, np.result_type(x.dtype, y.dtype))


RIGHT = {name: value for name, value in vars().items() if isinstance(value, Right)}


# Wrong ones, by what each of them does.

BY_DEF = ("vmap", "vjp", "jvp", "forward")


def wrong(right, evaluate=None, **rules):
    return Wrong(right, {f"def_{name}" if name in BY_DEF else name: rule for name, rule in rules.items()}, evaluate)


def only(right, evaluate=None, **rules):
    """With these rules and no others."""
    return Wrong(Right(right.evaluate, {}, right.examples, right.params), wrong(right, **rules).rules, evaluate)


def total_vmap(shift=1, factor=None, before=lambda x: x, after=lambda y, size: y):
    """The batching rule of `total`, with places to go wrong at."""

    def vmap(size, mapped, x, *, axis, scale):
        y = np.sum(before(x), axis=axis + shift if axis >= 0 else axis)
        return after(y * (scale if factor is None else factor), size)

    return vmap


def product_vmap_by(take_for_mapped):
    """The batching rule of `product`, with its own idea of what is mapped."""

    def vmap(size, mapped, x, y):
        x, y = aligned(take_for_mapped(size, mapped, x, y), x, y)
        return x * y

    return vmap


def by_length(size, mapped, x, y):
    return [np.ndim(v) > 0 and v.shape[0] == size for v in (x, y)]


def on_arrays(change, x):
    """What plain arrays alone meet."""
    return change(x) if type(x) is np.ndarray else x


def double_in_place(x):
    x *= 2.0
    return x


def doubled_half(x):
    """Writes to `x`, where it is an array, and not back again."""
    return on_arrays(lambda x: double_in_place(x) / 2.0, x)


def in_buffer(x, buffers):
    """`x` in the buffer for its shape and dtype, if it is an array."""
    if type(x) is not np.ndarray:
        return x
    buffer = buffers.setdefault((x.shape, x.dtype), np.empty_like(x))
    buffer[...] = x
    return buffer


def keeping(rule):
    """A rule whose results are all in the same memory."""
    buffers = {}
    return lambda *args: in_buffer(rule(*args), buffers)


def remembering(rule, copies=True):
    """A rule that returns the first result it had of each shape and dtype, if that is an array."""
    found = {}

    def remembered(*args):
        y = rule(*args)
        first = found.setdefault((y.shape, y.dtype), y) if type(y) is np.ndarray else y
        return first.copy() if copies and type(y) is np.ndarray else first

    return remembered


def contiguous(x):
    """What is in memory where `x` would be, were it contiguous."""
    return np.lib.stride_tricks.as_strided(x, strides=np.empty_like(x, order="C").strides)


VMAP = {
    "drops a static parameter": wrong(TOTAL, vmap=total_vmap(factor=1.0)),
    "keeps to the default of a parameter": wrong(
        TOTAL, vmap=lambda size, mapped, x, *, axis, scale: np.sum(x, axis=-1) * scale
    ),
    "drops a parameter left at its default": wrong(SCALED, vmap=lambda size, mapped, x, *, scale: 1.0 * x),
    "sums over the axis before": wrong(TOTAL, vmap=total_vmap(shift=0)),
    "counts a negative axis from the front": wrong(
        TOTAL, vmap=lambda size, mapped, x, *, axis, scale: np.sum(x, axis=axis + 1) * scale
    ),
    "drops axes of length one": wrong(TOTAL, vmap=total_vmap(after=lambda y, size: y if size == 1 else np.squeeze(y))),
    "reads memory as if it were contiguous": wrong(
        EXP, vmap=lambda size, mapped, x: np.exp(on_arrays(lambda x: contiguous(x), x))
    ),
    "puts the batch last": wrong(TOTAL, vmap=total_vmap(after=lambda y, size: np.moveaxis(y, 0, -1))),
    "returns no batch": wrong(TOTAL, vmap=total_vmap(after=lambda y, size: y[0] if size else y)),
    "sums over the batch": wrong(TOTAL, vmap=total_vmap(after=lambda y, size: 0 * y + np.sum(y, axis=0))),
    "turns the batch round": wrong(TOTAL, vmap=total_vmap(before=lambda x: x[::-1])),
    "takes the first example for all": wrong(TOTAL, vmap=total_vmap(before=lambda x: 0 * x + x[:1])),
    "rounds to another dtype": wrong(TOTAL, vmap=total_vmap(after=lambda y, size: y.astype(np.float32))),
    "returns one dtype for all": wrong(TOTAL, vmap=total_vmap(after=lambda y, size: y + np.float64(0.0))),
    "squeezes a batch of one": wrong(TOTAL, vmap=total_vmap(after=lambda y, size: np.squeeze(y) if size == 1 else y)),
    "fails on no examples": wrong(
        TOTAL,
        vmap=lambda size, mapped, x, *, axis, scale: np.stack([np.sum(x[i], axis=axis) * scale for i in range(size)]),
    ),
    "has another shape for no examples": wrong(TOTAL, vmap=total_vmap(after=lambda y, size: y if size else y[:, :0])),
    "writes to a mapped argument": wrong(
        TOTAL, vmap=total_vmap(before=lambda x: on_arrays(double_in_place, x), factor=1.0)
    ),
    "is right for plain arrays alone": wrong(
        TOTAL, vmap=total_vmap(after=lambda y, size: y if type(y) is np.ndarray else 2 * y)
    ),
    "normalises over the batch": wrong(
        SOFTMAX, vmap=lambda size, mapped, x: np.exp(x) / np.sum(np.exp(x), axis=(0, -1), keepdims=True)
    ),
    "shares a maximum among the examples": wrong(
        SOFTMAX,
        vmap=lambda size, mapped, x: normalised(np.exp(x - np.max(x, initial=-np.inf))),
    ),
    "lets a NaN out of its example": wrong(
        SOFTMAX, vmap=lambda size, mapped, x: softmax_vmap(size, mapped, x + 0 * np.sum(x))
    ),
    "takes the first argument for mapped": wrong(
        PRODUCT, vmap=product_vmap_by(lambda size, mapped, x, y: [True, mapped[1]])
    ),
    "takes every argument for mapped": wrong(PRODUCT, vmap=product_vmap_by(lambda size, mapped, x, y: [True, True])),
    "takes the second argument for unmapped": wrong(
        PRODUCT, vmap=product_vmap_by(lambda size, mapped, x, y: [mapped[0], False])
    ),
    "takes what is as long as the batch for mapped": wrong(LONGER, vmap=product_vmap_by(by_length)),
    "reads memory as if it were contiguous, of one argument alone": wrong(
        PRODUCT,
        vmap=lambda size, mapped, x, y: product_vmap(size, mapped, x if mapped[1] else on_arrays(contiguous, x), y),
    ),
    "lets an infinity out of its example": wrong(
        SOFTMAX,
        vmap=lambda size, mapped, x: softmax_vmap(size, mapped, x + 0 * np.sum(np.where(np.isnan(x), 0, x))),
    ),
    "adds up slices, of which it needs one": wrong(
        SUMMED,
        vmap=lambda size, mapped, x: functools.reduce(np.add, [x[..., k] for k in range(x.shape[-1])]),
    ),
    "makes an array of a number": wrong(
        SCALED_BY_NUMBER,
        vmap=lambda size, mapped, x, y: product_vmap(size, mapped, x, y if hasattr(y, "dtype") else np.asarray(y)),
    ),
    "returns a table that it keeps": wrong(FLAT, vmap=remembering(lambda size, mapped, x: np.ones_like(x), False)),
    "makes no room where arguments broadcast": wrong(EQUAL_PRODUCT, vmap=lambda size, mapped, x, y: x * y),
    "makes no room for the axes of the other": wrong(PRODUCT, vmap=lambda size, mapped, x, y: x * y),
    "takes the vector of the first example": wrong(
        MATVEC,
        vmap=lambda size, mapped, a, v: matvec_vmap(size, mapped, a, 0 * v + v[:1] if mapped[1] else v),
    ),
    "takes the indices of the first example": wrong(
        PICK, vmap=lambda size, mapped, x, i: pick_vmap(size, mapped, x, 0 * i + i[:1] if mapped[1] else i)
    ),
    "swaps its results": wrong(PARTS, vmap=lambda size, mapped, x: {"sine": 2 * x, "double": np.sin(x)}),
    "returns another structure": wrong(PARTS, vmap=lambda size, mapped, x: (np.sin(x), 2 * x)),
    "returns a result too few": wrong(PARTS, vmap=lambda size, mapped, x: {"double": 2 * x}),
    "gives no batch to what is not mapped": wrong(SHIFTED, vmap=lambda size, mapped, x, y: (x * y, y + 1)),
    "writes to an argument that is not mapped": wrong(
        PRODUCT, vmap=lambda size, mapped, x, y: product_vmap(size, mapped, x, y if mapped[1] else doubled_half(y))
    ),
    "returns a buffer that it keeps": wrong(SINE, vmap=keeping(lambda size, mapped, x: np.sin(x))),
    "remembers the first batch of a shape": wrong(SINE, vmap=remembering(lambda size, mapped, x: np.sin(x))),
    "sums over the batch where all axes are summed over": wrong(
        REDUCED,
        vmap=lambda size, mapped, x, *, axis: (
            np.sum(x, axis=shifted_axis(axis, x.ndim - 1))
            if axis is not None
            else np.broadcast_to(np.sum(x, axis=None), (size,))
        ),
    ),
    "counts several axes from the front of the batch": wrong(
        REDUCED,
        vmap=lambda size, mapped, x, *, axis: np.sum(
            x, axis=axis if isinstance(axis, tuple) else shifted_axis(axis, x.ndim - 1)
        ),
    ),
    "takes all axes for the last": wrong(
        SOFTMAX,
        lambda xp, x: xp.exp(x - xp.max(x)) / xp.sum(xp.exp(x - xp.max(x))),
        vjp=(lambda g, out, x: out * (g - np.sum(g * out)),),
    ),
    "is wrong for two of six arguments": wrong(
        SIX,
        vmap=lambda size, mapped, *args: (
            six_vmap(size, mapped, *args)
            if list(mapped) != [False, True, False, True, False, False]
            else six_vmap(size, mapped, *args[:3], 0 * args[3] + args[3][:1], *args[4:])
        ),
    ),
    "makes an array of what it does not map": only(
        PRODUCT,
        vmap=lambda size, mapped, x, y: product_vmap(
            size, mapped, *[v if m else np.asarray(v) for v, m in zip((x, y), mapped, strict=True)]
        ),
    ),
    "knows a batch of none in front alone": wrong(
        ROWS,
        lambda xp, x: (
            np.stack([np.sin(row) for row in x.reshape(math.prod(x.shape[:-1]), x.shape[-1])]).reshape(x.shape)
            if x.shape[0]
            else np.zeros_like(x)
        ),
    ),
}

KIND = {
    "is not elementwise": only(SOFTMAX, lambda xp, x: xp.exp(x) / xp.sum(xp.exp(x)), elementwise=()),
    "runs along an axis that is the batch": only(SOFTMAX, lambda xp, x: xp.cumsum(x, axis=0), elementwise=()),
    "is no gufunc": only(LENGTH, lambda xp, x: xp.sqrt(xp.sum(x * x)), gufunc="(n)->()"),
    "reduces axis 0 alone": only(
        MEAN, lambda xp, x, *, axis=None, keepdims=False: xp.mean(x, axis=0, keepdims=keepdims), reduction=()
    ),
    "has the slope of a sum for that of a mean": only(MEAN, reduction=(1.0,)),
    "is affine, not linear": only(DOUBLE, lambda xp, x: 2 * x + 1, linear=lambda g, out, x: 2 * g),
    "transposes into half": only(DOUBLE, linear=lambda g, out, x: 0.5 * g),
    "is not bilinear": wrong(MATVEC, lambda xp, a, v: xp.matmul(a, v * v), vmap=None),
    "transposes a product of matrices": wrong(
        MATVEC, bilinear=(lambda g, out, a, v: np.outer(v, g), lambda g, out, a, v: np.matmul(a.T, g))
    ),
    "forgets to transpose a matrix": wrong(
        MATVEC, bilinear=(lambda g, out, a, v: np.outer(g, v), lambda g, out, a, v: np.matmul(a, g))
    ),
    "has a slope, and says it has none": only(SINE, def_zero_derivative=()),
    "has a slope by what is said to have none": only(
        PRODUCT, vmap=product_vmap, vjp=(lambda g, out, x, y: fit(g * y, x), None)
    ),
}

# Functions.

BUFFER = np.empty(X.shape)
CALLS = []


def kept_buffer(xp, x):
    if x.shape == BUFFER.shape and x.dtype == BUFFER.dtype:
        return np.sin(x, out=BUFFER)
    return np.sin(x)


def counting(xp, x):
    CALLS.append(1)
    return np.sin(x) + 1e-6 * len(CALLS)


def strided(xp, x):
    return np.sin(contiguous(x))


def restored(x):
    """Writes to `x`, and puts it back as it was."""
    x *= 2.0
    y = np.sin(x / 2.0)
    x /= 2.0
    return y


EVAL = {
    "takes Fortran order for C order": wrong(
        SINE,
        lambda xp, x: np.sin(x.ravel("K" if x.flags.forc else "C")).reshape(x.shape),
    ),
    "writes to the argument for a while": wrong(SINE, lambda xp, x: restored(x)),
    "writes to the argument": wrong(SINE, lambda xp, x: xp.sin(double_in_place(x) / 2.0)),
    "returns a buffer that it keeps": wrong(SINE, kept_buffer),
    "returns another value each time": wrong(SINE, counting),
    "reads memory as if it were contiguous": wrong(SINE, strided),
    "is wrong for float32": wrong(SINE, lambda xp, x: xp.sin(x) * x.dtype.type(1 if x.dtype != np.float32 else 1.01)),
}

# Derivatives.


def product_vjp(left=PRODUCT.rules["def_vjp"][0], right=PRODUCT.rules["def_vjp"][1]):
    return left, right


def last_of(g, i, n):
    """`g` at each index, and where one comes twice the last of it alone, as an assignment does."""
    hits = i[:, None] == np.arange(n)
    later = np.sum(hits, axis=0) - np.cumsum(hits, axis=0)
    return np.sum(np.where(hits & (later == 0), g[:, None], 0 * g[:, None]), axis=0)


def product_in_place(g, by):
    """Writes to `g`, where it is an array."""
    if type(g) is np.ndarray:
        g *= by
        return g
    return g * by


def cube_once(x):
    kept = [x * x]
    return kept[0] * x, lambda g: (3 * g * kept.pop(),)


SLOPES = {}


def remembered_slope(g, out, x):
    """That of the first point it was asked for."""
    return g * SLOPES.setdefault((np.shape(x), x.dtype), stop_gradient(np.cos(x)))


VJP = {
    "is twice too large": wrong(SINE, vjp=(lambda g, out, x: 2 * g * np.cos(x),)),
    "has the wrong sign": wrong(SINE, vjp=(lambda g, out, x: -g * np.cos(x),)),
    "is one percent too large": wrong(SINE, vjp=(lambda g, out, x: 1.01 * g * np.cos(x),)),
    "forgets the cotangent": wrong(SINE, vjp=(lambda g, out, x: np.cos(x),)),
    "is that of another function": wrong(SINE, vjp=(lambda g, out, x: g * np.sin(x),)),
    "is zero": wrong(SINE, vjp=(lambda g, out, x: 0 * g,)),
    "holds still at first order": wrong(SINE, vjp=(lambda g, out, x: g * stop_gradient(np.cos(x)),)),
    "holds the cotangent still": wrong(SINE, vjp=(lambda g, out, x: stop_gradient(g) * np.cos(x),)),
    "asks for the value of a number": wrong(SINE, vjp=(lambda g, out, x: g * np.cos(x) if np.sum(g) > -9 else g,)),
    "is computed outside of NumPy's protocols": wrong(
        SINE, vjp=(lambda g, out, x: g * np.asarray([np.cos(float(v)) for v in x.reshape(-1)]).reshape(x.shape),)
    ),
    "has another dtype": wrong(SINE, vjp=(lambda g, out, x: (g * np.cos(x)).astype(np.float32),)),
    "has one dtype for all": wrong(SINE, vjp=(lambda g, out, x: g * np.cos(x) + np.zeros(1),)),
    "is wrong for float32": wrong(
        SINE, vjp=(lambda g, out, x: g * np.cos(x) * x.dtype.type(1 if x.dtype != np.float32 else 1.01),)
    ),
    "writes to the cotangent": wrong(SINE, vjp=(lambda g, out, x: product_in_place(g, np.cos(x)),)),
    "writes to the result": wrong(EXP, vjp=(lambda g, out, x: (g * out, product_in_place(out, 2.0))[0],)),
    "writes to the argument": wrong(SINE, vjp=(lambda g, out, x: (g * np.cos(x), product_in_place(x, 2.0))[0],)),
    "remembers its first slope": wrong(SINE, vjp=(remembered_slope,)),
    "swaps the arguments": wrong(EQUAL_PRODUCT, vjp=product_vjp(*PRODUCT.rules["def_vjp"][::-1])),
    "is summed too much where arguments broadcast": wrong(
        EQUAL_PRODUCT,
        vjp=product_vjp(right=lambda g, out, x, y: g * x if x.shape == y.shape else 0 * y + np.sum(g * x)),
    ),
    "derives by the wrong argument": wrong(PRODUCT, vjp=product_vjp(left=lambda g, out, x, y: fit(g * x, x))),
    "is not summed over what was broadcast": wrong(PRODUCT, vjp=product_vjp(right=lambda g, out, x, y: g * x)),
    "is summed over the wrong axis": wrong(
        SQUARE_PRODUCT, vjp=product_vjp(right=lambda g, out, x, y: np.sum(g * x, axis=-1))
    ),
    "is taken from the broadcast, not summed": wrong(PRODUCT, vjp=product_vjp(right=lambda g, out, x, y: (g * x)[0])),
    "drops a static parameter": wrong(
        TOTAL, vjp=(lambda g, out, x, *, axis, scale: np.broadcast_to(np.expand_dims(g * scale, 0), x.shape),)
    ),
    "keeps the default of a parameter": wrong(
        TOTAL, vjp=(lambda g, out, x, *, axis, scale: np.broadcast_to(np.expand_dims(g, axis), x.shape),)
    ),
    "has the wrong conjugate": wrong(POWER, vjp=(lambda g, out, z: 2 * g * z,)),
    "is real for a complex argument": wrong(POWER, vjp=(lambda g, out, z: 2 * g * z.real,)),
    "forgets one of the results": wrong(PARTS, vjp=(lambda g, out, x: g["sine"] * np.cos(x),)),
    "swaps the cotangents of the results": wrong(
        PARTS, vjp=(lambda g, out, x: g["double"] * np.cos(x) + 2 * g["sine"],)
    ),
    "has another structure": wrong(
        AFFINE, vjp=(lambda g, out, params, x: (np.outer(x, g), g), AFFINE.rules["def_vjp"][1])
    ),
    "transposes a weight": wrong(
        AFFINE, vjp=(lambda g, out, params, x: {"w": np.outer(g, x), "b": g}, AFFINE.rules["def_vjp"][1])
    ),
    "forgets a leaf": wrong(
        AFFINE, vjp=(lambda g, out, params, x: {"w": np.outer(x, g), "b": 0 * g}, AFFINE.rules["def_vjp"][1])
    ),
    "takes each index for the first": wrong(PICK, vjp=(lambda g, out, x, i: pick_vjp(g, out, x, 0 * i + i[:1]), None)),
    "forgets that an index may come twice": wrong(
        PICK, vjp=(lambda g, out, x, i: np.max(g[:, None] * (i[:, None] == np.arange(len(x))), axis=0), None)
    ),
    "overflows far out": wrong(SOFTPLUS, elementwise=(lambda out, x: np.exp(x) / (1 + np.exp(x)),)),
    "is right for the default of an integer": wrong(RAISED, elementwise=(lambda out, x, *, n: 2 * x,)),
    "forgets that an index may come twice, where none does": wrong(
        PICK_SORTED,
        vjp=(lambda g, out, x, i: last_of(g, i, len(x)), None),
    ),
    "divides by zero at the example": wrong(
        SHIFTED_SINC, elementwise=(lambda out, x: (np.cos(np.pi * (x - 1)) - out) / (x - 1),)
    ),
    "is complex for a real argument": wrong(POWER, vjp=(lambda g, out, z: 2 * g * np.conj(z) + 0j,)),
    "takes the first of what an axis of length one was broadcast to": wrong(
        EQUAL_PRODUCT,
        vjp=product_vjp(
            right=lambda g, out, x, y: (
                np.sum(g * x, axis=tuple(range(x.ndim - y.ndim))) if x.shape[-1:] == y.shape[-1:] else (g * x)[..., :1]
            )
        ),
    ),
    "overflows far out on the other side": wrong(
        LOGISTIC, elementwise=(lambda out, x: np.exp(-x) / (1 + np.exp(-x)) ** 2,)
    ),
    "overflows far out, in reverse alone": wrong(
        SOFTPLUS_BY_RULES, vjp=(lambda g, out, x: g * np.exp(x) / (1 + np.exp(x)),)
    ),
    "is zero where one of two arguments is": wrong(
        EQUAL_PRODUCT,
        vjp=product_vjp(
            left=lambda g, out, x, y: fit(g * np.where(x == 0, 0 * out, out / np.where(x == 0, 1, x)), x).astype(
                x.dtype
            )
        ),
        jvp=None,
    ),
    "is zero where an argument is": wrong(
        PROD, vjp=(lambda g, out, x: g * np.where(x == 0, 0 * x, out / np.where(x == 0, 1, x)),)
    ),
    "divides by zero where it does not look": wrong(
        SINC,
        elementwise=(
            lambda out, x: np.where(
                np.abs(x) < 0.01, sinc_slope(out, 0 * x) - np.pi**2 * x / 3, (np.cos(np.pi * x) - np.sinc(x)) / x
            ),
        ),
    ),
    "divides by zero at zero": wrong(SINC, elementwise=(lambda out, x: (np.cos(np.pi * x) - out) / x,)),
    "is right for positive numbers alone": wrong(SIGNED_SQUARE, vjp=(lambda g, out, x: 2 * g * x,)),
    "is right for real numbers alone": wrong(CUBE_BY_VJP, vjp=(lambda g, out, x: 3 * g * x * np.abs(x),)),
    "returns a buffer that it keeps": wrong(SINE, vjp=(keeping(lambda g, out, x: g * np.cos(x)),)),
    "clips the cotangent": wrong(SINE, vjp=(lambda g, out, x: np.clip(g, -1, 1) * np.cos(x),)),
    "takes the logarithm of a cotangent": wrong(
        SINE, vjp=(lambda g, out, x: np.sign(g) * np.exp(np.log(np.abs(g))) * np.cos(x) + 0 * np.log(np.abs(g)),)
    ),
    "reads a cotangent as if it were contiguous": wrong(
        SINE, vjp=(lambda g, out, x: on_arrays(contiguous, g) * np.cos(x),)
    ),
    "reads the argument as if it were contiguous": wrong(
        SINE, vjp=(lambda g, out, x: g * np.cos(on_arrays(contiguous, x)),)
    ),
    "rounds to fewer bits on the way": wrong(
        SINE, vjp=(lambda g, out, x: g * np.cos(x).astype(np.float32).astype(x.dtype),)
    ),
    "is the adjoint, not the transpose": wrong(ROTATED, linear=lambda g, out, z: (1 - 2j) * g),
    "takes the real part too early": wrong(TO_COMPLEX, linear=lambda g, out, x: np.real(g)),
    "knows the shape of the example alone": wrong(
        SINE, elementwise=(), vmap=None, vjp=(lambda g, out, x: (g * np.cos(x)).reshape(2, 3),)
    ),
    "spends what it kept": wrong(CUBE, forward=cube_once),
    "returns another result than the function": wrong(CUBE, forward=lambda x: (x * x, lambda g: (3 * g * x * x,))),
    "divides by the number of elements": wrong(
        LENGTH, vjp=(lambda g, out, x: g * x / out / np.float64(x.shape[-1] or 1).astype(x.dtype),)
    ),
}

JVP = {
    "is wrong for float32": wrong(
        SINE,
        jvp=lambda tangents, out, x: tangents[0] * np.cos(x) * x.dtype.type(1 if x.dtype != np.float32 else 1.01),
    ),
    "divides by a tangent": wrong(SINE, jvp=lambda tangents, out, x: tangents[0] ** 2 / tangents[0] * np.cos(x)),
    "reads a tangent as if it were contiguous": wrong(
        SINE, jvp=lambda tangents, out, x: on_arrays(contiguous, tangents[0]) * np.cos(x)
    ),
    "returns a buffer that it keeps": wrong(SINE, jvp=keeping(lambda tangents, out, x: tangents[0] * np.cos(x))),
    "is half of the vjp": wrong(SINE, jvp=lambda tangents, out, x: 0.5 * tangents[0] * np.cos(x)),
    "is absent": wrong(SINE, jvp=lambda tangents, out, x: None),
    "holds still at first order": wrong(SINE, jvp=lambda tangents, out, x: tangents[0] * stop_gradient(np.cos(x))),
    "has another dtype": wrong(SINE, jvp=lambda tangents, out, x: (tangents[0] * np.cos(x)).astype(np.float32)),
    "has another shape": wrong(SINE, jvp=lambda tangents, out, x: np.sum(tangents[0] * np.cos(x))),
    "writes to the tangent": wrong(SINE, jvp=lambda tangents, out, x: product_in_place(tangents[0], np.cos(x))),
    "needs a tangent of every argument": wrong(
        PRODUCT, jvp=lambda tangents, out, x, y: tangents[0] * y + x * tangents[1]
    ),
    "sees the first argument move alone": wrong(
        PRODUCT, jvp=lambda tangents, out, x, y: 0 * out if tangents[0] is None else tangents[0] * y
    ),
    "counts what both arguments do twice": wrong(
        PRODUCT,
        jvp=lambda tangents, out, x, y: (
            product_jvp(tangents, out, x, y) * (2 if tangents[0] is not None and tangents[1] is not None else 1)
        ),
    ),
    "drops a static parameter": wrong(
        TOTAL, jvp=lambda tangents, out, x, *, axis, scale: np.sum(tangents[0], axis=axis)
    ),
    "has the wrong conjugate": wrong(POWER, jvp=lambda tangents, out, z: 2 * np.real(tangents[0] * z)),
    "swaps the tangents of its results": wrong(
        PARTS, jvp=lambda tangents, out, x: {"sine": 2 * tangents[0], "double": tangents[0] * np.cos(x)}
    ),
    "is alone, and wrong": only(
        SINE, vmap=SINE.rules["def_vmap"], jvp=lambda tangents, out, x: tangents[0] * np.sin(x)
    ),
}

# Code that is not traced, and primitives.


@dataclass
class Made:
    """An operation that is made otherwise, wrong or right."""

    make: object
    examples: tuple
    params: dict = field(default_factory=dict)

    def op(self):
        return self.make()


def primitive_pair(evaluate=lambda xp, x: (xp.sin(x), x * x), vjp=None):
    """A primitive of two results, whose rules see None for a cotangent that is not there."""
    made = Primitive(evaluate, name="op", multiple=True, listed=False)

    def right_vjp(g, out, x):
        return (0 if g[0] is None else g[0] * np.cos(x)) + (0 if g[1] is None else 2 * g[1] * x)

    made.def_vmap(lambda size, mapped, x: made(x))
    made.def_vjp(vjp or right_vjp)
    made.def_jvp(lambda tangents, out, x: (tangents[0] * np.cos(x), 2 * tangents[0] * x))
    return made


def primitive_copy(evaluate=lambda xp, x: x.copy(), vmap=None, vjp=lambda g, out, x: g, jvp=None):
    """A primitive whose results may be what it got: nothing makes copies of them."""
    made = Primitive(evaluate, name="op", listed=False)
    made.def_vmap(vmap or (lambda size, mapped, x: made(x)))
    if vjp is not None:
        made.def_vjp(vjp)
    made.def_jvp(jvp or (lambda tangents, out, x: tangents[0]))
    return made


helper = custom_op(lambda xp, x: 1.0 * x, name="helper")
helper.linear(lambda g, out, x: 1.0 * g)
helper.def_vmap(lambda size, mapped, x: 1.0 * x[::-1])


def losing_in_batches(**rules):
    def vmap(size, mapped, x):
        return made(x) if np.ndim(x) < 4 else 1 * stop_gradient(x)

    made = primitive_copy(vmap=vmap, **rules)
    return made


def primitive_product(pull):
    """A primitive whose reverse mode is told which arguments have a gradient, and has one pullback for them all."""
    made = Primitive(product, name="op", listed=False)
    made.def_vmap(lambda size, mapped, x, y: made(*aligned(mapped, x, y)))
    made.forward = lambda wanted, x, y: (made(x, y), lambda g: pull(wanted, g, x, y))
    return made


def product_pull(wanted, g, x, y):
    return [
        fit(g * y, x).astype(x.dtype) if wanted[0] else None,
        fit(g * x, y).astype(y.dtype) if wanted[1] else None,
    ]


def overlapping(xp, x):
    both = xp.concatenate([xp.sin(x), xp.sin(x[-1:])])
    return both[:-1], both[1:]


def primitive_total(most):
    """A primitive that sums over an axis counted from the front, which its vmap rule moves on, up to `most`."""
    made = Primitive(lambda xp, x, *, axis: xp.sum(x, axis=axis), name="op", listed=False)
    made.def_vmap(lambda size, mapped, x, *, axis: made(x, axis=min(axis + 1, most) if axis >= 0 else axis))
    return made


RIGHT |= {
    "OUTER": Made(lambda: external(outer_product, vmap_method="loop", result=outer_specs, name="op"), (V, V + 1.5)),
    "PAIR": Made(primitive_pair, (X,)),
    "PRIMITIVE_COPY": Made(primitive_copy, (X,)),
    "PRIMITIVE_PRODUCT": Made(lambda: primitive_product(product_pull), (V, V + 1.5)),
    "PRIMITIVE_TOTAL": Made(lambda: primitive_total(9), (A,), {"axis": 0}),
}

OTHER = {
    "knows two vmaps alone": Made(lambda: primitive_total(2), (A,), {"axis": 0}),
    "does not take leading axes": Made(
        lambda: external(outer_product, vmap_method="expand_dims", result=outer_specs, name="op"), (V, V + 1.5)
    ),
    "declares another result": Made(
        lambda: external(outer_product, vmap_method="loop", result=lambda x, y: x, name="op"), (V, V + 1.5)
    ),
    "needs a cotangent of every result": Made(
        lambda: primitive_pair(vjp=lambda g, out, x: g[0] * np.cos(x) + 2 * g[1] * x), (X,)
    ),
    "takes one cotangent for another that is absent": Made(
        lambda: primitive_pair(
            vjp=lambda g, out, x: (0 if g[0] is None else g[0] * np.cos(x)) + 2 * (g[0] if g[1] is None else g[1]) * x
        ),
        (X,),
    ),
    "forgets what is wanted alone": Made(
        lambda: primitive_product(lambda wanted, g, x, y: product_pull([True, wanted[0]], g, x, y)), (V, V + 1.5)
    ),
    "has a cotangent of the dtype of the result": Made(
        lambda: primitive_product(lambda wanted, g, x, y: [fit(g * y, x), fit(g * x, y)]), (V, V + 1.5)
    ),
    "loses the derivative in a batch": Made(
        lambda: primitive_copy(vmap=lambda size, mapped, x: 1 * stop_gradient(x)), (X,)
    ),
    "has a cotangent of another dtype": Made(
        lambda: primitive_copy(vjp=lambda g, out, x: g.astype(np.float32)), (np.ones(3),)
    ),
    "has a tangent of another dtype": Made(
        lambda: primitive_copy(jvp=lambda tangents, out, x: tangents[0].astype(np.float32)), (X,)
    ),
    "has a tangent of another shape": Made(lambda: primitive_copy(jvp=lambda tangents, out, x: tangents[0][:1]), (X,)),
    "has a cotangent by what batches wrongly": Made(
        lambda: primitive_copy(
            lambda xp, x: xp.sin(x),
            vjp=lambda g, out, x: helper(g * np.cos(x)),
            jvp=lambda tangents, out, x: tangents[0] * np.cos(x),
        ),
        (X,),
    ),
    "has a tangent by what batches wrongly": Made(
        lambda: primitive_copy(vjp=None, jvp=lambda tangents, out, x: helper(tangents[0])), (X,)
    ),
    "loses the tangent in a batch": Made(
        lambda: primitive_copy(vmap=lambda size, mapped, x: 1 * stop_gradient(x), vjp=None), (X,)
    ),
    "loses the derivative in a batch of batches": Made(lambda: losing_in_batches(), (X,)),
    "loses the tangent in a batch of batches": Made(lambda: losing_in_batches(vjp=None), (X,)),
    "returns its argument": Made(lambda: primitive_copy(lambda xp, x: x), (X,)),
    "returns a view of its argument": Made(lambda: primitive_copy(lambda xp, x: x[...]), (X,)),
    "returns the batch it got": Made(lambda: primitive_copy(vmap=lambda size, mapped, x: x), (X,)),
    "returns results that share memory": Made(lambda: primitive_pair(overlapping), (V,)),
}

WRONG = {
    f"{of}: {what}": member
    for of, members in (("vmap", VMAP), ("kind", KIND), ("eval", EVAL), ("vjp", VJP), ("jvp", JVP), ("other", OTHER))
    for what, member in members.items()
}
