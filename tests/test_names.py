"""Programs as people write them, run by transforms: what np, math, float, max and other functions mean in them."""

import builtins
import cmath
import contextlib
import contextvars
import dataclasses
import doctest
import functools
import gc
import inspect
import math
import pickle
import re
import sys
import threading
import traceback
import types
import weakref
from math import exp
from math import sqrt as root
from typing import Any

import numpy as np
import numpy.linalg as la
import pytest
from numpy import array, concatenate, pi
from numpy import zeros as z

import tests.names_elsewhere as elsewhere
from tests.names_elsewhere import Spring, logged, pair
from vmapcore import custom_jvp, grad, hessian, jacfwd, jacrev, jit, jvp, plain, value_and_grad, vjp, vmap
from vmapcore.errors import ConcretizationError
from vmapcore.methods import LENT
from vmapcore.pytree import flatten, unflatten
from vmapcore.testing import assert_same, check_composition, check_dtypes, check_grads, check_jit, check_vmap
from vmapcore.tracer import Tracer

X = np.array([0.5, -1.5, 2.5, 1.25])
WEIGHTS = [0.5, 0.25]
G = 9.81

# Programs of one number, which return numbers and arrays.


def writes(x):
    out = np.zeros((2, 3))
    out[0] = x
    out[1, 1:] += [x, 2 * x]
    out[1] *= 3
    return out


def other_makers(x):
    made = [
        np.ones(3),
        np.empty(3),
        np.full(3, 2.0),
        np.zeros_like(WEIGHTS + [0.0]),
        np.eye(3)[1],
        np.linspace(0, 1, 3),
    ]
    for a in made:
        a[1] = x
    return made[:1] + made[2:] + [np.arange(3.0) * x, np.tile(1.0, 3), np.repeat(2.0, 3)]


def from_tracers(x):
    return (
        np.array([x, -x]),
        np.asarray([[x, 1], [0, x]]),
        np.full((2, 2), x),
        np.concatenate([[x], [1.0, x]]),
        np.r_[x, 1, 2:4, [x, x]],
        np.c_[[x, 1], [2, x]],
        np.hypot([x, 1], [x, 2]),
        np.sum([x, 1, x]),
        np.linalg.norm([x, 3.0]),
        np.vstack([[x, 1], [2, x]]),
        np.max([x, 0.0]),
        np.block([[x, 1.0], [2.0, x]]),
        np.dot([x, 1.0], [2.0, x]),
    )


def names_of_their_own(x):
    a = z(2)
    a[0] = root(x * x) + exp(x)
    return array([a[0], pi, la.norm([x, 1.0]), la.det(array([[x, 1.0], [2.0, x]]))]), concatenate([a, [x]])


def of_math(x):
    y = abs(x) + 0.5
    return (
        [math.sin(x), math.atan2(x, 2), math.hypot(x, 1.0), math.log(y)],
        [math.log(y, 2), math.pow(y, 1.5), math.degrees(x), math.isclose(x, 0.5), math.floor(x), math.ceil(x)],
        [math.sqrt(y), math.trunc(x), math.fabs(x), math.prod([x, 2, y]), math.dist([x, 1], [2, y]), math.fsum([x, y])],
        [math.exp(x) + math.pi, math.copysign(2.0, x), math.factorial(4), cmath.exp(1j * x), cmath.phase(x + 1j)],
    )


def of_builtins(x):
    two, half = 2, 0.5
    return (
        [float(x), int(4 * x), complex(x), bool(x), round(x, 1), round(3 * x), abs(x), sum([x, x, 1])],
        [max(x, 0), min(x, 1.0, -x), max([x, 2 * x]), min((x, -x), key=lambda v: v * v - v), max(1, 2)],
        [max([], default=3), min(2, 3, key=lambda v: -v), np.array([1, 0], dtype=bool), int.from_bytes(b"a", "big")],
        [any(v > 1 for v in (x, -x)), all([x > 0, True]), any([]), sorted([x, 0.0, -x]), sorted([3, 1])],
        [isinstance(x, float), isinstance(x, np.floating), isinstance(x, (int, np.ndarray)), type(x) is np.float64],
        [isinstance(half, float), type(two) is int, {float: 1}[type(half)], issubclass(bool, int), float("nan")],
        [np.zeros(2, float).dtype == float, float.fromhex("0x1p3"), type(half)(two), isinstance(int, type)],
    )


def patterns(x):
    match x:
        case int():
            return np.array([0.0])
        case float(v):
            return np.array([v, 1.0])


def nested(x):
    scale = np.zeros(1)

    def inner(y):
        scale[0] = y

        def innermost(v):
            nonlocal total
            total = total + float(v)
            return np.array([v, scale[0]])

        return innermost(y + 1)

    total = 0.0
    return inner(x), total


def recursive(x, n=3):
    return np.array([x]) if n == 0 else np.concatenate([[x * n], recursive(x, n - 1)])


def generates(x):
    def terms():
        a = np.ones(1)
        for n in range(1, 5):
            a[0] = a[0] * x / n
            yield float(a[0])

    return sum(terms()), [float(t) for t in terms()], [*map(lambda t: max(t, 0.0), terms())]  # noqa: C417


def scopes(x):
    rows = [np.array([x, i]) for i in range(3)]
    table = {i: float(x) * i for i in range(2)}
    return [r.sum() for r in rows], table, [max(r[0], c) for r in rows for c in (0.0, 1.0)], (lambda: np.array([x]))()


class Point:
    """A class of a module's."""

    origin = (0.0, 0.0)

    def __init__(self, x):
        self.at = np.array([x, 1.0])

    def moved(self, by=1.0):
        new = type(self)(0.0)
        new.at[:] = self.at + by
        return new

    @property
    def length(self):
        return math.sqrt(self.at @ self.at)

    @length.setter
    def length(self, value):
        self.at = np.array([float(value), 0.0])

    @functools.cached_property
    def angle(self):
        return math.atan2(self.at[1], self.at[0])

    @classmethod
    def both(cls, x):
        return cls(x).at + cls.unit(x)

    @staticmethod
    def unit(x):
        return np.array([x, x]) / max(abs(x), 1.0)

    def __call__(self, x):
        return np.array([x, self.length])

    def __getitem__(self, i):
        return np.array([self.at[i]])

    def __add__(self, other):
        return Point(self.at[0] + float(other.at[0]))


class Point3(Point):
    def __init__(self, x):
        super().__init__(x)
        self.at = np.append(self.at, [x])

    def moved(self, by=2.0):
        return super().moved(by)


def classes(x):
    p = Point(x)
    q = p.moved()
    q.length = x
    return p.length, q.at, p.angle, Point.both(x), p(x), p[0], (p + q).at, Point3(x).moved().at, Point3(x).length


def classes_made_inside(x):
    class Local:
        start = np.zeros(2)
        step = float(2)

        def __init__(self, x):
            self.x = np.array([x, self.step])

        def value(self):
            return self.x + Local.start

    @dataclasses.dataclass
    class Record:
        x: float
        ys: list = dataclasses.field(default_factory=lambda: [np.zeros(1)])

        def out(self):
            self.ys[0][0] = self.x
            return self.ys[0]

    return Local(x).value(), Record(x).out()


def modules(x):
    import math as m  # noqa: PLC0415

    import numpy as xp  # noqa: PLC0415
    from numpy import full  # noqa: PLC0415
    from numpy.linalg import norm  # noqa: PLC0415

    from tests.names_elsewhere import pair as again  # noqa: PLC0415

    return [
        xp.array([x]),
        m.cos(x),
        full(2, x),
        norm([x, 1.0]),
        again(x),
        elsewhere.pair(x),
        pair(x),
        Spring(x).force(x),
    ]


def evaluated(x):
    names = {}
    exec("import numpy as np\ndef f(x):\n    return np.ones(2) * x", names)
    return eval("np.array([x, max(x, 0)])"), names["f"](x), globals()["G"] * x


OPERATIONS = {"twice": pair, "list": [lambda x: np.array([x])]}
STEPS = [(1, pair), (2, lambda x: np.full(2, x))]
HALF = functools.partial(pair)


@contextlib.contextmanager
def doubled(x):
    yield np.array([x, 2 * x])


@logged
def square(x):
    return np.full(1, x * x)[0]


def of_functions(x):
    with doubled(x) as two:
        pass
    out = [OPERATIONS["twice"](x), OPERATIONS["list"][0](x), HALF(x), two, square(x)]
    for n, f in STEPS:
        out.append(n * f(x))
    return out, list(map(pair, [x, 2 * x])), functools.reduce(lambda a, f: f(a[0]), [pair, pair], [x])


def with_defaults(x, f=pair, *, g=float, xp=np):
    return f(x), g(x), xp.array([x])


def asks_constants(x):
    w = np.arange(3)
    total = 0.0
    for i in w:
        total += x * i if i > 0 else x
    return total, [x for _ in range(w[2])], np.interp(x, w, w * 2.0), w[w > 0] * x


def looks(x):
    return [
        np.ndim(x),
        np.shape([x, x]),
        len(np.array([x, 1])),
        np.pi,
        np.newaxis is None,
        np.float32(1).dtype == np.float32,
    ]


PROGRAMS = [
    *(writes, other_makers, from_tracers, names_of_their_own, of_math, of_builtins, patterns, nested, recursive),
    *(generates, scopes, classes, classes_made_inside, modules, evaluated, of_functions, with_defaults, asks_constants),
    looks,
]


def looped(fun):
    """What vmap of `fun` must equal: its results for one number after the other, stacked."""

    def loop(xs):
        rows = [flatten(fun(x)) for x in xs]
        return unflatten(rows[0][1], [np.stack(column) for column in zip(*[leaves for leaves, _ in rows], strict=True)])

    return loop


def total(fun):
    """A function of one number, for a gradient: the sum of all real floats that `fun` returns."""

    def of_one(x):
        leaves = [v for v in flatten(fun(x))[0] if isinstance(v, (float, np.ndarray, np.floating))]
        return np.sum([np.sum(v) for v in leaves if np.result_type(v).kind == "f"])

    return of_one


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda f: f.__name__)
def test_programs_run_as_they_are(program):
    expected = looped(program)(X)
    assert_same(vmap(program)(X), expected, tol=4)
    fast = jit(vmap(program))
    for _ in range(3):
        assert_same(fast(X), expected, tol=4)


DIFFERENTIABLE = [
    writes,
    from_tracers,
    names_of_their_own,
    nested,
    recursive,
    generates,
    scopes,
    classes,
    modules,
    of_functions,
]


@pytest.mark.parametrize("program", DIFFERENTIABLE, ids=lambda f: f.__name__)
def test_programs_have_derivatives(program):
    f = total(program)
    step = 1e-6
    slopes = np.array([(f(x + step) - f(x - step)) / (2 * step) for x in X])
    one = np.float64(1.0)
    for derivative in (
        grad(f),
        lambda x: value_and_grad(f)(x)[1],
        lambda x: vjp(f, x)[1](one)[0],
        lambda x: jvp(f, (x,), (one,))[1],
        jacfwd(f),
        jacrev(f),
    ):
        np.testing.assert_allclose([derivative(x) for x in X], slopes, rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(vmap(grad(f))(X), slopes, rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(jit(vmap(grad(f)))(X), slopes, rtol=1e-6, atol=1e-7)


# Who is met, and how.


def made(x):
    return np.array([x, max(x, 0.0)])


class Net:
    def __call__(self, x):
        return made(x)

    def method(self, x):
        return np.array([x])


NET = Net()
BOUND = NET.method


@pytest.mark.parametrize(
    "fun",
    [
        *(NET, NET.method, Net().method, functools.partial(lambda a, x: np.array([a, x]), 1.0), lambda x: made(x)),
        *(lambda x: NET(x), lambda x: BOUND(x), lambda x: [f(x) for f in (made, NET, BOUND)], Point.both, Point.unit),
        *(Spring(2.0).force, lambda x: Spring(x).force(1.0), lambda x: {"f": made}["f"](x), jit(made), vmap),
    ],
)
def test_whatever_is_called(fun):
    if fun is vmap:
        fun = lambda x: vmap(lambda y: np.array([x, y]))(np.arange(2.0))  # noqa: E731
    assert_same(vmap(fun)(X), looped(fun)(X))


def test_functions_among_the_arguments():
    def solve(f, table, net, x):
        return f(x), table["f"](x), net.method(x)

    found = vmap(solve, in_axes=(None, None, None, 0))(made, {"f": made}, Net(), X)
    assert_same(found, looped(lambda x: solve(made, {"f": made}, Net(), x))(X))


def test_functions_among_keyword_arguments():
    def solve(x, f):
        return f(x)

    assert_same(vmap(solve, in_axes={"x": 0, "f": None})(x=X, f=made), looped(made)(X))
    assert_same(grad(lambda x, f: f(x).sum())(1.5, f=made), 2.0)


class Tree:
    """Objects in an object, met as their methods are called."""

    def __init__(self, inner, others=()):
        self.inner, self.others = inner, list(others)

    def value(self, x):
        return self.inner.method(x) + sum([o.method(x) for o in self.others])


TREE = Tree(NET, [Net(), Net()])


def test_objects_in_objects():
    assert_same(vmap(TREE.value)(X), looped(TREE.value)(X))
    assert_same(vmap(lambda x: TREE.value(x))(X), looped(TREE.value)(X))


@dataclasses.dataclass(frozen=True)
class Problem:
    """Of functions that were made elsewhere: a user's, the standard library's, one that closes over another."""

    rhs: Any
    root: Any = math.sqrt
    steps: tuple = ()

    def solve(self, x):
        return self.rhs(x) + self.root(abs(x)) + sum([step(x) for step in self.steps])


class Slotted:
    __slots__ = ("rhs",)

    def __init__(self, rhs):
        self.rhs = rhs


def test_functions_that_objects_have_as_attributes():
    scale = 2.0
    problem = Problem(made, steps=(made, lambda x: np.array([scale, x])))
    slotted, partly = Slotted(lambda x: np.array([scale, x])), Problem(functools.partial(made))
    for fun in (problem.solve, lambda x: problem.rhs(x), lambda x: slotted.rhs(x), lambda x: partly.solve(x)):
        assert_same(vmap(fun)(X), looped(fun)(X), tol=4)
    assert vars(problem)["rhs"] is made is problem.rhs and "rhs" not in vars(Problem) and type(problem.steps) is tuple


def test_functions_that_are_put_into_attributes_inside_stay_there():
    problem, other = Slotted(made), Slotted(abs)

    def fun(x):
        first = problem.rhs(x)
        other.rhs, problem.rhs = problem.rhs, abs
        return first

    assert_same(vmap(fun)(X), looped(made)(X))
    assert problem.rhs(-2.0) == 2.0 and other.rhs(2.0).tolist() == [2.0, 2.0]


def test_rules_of_an_author_see_their_own_names():
    @custom_jvp
    def f(x):
        return np.sin(x)

    f.defjvp(lambda primals, tangents: (f(*primals), tangents[0] * np.asarray(2.0)))
    assert_same(vmap(grad(lambda x: f(x) * float(2)))(X), np.full(4, 4.0))


def test_second_derivatives():
    def energy(x):
        a = np.zeros(2)
        a[0], a[1] = x[0] * x[1], float(x[1]) ** 3
        return a @ a

    x = np.array([1.5, 0.5])
    expected = np.array([[2 * x[1] ** 2, 4 * x[0] * x[1]], [4 * x[0] * x[1], 2 * x[0] ** 2 + 30 * x[1] ** 4]])
    assert_same(hessian(energy)(x), expected, tol=4)


# Nothing is noticed outside.


def test_assignments_to_globals_are_carried_over():
    before = elsewhere.calls
    found = vmap(elsewhere.counted)(X)
    assert elsewhere.calls == before + 1
    assert_same(found, np.stack([X, X], 1) * (before + 1))
    assert elsewhere.counted(1.0)[0] == before + 2


def test_assignments_to_closures_are_carried_over():
    step = made

    def change():
        nonlocal step
        step = lambda x: np.full(2, x)  # noqa: E731

    def run(x):
        first = step(x)
        change()
        return first + step(x)

    assert_same(vmap(run)(X), np.stack([2 * X, X + np.maximum(X, 0)], 1))
    assert_same(step(1.0), np.ones(2))


REGISTRY = {"made": made}
HISTORY = [made]


def test_what_is_put_into_containers_of_functions_stays():
    def f(x):
        REGISTRY["new"] = pair
        HISTORY.append(pair)
        return REGISTRY["made"](x) + HISTORY[0](x)

    assert_same(vmap(f)(X), 2 * looped(made)(X))
    assert REGISTRY["made"] is made and HISTORY[0] is made
    assert set(REGISTRY) == {"made", "new"} and len(HISTORY) == 2
    del REGISTRY["new"], HISTORY[1]


def test_modules_are_as_they_were():
    names = dict(vars(elsewhere))
    own = {kind: dict(vars(kind)) for kind in (Point, Point3, Spring, Net, Tree)}
    for program in (classes, modules, of_functions):
        jit(vmap(program))(X)
    with pytest.raises(ZeroDivisionError):
        vmap(lambda x: [NET(x), 1 / 0])(X)
    assert {name: x for name, x in vars(elsewhere).items() if name in names} == names
    assert {kind: dict(vars(kind)) for kind in own} == own
    assert not LENT
    assert "float" not in globals() and np is sys.modules["numpy"] and type(np.zeros) is types.BuiltinFunctionType
    assert vars(elsewhere)["__builtins__"]["float"] is builtins.float


def test_names_may_be_changed_between_calls():
    names = {"__name__": "of_a_notebook", "np": np, "N": 2}
    exec("def f(x):\n    return np.full(N, g(x))\ndef g(x):\n    return max(x, 0)", names)
    f = vmap(names["f"])
    assert_same(f(X), np.stack([np.maximum(X, 0)] * 2, 1))
    exec("N = 3\ndef g(x):\n    return float(x)\nmax = 7", names)
    assert_same(f(X), np.stack([X] * 3, 1))
    del names["g"]
    with pytest.raises(NameError, match="name 'g' is not defined"):
        f(X)


def test_functions_may_be_changed_between_calls():
    names = {"__name__": "of_a_notebook", "np": np}
    exec("def f(x):\n    return g(x)\ndef g(x, k=2.0, *, c=1.0):\n    return np.sin(x) * k + c", names)
    exec("def other(x, k=2.0, *, c=1.0):\n    return np.cos(x) * k + c", names)
    f, g = vmap(names["f"]), names["g"]
    for change in (
        lambda: None,
        lambda: setattr(g, "__defaults__", (5.0,)),
        lambda: g.__kwdefaults__.update(c=3.0),
        lambda: setattr(g, "__kwdefaults__", {"c": 4.0}),
        lambda: setattr(g, "__code__", names["other"].__code__),
    ):
        change()
        assert_same(f(X), looped(names["f"])(X))
        assert_same(vmap(g)(X), looped(g)(X))


def test_methods_of_one_name_stay_what_they_are():
    class Twice:
        def of(self, x):
            return np.sin(x) * 2

    class Thrice(Twice):
        def of(self, x):
            return super().of(x) + np.sin(x)

    twice, thrice = Twice(), Thrice()
    for _ in range(2):
        assert_same(vmap(lambda x: (twice.of(x), thrice.of(x)))(X), looped(lambda x: (twice.of(x), thrice.of(x)))(X))
    assert not LENT


def test_namespaces_go_with_their_functions():
    names = {"__name__": "gone", "np": np}
    exec("def f(x):\n    return np.array([g(x)])\ndef g(x):\n    return x", names)
    vmap(names["f"])(X)
    gone = weakref.ref(names["g"])
    del names
    gc.collect()
    assert gone() is None


def test_other_threads_notice_nothing():
    inside, go_on = threading.Event(), threading.Event()
    spring = Spring(2.0)

    def waits(x):
        found = spring.force(x), pair(x)
        inside.set()
        assert go_on.wait(60)
        return found, spring.force(x)

    results = []
    other = threading.Thread(target=lambda: results.append(vmap(waits)(X)))
    other.start()
    assert inside.wait(60)
    plain_force = Spring.force
    assert type(plain_force) is types.FunctionType and type(spring.force(0.1)) is np.ndarray
    assert type(pair(0.1)) is np.ndarray and type(np.zeros(2)) is np.ndarray
    assert_same(vmap(spring.force)(X), looped(spring.force)(X))
    assert_same(spring.force(0.1), np.array([0.8, 0.1]))
    go_on.set()
    other.join()
    assert Spring.force is plain_force and vars(Spring)["force"] is plain_force and not LENT
    force = looped(spring.force)(X)
    assert_same(results, [((force, looped(pair)(X)), force)])


def test_what_is_begun_inside_may_go_on():
    contexts = []
    vmap(lambda x: [contexts.append(contextvars.copy_context()), x][1])(X)
    assert_same(contexts[0].run(vmap(Spring(2.0).force), X), looped(Spring(2.0).force)(X))
    assert not LENT


def test_many_threads():
    expected = looped(classes)(X)
    errors = []

    def work(i):
        try:
            for _ in range(5):
                assert_same(vmap(classes)(X) if i % 2 else looped(classes)(X), expected)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(6)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not errors and not LENT


# Tools.


def test_tracebacks_show_the_users_lines():
    def inner(x):
        return np.zeros(2)[5]

    def f(x):
        return inner(x)

    with pytest.raises(IndexError) as caught:
        vmap(f)(X)
    frames = traceback.extract_tb(caught.value.__traceback__)
    lines = {frame.name: frame.lineno for frame in frames if frame.filename == __file__}
    assert lines["inner"] == inner.__code__.co_firstlineno + 1 and lines["f"] == f.__code__.co_firstlineno + 1


def test_debuggers_and_coverage_see_the_same_code():
    seen = set()

    def trace(frame, event, arg):
        if frame.f_code is made.__code__:
            seen.add((event, frame.f_lineno))
            assert eval("np.zeros(2)[0] + G", frame.f_globals, frame.f_locals) == G
            assert frame.f_globals["__name__"] == __name__
        return trace

    old = sys.gettrace()
    sys.settrace(trace)
    try:
        vmap(made)(X)
    finally:
        sys.settrace(old)
    assert ("line", made.__code__.co_firstlineno + 1) in seen


@vmap
def decorated(x):
    """Doubles.

    >>> decorated(np.ones(2))
    array([[2., 0.],
           [2., 0.]])
    """
    out = np.zeros(2)
    out[0] = 2 * x
    return out


def test_inspection_wrapping_pickling_and_doctest():
    assert str(inspect.signature(decorated)) == "(x)" and decorated.__wrapped__.__name__ == "decorated"
    assert "out = np.zeros(2)" in inspect.getsource(decorated)
    assert pickle.loads(pickle.dumps(made)) is made
    assert pickle.loads(pickle.dumps(jit(made)))(1.0)[1] == 1.0
    found = doctest.DocTestFinder().find(decorated, "decorated", globs={"np": np, "decorated": decorated})
    assert doctest.DocTestRunner().run(found[0]).failed == 0

    def f(x):
        kept = pickle.loads(pickle.dumps([float, np.sin, {"kind": int}]))
        assert {float: 1}[kept[0]] == {int: 1}[kept[2]["kind"]] and isinstance(1.0, kept[0])
        assert f.__name__ == "f" and inspect.signature(f).parameters.keys() == {"x"}
        f.calls = getattr(f, "calls", 0) + 1
        return kept[1](x)

    assert_same(vmap(f)(X), np.sin(X))
    assert f.calls == 1


def test_libraries_are_left_alone(tmp_path, monkeypatch):
    folder = tmp_path / "site-packages"
    folder.mkdir()
    (folder / "library_of_names.py").write_text("import numpy as np\ndef f(x):\n    return np.array([x])\n")
    monkeypatch.syspath_prepend(str(folder))
    names = {}
    exec("from library_of_names import f", names)
    for use in (names["f"], lambda x: names["f"](x)):
        with pytest.raises(ConcretizationError):
            vmap(use)(X)


def test_plain_turns_it_off():
    def f(x):
        assert np is sys.modules["numpy"] and float is builtins.float
        return x * float(2)

    assert plain(f).__name__ == "f"
    assert_same(vmap(plain(f))(X), 2 * X)
    assert_same(vmap(lambda x: plain(f)(x) + np.array([x])[0])(X), 3 * X)
    with pytest.raises(ConcretizationError, match=re.escape("float: a BatchedTensor")):
        vmap(plain(lambda x: float(x)))(X)
    assert_same(vmap(plain(lambda x: np.sum(vmap(made)(np.ones(2))) + x))(X), 4 + X)


def settled(x):
    """A loop, a branch, a write, names of NumPy's, of math and of Python's."""
    path = np.zeros(3)
    for i in range(3):
        path[i] = math.sin(x) + max(x, 0.1 * i)
        if path[i] > 1.0:
            path[i] = float(x)
    return path, np.array([x, -x])


def test_checks_run_functions_as_transforms_see_them(recwarn):
    check_vmap(made, X)
    check_vmap(Point.both, X)
    check_vmap(settled, X, branches="split")
    check_vmap(lambda x, table: np.array([table[0], x]), X, [1.0, 2.0], in_axes=(0, None))
    check_grads(settled, np.float64(0.4))
    check_grads(made, np.array(0.7))
    check_jit(lambda x: made(x[0]), np.ones(2))
    check_composition(made, X)
    check_dtypes(lambda x: np.array([math.sin(x), x]), np.array(0.5))
    with pytest.raises(AssertionError, match="values are wrong"):
        check_vmap(lambda x: np.array([x, 1.0]) if isinstance(x, Tracer) else np.array([x, 2.0]), X)


def test_forms_serve_outside_a_transform_too():
    kept = []
    vmap(lambda x: [kept.append((np, float, max, lambda: np.zeros(2), isinstance)), x][1])(X)
    xp, number, largest, make, check = kept[0]
    assert type(make()) is np.ndarray and type(xp.ones(2)) is np.ndarray and not isinstance(make(), Tracer)
    assert number("2.5") == 2.5 and largest(1, 2) == 2 and check(2.5, number) and not check(2, number)
    assert repr(number) == "<class 'float'>" and number in (float,) and hash(number) == hash(float)


def test_lists_of_traced_and_plain_values_keep_their_dtypes_and_shapes():
    def f(x, i):
        chosen = np.select([x > 1, x > 0], [x, 2.0], default=-1.0)
        return chosen, np.ravel_multi_index((np.stack([i, i]), i), (3, 3))

    x, i = np.array([-1, 0.5, 2], np.float32), np.array([1, 2])
    expected = f(x, i)
    for made in (jit(f)(x, i), [y[0] for y in vmap(f)(x[None], i[None])]):
        for y, right in zip(made, expected, strict=True):
            assert y.dtype == right.dtype
            np.testing.assert_array_equal(y, right)


# Errors that hang on values.


TABLE_OF_THREE = np.array([1.0, 2.0, 3.0])


def caught(error, fun):
    def f(*args):
        try:
            return fun(*args)
        except error:
            return -1.0

    return f


CAUGHT = {
    "index": (caught(IndexError, lambda i: TABLE_OF_THREE[i]), (np.array([0, 5, 2]),)),
    "index of an argument": (
        caught(IndexError, lambda i, x: x[i]),
        (np.array([0, 5, 2]), np.arange(9.0).reshape(3, 3)),
    ),
    "take": (caught(IndexError, lambda i: np.take(TABLE_OF_THREE, i)), (np.array([0, 5, 2]),)),
    "inverse": (
        caught(np.linalg.LinAlgError, lambda m: np.linalg.inv(m).sum()),
        (np.stack([np.eye(2), np.zeros((2, 2)), 2 * np.eye(2)]),),
    ),
    "math.log": (caught(ValueError, lambda x: math.log(x)), (np.array([1.0, -1.0, 0.0, 3.0]),)),
    "math.acos": (caught(ValueError, lambda x: math.acos(x)), (np.array([1.0, -2.0, 0.5]),)),
    "math.exp": (caught(OverflowError, lambda x: math.exp(x)), (np.array([1.0, 1000.0]),)),
}


@pytest.mark.parametrize("name", CAUGHT)
def test_errors_that_some_rows_have_are_theirs(name):
    fun, args = CAUGHT[name]
    expected = np.stack([fun(*row) for row in zip(*args, strict=True)])
    for transform in (lambda f: f, jit):
        np.testing.assert_array_equal(transform(vmap(fun, branches="split"))(*args), expected)
        with pytest.raises(ConcretizationError):
            transform(vmap(fun))(*args)
    fine = [x[:1] for x in args]
    np.testing.assert_array_equal(vmap(fun)(*fine), expected[:1])


def test_errors_that_all_rows_have_are_pythons():
    x = np.array([-1.0, -2.0])
    for transform in (vmap, lambda f: vmap(f, branches="split")):
        with pytest.raises(ValueError, match="math domain error"):
            transform(lambda x: math.sqrt(x))(x)
        np.testing.assert_array_equal(transform(lambda x: math.log(x) if x is None else math.fabs(x))(x), -x)
    assert np.isnan(vmap(lambda x: math.sqrt(x))(np.array([np.nan, 1.0]))).tolist() == [True, False]
    assert vmap(lambda x: math.exp(x))(np.array([np.inf, 0.0])).tolist() == [np.inf, 1.0]
    with pytest.raises(ValueError, match="math domain error"):
        grad(lambda x: math.log(x))(-1.0)
