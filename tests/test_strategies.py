"""What the public strategies draw: of the kinds they say, and taken by vmap and the checks."""

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import find, given, settings
from hypothesis import strategies as st
from hypothesis.errors import NoSuchExample

from vmapcore import vmap
from vmapcore.numpy import take
from vmapcore.pytree import broadcast_prefix, flatten, tree_map
from vmapcore.testing import assert_same, check_op, check_vmap, vmap_loop
from vmapcore.testing.strategies import arrays, elements, in_axes, op_inputs, pytrees, shapes, vmap_inputs

TREE = {"w": np.ones((2, 3)), "b": (np.ones(3), None)}


def test_checks_need_no_hypothesis():
    """The extra is for the strategies alone."""
    source = (
        "import sys; sys.modules['hypothesis'] = None; import vmapcore.testing as t, numpy as np;"
        "t.check_vmap(np.sin, np.ones((2, 3)))"
    )
    subprocess.run([sys.executable, "-c", source], check=True)


@given(shapes(min_dims=1, max_dims=2, min_side=2, max_side=3))
def test_shapes(shape):
    assert 1 <= len(shape) <= 2
    assert set(shape) <= {2, 3}


@pytest.mark.parametrize("wanted", [(), (0,), (3, 0)])
def test_shapes_that_break_rules_are_drawn(wanted):
    assert find(shapes(), lambda shape: shape == wanted) == wanted


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "complex64", "complex128", "int8", "uint8", "bool"])
def test_elements(dtype):
    @given(arrays(dtype))
    def check(x):
        assert x.dtype == dtype
        assert np.isfinite(x).all()
        assert (abs(x) <= 3).all()

    check()


@pytest.mark.parametrize(
    "kind",
    [
        lambda x: x.size and not x.flags.c_contiguous,
        lambda x: any(step < 0 for step in x.strides),
        lambda x: not x.flags.writeable,
        lambda x: x.ndim == 0,
        lambda x: x.size == 0 and x.ndim > 1,
        lambda x: x.size and (x < 0).any(),
    ],
    ids=["strided", "reversed", "read-only", "0-d", "empty", "negative"],
)
def test_arrays_of_every_kind_are_drawn(kind):
    find(arrays("float64"), kind)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "complex64"])
@pytest.mark.parametrize(
    "kind",
    [
        lambda x: np.isnan(x).any(),
        lambda x: (x.real == np.inf).any(),
        lambda x: (x.real == -np.inf).any(),
        lambda x: (np.signbit(x.real) & (x.real == 0)).any(),
        lambda x: (np.isfinite(x.real) & (abs(x.real) > 10)).any(),
    ],
    ids=["NaN", "infinite", "minus infinite", "minus zero", "large"],
)
def test_special_floats_are_drawn_if_asked_for(dtype, kind):
    assert kind(find(arrays(dtype, special=True), kind))


@pytest.mark.parametrize("dtype", ["float64", "float32", "complex128", "complex64", "int64", "int32", "uint8", "bool"])
def test_arrays_of_every_dtype_are_drawn(dtype):
    find(arrays(), lambda x: x.dtype == dtype)


def test_layouts_can_be_chosen():
    with pytest.raises(NoSuchExample):
        find(arrays("float64", (2, 2), layouts=["contiguous"]), lambda x: not x.flags.c_contiguous)


@given(arrays(["float32", "int64"], shapes(max_dims=1), elements=lambda dtype: elements(dtype).map(abs)))
def test_arrays_of_own_elements(x):
    assert x.dtype in (np.float32, np.int64)
    assert x.ndim <= 1
    assert (x >= 0).all()


@given(pytrees(max_leaves=3))
def test_pytrees(tree):
    leaves, _ = flatten(tree)
    assert all(isinstance(x, np.ndarray) for x in leaves)
    assert_same(tree_map(lambda x: x, tree), tree)


def test_pytrees_of_every_kind_are_drawn():
    for kind in (dict, list, tuple, type(None), np.ndarray):
        find(pytrees(), lambda tree: type(tree) is kind)


def test_pytrees_are_nested_and_of_several_dtypes():
    find(pytrees(), lambda tree: type(tree) is dict and any(type(x) in (list, tuple) and x for x in tree.values()))
    find(pytrees(), lambda tree: type(tree) is tuple and None in [x for x in tree if x is None] and len(tree) > 1)
    find(pytrees(), lambda tree: len({x.dtype for x in flatten(tree)[0]}) > 1)


@given(st.data())
def test_in_axes_fit(data):
    args = data.draw(st.lists(pytrees(), min_size=1, max_size=3))
    axes = data.draw(in_axes(args))
    leaves, _ = flatten(args)
    found = broadcast_prefix(axes if isinstance(axes, int) else list(axes), args)
    assert len(found) == len(leaves)
    assert all(a is None or -x.ndim - 1 <= a <= x.ndim for a, x in zip(found, leaves, strict=True))
    assert not leaves or any(a is not None for a in found)


def test_in_axes_of_every_kind_are_drawn():
    args = (TREE, np.ones(2))
    for wanted in (
        1,
        -1,
        (0, None),
        (None, -2),
        (1, 1),
        ({"w": -1, "b": None}, 0),
        [{"w": None, "b": (1, None)}, None],
    ):
        find(
            in_axes(args),
            lambda axes: axes == wanted and type(axes) is type(wanted),
            settings=settings(max_examples=10_000, database=None),
        )


@given(in_axes(("text", np.ones(2))))
def test_only_arrays_are_mapped(axes):
    assert axes[0] is None
    assert axes[1] is not None


def affine(tree, x, i):
    return tree["w"] @ x + tree["b"][0][:2], take(x, i)


EXAMPLES = (TREE, np.array([1.0, -2.0, 0.0]), np.array([0, 2]))


@given(op_inputs(*EXAMPLES, fun=affine))
def test_inputs_of_operations(args):
    expected = tree_map(np.zeros_like, affine(*EXAMPLES))
    assert_same(tree_map(np.zeros_like, affine(*args)), expected)
    assert flatten(args)[1] == flatten(EXAMPLES)[1]
    assert args[1][0] > 0 > args[1][1]
    assert set(args[2].tolist()) <= {0, 1, 2}


def test_inputs_shrink_to_the_example():
    assert_same(find(op_inputs(*EXAMPLES), lambda args: True), EXAMPLES)
    find(op_inputs(*EXAMPLES), lambda args: args[1][2] != 0)
    find(op_inputs(2, True, 1.5), lambda args: args[0] == 0 and not args[1] and args[2] < 1.4)


def test_offsets_stay_offsets():
    """Of a sparse matrix, say: in order, from the first to the last."""

    @given(op_inputs(np.array([0, 2, 3, 3, 7])))
    def check(args):
        (offsets,) = args
        assert offsets[0] == 0
        assert offsets[-1] == 7
        assert (np.diff(offsets) >= 0).all()

    check()


@given(op_inputs(np.array([0.5, 0.9]), fun=np.arcsin))
def test_only_what_is_taken_is_drawn(args):
    assert np.isfinite(np.arcsin(*args)).all()


@given(vmap_inputs(*EXAMPLES))
def test_vmap_of_what_is_drawn(drawn):
    args, axes = drawn
    leaves = flatten(args)[0]
    placed = broadcast_prefix(axes if isinstance(axes, int) else tuple(axes), args)
    size = next(x.shape[a] for x, a in zip(leaves, placed, strict=True) if a is not None)
    actual = vmap(affine, axes)(*args)
    if size:
        assert_same(actual, vmap_loop(affine, axes)(*args))
    else:
        assert [y.shape for y in actual] == [(0, 2), (0, 2)]


@given(vmap_inputs(*EXAMPLES, min_size=2, max_size=3))
def test_checks_take_what_is_drawn(drawn):
    args, axes = drawn
    check_vmap(affine, *args, in_axes=axes)


@given(arrays("float64", shapes(min_side=1)))
def test_an_operation_on_every_kind_of_array(x):
    check_op(np.tanh, x + 0.1)
