"""vmapcore.numpy: NumPy's names, the array API standard's, arrays made inside a transform; what errors say."""

import operator
import pickle
import subprocess
import sys

import numpy as np
import pytest

import vmapcore.numpy as vnp
from vmapcore import grad, implements, jvp, vmap
from vmapcore.errors import ArgumentError, AxisError, OptionError, ShapeError, VmapcoreError
from vmapcore.numpy_protocol import NUMPY
from vmapcore.pytree import flatten
from vmapcore.testing import assert_same, check_vmap
from vmapcore.tracer import Tracer

from .together import together

FUNCTIONS = [f for f in NUMPY if callable(f) and getattr(np, f.__name__, None) is f]


@together("function", FUNCTIONS)
def test_every_function_of_the_table(function):
    assert callable(getattr(vnp, function.__name__))
    assert function.__name__ in vnp.__all__


@pytest.mark.parametrize("ours, theirs", [(vnp, np), (vnp.linalg, np.linalg), (vnp.fft, np.fft), (vnp.lib, np.lib)])
def test_every_name_of_numpy_is_there(ours, theirs):
    for name in dir(theirs):
        assert hasattr(ours, name), name


def test_plain_arrays_go_to_numpys_own_functions():
    x = np.random.default_rng(0).normal(size=(5, 7)).astype(np.float32)
    for name in (
        "sum",
        "mean",
        "std",
        "cumsum",
        "sort",
        "median",
        "linalg.norm",
        "linalg.svd",
        "fft.fft",
        "exp",
        "unique",
    ):
        ours, theirs = operator.attrgetter(name)(vnp), operator.attrgetter(name)(np)
        assert ours == theirs and hash(ours) == hash(theirs) and repr(ours) == repr(theirs)
        assert [np.asarray(y).tobytes() for y in flatten(ours(x))[0]] == [y.tobytes() for y in flatten(theirs(x))[0]]
    assert pickle.loads(pickle.dumps(vnp.sum)) is vnp.sum
    assert vnp.array(["a", "b"]).tolist() == ["a", "b"] and vnp.add.reduce(x).shape == (7,)
    assert vnp.r_[1:3, 0].tolist() == [1, 2, 0] and vnp.c_[[1, 2], [3, 4]].shape == (2, 2)


def test_names_are_numpy_s():
    for name in vnp.__all__:
        assert hasattr(np, name), name
    for name in ("pi", "inf", "newaxis", "float32", "finfo", "isdtype", "bool"):
        assert getattr(vnp, name) is getattr(np, name)
    assert vnp.abs(-1.0) == vnp.absolute(-1.0) == 1
    for name in ("norm", "solve", "matmul"):
        assert callable(getattr(vnp.linalg, name))


STANDARD = """
__array_namespace_info__ e inf nan newaxis pi
asarray arange empty empty_like eye from_dlpack full full_like linspace meshgrid ones ones_like tril triu
zeros zeros_like astype can_cast finfo iinfo isdtype result_type bool int8 int16 int32 int64 uint8 uint16 uint32 uint64
float32 float64 complex64 complex128
abs acos acosh add asin asinh atan atan2 atanh bitwise_and bitwise_left_shift bitwise_invert bitwise_or
bitwise_right_shift bitwise_xor ceil clip conj copysign cos cosh divide equal exp expm1 floor floor_divide greater
greater_equal hypot imag isfinite isinf isnan less less_equal log log1p log2 log10 logaddexp logical_and logical_not
logical_or logical_xor maximum minimum multiply negative nextafter not_equal positive pow real reciprocal remainder
round sign signbit sin sinh square sqrt subtract tan tanh trunc
take take_along_axis matmul matrix_transpose tensordot vecdot broadcast_arrays broadcast_to concat expand_dims flip
moveaxis permute_dims repeat reshape roll squeeze stack tile unstack argmax argmin count_nonzero nonzero
searchsorted where
argsort sort cumulative_prod cumulative_sum max mean min prod std sum var all any diff
unique_all unique_counts unique_inverse unique_values
""".split()  # noqa: SIM905  names as the standard lists them


def test_array_api_names():
    missing = [name for name in STANDARD if not hasattr(vnp, name)]
    assert not missing


def test_code_written_to_the_standard():
    def softmax(x):
        xp = x.__array_namespace__()
        assert xp is vnp
        shifted = xp.exp(x - xp.max(x, axis=-1, keepdims=True))
        total = xp.sum(shifted, axis=-1, keepdims=True)
        return xp.concat([xp.astype(shifted / total, xp.float32), xp.zeros(2, dtype=xp.float32, device=x.device)])

    check_vmap(
        softmax,
        np.random.default_rng(0).normal(size=(3, 4)),
        like=lambda x: np.concatenate(
            [(np.exp(x - x.max()) / np.exp(x - x.max()).sum()).astype(np.float32), np.zeros(2, np.float32)]
        ),
    )


def test_on_plain_arrays(xp):
    x = xp.asarray([[1.0, -2.0], [3.0, 4.0]])
    for y in (
        vnp.sum(x, axis=0),
        vnp.add(x, 1),
        vnp.stack([x, x]),
        vnp.zeros_like(x),
        vnp.linspace(0, 1, 3, dtype=float),
    ):
        assert not isinstance(y, Tracer)
    assert_same(vnp.tril(x), xp.tril(x))
    assert_same(vnp.add(x, 1), x + 1)
    out = xp.zeros((2, 2))
    assert vnp.multiply(x, 2, out=out) is out
    assert_same(out, 2 * x)
    assert_same(vnp.array([[1, 2], [3, 4]]), np.array([[1, 2], [3, 4]]))
    assert vnp.asarray(x) is x
    assert vnp.array(x) is not x
    assert type(vnp.zeros(3, like=x)) is type(x)
    assert type(vnp.asarray([1.0], like=x)) is type(x)


def test_ufunc_options_on_tracers():
    def f(x):
        y = vnp.zeros(2)
        vnp.add(x, 1, out=y)
        vnp.multiply(x, 2, out=y, where=x > 0)
        return y, vnp.add(x, x, dtype=vnp.complex128)

    x = np.array([[1.0, -1.0], [2.0, 0.0]])
    assert_same(vmap(f)(x), (np.where(x > 0, 2 * x, x + 1), 2 * x + 0j))


MAKE = {
    "zeros": lambda: vnp.zeros((2, 3), vnp.float32),
    "zeros int": lambda: vnp.zeros(3, int),
    "empty": lambda: vnp.empty(2),
    "ones": lambda: vnp.ones((2,), order="F"),
    "full": lambda: vnp.full((2, 2), 7),
    "full list": lambda: vnp.full((2, 2), [1.0, 2.0]),
    "eye": lambda: vnp.eye(2, 3, k=1),
    "identity": lambda: vnp.identity(2),
    "tri": lambda: vnp.tri(2, 3),
    "arange": lambda: vnp.arange(1, 5, 2),
    "arange stop": lambda: vnp.arange(4.0),
    "linspace": lambda: vnp.linspace(0, 1, 4),
    "array": lambda: vnp.array([1.0, 2.0]),
    "asarray": lambda: vnp.asarray([[1, 2]]),
    "zeros_like": lambda: vnp.zeros_like(np.ones((2, 3))),
    "full_like": lambda: vnp.full_like(np.ones((2, 3)), 2, dtype=int, shape=(3,)),
}


@pytest.mark.parametrize("make", MAKE.values(), ids=MAKE)
def test_arrays_made_inside_a_transform_can_be_written_to(make):
    def plain():
        y = make()
        y[0] = 3
        return y

    def f(x):
        y = make()
        y[0] = x
        return y

    expected = plain()
    assert isinstance(expected, np.ndarray)
    assert_same(vmap(f)(np.array([3.0, 3.0])), np.stack([expected, expected]))
    if expected.dtype.kind == "f":
        assert_same(jvp(f, (3.0,), (1.0,))[0], expected)
        assert_same(grad(lambda x: f(x).sum())(3.0), expected[0].size * 1.0, tol=10)
        assert_same(vmap(grad(lambda x: f(x).sum()))(np.full(2, 3.0)), np.full(2, expected[0].size * 1.0))


def test_empty_is_zero():
    assert_same(vmap(lambda x: np.empty_like(x))(np.ones((2, 3))), np.zeros((2, 3)))


def test_nested_lists_of_traced_values():
    check_vmap(
        lambda x, y: vnp.array([[x, 1], [y, x * y]]),
        np.arange(3.0),
        np.arange(3.0) + 1,
        like=lambda x, y: np.array([[x, 1], [y, x * y]]),
    )
    assert_same(vnp.asarray([np.float32(1), 2.0]), np.array([1.0, 2.0]))


def test_functions_declared_later():
    def something(x):
        """A function that NumPy might have."""

    np.something = something
    try:
        assert vnp.something is something
        ours = implements(something)(lambda x: x)
        assert vnp.something is ours
    finally:
        del np.something
        NUMPY.pop(something, None)


def test_missing_names():
    with pytest.raises(AttributeError, match=r"vmapcore.numpy: has no 'nosuch'; it has the names of NumPy"):
        vnp.nosuch  # noqa: B018


def test_import_by_itself():
    """The namespace is there for `x.__array_namespace__()` however the package is imported."""
    code = "import vmapcore.numpy as vnp, sys; assert 'cupy' not in sys.modules; print(vnp.zeros(2))"
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[0. 0.]\n"
    )


x23, x3 = np.zeros((2, 3)), np.zeros(3)
ERRORS = [
    (
        lambda x: np.reshape(x, (4, 2)),
        ShapeError,
        "np.reshape: an array of shape (2, 3) has 6 elements, which do not fill shape (4, 2); one size may be -1.",
    ),
    (lambda x: x.reshape(-1, -1), ShapeError, "np.reshape: an array of shape (2, 3) has 6 elements"),
    (lambda x: x.reshape(-1, 4), ShapeError, "np.reshape"),
    (lambda x: np.reshape(x, (3, 2), order="Z"), ArgumentError, "np.reshape: order is 'Z'"),
    (lambda x: np.transpose(x, (0, 0)), AxisError, "np.transpose: axis (0, 0) names an axis twice."),
    (lambda x: np.transpose(x, (0,)), AxisError, "np.transpose: axes (0,) are not a permutation of the 2 axes"),
    (
        lambda x: np.swapaxes(x, 0, 2),
        AxisError,
        "np.swapaxes: axis 2 is out of range for 2 axes; expected -2 <= axis < 2.",
    ),
    (lambda x: np.moveaxis(x, (0, 1), 0), AxisError, "np.moveaxis"),
    (lambda x: np.expand_dims(x, 4), AxisError, "np.expand_dims: axis 4 is out of range for 3 axes"),
    (
        lambda x: np.squeeze(x, 1),
        ShapeError,
        "np.squeeze: axis 1 of f64[2,3] has size 3; only axes of size 1 can be dropped.",
    ),
    (lambda x: np.broadcast_to(x, (3, 3)), ShapeError, "np.broadcast_to: f64[2,3] does not broadcast to shape (3, 3)."),
    (
        lambda x: np.broadcast_arrays(x, np.zeros(4)),
        ShapeError,
        "np.broadcast_arrays: shapes (2, 3), (4,) do not broadcast",
    ),
    (
        lambda x: np.concatenate([x, x3]),
        ShapeError,
        "np.concatenate: arrays of shapes (2, 3), (3,) do not fit along axis -2",
    ),
    (lambda x: np.concatenate([x, x.T]), ShapeError, "np.concatenate: arrays of shapes (2, 3), (3, 2) do not fit"),
    (lambda x: np.vstack([x, np.zeros(2)]), ShapeError, "np.vstack: arrays of shapes (2, 3), (1, 2) do not fit"),
    (lambda x: np.stack([x, x3]), ShapeError, "np.stack: arrays have shapes (2, 3), (3,); all must be the same."),
    (lambda x: np.stack([x, x], axis=3), AxisError, "np.stack: axis 3 is out of range for 3 axes"),
    (lambda x: np.block([[x], x]), ShapeError, "np.block: lists are nested to different depths."),
    (
        lambda x: np.split(x, 2, axis=1),
        ShapeError,
        "np.split: axis -1 of f64[2,3] does not split into 2 pieces of equal size.",
    ),
    (lambda x: np.vsplit(x[0], 3), ShapeError, "np.vsplit: the array is f64[3]; it needs two axes or more."),
    (lambda x: np.flip(x, 2), AxisError, "np.flip"),
    (lambda x: np.fliplr(x[0]), ShapeError, "np.fliplr: the array is f64[3]; it needs two axes or more."),
    (lambda x: np.rot90(x, 1, (0, 0)), AxisError, "np.rot90"),
    (lambda x: np.roll(x, (1, 2, 3), (0, 1)), ShapeError, "np.roll: shift has 3 entries and axis 2; they must match."),
    (lambda x: np.repeat(x, x), ArgumentError, "np.repeat: repeats is the traced f64[2,3]; it must be known"),
    (lambda x: np.pad(x, -1), ShapeError, "np.pad: pad_width is -1; it must not be negative."),
    (lambda x: np.pad(x, ((1, 2, 3),)), ShapeError, "np.pad"),
    (lambda x: np.pad(x, 1, mode=lambda *a: None), ArgumentError, "np.pad: mode is"),
    (
        lambda x: np.pad(x, 1, mode="edge", constant_values=1),
        ArgumentError,
        "np.pad: got constant_values with mode 'edge'",
    ),
    (lambda x: np.pad(x, 1, "reflect", reflect_type="none"), OptionError, "np.pad: reflect_type is 'none'"),
    (lambda x: np.diag(x[None]), ShapeError, "np.diag: the array is f64[1,2,3]; it must have one axis or two."),
    (lambda x: np.diagonal(x, 0, 1, 1), AxisError, "np.diagonal"),
    (lambda x: np.diagonal(x[0]), ShapeError, "np.diagonal: the array is f64[3]; it needs two axes or more."),
    (
        lambda x: np.lib.stride_tricks.sliding_window_view(x, (3, 1)),
        ShapeError,
        "np.lib.stride_tricks.sliding_window_view: windows of (3, 1) do not fit into f64[2,3].",
    ),
    (lambda x: np.lib.stride_tricks.sliding_window_view(x, 1, 0, writeable=True), ArgumentError, "writeable is True"),
    (lambda x: np.polyadd(x, x[0]), ShapeError, "np.polyadd: the coefficients are f64[2,3]; they must have one axis."),
    (lambda x: np.polyder(x[0], -1), OptionError, "np.polyder: m is -1; it must be 0 or more."),
    (lambda x: np.polyint(x[0], 3, [1, 2]), ShapeError, "np.polyint: k has 2 constants; it needs one, or m = 3."),
    (lambda x: np.polyfit(x[0], x[0], -1), OptionError, "np.polyfit: deg is -1; it must be 0 or more."),
    (lambda x: np.polyfit(x[0], x, 1), ShapeError, "np.polyfit: x is f64[3] and y f64[2,3]; x must be a vector"),
    (lambda x: np.polyfit(x[0], x[0], 1, w=x), ShapeError, "np.polyfit: w is f64[2,3]; it must be as x is, f64[3]."),
    (lambda x: np.polyfit(x[0], x[0], 2, cov=True), ArgumentError, "np.polyfit: 3 points determine all; cov needs"),
    (lambda x: np.vander(x), ShapeError, "np.vander: the array is f64[2,3]; it must have one axis."),
    (lambda x: np.meshgrid(x, indexing="yx"), ArgumentError, "np.meshgrid: indexing is 'yx'; it must be 'xy' or 'ij'."),
    (lambda x: vnp.arange(x[0, 0]), ArgumentError, "np.arange: a bound is the traced f64[]"),
    (lambda x: vnp.zeros(3, device="cuda"), ArgumentError, "vmapcore.numpy: device is 'cuda'"),
    (lambda x: vnp.zeros((2, -3)), ShapeError, "np.zeros: shape (2, -3) has a negative size."),
]


@pytest.mark.parametrize(("wrong", "kind", "text"), ERRORS, ids=[text.partition(":")[0] for _, _, text in ERRORS])
def test_errors_name_the_call_and_the_shapes(wrong, kind, text):
    """Of one example, not of the batch, and the same under every transform."""
    for transformed in (vmap(wrong), lambda x: jvp(wrong, (x[0],), (x[0],))):
        with pytest.raises(kind) as caught:
            transformed(np.zeros((5, 2, 3)))
        assert isinstance(caught.value, VmapcoreError)
        assert text in str(caught.value)


def test_lists_of_plain_numbers_are_numpys():
    assert not vnp.is_traced([1.0, [2.0]])

    def f(x):
        assert type(vnp.max([1, 3])) is np.int64
        table = vnp.repeat(np.ones(1), 2)  # as if made here, and so taking traced values
        table[0] = x
        return table

    assert_same(vmap(f)(np.array([5.0, 6.0])), np.array([[5.0, 1.0], [6.0, 1.0]]))
