"""external and the loop: what foreign code is given, how batches run, and what is said of loops."""

import time
import warnings

import numpy as np
import pytest

import vmapcore as vc
from vmapcore import errors, grad, jvp, ops, vjp, vmap
from vmapcore.testing import check_composition, check_grads, check_vmap

from .test_errors import fails

RNG = np.random.default_rng(0)
A, B = RNG.normal(size=(4, 3)), RNG.normal(size=(4, 3))

looping = pytest.mark.filterwarnings("ignore::vmapcore.PerformanceWarning")
METHODS = ("loop", "expand_dims", "broadcast_all")


def foreign(x, y):
    """Free over leading axes; refuses what is not a plain NumPy array."""
    assert type(x) is type(y) is np.ndarray
    return np.sin(x) * y.sum(-1, keepdims=True)


def foreign_pair(x, y):
    assert type(x["a"]) is type(y) is np.ndarray
    return {"product": x["a"] * y, "count": np.full(np.broadcast_shapes(x["a"].shape, y.shape)[:-1], y.shape[-1])}


def like_pair(x, y):
    return {"product": y, "count": ops.ArraySpec(y.shape[:-1], int)}


VJPS = (lambda g, out, x, y: g * np.cos(x) * np.sum(y), lambda g, out, x, y: np.sum(g * np.sin(x)) * np.ones_like(y))


# Calls and batches.


def test_it_gets_arrays_or_what_numpy_has_for_an_element():
    op = vc.external(foreign)
    assert np.array_equal(op(A[0], B[0]), foreign(A[0], B[0]))
    for x, kind in [(2.0, np.ndarray), (np.float64(2), np.float64), (np.asarray(2.0), np.ndarray)]:
        single = vc.external(lambda x, kind=kind: [type(x), x.shape, x.dtype] == [kind, (), float] or x)
        assert single(x) == np.True_
    element = vc.external(lambda x: type(x) is np.float64, vmap_method="loop")
    assert vmap(element)(np.ones(3)).all()


def test_loops_take_results_as_they_come():
    """Of one dtype or several, numbers or arrays, in a buffer that the function writes again."""
    buffer, x = np.zeros(2), np.arange(6.0)

    def same_buffer(x):
        buffer[...] = x
        return buffer

    def view_of_buffer(x):
        return same_buffer(x)[:1]

    def mixed(x):
        return int(x) if x < 3 else np.float32(x) if x < 5 else np.asarray(x)

    def pair(x):
        return (same_buffer(x), np.float64(x)) if x != 4 else (np.full(2, 4, np.int64), 4)

    def loop(fun):
        return vmap(vc.external(fun, vmap_method="loop"))(x)

    assert np.array_equal(loop(same_buffer), np.stack([x, x], axis=1))
    assert np.array_equal(loop(view_of_buffer), x[:, None])
    assert np.array_equal(loop(mixed), x) and loop(mixed).dtype == float
    first, second = loop(pair)
    assert np.array_equal(first, np.stack([x, x], axis=1)) and np.array_equal(second, x)
    many = np.arange(10_000.0)
    assert np.array_equal(vmap(vc.external(lambda x: x * 2, vmap_method="loop"))(many), many * 2)
    with pytest.raises(errors.ShapeError, match="the result of example 4999 is"):
        vmap(vc.external(lambda x: np.zeros(2 + (x == 4999)), vmap_method="loop"))(many)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("axes", [(0, 0), (0, None), (None, 1), (1, 0)])
def test_batches(method, axes):
    op = vc.external(foreign, vmap_method=method)
    x, y = [v[0] if a is None else np.moveaxis(v, 0, a) for v, a in zip((A, B), axes, strict=True)]
    expected = np.stack([foreign(x if axes[0] is None else A[i], y if axes[1] is None else B[i]) for i in range(4)])
    assert np.allclose(vmap(op, axes)(x, y), expected)


@pytest.mark.parametrize("method", METHODS)
def test_the_law_of_vmap(method):
    check_vmap(vc.external(foreign, result=lambda x, y: x, vmap_method=method), A, B)
    pair = vc.external(foreign_pair, result=like_pair, vmap_method=method)
    check_vmap(lambda a, y: pair({"a": a}, y), A, B)


@looping
@pytest.mark.parametrize("method", [*METHODS, None])
def test_derivatives_once_declared(method):
    op = vc.external(foreign, vmap_method=method)
    op.def_vjp(*VJPS)
    check_grads(op, A[0], B[0])
    check_grads(lambda *xs: vmap(op)(*xs), A, B)
    check_composition(op, A, B)


@pytest.mark.parametrize(("method", "calls", "shapes"), [
    ("loop", 8, {((3,), (3,))}),
    ("expand_dims", 1, {((2, 4, 3), (1, 4, 3))}),
    ("broadcast_all", 1, {((2, 4, 3), (2, 4, 3))}),
])  # fmt: skip
def test_what_nested_batches_call(method, calls, shapes):
    seen = []

    def spy(x, y):
        seen.append((x.shape, y.shape))
        return x + y

    op = vc.external(spy, vmap_method=method)
    x = np.stack([A, B])
    assert np.array_equal(vmap(vmap(op), in_axes=(0, None))(x, B), x + B)
    assert (len(seen), set(seen)) == (calls, shapes)


def test_an_implicit_function():
    """A root finder by SciPy, its derivative by the theorem."""
    optimize = pytest.importorskip("scipy.optimize")

    @vc.external(result=lambda a, b: a, vmap_method="loop")
    def root(a, b):
        return optimize.brentq(lambda x: x**3 + a * x - b, -10, 10)

    root.def_vjp(lambda g, x, a, b: -g * x / (3 * x**2 + a), lambda g, x, a, b: g / (3 * x**2 + a))
    a, b = np.linspace(1, 2, 5), np.linspace(-1, 3, 5)
    x = vmap(root)(a, b)
    assert np.allclose(x**3 + a * x, b)
    check_composition(root, a, b)
    check_grads(lambda a, b: vmap(root)(a, b), a, b)
    assert vmap(grad(root, (0, 1)))(a[:0], b[:0])[1].shape == (0,)


def test_static_parameters():
    seen = []

    @vc.external(vmap_method="loop")
    def shift(x, *, by=1):
        seen.append(by)
        return x + by

    assert np.array_equal(vmap(lambda x: shift(x, by=2))(A), A + 2)
    assert np.array_equal(vmap(shift)(A), A + 1)
    assert seen == [2] * 4 + [1] * 4
    with fails(errors.ArgumentError, "shift: got the keyword 'to'; it is called as shift(x, *, by)."):
        shift(A, to=1)
    op = vc.external(np.linalg.norm, vmap_method="loop")  # has positional defaults: what is passed by name is static
    assert np.allclose(vmap(lambda x: op(x, ord=1))(A), np.abs(A).sum(1))


# Results.


def test_results_are_held_to_what_is_declared():
    for result, kind, text in (
        (ops.ArraySpec((7,)), errors.ShapeError, "foreign: a result is f64[3]; its declared shape is (7,)."),
        (ops.ArraySpec((3,), "f4"), errors.DTypeError, "foreign: a result is f64[3]; its declared dtype is float32."),
        ((ops.ArraySpec((3,)),), errors.StructureError, "foreign: returned f64[3]; its declared result is the str"),
    ):
        op = vc.external(foreign, result=result, vmap_method="loop")
        with fails(kind, text):
            op(A[0], B[0])
        with fails(kind, text):
            vmap(op)(A, B)
    op = vc.external(foreign, result=ops.ArraySpec((7,)), vmap_method="expand_dims")
    with fails(
        errors.ShapeError, "a result is f64[4,3]; its declared shape is (7,) with (4,) in front, for the batch."
    ):
        vmap(op)(A, B)


def test_declared_results_of_a_kind():
    op = vc.external(lambda x: np.sum(x, axis=-1), result=ops.ArraySpec(())).gufunc("(n)->()")
    check_vmap(op, A)


def test_wrong_declarations():
    with fails(
        errors.OptionError, "external(foreign): vmap_method is 'map'; it must be one of loop, expand_dims, broa"
    ):
        vc.external(foreign, vmap_method="map")
    with fails(errors.ArgumentError, "external(foreign): result has int 3; it must be made of vmapcore.ops.ArraySpec."):
        vc.external(foreign, result=(3,))
    with fails(errors.ArgumentError, "foreign.def_result: the rule takes (x): too many positional arguments"):
        vc.external(foreign, result=lambda x: x)
    with fails(errors.ArgumentError, "external: argument 'fun' is int 3; it must be callable."):
        vc.external(3)
    with fails(errors.ArgumentError, "foreign.def_vmap: the vmap rule is already declared, by vmap_method."):
        vc.external(foreign, vmap_method="loop").def_vmap(lambda n, m, x, y: x)
    with fails(errors.ArgumentError, "foreign.def_result: the rule returned int 3; it must return a vmapcore.ops.Arr"):
        vc.external(foreign, result=lambda x, y: x.shape)(A[0], B[0])
    op = vc.external(foreign)
    op(A[0], B[0])
    op.def_result(lambda x, y: (x, y))
    with fails(errors.StructureError, "foreign: returned f64[3]; its declared result is the structure"):
        op(A[0], B[0])


def test_results_that_do_not_fit_a_batch():
    with fails(errors.ShapeError, "<lambda>: its result for a batch is f64[]; vmap_method='expand_dims' needs (4,) in"):
        vmap(vc.external(lambda x: x.sum(), vmap_method="expand_dims"))(A)
    ragged = vc.external(lambda n: np.ones(int(n)), vmap_method="loop")
    with fails(errors.ShapeError, "the result of example 1 is f64[2], that of the first f64[1]; the results of all"):
        vmap(ragged)(np.arange(1.0, 4.0))
    with fails(errors.ArgumentError, "<lambda>: returned str 'a'; results must be arrays."):
        vc.external(lambda x: "a")(A)


def test_results_of_several_dtypes_are_promoted():
    op = vc.external(lambda x: 1 if x < 1 else 2.5, vmap_method="loop")
    assert np.array_equal(vmap(op)(np.arange(3.0)), [1.0, 2.5, 2.5])
    two = vc.external(lambda x: (x, 1 if x < 1 else 2.5), vmap_method="loop")
    assert np.array_equal(vmap(two)(np.arange(3.0))[1], [1.0, 2.5, 2.5])
    large = vc.external(lambda x: np.full(9000, 1 if x < 1 else 2.5), vmap_method="loop")
    assert np.array_equal(vmap(large)(np.arange(3.0))[:, 0], [1.0, 2.5, 2.5])


def test_results_may_share_memory_with_each_other():
    buffer = np.zeros(2)

    def fill(x):
        buffer[:] = x
        return buffer

    op = vc.external(fill, vmap_method="loop")
    assert np.array_equal(vmap(op)(np.arange(3.0)), [[0, 0], [1, 1], [2, 2]])
    op = vc.external(lambda x: (fill(x), fill(x)), vmap_method="loop")
    assert np.array_equal(vmap(op)(np.arange(3.0))[0], [[0, 0], [1, 1], [2, 2]])


def test_without_a_derivative():
    op = vc.external(foreign)
    text = "It cannot be traced: declare its derivative with foreign.def_vjp or foreign.def_jvp."
    with fails(errors.MissingRuleError, "grad(<lambda>): primitive 'foreign' has no vjp rule. " + text):
        grad(lambda x: np.sum(op(x, x)))(A[0])
    with fails(errors.MissingRuleError, text):
        jvp(lambda x: op(x, x), (A[0],), (A[0],))


# Batches of nothing.


@looping
def test_empty_batches():
    never = vc.external(lambda x: pytest.fail("called"), vmap_method="loop")
    with fails(errors.ShapeError, "<lambda>: the batch is empty, and without an example the result has no known shape"):
        vmap(never)(A[:0])
    never.def_result(lambda x: (ops.ArraySpec(x.shape[:1] * 2, np.float32), x))
    first, second = vmap(never)(A[:0])
    assert (first.shape, first.dtype, second.shape) == ((0, 3, 3), np.float32, (0, 3))
    assert vmap(vmap(never))(np.zeros((2, 0, 3)))[0].shape == (2, 0, 3, 3)
    assert vmap(vmap(never))(np.zeros((0, 2, 3)))[0].shape == (0, 2, 3, 3)

    own = vc.custom_op(lambda xp, x, i: (xp.linalg.inv(xp.diag(x)), x[i]))
    assert vmap(own)(A[:0], np.zeros(0, int))[0].shape == (0, 3, 3)
    singular = vc.custom_op(lambda xp, x: xp.linalg.inv(x))
    with fails(errors.ShapeError, "the batch is empty, and the function fails on an example of ones: Singular matrix"):
        vmap(singular)(np.zeros((0, 2, 2)))
    singular.def_result(lambda x: x)
    assert vmap(singular)(np.zeros((0, 2, 2))).shape == (0, 2, 2)


# Loops and what is said of them.


def looping_op(name="slow"):
    op = vc.custom_op(lambda xp, x: xp.sort(x) * 2, name=name)
    op.def_vjp(lambda g, out, x: 2 * g)
    return op


@pytest.mark.parametrize("name", ["slow", "other"])
def test_one_warning_names_the_operation(name):
    op = looping_op(name)
    for _ in range(2):
        with pytest.warns(vc.PerformanceWarning) as caught:
            vmap(lambda x: op(op(x)) + op(x))(A)
        assert len(caught) == 1
        text = str(caught[0].message)
        assert text.startswith(f"vmap(<lambda>): '{name}' has no vmap rule and ran in a loop: 12 calls, ")
        assert text.endswith(
            f" s. Declare one with {name}.def_vmap or a kind such as gufunc, or the loop with {name}.vmap_by_loop()."
        )
        assert caught[0].filename == __file__


def test_one_warning_of_several_operations_and_levels():
    slow, other = looping_op(), looping_op("other")

    def f(x):
        return slow(x) + vmap(other)(x[None])[0]

    with pytest.warns(vc.PerformanceWarning) as caught:
        vmap(vmap(f))(np.stack([A, B]))
    (text,) = [str(w.message) for w in caught]
    assert text.startswith("vmap(f): 'slow' has no vmap rule and ran in a loop: 8 calls, ")
    assert "'other' has no vmap rule and ran in a loop: 8 calls, " in text
    assert text.endswith("Declare vmap rules for them, or that the loops are meant.")


@pytest.mark.parametrize("compose", [
    lambda f: lambda x: grad(lambda x: np.sum(vmap(f)(x)))(x),
    lambda f: vmap(grad(lambda x: np.sum(f(x)))),
    lambda f: lambda x: jvp(vmap(f), (x,), (x,)),
    lambda f: lambda x: vjp(vmap(f), x)[1](x),
])  # fmt: skip
def test_one_warning_inside_derivatives(compose):
    with pytest.warns(vc.PerformanceWarning) as caught:
        compose(looping_op())(A)
    assert len(caught) == 1
    assert "4 calls" in str(caught[0].message)


def test_external_code_says_what_it_could_do():
    with pytest.warns(
        vc.PerformanceWarning, match="vmap_method='expand_dims' or 'broadcast_all' to external if foreig"
    ):
        vmap(vc.external(foreign))(A, B)


def test_no_warning_where_the_loop_is_meant_or_none_runs():
    op = looping_op().vmap_by_loop()
    meant = vc.external(foreign, vmap_method="loop")
    with warnings.catch_warnings(), vc.strict():
        warnings.simplefilter("error")
        vmap(op)(A)
        vmap(meant)(A, B)
        looping_op()(A)
        grad(lambda x: np.sum(looping_op()(x)))(A)
        vmap(looping_op(), in_axes=(None,), axis_size=3)(A)


def test_no_warning_of_a_call_that_failed():
    op = looping_op()

    def f(x):
        op(x)
        raise KeyError

    with pytest.raises(KeyError):
        vmap(f)(A)


def test_repeated_calls_say_the_same():
    """To one digit of the seconds, so that Python shows most of them once."""
    op = vc.custom_op(lambda xp, x: x + 1, name="add")
    texts = set()
    for _ in range(50):
        with pytest.warns(vc.PerformanceWarning) as caught:
            vmap(op)(A)
        texts.add(str(caught[0].message))
    assert len(texts) < 20


def test_strict():
    op = looping_op()
    text = "vmap(f): 'slow' has no vmap rule, and strict() forbids to loop. Declare one with slow.def_vmap"

    def f(x):
        return op(x)

    with vc.strict():
        for make in (vmap(f), vmap(grad(lambda x: np.sum(f(x))))):
            with fails(errors.MissingRuleError, text.replace("vmap(f)", "vmap(")[5:]):
                make(A)
        with fails(errors.MissingRuleError, text):
            vmap(f)(A)
        op(A)
    with pytest.warns(vc.PerformanceWarning):
        vmap(f)(A)


def test_a_loop_is_no_slower_than_the_plain_one():
    """The figure is 1.3; this only keeps a mistake from passing."""
    x = RNG.normal(size=(3000, 4))

    def body(xp, x):
        return xp.sin(x) * 2 + 1

    op = vc.custom_op(body).vmap_by_loop()

    def seconds(run):
        best = np.inf
        for _ in range(5):
            start = time.perf_counter()
            run()
            best = min(best, time.perf_counter() - start)
        return best

    assert seconds(lambda: vmap(op)(x)) < 2.5 * seconds(lambda: [body(np, row) for row in x])
