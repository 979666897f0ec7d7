"""Containers of arrays: what is a node, what a leaf, and how a leaf is named."""

import collections
import dataclasses
from typing import NamedTuple

import numpy as np
import pytest

from vmapcore import errors, grad, jvp, pytree, register_pytree, tree_map, value_and_grad, vjp, vmap
from vmapcore.pytree import broadcast_prefix, flatten, flatten_axes, paths, unflatten
from vmapcore.testing import assert_same

A = np.arange(12.0).reshape(3, 4)
V = np.array([0.5, -1.0, 2.0])


class Point(NamedTuple):
    x: object
    y: object


@dataclasses.dataclass
class Layer:
    weight: object
    bias: object
    name: str = dataclasses.field(default="layer", metadata={"static": True})

    def __call__(self, x):
        return np.tanh(x @ self.weight + self.bias)


@dataclasses.dataclass(frozen=True)
class Net:
    first: Layer
    second: Layer
    scale: object = 1.0

    def __call__(self, x):
        return self.second(self.first(x)) * self.scale


@dataclasses.dataclass
class Checked:
    """Its constructor refuses what is no array."""

    value: object

    def __post_init__(self):
        assert isinstance(self.value, np.ndarray)


class Pair:
    """A node by registration."""

    def __init__(self, left, right, tag):
        self.left, self.right, self.tag = left, right, tag


register_pytree(Pair, lambda p: ((p.left, p.right), p.tag), lambda tag, children: Pair(*children, tag))

TREES = {
    "array": A,
    "tuple": (A, V),
    "list": [A, [V, A]],
    "dict": {"b": A, "a": V},
    "None": (A, None),
    "empty": ((), [], {}),
    "namedtuple": Point(A, Point(V, A)),
    "ordered dict": collections.OrderedDict([("z", A), ("a", V)]),
    "default dict": collections.defaultdict(list, {"a": A}),
    "deque": collections.deque([A, V]),
    "dataclass": Layer(A, V),
    "frozen dataclass": Net(Layer(A, V), Layer(V, V, "two"), 2.0),
    "checking dataclass": Checked(A),
    "registered": Pair(A, (V, A), "tag"),
    "all": {"p": Point(Layer(A, V), [None, (A, {"k": Pair(V, V, 1)})])},
}


@pytest.mark.parametrize("name", TREES)
def test_flatten_and_back(name):
    leaves, tree = flatten(TREES[name])
    again = unflatten(tree, leaves)
    assert type(again) is type(TREES[name])
    assert flatten(again)[1] == tree
    assert all(a is b for a, b in zip(flatten(again)[0], leaves, strict=True))
    assert len(paths(TREES[name])) == len(leaves)


@pytest.mark.parametrize("name", [name for name in TREES if name not in ("empty",)])
def test_trees_go_through_vmap(name):
    tree = TREES[name]
    leaves, structure = flatten(tree)
    batched = unflatten(structure, [np.stack([x, x + 1]) if isinstance(x, np.ndarray) else x for x in leaves])
    axes = unflatten(structure, [0 if isinstance(x, np.ndarray) else None for x in leaves])
    doubled = vmap(lambda t: tree_map(lambda x: x * 2 if hasattr(x, "shape") else x, t), (axes,), axes)(batched)
    assert flatten(doubled)[1] == structure
    for x, y in zip(flatten(batched)[0], flatten(doubled)[0], strict=True):
        assert_same(y, x * 2 if isinstance(x, np.ndarray) else x)


@pytest.mark.parametrize("name", [name for name in TREES if name not in ("None", "all", "empty")])
def test_trees_go_through_derivatives(name):
    tree = TREES[name]

    def f(t):
        return sum(np.sum(x * x) for x in flatten(t)[0])

    gradient = grad(f)(tree)
    assert type(gradient) is type(tree)
    assert flatten(gradient)[1] == flatten(tree)[1]
    for x, g in zip(flatten(tree)[0], flatten(gradient)[0], strict=True):
        assert_same(g, np.asarray(2.0 * x))
    tangent = tree_map(np.ones_like, tree)
    _, out = jvp(f, (tree,), (tangent,))
    assert_same(out, np.float64(sum(np.sum(2.0 * x) for x in flatten(tree)[0])))
    _, pullback = vjp(lambda t: t, tree)
    assert flatten(pullback(tree)[0])[1] == flatten(tree)[1]


def test_the_same_tree_inside_and_out():
    """The function sees its own types, with tracers for leaves."""
    net = Net(Layer(np.ones((4, 2)), np.zeros(2)), Layer(np.ones((2, 3)), np.zeros(3)))

    def loss(net, x):
        assert type(net) is Net
        assert net.first.name == "layer"
        return np.sum(net(x))

    value, gradient = value_and_grad(loss)(net, A)
    assert isinstance(gradient, Net)
    assert gradient.first.weight.shape == (4, 2)
    assert gradient.first.name == "layer"
    assert_same(value, np.float64(np.sum(net(A))))
    per_example = vmap(grad(loss), (None, 0))(net, A)
    assert per_example.second.weight.shape == (3, 2, 3)
    np.testing.assert_allclose(per_example.second.weight.sum(0), gradient.second.weight)


def test_ensembles_of_dataclasses():
    nets = [Net(Layer(A.T * k, V * k), Layer(np.outer(V, V), V), float(k)) for k in (0.1, 0.2)]
    stacked = tree_map(lambda *xs: np.stack(xs), *nets)
    axes = Net(0, Layer(0, None), 0)
    shared = Net(stacked.first, Layer(stacked.second.weight, nets[0].second.bias), stacked.scale)
    expected = np.stack([Net(n.first, Layer(n.second.weight, nets[0].second.bias), n.scale)(A) for n in nets])
    assert_same(vmap(lambda net, x: net(x), (axes, None))(shared, A), expected)
    assert_same(vmap(lambda net, x: net(x), (0, None))(stacked, A), np.stack([n(A) for n in nets]))


def test_none_is_an_empty_container():
    assert flatten((None, 1))[0] == [1]
    assert tree_map(lambda x: x + 1, {"a": None, "b": 2}) == {"a": None, "b": 3}
    assert_same(vmap(lambda t: t)({"a": None, "b": A}), {"a": None, "b": A})
    assert_same(vmap(lambda x, y: x if y is None else y)(A, None), A)
    assert_same(grad(lambda t: np.sum(t["b"] ** 2))({"a": None, "b": V}), {"a": None, "b": 2 * V})


def test_none_among_axes_is_a_leaf():
    assert flatten_axes((0, None, {"a": None})) == [0, None, None]
    assert broadcast_prefix((None, 0), ((1, 2), 3)) == [None, None, 0]
    assert broadcast_prefix((0, 0), (1, None)) == [0]


def test_dicts_are_sorted_and_keep_their_order():
    assert flatten({"b": 1, "a": 2})[0] == [2, 1]
    assert list(vmap(lambda t: {"b": t, "a": t})(V)) == ["b", "a"]
    assert flatten(collections.OrderedDict([("b", 1), ("a", 2)]))[0] == [1, 2]


def test_paths_are_python():
    tree = {"a": [1, Point(2, {"k": 3})], "n": Net(Layer(4, 5), 6)}
    assert sorted(paths(tree)) == sorted(
        [
            "['a'][0]",
            "['a'][1].x",
            "['a'][1].y['k']",
            "['n'].first.weight",
            "['n'].first.bias",
            "['n'].second",
            "['n'].scale",
        ]
    )
    for path, leaf in zip(paths(tree), flatten(tree)[0], strict=True):
        assert eval("tree" + path) == leaf
    assert paths(1.0) == [""]


def test_paths_of_registered_nodes():
    assert len(set(paths(Pair(1, 2, "tag")))) == 2


def test_tree_map():
    assert tree_map(lambda a, b: a + b, {"u": 1, "v": (2, 3)}, {"u": 10, "v": (20, 30)}) == {"u": 11, "v": (22, 33)}
    with pytest.raises(errors.StructureError, match="trees differ in structure"):
        tree_map(lambda a, b: a, (1, 2), [1, 2])


@pytest.mark.parametrize(
    ("prefix", "tree", "leaves"),
    [
        (0, (1, {"a": 2}), [0, 0]),
        ((0, 1), (1, {"a": 2, "b": 3}), [0, 1, 1]),
        ((0, {"a": 1, "b": None}), (1, {"a": 2, "b": [3, 4]}), [0, 1, None, None]),
        (None, [1, 2], [None, None]),
        (Point(0, 1), Point(1, (2, 3)), [0, 1, 1]),
        (Layer(0, None), Layer(1, 2), [0, None]),
        ((), (), []),
    ],
)
def test_prefixes(prefix, tree, leaves):
    assert broadcast_prefix(prefix, tree) == leaves


@pytest.mark.parametrize(
    ("prefix", "tree"),
    [((0,), (1, 2)), ({"a": 0}, {"b": 0}), ([0, 1], (1, 2)), (Layer(0, 0, "x"), Layer(1, 1, "y")), ((0, 0), 1)],
)
def test_what_is_no_prefix(prefix, tree):
    with pytest.raises(ValueError):
        broadcast_prefix(prefix, tree)


def test_static_fields_are_structure():
    assert flatten(Layer(1, 2, "a"))[1] != flatten(Layer(1, 2, "b"))[1]
    assert flatten(Layer(1, 2, "a"))[0] == [1, 2]


def test_dataclasses_are_nodes_wherever_they_are_met_first():
    @dataclasses.dataclass
    class New:
        a: object
        b: object

    assert flatten([{"k": New(1, (2, 3))}])[0] == [1, 2, 3]

    @dataclasses.dataclass
    class Other:
        a: object

    assert_same(vmap(lambda t: Other(t[0]), out_axes=0)((A, V)).a, A)

    @dataclasses.dataclass
    class Axes:
        a: object
        b: object

    assert_same(vmap(lambda t: t.a * t.b, (Axes(0, None),))(Axes(A, 2.0)), A * 2)


def test_a_dataclass_type_is_no_node():
    """The class itself, as an argument, is a leaf like any other object."""
    assert flatten((Layer, 1))[0] == [Layer, 1]
    assert_same(vmap(lambda kind, x: kind(x, x).weight, (None, 0))(Layer, A), A)


def test_a_subclass_of_a_dataclass_is_its_own_node():
    @dataclasses.dataclass
    class Deep(Layer):
        extra: object = 0.0

    layer = Deep(A, V, "n", V)
    assert len(flatten(layer)[0]) == 3
    assert type(unflatten(*reversed(flatten(layer)))) is Deep


def test_registration_is_for_this_package_alone():
    assert pytree.NAMESPACE == "vmapcore"
