"""What transforms return is pickled, and called, bound and described as the function that it stands for."""

import copy
import inspect
import pickle

import numpy as np
import pytest

import vmapcore as vc
from vmapcore.testing import assert_same


def square_sum(x, scale=1.0):
    """Of squares."""
    return np.sum(x * x) * scale


@vc.vmap
def halved(x):
    return x / 2


class Halving:
    @vc.vmap
    def method(self, x):
        return x / 2

    @vc.grad
    def slope(x):
        return x * x


X = np.array([[1.0, 2.0], [3.0, 4.0]])
MADE = {
    "vmap of a ufunc": vc.vmap(np.sin),
    "vmap of a function of NumPy's": vc.vmap(np.sum, in_axes=1),
    "vmap": vc.vmap(square_sum, -1, axis_size=2),
    "grad": vc.grad(square_sum, argnums=0),
    "value_and_grad": vc.value_and_grad(square_sum),
    "jacrev": vc.jacrev(square_sum),
    "jacfwd": vc.jacfwd(square_sum),
    "hessian": vc.hessian(square_sum),
    "jit": vc.jit(square_sum),
    "jit of a ufunc": vc.jit(np.sin),
    "nested": vc.jit(vc.vmap(vc.grad(square_sum), in_axes=0)),
    "twice": vc.vmap(vc.vmap(np.cos)),
    "of one that holds more": vc.vmap(vc.value_and_grad(square_sum)),
    "trace": vc.trace(square_sum),
}


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("name", MADE)
def test_what_transforms_return_is_made_again(name, protocol):
    made = MADE[name]
    other = pickle.loads(pickle.dumps(made, protocol))
    assert other is not made
    expected, found = made(X), other(X)
    if name == "trace":
        assert str(found) == str(expected)
    else:
        assert_same(found, expected)
    assert copy.deepcopy(made).__name__ == made.__name__


def test_by_name_where_a_decorator_puts_it():
    assert pickle.loads(pickle.dumps(halved)) is halved
    assert pickle.loads(pickle.dumps(Halving.method)) is Halving.method
    with pytest.raises((AttributeError, pickle.PicklingError)):  # as plain functions that have no name of their own
        pickle.dumps(vc.vmap(lambda x: x))


def test_described_and_bound_as_the_function():
    made = vc.vmap(square_sum)
    assert (made.__name__, made.__doc__, made.__module__) == ("square_sum", "Of squares.", __name__)
    assert inspect.signature(made) == inspect.signature(square_sum)
    assert Halving.slope(3.0) == 6.0
    bound = Halving.__dict__["method"].__get__(X, type(X))
    assert_same(bound(X), X / 2)
