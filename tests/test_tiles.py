"""Groups of steps in tiles: what belongs together, the same numbers however it is cut, the same bits on any threads."""

import numpy as np
import pytest

import vmapcore as vc
from vmapcore import grad, nn, threads, trace, vmap
from vmapcore.cpu import compiled, cuts
from vmapcore.cpu.plan import Plan
from vmapcore.nn import functional as F
from vmapcore.planning import groups
from vmapcore.planning.groups import groups_of
from vmapcore.pytree import flatten, tree_map

pytestmark = [pytest.mark.plans, pytest.mark.tiny_deep]

RNG = np.random.default_rng(0)


def floats(*shape):
    return RNG.standard_normal(shape).astype(np.float32)


def loss(net, x, y):
    return F.cross_entropy(net(x), y)


def stacked(model, members):
    return nn.stack([model(rng=np.random.default_rng(i)) for i in range(members)])


def sgd(net, x, y, lr):
    return tree_map(lambda p, g: p - lr * g, net, grad(loss)(net, x, y))


def per_sample(net, x, y):
    return grad(lambda n: loss(n, x[None], y[None]))(net)


ADAM = nn.Adam(0.01, eps=1e-3, amsgrad=True)  # with the usual eps a gradient near 0 makes a step of any size


def adam(net, state, x, y):
    return ADAM.step(net, grad(loss)(net, x, y), state)


def plain_step(net, x, y):
    return sgd(net, x, y, np.float32(0.1))


LABELS = RNG.integers(0, 10, (3, 5))
RATES = np.linspace(0.1, 0.3, 3, dtype=np.float32)
LENETS = stacked(lambda rng: nn.LeNet5(10, 1, rng=rng), 3)
PROGRAMS = {
    "lenet adam": (
        vmap(adam),
        (LENETS, vmap(ADAM.init)(LENETS), floats(3, 5, 1, 32, 32), LABELS),
    ),
    "mlp": (vmap(lambda n, x: n(x)), (stacked(nn.SimpleMLP, 3), floats(3, 5, 1, 28, 28))),
    "mlp shared": (vmap(lambda n, x: n(x), (0, None)), (stacked(nn.SimpleMLP, 3), floats(5, 1, 28, 28))),
    "cnn": (vmap(lambda n, x: n(x)), (stacked(nn.SimpleCNN, 3), floats(3, 5, 1, 28, 28))),
    "cnn shared": (vmap(lambda n, x: n(x), (0, None)), (stacked(nn.SimpleCNN, 3), floats(5, 1, 28, 28))),
    "lenet": (vmap(lambda n, x: n(x)), (LENETS, floats(3, 5, 1, 32, 32))),
    "cnn train": (vmap(sgd), (stacked(nn.SimpleCNN, 3), floats(3, 5, 1, 28, 28), LABELS, RATES)),
    "one cnn train": (plain_step, (nn.SimpleCNN(rng=RNG), floats(5, 1, 28, 28), LABELS[0])),
    "cnn per sample": (vmap(per_sample, (None, 0, 0)), (nn.SimpleCNN(rng=RNG), floats(5, 1, 28, 28), LABELS[0])),
    "mlp per sample": (vmap(per_sample, (None, 0, 0)), (nn.SimpleMLP(rng=RNG), floats(5, 1, 28, 28), LABELS[0])),
    "nested": (
        vmap(vmap(lambda n, x: n(x), (None, 0)), (0, 0)),
        (stacked(nn.SimpleCNN, 3), floats(3, 2, 2, 1, 28, 28)),
    ),
}
CUTS = {"as it comes": (None, None), "tiny tiles": (1, 1), "one row a tile": (200_000, 1)}


FORCED = [
    (cuts, "FOOTPRINT", 1),
    (cuts, "ROOM", 1),
    (cuts, "TASK", 1),
    (groups, "MEMBER", 1),
    (groups, "ROWS_AGAIN", 0),
]
"""Sizes at which everything that can be is in groups, and these in tiles of one."""


@pytest.fixture(params=CUTS)
def cut(request, monkeypatch):
    """Sizes at which groups are cut as large ones are."""
    footprint, worth = CUTS[request.param]
    if footprint is not None:
        monkeypatch.setattr(cuts, "FOOTPRINT", footprint)
        monkeypatch.setattr(cuts, "TASK", worth)
        monkeypatch.setattr(groups, "MEMBER", 1)
    return request.param


@pytest.mark.parametrize("name", PROGRAMS)
def test_tiles_give_what_the_graph_gives(name, cut):
    fun, args = PROGRAMS[name]
    graph = trace(fun)(*args)
    leaves = flatten(args)[0]
    plan = Plan(graph)
    expected = graph(*leaves)
    for _ in range(2):  # the second call writes into the buffers of the first
        for ours, theirs in zip(plan(leaves), expected, strict=True):
            assert ours.shape == theirs.shape and ours.dtype == theirs.dtype
            scale = np.abs(theirs).max() or 1
            np.testing.assert_allclose(ours / scale, theirs / scale, atol=2e-5)


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_bits_are_the_same_on_any_number_of_threads(name, cut, monkeypatch):
    fun, args = PROGRAMS[name]
    graph, leaves = trace(fun)(*args), flatten(args)[0]
    found = []
    for count in (1, 2, 3):
        monkeypatch.setattr(threads, "available", lambda count=count: count)
        found.append([x.tobytes() for x in Plan(graph)(leaves)])
    assert found[0] == found[1] == found[2]


@pytest.mark.parametrize("x_dtype, w_dtype", [("f8", "f4"), ("f4", "f8"), ("f4", "f4")])
@pytest.mark.parametrize("scaled", [False, True], ids=["given", "made in a tile"])
def test_every_member_has_its_own_weights(x_dtype, w_dtype, scaled, monkeypatch):
    """Where weights are converted or made, those of one member may lie where those of another did."""
    monkeypatch.setattr(cuts, "FOOTPRINT", 1)
    monkeypatch.setattr(cuts, "TASK", 1)
    monkeypatch.setattr(groups, "MEMBER", 1 if not scaled else 1 << 30)
    x, w = floats(6, 16, 8, 12, 12).astype(x_dtype), floats(6, 16, 8, 3, 3).astype(w_dtype)

    def f(x, w):
        w = np.tanh(w) * 2 if scaled else w
        return F.relu(F.conv2d(F.relu(F.conv2d(x, w)), np.swapaxes(w, 0, 1)))

    graph = trace(vmap(f))(x, w)
    (expected,), (got,) = graph(x, w), Plan(graph)([x, w])
    assert got.dtype == expected.dtype
    np.testing.assert_allclose(got / np.abs(expected).max(), expected / np.abs(expected).max(), atol=2e-5)


def softmax(x):
    e = np.exp(x - np.max(x, axis=-1, keepdims=True))
    return e / np.sum(e, axis=-1, keepdims=True)


def unit_rows(x):
    return x / np.sqrt(np.sum(x * x, axis=-1, keepdims=True))


ITSELF = {
    "rows by rows": lambda c: c @ c.T,
    "columns by columns": lambda c: c.T @ c,
    "squared": lambda c: c @ c,
    "an image of it": lambda c: np.tanh(c @ c.T) @ c,
    "attention": lambda c: softmax(c @ c.T / 4) @ c,
    "kernel": lambda c: np.exp(-(c @ c.T)),
    "rows centred": lambda c: (c - np.mean(c, axis=0)) @ (c - np.mean(c, axis=0)).T,
    "rows of unit length": lambda c: np.maximum(unit_rows(c) @ unit_rows(c).T, 0) * 2,
    "einsum of rows": lambda c: np.tanh(np.einsum("ij,kj->ik", c, c)),
    "einsum of columns": lambda c: np.tanh(np.einsum("ij,ik->jk", c, c)),
    "einsum of both": lambda c: np.tanh(np.einsum("ij,jk->ik", c, c)),
    "einsum along": lambda c: np.tanh(np.einsum("ij,ij->i", c, c)),
    "einsum turned": lambda c: np.tanh(np.einsum("ij,ji->ij", c, c)),
    "outer product": lambda c: np.tanh(np.einsum("i,j->ij", c[0], c[0])),
    "three of it": lambda c: np.tanh(c @ c.T) @ (c @ c),
    "turned beside it": lambda c: np.tanh(c + c.T) @ c,
    "turned within": lambda c: np.tanh(c @ c) * np.swapaxes(c, -1, -2),
    "sum of its products": lambda c: np.sum(c @ c.T, axis=0) + c,
    "distances": lambda c: np.sum(c * c, -1)[:, None] + np.sum(c * c, -1)[None] - 2 * (c @ c.T),
    "rows less others": lambda c: np.sum((c[:, None] - c[None]) ** 2 @ c, axis=1),
    "reversed": lambda c: (c @ c[::-1].T) * c,
    "its sums": lambda c: (c @ np.sum(c, axis=0))[:, None] * c,
    "gradient": grad(lambda c: np.sum(np.tanh(np.tanh(c) @ np.tanh(c).T))),
    "gradient of attention": grad(lambda c: np.sum(softmax(c @ c.T / 4) @ c)),
    "images by themselves": lambda c: F.conv2d(c[None, None], c[None, None, :3, :3]),
    "images by images": lambda c: F.conv2d(F.relu(np.stack([c, c.T])[:, None]), np.stack([c, c.T])[:, None]),
}
"""Functions of a matrix that meets itself: one read is cut into tiles where the other is whole, or cut otherwise."""

MAPPED = {
    "alone": lambda f: lambda x: f(np.tanh(x[0])),
    "one member": lambda f: vmap(lambda x: f(np.tanh(x))),
    "members": lambda f: vmap(lambda x: f(np.tanh(x))),
    "shared": lambda f: lambda x: vmap(lambda s: f(s * np.tanh(x[0])))(x[:, 0, 0]),
}


@pytest.mark.parametrize("compiling", [False, True], ids=["numpy", "as installed"])
@pytest.mark.parametrize("mapped", MAPPED)
@pytest.mark.parametrize("name", ITSELF)
def test_an_array_that_meets_itself(name, mapped, compiling, monkeypatch):
    for module, constant, value in FORCED:
        monkeypatch.setattr(module, constant, value)
    if not compiling:
        monkeypatch.setattr(compiled, "AVAILABLE", False)
    fun = vc.jit(MAPPED[mapped](ITSELF[name]))
    for call in range(10):
        x = floats(1 if mapped == "one member" else 3, 7, 7)
        expected = fun.fun(x)
        np.testing.assert_allclose(fun(x), expected, rtol=1e-4, atol=1e-5 * np.abs(expected).max(), err_msg=str(call))


def test_other_arguments_than_those_recorded():
    fun, args = PROGRAMS["cnn train"]
    replayed = vc.jit(fun)
    replayed(*args)
    other = tree_map(lambda x: x[::-1].copy(), args)
    for ours, theirs in zip(flatten(replayed(*other))[0], flatten(fun(*other))[0], strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-5)


# What belongs together.


def names(graph, group):
    return [graph.steps[i].primitive.name for i in sorted(group.steps)]


def test_a_whole_mlp_is_one_group():
    fun, args = PROGRAMS["mlp"]
    graph = trace(fun)(*args)
    (group,) = groups_of(graph)
    assert group.lengths == (3,) and len(group.steps) == len(graph.steps)


def test_images_are_cut_where_they_do_not_fit_a_cache():
    net, x = stacked(nn.SimpleCNN, 2), floats(2, 64, 1, 28, 28)
    graph = trace(vmap(lambda n, x: n(x)))(net, x)
    images, rest = groups_of(graph)
    assert images.lengths == (2, 64) and rest.lengths == (2,)
    assert {"conv", "max_pool"} <= set(names(graph, images))
    assert "contract" not in names(graph, images), "its weight would be read again for every tile"


def test_sums_over_images_leave_their_group(monkeypatch):
    monkeypatch.setattr(groups, "MEMBER", 1)
    fun, args = PROGRAMS["cnn train"]
    graph = trace(fun)(*args)
    found = [group for group in groups_of(graph) if group.sums]
    summed = {v for group in found for v in group.sums}
    assert {(3, 64, 32, 3, 3), (3, 32, 1, 3, 3)} <= {v.shape for v in summed}
    for group in found:
        for i in group.steps:
            assert not summed & set(graph.steps[i].inputs), "a sum is whole only when all tiles are done"


def test_a_group_is_not_left_and_entered_again():
    """The mean over members is needed whole, between two steps that could share tiles."""

    def f(x, w):
        y = vmap(lambda a, b: np.tanh(a @ b))(x, w)
        return y - np.mean(y, axis=0)

    x, w = floats(3, 4, 4), floats(3, 4, 4)
    graph = trace(f)(x, w)
    for group in groups_of(graph):
        assert "subtract" not in names(graph, group)
    np.testing.assert_allclose(Plan(graph)([x, w])[0], f(x, w), atol=1e-6)


def test_empty_arrays_make_no_groups():
    graph = trace(vmap(lambda a, b: a @ b))(floats(0, 4, 4), floats(0, 4, 4))
    assert groups_of(graph) == [] and Plan(graph)([floats(0, 4, 4)] * 2)[0].shape == (0, 4, 4)
