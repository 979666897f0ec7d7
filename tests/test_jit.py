"""jit: what a recording is kept under, and static arguments."""

import collections
import dataclasses
import functools
import typing

import numpy as np
import pytest

from vmapcore import errors, jit, register_pytree
from vmapcore.pytree import flatten
from vmapcore.testing import assert_same, check_jit

pytestmark = [pytest.mark.plans, pytest.mark.tiny]

A = np.arange(12.0).reshape(3, 4)
B = np.linspace(-1.0, 1.0, 12).reshape(3, 4)
V = np.array([0.5, -1.0, 2.0])


def counted(fun, **options):
    """`jit(fun)` and a list with an entry per recording."""
    runs = []

    @functools.wraps(fun)
    def noting(*args, **kwargs):
        runs.append(args)
        return fun(*args, **kwargs)

    return jit(noting, **options), runs


def recordings(fun, *calls, **options):
    """How many recordings these calls make, each held against `fun` itself, and each made twice."""
    replayed, runs = counted(fun, **options)
    for args in calls + calls:
        assert_same(replayed(*args), fun(*args))
    return len(runs)


# What a recording is kept under.


def double(x):
    return x + x


@pytest.mark.parametrize(
    "one, other",
    [
        (A, A.T),
        (A, A.astype(np.float32)),
        (A, A.astype(">f8")),
        (A, A[0]),
        (np.zeros((0, 3)), np.zeros((3, 0))),
        (np.float64(1), np.float32(1)),
        (np.float64(1), 1.0),
        (1, 1.0),
        (1, True),
        (0, False),
        (0.0, -0.0),
        (1.0, 1 + 0j),
        (complex(0.0, 0.0), complex(-0.0, 0.0)),
        (np.array(True), np.array(1)),
        (2, 3),
    ],
    ids=repr,
)
def test_arguments_that_differ_are_recorded_apart(one, other):
    assert recordings(double, (one,), (other,)) == 2


@pytest.mark.parametrize(
    "one, other",
    [
        (A, A + 1),
        (A, np.asfortranarray(A)),
        (A, np.repeat(A, 2, axis=1)[:, ::2]),
        (A, A[::-1, ::-1]),
        (A, np.broadcast_to(1.0, (3, 4))),
        (np.float64(1), np.float64(2)),
        (np.array(1), np.array(2)),
        (np.zeros(0), np.ones(0)),
        (1e-300, 1e-300),
        (np.float64(1), np.array(2.0)),  # to NumPy the same: what an optimiser counts with becomes a scalar
        (np.array(1, np.int64), np.int64(2)),
    ],
    ids=range(11),
)
def test_arguments_that_differ_in_value_or_layout_are_not(one, other):
    assert recordings(double, (one,), (other,)) == 1


def test_nan_is_a_number_like_others():
    f, runs = counted(lambda x, n: x * n)
    for n in (float("nan"), float("nan"), complex("nan"), complex("nan")):
        assert np.isnan(f(A, n)).all()
    assert len(runs) == 2


@pytest.mark.parametrize("op", [lambda x: np.copysign(1.0, x), lambda x: np.sqrt(np.float32(2)) * x])
def test_signed_zeros_and_weak_numbers_stay_what_they_are(op):
    assert recordings(lambda x: op(x), (0.0,), (-0.0,), (np.float64(0),), (np.float32(-0.0),)) == 4


@pytest.mark.parametrize("number", [2, 2.5, True, 1j])
@pytest.mark.parametrize("dtype", [np.float32, np.int8, np.bool_, np.complex64])
def test_python_numbers_promote_as_in_numpy(number, dtype):
    x = np.ones(3, dtype)
    for f in (lambda x, n: x * n, lambda x, n: np.where(x > 0, x, n), lambda x, n: n + x):
        check_jit(f, x, number, others=[[x, number]])


def test_read_only_arguments():
    x = A.copy()
    x.flags.writeable = False
    f = jit(double)
    for _ in range(3):
        assert_same(f(x), 2 * A)


def test_trees_that_differ_are_recorded_apart():
    def total(tree):
        return sum(flatten(tree)[0])

    assert recordings(total, ((A, A),), ([A, A],), ({"a": A, "b": A},), ({"a": A, "c": A},), ((A, (A, None)),)) == 5


def test_arrays_find_their_places_in_any_order_of_keywords_and_keys():
    def f(*rest, **named):
        return named["a"] - named["b"]["x"] * named["b"]["w"][0], rest

    replayed = jit(f)
    calls = [
        {"a": A, "b": {"x": B, "w": (V[:1], None)}},
        {"b": {"w": (V[1:2], None), "x": A}, "a": B},
        {"b": {"x": A, "w": (V[2:], None)}, "a": B},
    ]
    for named in calls + calls[::-1]:
        for rest in ((), (Pair({"q": V, "p": A}, [B]), V)):
            assert_same(replayed(*rest, **named), f(*rest, **named))


def test_a_keyword_is_not_a_position():
    f, runs = counted(lambda *args, **kwargs: (len(args), sorted(kwargs)))
    assert f(A) == (1, [])
    assert f(x=A) == (0, ["x"])
    assert f((A,), {"x": A}) == (2, [])
    assert f(A, x=A) == (1, ["x"])
    assert f(A, {"x": A}) == (2, [])
    assert f((A, {"x": A})) == (1, [])
    assert len(runs) == 6
    assert f(A, x=A) == (1, ["x"])
    assert len(runs) == 6


def test_other_values_of_no_array_are_recorded_apart():
    def f(x, mode, function, nothing):
        assert nothing is None
        return function(x) * (2 if mode == "twice" else 1)

    calls = [(A, "twice", np.sin, None), (A, "once", np.sin, None), (A, "once", np.cos, None)]
    assert recordings(f, *calls) == 3


def test_text_is_a_value_in_numpy_too():
    f, runs = counted(lambda x, mode: x * (2 if mode == "twice" else 1))
    for mode, by in (("twice", 2), ("once", 1), ("twice", 2)):
        assert_same(f(A, np.str_(mode)), A * by)
    assert len(runs) == 2


def test_what_cannot_be_hashed_is_refused():
    f = jit(lambda x, s, **k: x)
    with pytest.raises(
        errors.ArgumentError, match=r"jit\(<lambda>\): argument s\['k'\] is bytearray; arguments are arr"
    ):
        f(A, {"k": bytearray()})
    with pytest.raises(errors.ArgumentError, match=r"argument option\[1\] is bytearray"):
        f(A, 1, option=(1, bytearray()))
    assert not f.plans


@dataclasses.dataclass
class Pair:
    left: object
    right: object
    kind: str = dataclasses.field(default="plain", metadata={"static": True})


def test_dataclasses():
    @dataclasses.dataclass
    class Fresh:
        """Met by nobody before the call."""

        x: object

    def f(p):
        return Pair(p.left + 1, p.right * 2, p.kind)

    check_jit(f, Pair(A, V), others=[[Pair(B, -V)]])
    assert recordings(f, (Pair(A, V),), (Pair(A, V, "other"),), (Pair(B, V),)) == 2
    g, runs = counted(lambda p: p.x * 2)
    for x in (A, B, A):
        assert_same(g(Fresh(x)), 2 * x)
    assert len(runs) == 1


@dataclasses.dataclass(frozen=True)
class Option:
    value: object


@pytest.mark.parametrize("wrap", [lambda v: v, lambda v: (v,), lambda v: frozenset([v]), Option, lambda v: [{"k": v}]])
def test_static_fields_are_told_apart_where_equal(wrap):
    def unwrapped(p):
        kind = p.kind
        while not np.isscalar(kind):
            kind = (
                kind.value
                if isinstance(kind, Option)
                else next(iter(kind.values() if isinstance(kind, dict) else kind))
            )
        return p.left / np.asarray(kind)

    values = (1, 1.0, True, np.float32(1), 0.0, -0.0)
    with np.errstate(divide="ignore"):
        assert recordings(unwrapped, *[(Pair(np.ones(2, np.float32), 0, wrap(v)),) for v in values]) == len(values)


def test_static_parts_of_own_pytrees_are_told_apart_where_equal():
    class Scaled:
        def __init__(self, x, by):
            self.x, self.by = x, by

    register_pytree(Scaled, lambda s: ((s.x,), s.by), lambda by, xs: Scaled(xs[0], by))
    calls = [([Scaled(np.ones(2, np.float32), by)],) for by in (1, 1.0, True, np.float64(1))]
    assert recordings(lambda s: s[0].x * np.asarray(s[0].by), *calls) == 4


def test_static_fields_that_cannot_be_hashed_are_named():
    with pytest.raises(
        errors.ArgumentError,
        match=r"argument p has a static part that cannot be part of a key \(unhashable type: 'byte",
    ):
        jit(lambda x, p: x)(A, Pair(A, B, bytearray()))


def test_values_that_cannot_be_compared_are_refused():
    class Elementwise:
        def __eq__(self, other):
            return np.array([True, False])

        def __hash__(self):
            return 0

    f = jit(lambda x, s: x)
    for _ in range(2):
        with pytest.raises(errors.ArgumentError, match=r"argument s is Elementwise; arguments are arrays"):
            f(A, Elementwise())


def test_containers_in_any_order_of_theirs():
    class Row(typing.NamedTuple):
        b: object
        a: object

    def f(tree):
        return tree[0].b - tree[1]["z"] + 2 * tree[1]["a"] - tree[2][0].a

    def tree(x):
        return Row(x, 0), collections.OrderedDict(z=x + 1, a=x * 3), collections.deque([Row({"y": x}, x - 5)])

    check_jit(f, tree(A), others=[[tree(B)]])
    assert recordings(f, (tree(A),), (tree(B),)) == 1


def test_own_pytrees():
    class Box:
        def __init__(self, x, label):
            self.x, self.label = x, label

    register_pytree(Box, lambda b: ((b.x,), b.label), lambda label, xs: Box(xs[0], label))
    f, runs = counted(lambda b: Box(b.x + 1, b.label * 2))
    for x in (A, B):
        found = f(Box(x, "ab"))
        assert found.label == "abab"
        assert_same(found.x, x + 1)
    f(Box(A, "c"))
    assert len(runs) == 2


# Static arguments.


def power(x, n):
    return x**n if n < 5 else x


@pytest.mark.parametrize("argnums", [1, (1,), [1], -1, (-1, 1)])
def test_static_arguments(argnums):
    f, runs = counted(power, static_argnums=argnums)
    for n in (2, 3, 2, 3):
        assert_same(f(A, n), A**n)
        assert_same(f(B, n), B**n)
    assert len(runs) == 2


def test_several_static_arguments():
    def f(x, axes, y, scale, option=None):
        return np.sum(x, axis=axes["axis"]) * scale + y

    replayed, runs = counted(f, static_argnums=(1, -1))
    calls = [({"axis": 0}, 2.0), ({"axis": (0, 1)}, 2.0), ({"axis": 0}, 3.0), ({"axis": 0}, 2)]
    for axes, scale in calls + calls:
        assert_same(replayed(A, axes, 1, scale), f(A, axes, 1, scale))
    assert len(runs) == 4


def test_static_values_are_told_apart_where_equal():
    f, runs = counted(lambda x, v: x * np.asarray(v[0]), static_argnums=1)
    for v in ((1,), (1.0,), (True,), (np.float32(1),), (np.float64(1),), (0.0,), (-0.0,), [1]):
        assert_same(f(np.ones(2, np.float32), v), np.ones(2, np.float32) * np.asarray(v[0]))
    assert len(runs) == 8


def test_numpy_scalars_may_be_static():
    f, runs = counted(lambda x, n: x[:n], static_argnums=1)
    for n in (np.int64(1), np.int64(2), np.int64(1)):
        assert_same(f(V, n), V[:n])
    assert len(runs) == 2


def test_static_arguments_are_hashable():
    f = jit(lambda x, n: x, static_argnums=1)
    with pytest.raises(
        errors.ArgumentError, match=r"static argument 1\['w'\] is f64\[3\]; static arguments are hashable values, not"
    ):
        f(A, {"w": V})
    with pytest.raises(errors.ArgumentError, match=r"argument n is bytearray"):
        f(A, bytearray())


def test_static_arguments_that_are_not_passed():
    f, runs = counted(lambda x, n=2: x * n, static_argnums=1)
    assert_same(f(A), 2 * A)
    assert_same(f(A, n=3), 3 * A)
    assert_same(f(A, 4), 4 * A)
    assert len(runs) == 3


def test_static_arguments_by_keyword():
    f, runs = counted(power, static_argnums=1)
    for n in (2, 3, 2):
        assert_same(f(A, n=n), A**n)
        assert_same(f(n=n, x=A), A**n)
        assert_same(f(A, n=np.int64(n)), A**n)
    assert len(runs) == 6

    def scaled(x, *, by=1, axis=None):
        return np.sum(x, axis=axis) * len(range(by))

    g, runs = counted(scaled, static_argnames=["by", "axis"])
    for by in (2, 3, 2):
        assert_same(g(A, by=by, axis=0), scaled(A, by=by, axis=0))
    assert len(runs) == 2
    assert_same(jit(scaled, static_argnames="by")(A, by=3), scaled(A, by=3))


@pytest.mark.parametrize(
    "options, says",
    [
        ({"static_argnums": 2}, "static_argnums has 2, but the function takes 2 arguments by position"),
        ({"static_argnums": (0, -3)}, "static_argnums has -3, but the function takes 2 arguments by position"),
        ({"donate_argnums": 7}, "donate_argnums has 7, but the function takes 2"),
        (
            {"static_argnums": (1,), "donate_argnums": 1},
            r"static_argnums is \(1,\) and donate_argnums 1; an argument is ",
        ),
        ({"static_argnames": "by"}, "static_argnames has 'by', but the function has no such parameter"),
        ({"static_argnames": 1}, "static_argnames is 1; it must be a string or a tuple of strings"),
    ],
)
def test_options_name_parameters(options, says):
    with pytest.raises(errors.ArgumentError, match=rf"jit\(power\): {says}"):
        jit(power, **options)


def test_any_position_where_there_may_be_so_many():
    assert_same(
        jit(lambda *args, **names: args[3] * names["by"], static_argnums=7, static_argnames="of")(A, A, A, B, by=2),
        2 * B,
    )


@pytest.mark.parametrize("name", ["static_argnums", "donate_argnums"])
@pytest.mark.parametrize("given", [True, "x", 1.0, (1, "x"), None, {0}])
def test_argnums_are_ints(name, given):
    with pytest.raises(errors.ArgumentError, match=rf"jit\(double\): {name} is .*; it must be an int or a tuple"):
        jit(double, **{name: given})


def test_jit_wants_a_function():
    with pytest.raises(errors.ArgumentError, match="jit: argument 'fun' is int 3; it must be callable"):
        jit(3)


def test_a_dataclass_is_recorded_once_from_its_first_call_on():
    @dataclasses.dataclass
    class Inner:
        weights: dict
        power: int = dataclasses.field(metadata={"static": True}, default=1)

    @dataclasses.dataclass
    class Outer:
        inner: list
        bias: np.ndarray

    runs = []

    @jit
    def f(model, x):
        runs.append(1)
        inner = model.inner[0]
        return (inner.weights["b"] * x) ** inner.power - inner.weights["a"] + model.bias

    def model(scale, power=2, names="ba"):
        return Outer([Inner({name: np.full(2, scale * ord(name)) for name in names}, power)], np.arange(2.0))

    def expected(scale, power, x):
        return (scale * 98.0 * x) ** power - scale * 97.0 + np.arange(2.0)

    for scale in (1.0, 2.0, 3.0):
        np.testing.assert_allclose(f(model(scale), 0.5 * np.ones(2)), expected(scale, 2, 0.5))
    assert runs == [1]
    for scale in (1.0, 2.0):
        np.testing.assert_allclose(f(model(scale, 3), 0.5 * np.ones(2)), expected(scale, 3, 0.5))
    assert runs == [1, 1]
    for scale in (1.0, 2.0):
        np.testing.assert_allclose(f(model(scale, 3, "ab"), 0.5 * np.ones(2)), expected(scale, 3, 0.5))


def test_keys_of_dicts_are_told_apart_where_equal():
    def f(d):
        return sum([k * v for k, v in d.items()])

    replayed = jit(f)
    for key in (1, 1.0, True, np.float32(1), 0.0, -0.0, "a"):
        d = {key: np.arange(1, 4)}
        for _ in range(2):
            if key == "a":
                assert jit(lambda d: d["a"] * 2)(d).tolist() == [2, 4, 6]
            else:
                assert_same(replayed(d), f(d))


def test_numbers_of_own_types_are_told_apart():
    class Rate(float):
        pass

    replayed, x = jit(lambda x, rate: np.copysign(x, rate)), np.ones(2)
    for rate in (Rate(0.0), Rate(-0.0), Rate(0.0)):
        assert_same(replayed(x, rate), np.copysign(x, rate))
    for _ in range(3):
        replayed(x, Rate("nan"))
    assert len(replayed.plans) == 3


def test_long_ints_are_values():
    replayed = jit(lambda x, n: x * (n % 7))
    for n in (10**5000, 10**5000 + 1, 10**5000):
        assert_same(replayed(np.ones(2), n), np.ones(2) * (n % 7))


def test_what_raises_when_it_is_hashed_is_refused():
    with pytest.raises(errors.ArgumentError, match=r"jit\(<lambda>\): argument y is memoryview"):
        jit(lambda x, y: x)(np.ones(2), memoryview(bytearray(3)))


def test_recorded_values_are_no_keys():
    with pytest.raises(errors.ConcretizationError, match=r"hash: .* test_jit.py:\d+ in f"):

        def f(s):
            return np.sin(s) if s in {2.0} else np.cos(s)

        jit(f)(np.float64(2))
    with pytest.raises(errors.ArgumentError, match=r"hash: the array is f64\[3\]; arrays are no keys"):
        jit(lambda x: {x: 1})(np.ones(3))
    with pytest.raises(errors.ConcretizationError, match="hash"):
        jit(lambda x: {x[0]: 1})(np.ones(3))
