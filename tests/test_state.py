"""State by name: what load_state_dict takes, copies, casts and refuses, and what arrays are called."""

import dataclasses
import io
import re
from collections import OrderedDict, deque
from typing import Any, NamedTuple

import numpy as np
import pytest

import vmapcore as vc
from vmapcore import errors, nn
from vmapcore.pytree import flatten


class Pair(NamedTuple):
    left: Any
    right: Any


@dataclasses.dataclass
class Plain:
    inner: Any


class Mixed(nn.Module):
    """An array of each kind, and parts in containers of every kind."""

    real: Any
    single: Any
    complex: Any
    count: Any = nn.buffer()
    flags: Any = nn.buffer()
    parts: Any = ()

    def __init__(self, parts=()):
        self.real, self.single, self.complex = np.ones(3), np.ones(3, np.float32), np.ones(3, np.complex64)
        self.count, self.flags = np.zeros(3, np.int32), np.zeros(3, bool)
        self.parts = parts


def fails(error, message):
    return pytest.raises(error, match=re.escape(message))


def same(a, b):
    return all(x.dtype == y.dtype and np.array_equal(x, y) for x, y in zip(flatten(a)[0], flatten(b)[0], strict=True))


# Names.


def test_arrays_in_containers_of_any_kind_have_names():
    """What vmap and grad see has a name, and is loaded by it."""
    one = nn.Linear(2, 2, rng=0, bias=False)
    net = Mixed([one, {"a": (one,)}, Pair(one, None), Plain(one), OrderedDict(z=one), deque([one])])
    names = ["0.weight", "1.a.0.weight", "2.0.weight", "3.inner.weight", "4.z.weight", "5.0.weight"]
    assert list(net.state_dict())[-6:] == ["parts." + name for name in names]
    zeros = {name: np.zeros_like(x) for name, x in net.state_dict().items()}
    assert not any(np.any(x) for x in flatten(nn.load_state_dict(net, zeros))[0])
    assert list(nn.stack_module_state([net, net])[0]) == list(nn.named_parameters(net))


def test_sequential_has_the_names_of_places():
    net = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Sequential(nn.BatchNorm(3), nn.Linear(3, 1)))
    assert list(net.state_dict()) == [
        *("0.weight", "0.bias"),
        *("2.0.weight", "2.0.bias", "2.0.running_mean", "2.0.running_var", "2.1.weight", "2.1.bias"),
    ]
    assert list(Mixed({"features": net}).state_dict())[-1] == "parts.features.2.1.bias"
    with fails(
        errors.ArgumentError, "Sequential: argument 0 is list; each must be a layer. Write Sequential(*layers)."
    ):
        nn.Sequential([nn.ReLU()])


def test_two_arrays_of_one_name():
    with fails(errors.StructureError, "two of its arrays have the name 'parts.a.b'"):
        Mixed({"a.b": np.ones(1), "a": {"b": np.ones(1)}}).state_dict()


# What is taken.


def test_a_loaded_model_shares_no_memory():
    for net in (Mixed(), nn.BatchNorm(3)):
        state = net.state_dict()
        for x in flatten(nn.load_state_dict(net, state))[0]:
            assert not any(np.shares_memory(x, y) for y in state.values())
            assert x.flags.writeable


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.longdouble, ">f4", ">f8"])
def test_floats_get_the_dtype_of_the_model(dtype):
    values = np.array([0.5, 1.0, 2.0], dtype)
    net = nn.load_state_dict(Mixed(), {**Mixed().state_dict(), "real": values, "single": values, "complex": values})
    assert [x.dtype.str for x in (net.real, net.single, net.complex)] == ["<f8", "<f4", "<c8"]
    assert all(np.array_equal(x, [0.5, 1, 2]) for x in (net.real, net.single, net.complex))


REFUSED = {
    "real": [np.int64, np.int8, bool, complex, "O", "U3", "M8[s]"],
    "single": [np.int64, np.uint8, np.complex64, "O"],
    "complex": [np.int64, bool],
    "count": [np.int64, np.uint32, float, complex],
    "flags": [int, float],
}


@pytest.mark.parametrize("name, dtype", [(name, d) for name, dtypes in REFUSED.items() for d in dtypes])
def test_other_kinds_are_refused(name, dtype):
    given, own = np.zeros(3, dtype), getattr(Mixed(), name)
    message = f"load_state_dict(Mixed): '{name}' is {errors.describe(given)}; the model has {errors.describe(own)}."
    with fails(errors.DTypeError, message):
        nn.load_state_dict(Mixed(), {**Mixed().state_dict(), name: given})


@pytest.mark.parametrize(
    "x", [None, 1.0, "ones", [1.0, 1.0, 1.0], object(), np.ones, nn.skeleton(nn.Linear(3, 3)).weight]
)
def test_what_is_no_array_is_refused(x):
    with fails(errors.ArgumentError, f"'real' is {errors.describe(x)}; a state is of arrays"):
        nn.load_state_dict(Mixed(), {**Mixed().state_dict(), "real": x})
    for state in ([np.ones(3)], Mixed(), None):
        with fails(errors.ArgumentError, f"state is {errors.describe(state)}; it must be a dict of arrays by name"):
            nn.load_state_dict(Mixed(), state)


def test_shapes_that_differ_name_the_array():
    with fails(errors.ShapeError, "load_state_dict(Mixed): 'single' is f32[3,1]; the model has f32[3]"):
        nn.load_state_dict(Mixed(), {**Mixed().state_dict(), "single": np.ones((3, 1), np.float32)})


class Foreign:
    """An array of another library, such as a tensor of PyTorch's on the CPU."""

    def __init__(self, values):
        self.values = values

    def __array__(self, dtype=None, copy=None):
        return self.values


def test_arrays_of_others_are_read():
    net = Mixed()
    new = nn.load_state_dict(net, {name: Foreign(x + x) for name, x in net.state_dict().items()})
    assert np.array_equal(new.single, net.single * 2) and type(new.single) is np.ndarray


def test_state_goes_through_a_file():
    net = nn.Sequential(nn.Linear(3, 2, rng=0), nn.BatchNorm(2))
    file = io.BytesIO()
    np.savez(file, **net.state_dict())
    file.seek(0)
    assert same(nn.load_state_dict(nn.Sequential(nn.Linear(3, 2, rng=1), nn.BatchNorm(2)), np.load(file)), net)


def test_a_skeleton_is_loaded():
    net = nn.Linear(3, 2, rng=0)
    assert same(nn.load_state_dict(nn.skeleton(net), net.state_dict()), net)


@pytest.mark.parametrize("transform", [lambda f: f, vc.jit])
def test_loading_is_traced(transform):
    """Inside a transform what is loaded may be traced, and is cast then too."""
    net = nn.Linear(3, 2, rng=0)
    state = {name: x.astype(np.float64) for name, x in net.state_dict().items()}

    def loss(state):
        return np.sum(nn.load_state_dict(net, state)(np.ones((4, 3), np.float32)) ** 2)

    g = transform(vc.grad(loss))(state)
    expected = vc.grad(lambda net: np.sum(net(np.ones((4, 3), np.float32)) ** 2))(net)
    np.testing.assert_allclose(g["weight"], expected.weight, rtol=1e-5)
    assert g["weight"].dtype == np.float64


# Names that are missing or unknown.


def test_counts_of_batches_are_passed_over():
    """PyTorch's batch norm keeps one; where there are no running statistics it is a name like any other."""
    net = nn.Sequential(nn.Linear(2, 2), nn.Sequential(nn.BatchNorm(2)))
    state = {**net.state_dict(), "1.0.num_batches_tracked": np.array(7)}
    assert same(nn.load_state_dict(net, state), net)
    norm = nn.BatchNorm(2)
    assert same(nn.load_state_dict(norm, {**norm.state_dict(), "num_batches_tracked": np.array(7)}), norm)
    for name in ("0.num_batches_tracked", "num_batches_tracked", "1.num_batches_tracked"):
        with fails(errors.StructureError, f"'{name}' is not a name of the model"):
            nn.load_state_dict(net, {**net.state_dict(), name: np.array(7)})


def test_names_that_are_alike_are_told():
    net = nn.Linear(2, 2)
    with fails(errors.StructureError, "'weight' is missing and 'wieght' is not a name of the model; the model has"):
        nn.load_state_dict(net, {"wieght": net.weight, "bias": net.bias})
    with fails(errors.StructureError, "Write weight."):
        nn.functional_call(net, {"wieght": net.weight}, np.ones(2))
    with fails(errors.ArgumentError, "functional_call(Linear): state is list; it must be a dict by name"):
        nn.functional_call(net, [net.weight], np.ones(2))


def test_loading_a_part_says_what_was_left():
    net = nn.Linear(2, 2, rng=0)
    message = "load_state_dict(Linear): the model keeps its own 'bias'; it has no 'head.weight'."
    with pytest.warns(UserWarning, match=re.escape(message)) as found:
        new = nn.load_state_dict(net, {"weight": np.zeros((2, 2)), "head.weight": np.ones(1)}, strict=False)
    assert found[0].filename == __file__
    assert not np.any(new.weight) and new.bias is net.bias
    assert same(nn.load_state_dict(net, net.state_dict(), strict=False), net)  # without a warning
    with fails(errors.ShapeError, "'bias' is f64[3]"):
        nn.load_state_dict(net, {**net.state_dict(), "bias": np.ones(3)}, strict=False)
