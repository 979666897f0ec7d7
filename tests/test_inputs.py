"""What arrays may come in: every layout, dtype and size; and Python's numbers, which stay weak."""

import fractions

import numpy as np
import pytest

from vmapcore import errors, grad, jit, jvp, numpy_protocol, value_and_grad, vjp, vmap
from vmapcore.testing import assert_same, check_grads, check_jit, check_vmap, vmap_loop

A = np.linspace(-1.0, 2.0, 24).reshape(2, 3, 4)

LAYOUTS = {
    "contiguous": A,
    "fortran": np.asfortranarray(A),
    "transposed": np.ascontiguousarray(A.transpose(2, 0, 1)).transpose(1, 2, 0),
    "strided": np.repeat(np.repeat(A, 2, axis=0), 3, axis=2)[::2, :, ::3],
    "reversed": A[::-1, ::-1, ::-1][::-1, ::-1, ::-1],
    "backwards": A[::-1],
    "zero strides": np.broadcast_to(A[0], A.shape),
    "overlapping": np.lib.stride_tricks.as_strided(np.linspace(0, 1, 12), (2, 3, 4), (8, 16, 8)),
    "unaligned": np.frombuffer(b"\0" + A.tobytes(), dtype=np.uint8)[1:].view(np.float64).reshape(A.shape),
    "big endian": A.astype(">f8"),
}
for _x in LAYOUTS.values():
    _x.flags.writeable = False


def f(x):
    y = np.sin(x).T * x.sum() + x[::-1].T
    return y, x.reshape(-1), x @ x.T, np.max(x, axis=0), np.concatenate([x, x[:1]]), np.where(x > 0, x, 1), np.cumsum(x)


@pytest.mark.parametrize("name", LAYOUTS)
def test_layouts(name):
    x = LAYOUTS[name]
    check_vmap(f, x)
    if x.dtype.isnative:
        check_grads(lambda x: f(x)[:3], x[0])


@pytest.mark.parametrize("name", LAYOUTS)
def test_layouts_and_writes(name):
    """A function's own argument can be written to, even where the caller's array cannot."""

    def write(x):
        x[0] = x[-1] * 2
        x[:, 1] += 1
        x *= x
        return x

    x = LAYOUTS[name]
    before = x.copy()
    for axis in range(3):
        expected = vmap_loop(write, axis)(np.array(x))
        assert_same(vmap(write, axis)(x), expected)
    assert_same(x, before)
    if x.dtype.isnative:
        assert grad(lambda x: np.sum(write(x)))(x[0]).shape == x[0].shape
        assert_same(x, before)


DTYPES = ["?", "b", "h", "i", "l", "q", "B", "H", "I", "L", "e", "f", "d", "g", "F", "D", "G"]


@pytest.mark.parametrize("dtype", DTYPES)
def test_dtypes(dtype):
    x = (np.abs(A) * 3 + 1).astype(dtype)
    wide = np.promote_types(dtype, "d")

    def g(x):
        return x + x, x * 2, x.sum(), x[0], x.astype(wide), np.stack([x[0], x[1]]), x == x[0], np.sort(x, axis=0), x.T

    check_vmap(g, x)
    if x.dtype.kind != "b":
        check_vmap(lambda x: (x * 2.5, x / 2, -x if x.dtype.kind != "u" else x, x**2, abs(x)), x)


@pytest.mark.parametrize("left", ["?", "b", "B", "l", "f", "d", "F"])
@pytest.mark.parametrize("right", ["?", "b", "B", "l", "f", "d", "F"])
def test_promotion(left, right):
    """The dtype of NumPy's result, mapped or not, and whatever the ranks."""
    x, y = np.abs(A[0]).astype(left), (np.abs(A[1]) + 1).astype(right)

    def g(x, y):
        return x + y, x * y, np.where(x > 0, x, y), np.maximum(x, y), np.stack([x, y])

    check_vmap(g, x, y)
    check_vmap(lambda x, y: (x + y, x * y), x[:, 0], y[:, :2])


@pytest.mark.parametrize("scalar", [2, 2.5, 1j, True, np.float32(2.5), np.float64(2.5), np.int8(3), np.uint64(3)])
@pytest.mark.parametrize("dtype", ["B", "l", "e", "f", "d", "F"])
def test_scalars_promote_as_in_numpy(scalar, dtype):
    """Python's are weak, NumPy's are not; as constants, as unmapped arguments, and on either side."""
    x = (np.abs(A) * 2 + 1).astype(dtype)

    def g(x, s):
        return x + s, s * x, x / s, np.add(x, s), np.where(x > 1, x, s), np.stack([x, x]) * s

    expected = vmap_loop(g, (0, None))(x, scalar)
    assert_same(vmap(g, (0, None))(x, scalar), expected)
    assert_same(vmap(lambda x: g(x, scalar))(x), expected)
    nested = vmap_loop(vmap_loop(g, (0, None)), (0, None))(x, scalar)
    assert_same(vmap(vmap(g, (0, None)), (0, None))(x, scalar), nested)
    if np.dtype(dtype).kind in "fc":
        out, tangent = jvp(lambda x: g(x, scalar), (x[0],), (x[1],))
        assert_same(out, g(x[0], scalar))
        assert [t.dtype for t in tangent] == [o.dtype for o in out]
        out, pullback = vjp(lambda x: g(x, scalar), x[0])
        assert_same(out, g(x[0], scalar))
        assert pullback(out)[0].dtype == x.dtype


def test_integer_overflow_wraps_as_in_numpy():
    x = np.array([[250, 10], [100, 200]], np.uint8)
    check_vmap(lambda x: (x + np.uint8(10), x * x, x.sum(), x.prod(), np.cumsum(x)), x)
    with pytest.raises(OverflowError):
        vmap(lambda x: x + 300)(x)


@pytest.mark.parametrize("shape", [(0,), (0, 3), (3, 0), (2, 0, 4), (1,), (1, 1)])
def test_sizes_zero_and_one(shape):
    x = np.zeros(shape)

    def g(x):
        return x.sum(), x + 1, x.T, x.reshape(-1), np.stack([x, x]), np.sort(x.reshape(-1)), x @ x.T if x.ndim else x

    for axis in range(x.ndim):
        if shape[axis]:
            assert_same(vmap(g, axis)(x), vmap_loop(g, axis)(x))
        else:
            assert vmap(g, axis)(x)[1].shape == (0, *[n for i, n in enumerate(shape) if i != axis])
    assert grad(lambda x: np.sum(x * x))(x).shape == shape


@pytest.mark.parametrize("x", [np.array(2.0), np.float64(2.0), 2.0])
def test_0d_arguments(x):
    assert_same(vmap(lambda y, x: x * y, (0, None))(A[0, 0], x), A[0, 0] * 2.0)
    assert_same(grad(lambda x: x * x)(x), np.asarray(4.0))
    value, gradient = value_and_grad(lambda x: np.sin(x))(x)
    assert value.shape == gradient.shape == ()
    assert_same(jvp(np.sin, (x,), (1.0,))[1], np.float64(np.cos(2.0)))


def test_0d_examples():
    check_vmap(lambda x: (x[...], x[None], x.reshape(1), x.sum(), x.T, np.stack([x, x]), x.copy(), x.max()), A[0, 0])


def test_lists_and_tuples_where_numpy_takes_them():
    """As constants beside traced arrays; a list of traced arrays is an array of NumPy's functions too."""
    check_vmap(lambda x: (x + [1, 2, 3, 4], np.add([1.0] * 4, x), x @ [1, 2, 3, 4], np.dot([1, 2, 3, 4], x)), A[0])
    check_vmap(lambda x: (np.stack([x, x]), np.concatenate((x, [1.0])), np.where([True, False] * 2, x, 0)), A[0])
    assert_same(grad(lambda x: np.sum(x * [1.0, 2.0, 3.0, 4.0]))(A[0, 0]), np.arange(1.0, 5.0))


def test_infinities_and_nans_pass():
    x = np.array([[np.nan, 1.0, -np.inf], [np.inf, 0.0, np.nan]])
    check_vmap(
        lambda x: (x + 1, np.maximum(x, 0), np.sort(x), np.isnan(x), np.where(np.isnan(x), 0, x), np.nan_to_num(x)), x
    )


def test_strings_and_objects_pass_where_no_number_is_made_of_them():
    names = np.array(["a", "b", "c"])
    assert_same(vmap(lambda x: x)(names), names)
    assert vmap(lambda x, n: x * len(n), (0, None))(A[0], names).shape == (3, 4)
    thing = fractions.Fraction(1, 2)
    assert vmap(lambda x, t: x * float(t), (0, None))(A[0], thing).shape == (3, 4)
    dates = np.array(["2024-01-01", "2024-02-01"], "datetime64[D]")
    assert_same(vmap(lambda d: d)(dates), dates)


class Marked(np.ndarray):
    """A subclass of NumPy's array."""


def test_subclasses_are_arrays():
    x = A[0].view(Marked)
    np.testing.assert_array_equal(np.asarray(vmap(lambda x: np.sin(x) + 1)(x)), np.sin(A[0]) + 1)
    np.testing.assert_array_equal(np.asarray(grad(lambda x: np.sum(x * x))(x)), 2 * A[0])


def test_arguments_are_not_changed(rng):
    x, w = rng.normal(size=(5, 4)), rng.normal(size=(4, 4))
    copies = x.copy(), w.copy()
    for run in (
        lambda: vmap(lambda x: np.tanh(w @ x))(x),
        lambda: grad(lambda w: np.sum(np.tanh(x @ w) ** 2))(w),
        lambda: vmap(grad(lambda w, x: np.sum(np.tanh(w @ x))), (None, 0))(w, x),
        lambda: jvp(lambda w: np.linalg.det(w) * w, (w,), (w,)),
        lambda: vmap(lambda x: np.sort(x) + np.cumsum(x))(x),
    ):
        run()
        assert_same((x, w), copies)


# The table's entries that return no arrays.


def test_metadata_functions():
    seen = []

    def g(x):
        seen.append((np.shape(x), np.ndim(x), np.size(x), np.size(x, 0), np.iscomplexobj(x), np.isrealobj(x)))
        seen.append((np.result_type(x, np.float32), x.__array_namespace__() is numpy_protocol.NUMPY["namespace"]()))
        return x

    vmap(g)(A)
    assert seen == [((3, 4), 2, 12, 3, False, True), (np.dtype("float64"), True)]


class Unit(np.ndarray):
    """A class whose operations are its own."""

    def __array_ufunc__(self, ufunc, method, *inputs, **options):
        raise NotImplementedError


@pytest.mark.filterwarnings("ignore:the matrix subclass")
@pytest.mark.parametrize(
    "kind, make",
    [
        ("MaskedArray", lambda x: np.ma.masked_array(x, x > 0)),
        ("matrix", np.matrix),
        ("Unit", lambda x: x.view(Unit)),
    ],
)
@pytest.mark.parametrize(
    "call",
    [
        lambda x: vmap(lambda y: y * 2)(x),
        lambda x: vmap(lambda y: y * x)(np.ones(3)),
        lambda x: vmap(lambda y, z: y * z, (0, None))(np.ones(3), x),
        lambda x: vmap(lambda y: x)(np.ones(3)),
        lambda x: grad(lambda y: np.sum(y * y))(x),
        lambda x: grad(lambda y: np.sum(y * x))(np.ones((2, 2))),
        lambda x: jvp(np.sin, (x,), (x,)),
        lambda x: jit(lambda t: t["x"] * 2)({"x": x}),
        lambda x: jit(lambda y: np.sum(y @ x))(np.ones((2, 2))),
        lambda x: jit(lambda y: np.stack([y, x]))(np.ones((2, 2))),
    ],
)
def test_subclasses_with_operations_of_their_own_are_refused(call, kind, make):
    with pytest.raises(errors.ArgumentError, match=rf"array: a {kind} is an array whose operations mean "):
        call(make(np.array([[1.0, -2.0], [3.0, 4.0]])))


def test_arrays_mapped_from_files(tmp_path):
    np.save(tmp_path / "x.npy", A)
    x = np.load(tmp_path / "x.npy", mmap_mode="r")
    assert isinstance(x, np.memmap)
    check_vmap(f, x)
    check_jit(vmap(f), x)
