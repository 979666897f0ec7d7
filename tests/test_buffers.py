"""Buffers are no parameters: derivatives take them for constants, and no optimiser moves them, wherever they lie."""

import dataclasses
from typing import Any, NamedTuple

import numpy as np
import pytest

import vmapcore as vc
from vmapcore import nn
from vmapcore.pytree import buffers, flatten, tree_map

X = np.linspace(-1.0, 1.0, 12).reshape(4, 3)


class Scale(nn.Module):
    """With a parameter, and buffers that its result depends on; one of them of ints."""

    weight: Any
    shift: Any = nn.buffer()
    steps: Any = nn.buffer()

    def __init__(self):
        self.weight, self.shift, self.steps = np.full(3, 0.7), np.full(3, 0.2), np.array([2])

    def __call__(self, x):
        return np.tanh(x * self.weight + self.shift) * self.steps


class Heir(Scale):
    more: Any = nn.buffer()

    def __init__(self):
        super().__init__()
        self.more = {"a": [np.full(3, 0.5)], "b": Scale()}

    def __call__(self, x):
        return super().__call__(x) * self.more["a"][0] + self.more["b"](x)


@dataclasses.dataclass
class Plain:
    weight: Any
    shift: Any = dataclasses.field(metadata={"buffer": True})

    def __call__(self, x):
        return self.weight * x + self.shift


class Pair(NamedTuple):
    first: Any
    second: Any


class Net(nn.Module):
    """Holds something in a container of any kind."""

    held: Any
    weight: Any

    def __init__(self, held):
        self.held, self.weight = held, np.ones(3)

    def __call__(self, x):
        for layer in calls(self.held):
            x = layer(x)
        return x * self.weight


def calls(held):
    """The layers in a container."""
    if isinstance(held, dict):
        held = held.values()
    return [layer for part in held for layer in calls(part)] if not callable(held) else [held]


def norm():
    layer = nn.BatchNorm(3, dtype=np.float64)
    return nn.replace(layer, {"running_mean": np.full(3, 0.3), "running_var": np.full(3, 1.7)})


LAYERS = {"BatchNorm": norm}
NETS = {
    "BatchNorm": norm,
    "own": Scale,
    "inherited": Heir,
    "dataclass": lambda: Plain(np.ones(3), np.full(3, 0.1)),
    "Sequential": lambda: nn.Sequential(nn.Linear(3, 3, rng=0, dtype=np.float64), norm(), nn.Sequential(Scale())),
    "module": lambda: Net(norm()),
    "list": lambda: Net([norm(), Scale()]),
    "dict": lambda: Net({"one": norm(), "two": [Scale()]}),
    "tuple": lambda: Net((norm(), (Heir(), Net(norm())))),
    "named tuple": lambda: Net(Pair(norm(), Scale())),
    "dataclass inside": lambda: Net([Plain(np.ones(3), np.full(3, 0.1))]),
}
each_net = pytest.mark.parametrize("make", NETS.values(), ids=NETS)


def loss(net, x=X):
    return np.sum(net(x) ** 2)


def parts(tree):
    """The leaves that are parameters, and those that are buffers."""
    leaves, treedef = flatten(tree)
    pairs = list(zip(leaves, buffers(treedef), strict=True))
    assert any(is_buffer for _, is_buffer in pairs)
    return [x for x, is_buffer in pairs if not is_buffer], [x for x, is_buffer in pairs if is_buffer]


def same(found, expected):
    assert len(found) == len(expected)
    for a, b in zip(found, expected, strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-12)


def test_every_layer_with_buffers_is_here():
    layers = [
        kind
        for kind in vars(nn).values()
        if isinstance(kind, type) and issubclass(kind, nn.Module) and kind is not nn.Module
    ]
    declare = {k.__name__ for k in layers if any(f.metadata.get("buffer") for f in dataclasses.fields(k))}
    assert declare == set(LAYERS)


@each_net
def test_names_tell_buffers_from_parameters(make):
    net = make()
    params, kept = parts(net)
    assert [id(x) for x in nn.named_parameters(net).values()] == [id(x) for x in params]
    assert [id(x) for x in nn.named_buffers(net).values()] == [id(x) for x in kept]


@each_net
def test_derivatives_take_buffers_for_constants(make):
    """The gradient is that of a function of the parameters alone, and zero for buffers."""
    net = make()
    by_name, fixed = nn.named_parameters(net), nn.named_buffers(net)
    alone = vc.grad(lambda p: loss(lambda x: nn.functional_call(net, (p, fixed), x)))(by_name) if by_name else {}
    expected = list(alone.values())
    for g in (
        vc.grad(loss)(net),
        vc.value_and_grad(loss)(net)[1],
        vc.vjp(loss, net)[1](1.0)[0],
        vc.jit(vc.grad(loss))(net),
    ):
        params, kept = parts(g)
        same(params, expected)
        assert not any(np.any(x) for x in kept)
        assert flatten(g)[1] == flatten(net)[1]
    _, along = vc.jvp(loss, (net,), (tree_map(np.ones_like, net),))
    np.testing.assert_allclose(along, sum(np.sum(g) for g in expected))


@each_net
def test_jacobians_and_hessians_have_zeros_for_buffers(make):
    net = make()
    for jacobian in (vc.jacrev, vc.jacfwd):
        for chunk_size in (None, 2):
            params, kept = parts(jacobian(lambda net: np.sum(net(X), 0), chunk_size=chunk_size)(net))
            assert all(x.shape[0] == 3 for x in params + kept)
            assert not any(np.any(x) for x in kept) and any(np.any(x) for x in params)
    rows, _ = parts(vc.hessian(loss)(net))
    expected, _ = parts(vc.jacfwd(vc.grad(loss))(net))
    for row, want in zip(rows, expected, strict=True):
        same(flatten(row)[0], flatten(want)[0])


OPTIMISERS = [
    nn.SGD(0.1),
    nn.SGD(0.1, momentum=0.9, weight_decay=0.5),
    nn.SGD(0.1, momentum=0.9, weight_decay=0.5, nesterov=True),
    nn.Adam(0.1),
    nn.Adam(0.1, weight_decay=0.5, amsgrad=True),
    nn.AdamW(0.1, weight_decay=0.5),
]


def test_every_optimiser_is_here():
    kinds = {k for k in vars(nn).values() if isinstance(k, type) and hasattr(k, "step")}
    assert {type(opt) for opt in OPTIMISERS} == kinds


@pytest.mark.parametrize("opt", OPTIMISERS, ids=repr)
@pytest.mark.parametrize("make", [NETS["list"], NETS["inherited"], NETS["Sequential"]])
def test_optimisers_leave_buffers_alone(make, opt):
    """Whatever the gradients say, and the parameters move as they do without the buffers."""
    net = make()
    grads = tree_map(np.ones_like, net)
    new, state = opt.step(net, grads, opt.init(net))
    new, state = opt.step(new, grads, state)
    alone, of_alone = nn.named_parameters(net), nn.named_parameters(grads)
    step = opt.step(alone, of_alone, opt.init(alone))
    expected, _ = opt.step(step[0], of_alone, step[1])
    same(parts(new)[1], parts(net)[1])
    same(parts(new)[0], list(expected.values()))


@pytest.mark.parametrize("opt", OPTIMISERS, ids=repr)
@pytest.mark.parametrize("transform", [lambda f: f, vc.jit])
def test_ensembles_train_without_moving_buffers(opt, transform):
    nets = [NETS["dict"]() for _ in range(3)]
    big = nn.stack(nets)

    def step(net, state):
        value, g = vc.value_and_grad(loss)(net)
        return *opt.step(net, g, state), value

    train = transform(vc.vmap(step))
    new, state = big, vc.vmap(opt.init)(big)
    for _ in range(3):
        new, state, _ = train(new, state)
    same(parts(new)[1], parts(big)[1])
    alone, of_alone = nets[0], opt.init(nets[0])
    for _ in range(3):
        alone, of_alone, _ = step(alone, of_alone)
    same(parts(nn.unstack(new)[2])[0], parts(alone)[0])


def test_state_of_an_ensemble_apart():
    nets = [norm() for _ in range(3)]
    fmodel, params, fixed = nn.combine_state_for_ensemble(nets)
    assert len(params) == 2 and len(fixed) == 2
    g = vc.vmap(vc.grad(lambda p, b: np.sum(fmodel(p, b, X) ** 2)))(params, fixed)
    same(g, [np.stack([x] * 3) for x in parts(vc.grad(loss)(nets[0]))[0]])


def test_an_ensemble_has_zeros_too():
    g = vc.grad(loss)(nn.Ensemble([norm() for _ in range(3)]))
    assert not any(np.any(x) for x in parts(g)[1]) and any(np.any(x) for x in parts(g)[0])


def test_per_sample_gradients():
    net = NETS["Sequential"]()
    g = vc.vmap(vc.grad(loss), in_axes=(None, 0))(net, X[:, None])
    for i in range(len(X)):
        same([x[i] for x in flatten(g)[0]], flatten(vc.grad(loss)(net, X[i][None]))[0])


@pytest.mark.parametrize("transform", [vc.grad, vc.jacfwd, lambda f: vc.vmap(vc.grad(f), in_axes=(None,), axis_size=2)])
def test_what_is_written_to_a_buffer_stays_inside(transform):
    def f(net):
        net.shift[...] = net.weight * 2
        net.steps[0] += 1
        return np.sum(net.shift) * net.steps[0]

    net = Scale()
    g = transform(f)(net)
    assert np.all(g.weight == 6)
    assert np.all(net.shift == 0.2) and net.steps[0] == 2


class Kept(nn.Module):
    there: Any = nn.buffer()


def test_nothing_but_buffers():
    net = Kept(np.ones(2))
    for f in (lambda net: np.sum(net.there) ** 2, lambda net: np.ones(())):
        assert not np.any(vc.grad(f)(net).there)
        assert vc.hessian(f)(net).there.there.shape == (2, 2)
        assert vc.jvp(f, (net,), (net,))[1] == 0
    for jacobian in (vc.jacfwd, vc.jacrev):
        assert np.array_equal(jacobian(lambda net: net.there * 2)(net).there, np.zeros((2, 2)))
        assert jacobian(lambda tree: np.ones(3))({}) == {}


def test_buffers_of_other_things_than_arrays():
    class Odd(nn.Module):
        weight: Any
        count: Any = nn.buffer()
        label: Any = nn.buffer()

        def __init__(self):
            self.weight, self.count, self.label = np.ones(2), 3, "name"

    g = vc.grad(lambda net: np.sum(net.weight) * net.count)(Odd())
    assert np.all(g.weight == 3) and g.count == 0


def test_statistics_move_by_the_forward_pass_in_training_alone():
    opt = nn.AdamW(0.1, weight_decay=0.5)

    def step(net, state):
        def f(net):
            y, net = net.train_call(X)
            return np.sum(y**3), net

        g, new = vc.grad(f, has_aux=True)(net)
        return opt.step(new, g, state)

    net, expected = norm(), norm()
    state = opt.init(net)
    for _ in range(3):
        net, state = vc.jit(step)(net, state)
        _, expected = expected.train_call(X)
    same(parts(net)[1], parts(expected)[1])
    assert not np.allclose(net.weight, expected.weight)
