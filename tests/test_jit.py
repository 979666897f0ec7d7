"""jit: its door. What a recording is kept under, what comes in and what goes out."""

import dataclasses
import functools
import gc
import warnings
import weakref

import numpy as np
import pytest

from vmapcore import PerformanceWarning, errors, grad, jit, register_pytree, vmap
from vmapcore import numpy as vnp
from vmapcore.core import RUNNING
from vmapcore.pytree import flatten
from vmapcore.testing import assert_same, check_jit

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
        (np.float64(1), np.array(1.0)),
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
    ],
    ids=range(9),
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


def test_the_order_of_keywords_and_keys_does_not_matter():
    f, runs = counted(lambda **named: named["a"] - named["b"]["x"])
    assert_same(f(a=A, b={"x": B, "y": 1}), A - B)
    assert_same(f(b={"y": 1, "x": B}, a=A), A - B)
    assert len(runs) == 1


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


def test_what_cannot_be_hashed_is_refused():
    f = jit(lambda x, s, **k: x)
    with pytest.raises(errors.ArgumentError, match=r"jit\(<lambda>\): argument s\['k'\] is set; arguments are arrays"):
        f(A, {"k": {1}})
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
    with pytest.raises(errors.ArgumentError, match=r"argument n is set"):
        f(A, {1})


def test_static_arguments_that_are_not_passed():
    f, runs = counted(lambda x, n=2: x * n, static_argnums=1)
    assert_same(f(A), 2 * A)
    assert_same(f(A, n=3), 3 * A)
    assert_same(f(A, 4), 4 * A)
    assert len(runs) == 3


@pytest.mark.parametrize("name", ["static_argnums", "donate_argnums"])
@pytest.mark.parametrize("given", [True, "x", 1.0, (1, "x"), None, {0}])
def test_argnums_are_ints(name, given):
    with pytest.raises(
        errors.ArgumentError, match=rf"jit\(double\): {name} is .*; it must be an int or a tuple of ints"
    ):
        jit(double, **{name: given})


def test_jit_wants_a_function():
    with pytest.raises(errors.ArgumentError, match="jit: argument 'fun' is int 3; it must be callable"):
        jit(3)


# Donated arguments.


@pytest.mark.parametrize("argnums", [0, -2, (0, 1)])
def test_donated_arguments(argnums):
    def f(x, y):
        return x * 2 + y, np.sum(x), x

    replayed = jit(f, donate_argnums=argnums)
    for i in range(4):
        x, y = A + i, B - i
        expected = f(x.copy(), y.copy())
        results = replayed(x, y)
        assert_same(results, expected)
        kept = [r.copy() for r in results]
        replayed(A + 9, B + 9)
        assert_same(list(results), kept)


@pytest.mark.parametrize(
    "make",
    [
        lambda x: (x, x),
        lambda x: (x, x[...]),
        lambda x: (x[::-1], x),
        lambda x: (np.broadcast_to(x[0], x.shape), x),
        lambda x: (x.T, x.T),
    ],
    ids=range(5),
)
def test_donated_arguments_that_share_memory(make):
    def f(x, y):
        z = np.exp(x) * 2
        return z + y, y * 3

    replayed = jit(f, donate_argnums=0)
    replayed(A.T[:3, :3].copy(), B[:, :3].copy())
    for _ in range(2):
        x, y = make(A[:, :3].copy())
        expected = f(x.copy(), y.copy())
        assert_same(replayed(x, y), expected)


def test_donated_arguments_that_cannot_be_written_to():
    x = A.copy()
    x.flags.writeable = False
    f = jit(lambda x: np.exp(x) + 1, donate_argnums=0)
    for _ in range(3):
        assert_same(f(x), np.exp(A) + 1)
    assert_same(x, A)


def test_what_is_not_donated_is_left_alone():
    f = jit(lambda x, y, **k: (x + 1, y + 1, k["z"] + 1), static_argnums=0, donate_argnums=1)
    for _ in range(3):
        y, z = A.copy(), B.copy()
        f(1, y, z=z)
        assert_same(z, B)


# Callables.


def test_methods():
    class Scale:
        def __init__(self, by):
            self.by = by

        @jit
        def of(self, x):
            return x * self.by

        @functools.partial(jit, static_argnums=1)
        def power(self, n, x):
            return (x * self.by) ** n

    two, three = Scale(2.0), Scale(3.0)
    for _ in range(2):
        for s in (two, three):
            assert_same(s.of(A), s.by * A)
            assert_same(s.power(2, A), (s.by * A) ** 2)
    assert isinstance(Scale.of, type(jit(double)))


def test_callables_keep_their_names_and_their_options():
    def documented(x, n=2):
        """Says so."""
        return x * n

    f = jit(documented)
    assert f.__name__ == "documented" and f.__doc__ == "Says so."
    assert f.__wrapped__ is documented
    assert repr(f) == "<jit(documented)>"
    again = jit(f, static_argnums=1)
    assert_same(again(A, 3), 3 * A)
    assert again.static == (1,) and f.static == () and not f.plans

    class Callable:
        call = fun = plans = "its own"

        def __init__(self):
            self.fun = self.static = "its own too"

        def __call__(self, x):
            return x * 2

    for g in (Callable(), functools.partial(np.multiply, 2), np.negative, np.linalg.norm):
        assert_same(jit(g)(A), g(A))
        assert_same(jit(g)(B), g(B))


def test_axes_by_name_pass_through_jit():
    f = vmap(jit(lambda a, x: a * x), {"a": None, "x": 0})
    assert_same(f(2.0, A), 2 * A)


# Results.


@pytest.mark.parametrize(
    "fun",
    [
        lambda x: x,
        lambda x: (x, x),
        lambda x: {"a": x, "b": [x, (x, None)]},
        lambda x: (x[0], x[1:], x.T, x.reshape(-1), x[::-1]),
        lambda x: np.broadcast_to(x[0], (3, 4)),
        lambda x: np.broadcast_to(x, (2, 3, 4)),
        lambda x: (A, x),
        lambda x: (A, A, A[0], A.T),
        lambda x: vnp.zeros(3),
        lambda x: (vnp.zeros((2, 2))[0], vnp.ones(3)),
        lambda x: np.broadcast_to(vnp.ones(4), (3, 4)),
        lambda x: np.broadcast_to(V, (2, 3)),
        lambda x: (x.real, np.real(x), np.diagonal(x), np.diag(x)),
        lambda x: ((y := x + 1), y, y[0], y.T),
        lambda x: (np.sum(x), np.float32(3), np.array(2.0)),
        lambda x: (1, 2.5, True, 1j, "text", None, np.sin),
        lambda x: (),
        lambda x: None,
        lambda x: np.linalg.qr(x),
        lambda x: list(x),
    ],
    ids=range(20),
)
def test_results_have_memory_of_their_own(fun):
    def plain(x):
        return fun(x)

    check_jit(plain, A.copy(), others=[[B.copy()], [A.T.copy().T]])


def test_results_do_not_share_memory_with_what_was_closed_over():
    constant = V.copy()
    f = jit(lambda x: (constant, constant[1:], x + constant))
    for _ in range(3):
        whole, part, total = f(np.ones(3))
        assert_same((whole, part, total), (V, V[1:], V + 1))
        whole[...] = part[...] = total[...] = 9
    assert_same(constant, V)


def test_numbers_and_other_objects_are_the_same_in_every_call():
    box = object()
    f = jit(lambda x: (3, "a", box, True))
    assert f(A) == f(A) == (3, "a", box, True)


def test_generators_are_refused():
    def rows(x):
        yield from x

    for fun in (rows, lambda x: iter([x]), lambda x: (x, map(abs, x))):
        with pytest.raises(errors.ArgumentError, match="which runs after the recording. Return a list or an array"):
            jit(fun)(A)
    assert_same(jit(lambda x: [y * 2 for y in rows(x)])(A), [y * 2 for y in A])


# The cache.


def test_many_numbers_are_warned_of_once():
    f = jit(lambda x, lr: x * lr)
    with pytest.warns(PerformanceWarning, match=r"jit\(<lambda>\): was recorded 16 times .* np.float32\(x\)") as found:
        for i in range(40):
            f(A, 0.1 * i)
    assert len(found) == 1
    assert found[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for i in range(40):
            f(A, np.float64(i))
            f(np.ones(i), 1.0)


def test_a_plan_lets_go_of_arguments_and_results():
    class Watched(np.ndarray):
        pass

    f = jit(lambda x, y: np.sin(x) * y)
    x, y = A.copy().view(Watched), B.copy()
    refs = [weakref.ref(x)]
    gc.collect()
    gc.disable()
    try:
        for _ in range(3):
            f(x, y)
        del x
        assert refs[0]() is None
    finally:
        gc.enable()


def test_jit_leaves_no_transform_behind():
    f = jit(lambda x: np.sum(x * x))
    f(A)
    assert RUNNING.get() == ()
    assert_same(grad(f)(A), 2 * A)
