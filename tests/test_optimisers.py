"""What optimisers ask of parameters, gradients, state and hyper-parameters, and what is trained."""

import re
from typing import Any

import numpy as np
import pytest

import vmapcore as vc
from vmapcore import errors, nn
from vmapcore.pytree import flatten, tree_map

OPTIMISERS = [
    nn.SGD(0.1, momentum=0.9, dampening=0.1, weight_decay=0.5),
    nn.Adam(0.1, weight_decay=0.5, amsgrad=True),
    nn.AdamW(0.1, weight_decay=0.5),
]
each_optimiser = pytest.mark.parametrize("opt", OPTIMISERS, ids=lambda opt: type(opt).__name__)
NUMBERS = ["lr", "weight_decay", "momentum", "dampening", "eps"]


def fails(error, message):
    return pytest.raises(error, match=re.escape(message))


def step(opt, params):
    return opt.step(params, tree_map(np.ones_like, params), opt.init(params))[0]


@each_optimiser
@pytest.mark.parametrize("bad", [[0.1, 0.2], {"w": 0.1}, "0.1", lambda t: 0.1, (0.1,)])
def test_hyper_parameters_are_numbers_or_arrays(opt, bad):
    """A list would be cut along the last axis."""
    for name in NUMBERS:
        if hasattr(opt, name):
            with fails(
                errors.ArgumentError, f"step: {name} is {errors.describe(bad)}; it must be a number, or an array"
            ):
                step(nn.replace(opt, {name: bad}), {"w": np.ones((3, 2))})
    if hasattr(opt, "betas"):
        with fails(errors.ArgumentError, f"step: betas[1] is {errors.describe(bad)}; it must be"):
            step(nn.replace(opt, {"betas": (0.9, bad)}), {"w": np.ones((3, 2))})


@each_optimiser
@pytest.mark.parametrize("shape", [(), (1,), (2,), (4, 3)])
def test_an_array_has_a_value_for_each_member(opt, shape):
    """It would otherwise be broadcast, and the parameter grow."""
    for name in NUMBERS:
        if hasattr(opt, name):
            with fails(errors.ShapeError, f"step: {name} is f64[3]; a parameter is {errors.describe(np.ones(shape))}"):
                step(nn.replace(opt, {name: np.full(3, 0.1)}), {"w": np.ones(shape)})


@each_optimiser
def test_gradients_are_like_their_parameters(opt):
    params = {"a": np.ones(2, np.float32), "b": np.ones((2, 3))}
    for wrong in (np.ones((3, 2, 3)), np.ones(3), 1.0):
        with fails(
            errors.ShapeError, f"step: the gradient of 'b' is {errors.describe(np.asarray(wrong))}; the parameter"
        ):
            opt.step(params, {"a": params["a"], "b": wrong}, opt.init(params))
    with fails(errors.DTypeError, "the gradient of 'b' is c128[2,3]; the parameter is f64[2,3]"):
        opt.step(params, {"a": params["a"], "b": np.ones((2, 3), complex)}, opt.init(params))


@each_optimiser
@pytest.mark.parametrize("dtype", [np.float32, np.complex64, np.float16])
def test_parameters_keep_their_dtype(opt, dtype):
    """Whatever the gradients have been scaled by."""
    params = {"a": np.ones(3, dtype)}
    grads = {"a": (params["a"] * np.float64(0.5)).astype(np.result_type(dtype, np.float64))}
    new, state = opt.step(params, grads, opt.init(params))
    new, state = opt.step(new, grads, state)
    assert new["a"].dtype == dtype
    assert {x.dtype for x in flatten(state)[0][1:]} == {np.dtype(dtype)}


@each_optimiser
def test_state_is_what_init_gave(opt):
    params = {"a": np.ones(3), "b": np.ones(2)}
    other = nn.Adam() if isinstance(opt, nn.SGD) else nn.SGD()
    kind = type(opt.init(params)).__name__
    for state in (other.init(params), None, {}):
        with fails(
            errors.ArgumentError, f"step: state is {errors.describe(state)}; it must be the {kind} of these params"
        ):
            opt.step(params, params, state)
    with fails(errors.ArgumentError, f"step: state is {kind} of other params; it must be the {kind} of these params"):
        opt.step(params, params, opt.init(params["a"]))


class Tied(nn.Module):
    there: nn.Linear
    back: nn.Linear

    def __init__(self):
        self.there = nn.Linear(3, 3, rng=0, bias=False)
        self.back = nn.replace(self.there, {})

    def __call__(self, x):
        return self.back(np.tanh(self.there(x)))


@each_optimiser
def test_one_array_in_two_places_is_told(opt):
    """Stacked too, and under vmap: each place would get a step of its own."""
    message = f"{type(opt).__name__}.init: 'there.weight' and 'back.weight' are one array; a step would make them two."
    big = nn.stack([Tied(), Tied()])
    for init, net in ((opt.init, Tied()), (opt.init, big), (vc.vmap(opt.init), big)):
        with fails(errors.ArgumentError, message):
            init(net)
    ints = np.arange(3)
    opt.init({"w": np.ones(3), "a": ints, "b": ints})


class Shared(nn.Module):
    weight: Any

    def __call__(self, x):
        return np.tanh(x @ self.weight) @ self.weight.T


def test_tied_weights_are_held_once():
    net, x = Shared(np.eye(3) * 0.5), np.ones((2, 3))

    def loss(net):
        return np.sum((net(x) - x) ** 2)

    opt = nn.SGD(0.01)
    new, _ = opt.step(net, vc.grad(loss)(net), opt.init(net))
    assert loss(new) < loss(net)


def test_a_part_is_frozen_by_training_the_other():
    net = nn.Sequential(nn.Linear(3, 4, rng=0), nn.ReLU(), nn.Linear(4, 2, rng=1))
    body, head = net[:2], net[2]
    opt = nn.AdamW(0.1, weight_decay=0.5)

    def loss(head, body):
        return np.sum(head(body(np.ones((5, 3), np.float32))) ** 2)

    new, _ = opt.step(head, vc.grad(loss)(head, body), opt.init(head))
    assert loss(new, body) < loss(head, body)


# Layers one after the other.


def test_functions_are_layers():
    """A function is no leaf: what holds it can be differentiated, stacked and recorded."""
    net = nn.Sequential(nn.Linear(3, 2, rng=0), np.tanh, lambda x: x * 2, nn.functional.relu)
    x = np.ones((4, 3), np.float32)
    assert np.array_equal(net(x), np.maximum(2 * np.tanh(net[0](x)), 0))
    assert len(flatten(net)[0]) == 2
    assert vc.grad(lambda net: np.sum(net(x)))(net)[0].weight.shape == (2, 3)
    np.testing.assert_allclose(nn.Ensemble([net, net])(x)[1], net(x), rtol=1e-6)
    np.testing.assert_allclose(vc.jit(lambda net: net(x))(net), net(x), rtol=1e-6)


def test_training_mode_goes_through_sequential():
    x = np.random.default_rng(0).standard_normal((8, 3)).astype(np.float32)
    net = nn.Sequential(nn.Linear(3, 4, rng=0), nn.Sequential(nn.BatchNorm(4), np.tanh), nn.BatchNorm(4))
    y, new = net.train_call(x)
    h, first = net[1][0].train_call(net[0](x))
    expected, last = net[2].train_call(np.tanh(h))
    assert np.array_equal(y, expected)
    assert np.array_equal(new[1][0].running_mean, first.running_mean)
    assert np.array_equal(new[2].running_var, last.running_var)
    assert new[0] is net[0] and np.all(net[2].running_mean == 0)


# What stack takes.


class Scaled(nn.Module):
    weight: Any
    factor: Any = 2.0


def test_stack_refuses_what_differs_and_is_no_array():
    assert nn.stack([Scaled(np.ones(2)), Scaled(np.ones(2))]).factor == 2.0
    for a, b in ((2.0, 3.0), (2, 2.0), ("a", "b"), (np.ones(()), 2.0), (len, sum)):
        with fails(errors.StructureError, f"stack: 'factor' of model 1 is {errors.describe(b)}; that of model 0 is"):
            nn.stack([Scaled(np.ones(2), a), Scaled(np.ones(2), b)])
    with fails(errors.StructureError, "'lr' of model 1 is float 0.01"):
        nn.stack([nn.Adam(0.1), nn.Adam(0.01)])
    with fails(errors.DTypeError, "'weight' of model 1 is f32[2]; that of model 0 is f64[2]"):
        nn.stack([Scaled(np.ones(2)), Scaled(np.ones(2, np.float32))])


def test_a_function_as_default_is_no_method():
    class Net(nn.Module):
        weight: Any
        act: Any = nn.static(default=nn.functional.relu)

        def __init__(self):
            self.weight = np.ones(2)

        def __call__(self, x):
            return self.act(x * self.weight)

    for net in (Net(), tree_map(lambda x: x, Net())):
        assert np.array_equal(net(np.array([-1.0, 1.0])), [0, 1])
    assert flatten(Net())[1] == flatten(Net())[1]
