"""Operands of other libraries: who answers NumPy's arrays answers tracers; others are what they are to NumPy."""

import operator

import numpy as np
import pytest
from numpy._core._rational_tests import rational

from vmapcore import grad, jit, jvp, vmap
from vmapcore.errors import ArgumentError

X = np.array([2.0, -1.0, 3.0])

OPERATORS = [operator.add, operator.sub, operator.mul, operator.truediv, operator.pow, operator.matmul, operator.mod]


class Answers:
    """What the classes below have in common: an answer to every operator."""

    def __array__(self, dtype=None, copy=None):
        raise AssertionError

    def _answer(self, other):
        return "mine"

    __add__ = __sub__ = __mul__ = __truediv__ = __pow__ = __matmul__ = __mod__ = _answer
    __radd__ = __rsub__ = __rmul__ = __rtruediv__ = __rpow__ = __rmatmul__ = __rmod__ = _answer


class NoUfuncs(Answers):
    __array_ufunc__ = None


class Ufuncs(Answers):
    def __array_ufunc__(self, ufunc, method, *inputs, **kwargs):
        return "mine"


class Priority(Answers):
    __array_priority__ = 10.1


class Plain:
    """No more than an array to NumPy, as a tensor of another library may be."""

    def __array__(self, dtype=None, copy=None):
        return np.array([4.0, 5.0, 6.0])


def inside(transform, fun):
    """What `fun` returns inside a transform."""
    found = []

    def f(x):
        found.append(fun(x))
        return np.sum(x)

    transform(f)(X)
    return found[0]


TRANSFORMS = [vmap, grad, jit, lambda f: lambda x: jvp(f, (x,), (x,)), lambda f: lambda x: jit(vmap(grad(f)))(x)]


@pytest.mark.parametrize("transform", TRANSFORMS)
@pytest.mark.parametrize("kind", [NoUfuncs, Ufuncs, Priority])
@pytest.mark.parametrize("apply", OPERATORS)
def test_who_answers_arrays_answers_tracers(apply, kind, transform):
    assert apply(X, kind()) == apply(kind(), X) == "mine"
    assert inside(transform, lambda x: apply(x, kind())) == "mine"
    assert inside(transform, lambda x: apply(kind(), x)) == "mine"


@pytest.mark.parametrize("transform", TRANSFORMS)
def test_ufuncs_are_answered_too(transform):
    assert np.add(X, Ufuncs()) == "mine"
    assert inside(transform, lambda x: np.add(x, Ufuncs())) == "mine"
    assert inside(transform, lambda x: np.add(Ufuncs(), x)) == "mine"
    with pytest.raises(TypeError, match="does not support ufuncs"):
        inside(transform, lambda x: np.add(x, NoUfuncs()))


@pytest.mark.parametrize("apply", [np.multiply, operator.mul])
def test_what_is_an_array_to_numpy_is_one_to_tracers(apply):
    want = np.array([4.0, 5.0, 6.0])
    assert np.array_equal(apply(X, Plain()), X * want)
    for transform in (grad, lambda f: jit(grad(f)), lambda f: lambda x: jvp(f, (x,), (np.eye(3)[0],))[1]):
        found = transform(lambda x: np.sum(apply(x, Plain())))(X)
        assert np.array_equal(found, want if np.shape(found) else want[0])


# Arguments.


class Tensor:
    """An array of a library that is not known."""

    dtype, shape, device = "float64", (3,), 1

    def __array__(self, dtype=None, copy=None):
        return X

    def __dlpack__(self, **options):
        return X.__dlpack__(**options)

    def __dlpack_device__(self):
        return self.device, 0


class OnDevice(Tensor):
    device = 2


class Sparse:
    dtype, shape = X.dtype, (3,)

    def toarray(self):
        return X


class Frame:
    shape = (3,)

    def __array__(self, dtype=None, copy=None):
        return X


@pytest.mark.parametrize("transform", [vmap, grad, jit, lambda f: lambda x: jvp(f, (x,), (x,))])
@pytest.mark.parametrize(
    "kind, remedy",
    [
        (Tensor, r"Pass np.from_dlpack\(x\)"),
        (OnDevice, "It is on another device"),
        (Sparse, r"Pass x.toarray\(\)"),
        (Frame, r"Pass np.asarray\(x\)"),
    ],
)
def test_arguments_of_other_libraries(kind, remedy, transform):
    """To jit too, to which they would be values that never change."""
    with pytest.raises(ArgumentError, match=f"is {kind.__name__}.*{remedy}"):
        transform(np.sum)(kind())
    assert np.array_equal(np.from_dlpack(Tensor()), X)


def test_dtypes_of_other_libraries_are_refused():
    """As bfloat16 would be, of which NumPy casts some operations and knows others not."""
    x = np.ones((3, 4), rational)
    for transform in (vmap, jit):
        with pytest.raises(ArgumentError, match=r"rational\[3,4\].* Pass x.astype\(np.float32\)."):
            transform(lambda x: x + x)(x)
    with pytest.raises(TypeError, match="rational"):
        grad(lambda x: x + x)(x[0, 0])
