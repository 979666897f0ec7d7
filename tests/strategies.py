"""What hypothesis draws: trees with the axes to map them over, programs over the table of operations, and programs
of views and writes. Each has a repr, or is itself source, that makes it again.
"""

from dataclasses import dataclass

import numpy as np
from hypothesis import strategies as st

from .ops import OPS

# Trees of arguments.


@dataclass
class Leaf:
    """An array of `shape` with the batch on `axis`; no batch where that is None, and no array where the shape is."""

    shape: tuple | None
    axis: int | None

    def value(self, size, rng):
        if self.shape is None:
            return "text"
        x = rng.uniform(-1.0, 1.0, (*self.shape, size))  # so that the same leaf has the same values at every axis
        if self.axis is None:
            return rng.uniform(-1.0, 1.0, self.shape)
        return np.moveaxis(x, -1, self.axis)


def walk(function, tree, *others):
    """Applies `function` to the leaves of nested tuples, lists and dicts, and to what others have in their place."""
    if isinstance(tree, dict):
        return {key: walk(function, tree[key], *[other[key] for other in others]) for key in tree}
    if isinstance(tree, (tuple, list)):
        return type(tree)([walk(function, x, *[other[i] for other in others]) for i, x in enumerate(tree)])
    return function(tree, *others)


shapes = st.lists(st.integers(0, 3), max_size=3).map(tuple)


@st.composite
def leaves(draw):
    shape = draw(st.one_of(shapes, st.none()))
    if shape is None:
        return Leaf(None, None)
    return Leaf(shape, draw(st.one_of(st.integers(-len(shape) - 1, len(shape)), st.none())))


trees = st.recursive(
    leaves(),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.lists(inner, max_size=3).map(tuple),
        st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    ),
    max_leaves=5,
)


def prefix_of(draw, tree):
    """The axes of a tree, a subtree that has but one now and then collapsed into it."""
    if isinstance(tree, Leaf):
        return tree.axis
    axes = []
    walk(lambda leaf: axes.append(leaf.axis), tree)
    if axes and all(axis == axes[0] and type(axis) is type(axes[0]) for axis in axes) and draw(st.booleans()):
        return axes[0]
    if isinstance(tree, dict):
        return {key: prefix_of(draw, tree[key]) for key in tree}
    return type(tree)([prefix_of(draw, x) for x in tree])


@dataclass
class Call:
    """Arguments by the trees of their leaves, and `in_axes` for them."""

    arguments: list
    in_axes: object
    size: int
    by_name: bool

    def values(self):
        rng = np.random.default_rng(0)
        return [walk(lambda leaf: leaf.value(self.size, rng), tree) for tree in self.arguments]

    def example(self, i):
        """The arguments of example `i`."""
        return [
            walk(lambda leaf, x: x if leaf.axis is None else x.take(i, leaf.axis), tree, value)
            for tree, value in zip(self.arguments, self.values(), strict=True)
        ]


@st.composite
def calls(draw):
    arguments = draw(st.lists(trees, min_size=1, max_size=3))
    names = ["x", "y", "z"][: len(arguments)]
    by_name = draw(st.booleans())
    entries = [prefix_of(draw, tree) for tree in arguments]
    in_axes = dict(zip(names, entries, strict=True)) if by_name else draw(st.sampled_from([tuple, list]))(entries)
    return Call(arguments, in_axes, draw(st.integers(0, 3)), by_name)


# Programs over the table of operations.

ROWS = {
    row.name: row
    for row in OPS
    if "f" in row.kinds and all(arg.kind == "f" for arg in row.args)
    if row.differentiable is True and row.loop is None and row.tol <= 10
}


@dataclass(frozen=True)
class Program:
    """A straight line of operations: each takes earlier values, given the shapes and ranges that its row asks for."""

    shapes: tuple
    steps: tuple

    def __call__(self, *inputs):
        values = list(inputs)
        for name, sources in self.steps:
            row = ROWS[name]
            args = [suited(values[i % len(values)], arg) for i, arg in zip(sources, row.args, strict=True)]
            values.append(first_inexact(row.fun(*args, **row.params)))
        return tuple(values[len(inputs) :])

    def inputs(self, *batch):
        rng = np.random.default_rng(0)
        return [rng.uniform(-1.0, 1.0, (*batch, *shape)) for shape in self.shapes]


def suited(x, arg):
    """The numbers of `x`, brought to the shape and into the range of an argument, and apart from one another."""
    count = int(np.prod(arg.shape))
    flat = np.reshape(x, -1)
    if not np.size(x):
        flat = np.zeros(1)
    index = np.arange(count) % np.size(flat)
    apart = np.linspace(-0.9, 0.9, count)[np.argsort(np.sin(np.arange(count)))]
    unit = 0.5 + 0.5 * np.tanh(0.3 * flat[index] + apart)
    return (arg.low + (arg.high - arg.low) * unit).reshape(arg.shape)


def first_inexact(result):
    """The first array of floats among the results, or zeros where there is none."""
    for y in result if isinstance(result, (tuple, list)) else (result,):
        if hasattr(y, "dtype") and y.dtype.kind == "f":
            return y
    return np.zeros(2)


@st.composite
def programs(draw):
    inputs = tuple(draw(st.lists(st.sampled_from([(), (3,), (2, 3), (4,)]), min_size=1, max_size=2)))
    steps = []
    for _ in range(draw(st.integers(1, 4))):
        name = draw(st.sampled_from(sorted(ROWS)))
        steps.append((name, tuple(draw(st.integers(0, 5)) for _ in ROWS[name].args)))
    return Program(inputs, tuple(steps))


# Programs of views and writes.

INDICES = ["0", "-1", "1:", "::-1", "::2", "...", "None", ":, 0", ":, 1:", "..., 0", "[0, 1]", "[1, 0]", ":, [0, 2]"]
VIEWS = [".T", ".reshape(-1)", ".ravel()", ".swapaxes(0, -1)", ".copy()", ".squeeze()", ".real", ".reshape(2, -1)"]
WRITES = [
    "{a}[{i}] = {b}",
    "{a}[{i}] += {b}",
    "{a}[...] = {b}",
    "{a}[{i}] *= 0.5",
    "{a} += {b}",
    "{a} *= 0.5",
    "{a} -= {b}",
]
CALLS = [
    "np.add({a}, {b}, out={a})",
    "np.multiply({a}, 0.5, out={b})",
    "np.sum({a}, axis=0, out={b})",
    "np.copyto({a}, {b})",
    "np.negative({a}, out={a})",
]
FRESH = ["{a} * 0.5", "{a} + {b}", "np.zeros_like({a})", "np.sin({a})", "{a} * {b}"]


@st.composite
def view_programs(draw):
    """Source that starts from `v0`, of shape (3, 4), and runs in NumPy; every variable it makes is `v<number>`."""
    lines, count = [], 1
    scope = {"np": np, "v0": np.linspace(-1.0, 1.0, 12).reshape(3, 4)}
    for _ in range(draw(st.integers(1, 8))):
        a, b = [f"v{draw(st.integers(0, count - 1))}" for _ in range(2)]
        i = draw(st.sampled_from(INDICES))
        new = f"v{count}"
        kind = draw(st.sampled_from(["view", "index", "write", "call", "fresh"]))
        line = {
            "view": lambda: f"{new} = {a}{draw(st.sampled_from(VIEWS))}",
            "index": lambda: f"{new} = {a}[{i}]",
            "write": lambda: draw(st.sampled_from(WRITES)).format(a=a, b=b, i=i),
            "call": lambda: draw(st.sampled_from(CALLS)).format(a=a, b=b),
            "fresh": lambda: f"{new} = " + draw(st.sampled_from(FRESH)).format(a=a, b=b),
        }[kind]()
        try:
            exec(line, scope)
        except (ValueError, IndexError, TypeError):
            continue  # shapes that do not fit; NumPy changed nothing
        lines.append(line)
        count += new in scope
    return "\n".join(lines)


def run_source(source, x):
    """The values of all variables after `source` ran on a copy of `x`."""
    scope = {"np": np, "v0": x * 1}
    exec(source, scope)
    return {name: value for name, value in scope.items() if name[0] == "v"}
