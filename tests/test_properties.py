"""Laws on what hypothesis draws: trees and their axes, programs of operations, programs of views and writes."""

import numpy as np
import pytest
from hypothesis import assume, given, note
from hypothesis import strategies as st

from vmapcore import grad, jvp, vjp, vmap
from vmapcore.errors import MutationError, ShapeError
from vmapcore.testing import assert_same, vmap_loop
from vmapcore.testing.derivatives import direction

from .strategies import Leaf, calls, programs, run_source, shapes, view_programs, walk

pytestmark = pytest.mark.tiny_deep

# Trees of arguments.


def double(x):
    return x if isinstance(x, str) else np.sin(x) * 2 + 1


def everything(*args):
    """The sum over all arrays, and every leaf changed on its own."""
    total = []
    walk(lambda x: total.append(0.0 if isinstance(x, str) else np.sum(x)), list(args))
    return sum(total), walk(double, list(args))


def by_names(x, y=None, z=None):
    return everything(*[a for a in (x, y, z) if a is not None])


@given(calls())
def test_in_axes_in_any_tree(call):
    axes = []
    walk(lambda leaf: axes.append(leaf.axis), call.arguments)
    mapped = any(axis is not None for axis in axes)
    out_axes = (0, walk(lambda leaf: None if leaf.shape is None else 0, call.arguments))
    vmapped = vmap(
        by_names if call.by_name else everything, call.in_axes, out_axes, axis_size=None if mapped else call.size
    )
    total, changed = vmapped(*call.values())
    if not call.size:
        assert total.shape == (0,)
        walk(lambda leaf, x: leaf.shape is None or check_shape(x, (0, *leaf.shape)), call.arguments, changed)
        return
    expected = [everything(*call.example(i)) for i in range(call.size)]
    assert_same(total, np.array([t for t, _ in expected]))

    def check(leaf, x, *examples):
        if leaf.shape is None:
            assert x == "text"
        else:
            assert_same(x, np.stack(examples))

    walk(check, call.arguments, changed, *[c for _, c in expected])


def check_shape(x, shape):
    assert x.shape == shape


@given(shapes, st.data(), st.integers(1, 3))
def test_out_axes_anywhere(shape, data, size):
    """Of mapped and of unmapped results."""
    axes = st.integers(-len(shape) - 1, len(shape))
    specs = [data.draw(st.one_of(axes, st.sampled_from(["sum", "mean"]))), data.draw(st.one_of(axes, st.none()))]
    x = Leaf(shape, 0).value(size, np.random.default_rng(0))
    constant = np.ones(shape)
    mapped, unmapped = vmap(lambda x: (np.cos(x), constant), out_axes=tuple(specs))(x)
    rows = [np.cos(row) for row in x]
    if specs[0] in ("sum", "mean"):
        assert_same(mapped, np.asarray(getattr(np, specs[0])(np.stack(rows), axis=0)))
    else:
        assert_same(mapped, np.stack(rows, axis=specs[0]))
    if specs[1] is None:
        assert unmapped is constant
    else:
        assert_same(unmapped, np.stack([constant] * size, axis=specs[1]))


@given(shapes, shapes, st.data())
def test_sizes_that_differ_are_found(first, second, data):
    axes = [data.draw(st.integers(-len(shape) - 1, len(shape))) for shape in (first, second)]
    rng = np.random.default_rng(0)
    x, y = Leaf(first, axes[0]).value(2, rng), Leaf(second, axes[1]).value(3, rng)
    try:
        vmap(lambda x, y: np.sum(x) + np.sum(y), tuple(axes))(x, y)
    except ShapeError as error:
        assert f"'x' has 2 on axis {axes[0]}" in str(error)
        assert f"'y' has 3 on axis {axes[1]}" in str(error)
    else:
        raise AssertionError("two sizes were taken for one")


# Programs of operations.


def again(check, program):
    imports = f"from tests.strategies import Program; from tests.test_properties import {check}"
    note(f"Shown again by: {imports}; {check}({program!r})")


def program_is_its_loop(program):
    for size in (1, 3):
        assert_same(vmap(program)(*program.inputs(size)), vmap_loop(program)(*program.inputs(size)), "vmap", 1e3)
    nested = program.inputs(2, 3)
    assert_same(vmap(vmap(program))(*nested), vmap_loop(vmap_loop(program))(*nested), "vmap of vmap", 1e3)
    one, *rest = program.inputs(3)
    if rest:
        rest = [x[0] for x in rest]
        axes = (0, *[None] * len(rest))
        assert_same(vmap(program, axes)(one, *rest), vmap_loop(program, axes)(one, *rest), "vmap of one argument", 1e3)
    empty = vmap(program)(*[x[:0] for x in program.inputs(3)])
    assert [y.shape for y in empty] == [(0, *y.shape[1:]) for y in vmap_loop(program)(*program.inputs(1))]


@given(programs())
def test_programs_are_their_loops(program):
    again("program_is_its_loop", program)
    program_is_its_loop(program)


def program_has_one_gradient(program):
    """However it is composed of transforms; and the reverse mode is the transpose of the forward mode."""
    rng = np.random.default_rng(0)
    weights = [direction(y, rng) for y in program(*program.inputs())]

    def scalar(*xs):
        return sum([np.sum(w * y) for w, y in zip(weights, program(*xs), strict=True)])

    every = tuple(range(len(program.shapes)))
    batch = program.inputs(3)
    expected = vmap_loop(grad(scalar, every))(*batch)
    assume(all(np.isfinite(g).all() and np.abs(g).max(initial=0) < 1e6 for g in expected))
    assert_same(vmap(grad(scalar, every))(*batch), expected, "vmap of grad", 1e4)
    assert_same(grad(lambda *xs: np.sum(vmap(scalar)(*xs)), every)(*batch), expected, "grad of vmap", 1e4)
    tangents = tuple(direction(x, rng) for x in program.inputs())
    _, forward = jvp(scalar, tuple(program.inputs()), tangents)
    _, pullback = vjp(scalar, *program.inputs())
    reverse = sum(np.sum(g * t) for g, t in zip(pullback(1.0), tangents, strict=True))
    assert_same(np.asarray(reverse), np.asarray(forward), "<pullback(1), t>", 1e4)


@given(programs())
def test_programs_have_one_gradient(program):
    again("program_has_one_gradient", program)
    program_has_one_gradient(program)


# Programs of views and writes.


def program_writes_as_numpy(source):
    """What memory is shared is what NumPy shares, or it is an error."""
    x = np.linspace(-1.0, 2.0, 36).reshape(3, 3, 4) ** 3
    expected = vmap_loop(lambda x: run_source(source, x))(x)
    try:
        actual = vmap(lambda x: run_source(source, x))(x)
    except MutationError:
        return False
    assert_same(actual, expected, "vmap")
    nested = np.stack([x, 2 * x])
    actual = vmap(vmap(lambda x: run_source(source, x), 1), 0)(nested.swapaxes(1, 2))
    assert_same(actual, vmap_loop(vmap_loop(lambda x: run_source(source, x)))(nested), "vmap of vmap")
    return True


@given(view_programs())
def test_programs_of_writes_are_their_loops(source):
    note(f"Shown again by: from tests.test_properties import *; program_writes_as_numpy({source!r})")
    program_writes_as_numpy(source)


def program_writes_are_differentiated(source):
    x, t = np.linspace(-1.0, 2.0, 12).reshape(3, 4), np.cos(np.arange(12.0)).reshape(3, 4)

    def f(x):
        return run_source(source, x)

    try:
        out, tangent = jvp(f, (x,), (t,))
        _, pullback = vjp(f, x)
    except MutationError:
        return
    assert_same(out, f(x), "the value of jvp")
    step = 1e-6
    ahead, behind = f(x + step * t), f(x - step * t)
    for name, moved in tangent.items():
        np.testing.assert_allclose(moved, (ahead[name] - behind[name]) / (2 * step), rtol=1e-5, atol=1e-5, err_msg=name)
    g = {name: np.cos(np.arange(float(np.size(y)))).reshape(np.shape(y)) for name, y in out.items()}
    (ct,) = pullback(g)
    expected = sum(np.sum(g[name] * tangent[name]) for name in g)
    assert_same(np.sum(ct * t), np.float64(expected), "<pullback(g), t>", 1e3)

    def total(x):
        return sum([np.sum(g[name] * y) for name, y in run_source(source, x).items()])

    batch = np.stack([x, 0.5 * x, np.flip(x)])
    expected = vmap_loop(grad(total))(batch)
    assert_same(vmap(grad(total))(batch), expected, "vmap of grad", 1e3)
    assert_same(grad(lambda x: np.sum(vmap(total)(x)))(batch), expected, "grad of vmap", 1e3)
    assert_same(jvp(vmap(total), (batch,), (batch,))[1], np.sum(expected * batch, axis=(1, 2)), "jvp of vmap", 1e3)


@given(view_programs())
def test_programs_of_writes_are_differentiated(source):
    note(f"Shown again by: from tests.test_properties import *; program_writes_are_differentiated({source!r})")
    program_writes_are_differentiated(source)


def test_most_programs_of_writes_run():
    """The error for what cannot be known is the exception."""
    sources = [
        "v1 = v0.reshape(-1)\nv2 = v1 + 1\nv0[0] = 3.0",
        "v1 = v0[1:]\nv2 = v1.T\nv2[0] = 1.0\nv0 *= 0.5",
        "v1 = v0.copy()\nv2 = v1.ravel()\nv2[...] = 0.0",
    ]
    assert sum(program_writes_as_numpy(source) for source in sources) >= 2
