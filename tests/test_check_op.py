"""check_op: what it accepts, what its settings do, and what it says."""

import sys
import warnings
from dataclasses import dataclass

import numpy as np
import pytest
import scipy.special

import vmapcore as vc
from vmapcore import custom_op, external, ops, plain
from vmapcore.errors import ArgumentError, MissingRuleError
from vmapcore.testing import OpCheck, assert_same, check_composition, check_dtypes, check_grads, check_op, check_vmap
from vmapcore.testing.compare import assert_own, untouched
from vmapcore.testing.layouts import LAYOUTS, laid_out
from vmapcore.testing.reproduction import SHOWN_AGAIN, source_of
from vmapcore.testing.special import check_special
from vmapcore.testing.variants import variant, variants

X = np.linspace(0.2, 1.8, 6).reshape(2, 3)
V = np.array([0.7, -1.2, 0.4])


@dataclass(frozen=True)
class Layer:
    w: np.ndarray
    b: np.ndarray


# What passes.


@custom_op
def doubled(xp, x):
    return 2 * x


doubled.elementwise(2)


@custom_op
def wrong_sine(xp, x, *, scale=1.0):
    return xp.sin(scale * x)


wrong_sine.elementwise(lambda out, x, *, scale: np.cos(scale * x))

PASSING = {
    "a function of NumPy": (np.hypot, (V, V + 2)),
    "a function of one's own": (lambda x, y: {"a": np.sin(x) @ y, "b": [y.max()]}, (X, V)),
    "of a number": (lambda x, a: x * a, (V, 1.5)),
    "of integers": (lambda x, i: vc.numpy.take(x, i), (V, np.array([2, 0, 2]))),
    "of one integer": (lambda x, i: vc.numpy.take(x, i), (V, 2)),
    "of bools": (lambda x, mask: np.where(mask, x, -x), (V, V > 0)),
    "of nothing but integers": (lambda i: i + 1, (np.arange(3),)),
    "of a dataclass": (lambda layer, x: np.tanh(layer.w @ x + layer.b), (Layer(X, V[:2]), V)),
    "of a tree with None in it": (lambda tree: tree["a"] * 2, ({"a": V, "b": None},)),
    "of float32": (np.exp, (V.astype(np.float32),)),
    "of complex numbers": (lambda z: z * z, (V + 1j,)),
    "a result without derivative": (lambda x: (np.argmax(x), x.max()), (V,)),
    "a kink at the example": (lambda x: np.maximum(x, 0), (np.array([-1.0, 0.0, 2.0]),)),
    "ties in the example": (lambda x: np.max(x), (np.array([1.0, 1.0, 0.5]),)),
    "a ufunc of SciPy": (scipy.special.erf, (V,)),
    "an elementwise operation": (doubled, (X,)),
    "a loop": (custom_op(lambda xp, x: xp.sort(x), name="loop"), (V,)),
    "code that is not traced": (
        external(lambda x: np.sort(x), result=lambda x: x, vmap_method="broadcast_all", name="sort"),
        (V,),
    ),
    "float32 alone": (
        external(
            lambda x: np.sin(x, dtype=np.float32),
            result=lambda x: ops.ArraySpec(x.shape, "f4"),
            vmap_method="loop",
            name="single",
        ),
        (V,),
    ),
}


@pytest.mark.parametrize("name", PASSING)
def test_what_is_right_passes(name):
    op, examples = PASSING[name]
    check_op(op, *examples)


def test_an_operation_on_float32_alone_is_differentiated():
    """Its derivatives are as exact as differences of float32 are."""

    def sine(xp, x):
        if x.dtype != np.float32:
            raise TypeError
        return xp.sin(x)

    check_op(custom_op(sine).elementwise(lambda out, x: np.cos(x)), V.astype(np.float32))
    with pytest.raises(AssertionError, match="the tangent of sine"):
        check_op(custom_op(sine).elementwise(lambda out, x: 1.1 * np.cos(x)), V.astype(np.float32))


def test_loops_are_no_matter():
    """In the check; they are in a vmap."""
    op = custom_op(lambda xp, x: xp.cumsum(x), name="op")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_op(op, V)
    with pytest.warns(vc.PerformanceWarning):
        vc.vmap(op)(X)


def test_the_example_stays_as_it_is():
    x = X.copy()
    x.flags.writeable = False
    check_op(doubled, x)
    assert_same(x, X)


def test_what_the_operation_raises_is_passed_on():
    with pytest.raises(ArgumentError, match="got 2 positional arguments"):
        check_op(doubled, V, V)
    with pytest.raises(ValueError, match="not aligned"):
        check_op(np.dot, V, np.ones(4))


@pytest.mark.parametrize("examples", [(), ((),), ({"a": None},)])
def test_an_example_is_needed(examples):
    with pytest.raises(AssertionError, match="pass an example of each argument"):
        check_op(lambda *args: np.ones(3), *examples)


def test_results_must_be_large_enough():
    with pytest.raises(AssertionError, match="the results are at most 2e-07, where a wrong one passes for rounding"):
        check_op(doubled, np.array([1e-7]))


# Settings.


def test_order():
    op = custom_op(lambda xp, x: xp.sin(x), name="op").vmap_by_loop()
    op.def_vjp(lambda g, out, x: g * vc.stop_gradient(np.cos(x)))
    OpCheck(order=1)(op, V)
    with pytest.raises(AssertionError):
        check_op(op, V)


def test_tol():
    op = custom_op(lambda xp, x: xp.sin(x), name="op").elementwise(lambda out, x: np.cos(x) * (1 + 1e-5))
    with pytest.raises(AssertionError):
        check_op(op, V)
    OpCheck(tol=100)(op, V)


def test_argnums():
    """An argument that is meant to have no gradient."""

    def make():
        op = custom_op(lambda xp, x, y: x * y, name="op").vmap_by_loop()
        op.def_vjp(lambda g, out, x, y: (g * y).astype(x.dtype), None)
        return op

    with pytest.raises(AssertionError, match="tangent"):
        check_op(make(), V, V + 2)
    OpCheck(argnums=(0,))(make(), V, V + 2)


def ordered(x, points):
    """Right for sorted points alone."""
    return np.interp(x, points, np.array([0.0, 1.0, 4.0]))


def test_sample():
    drawn = []

    def sample(rng):
        drawn.append(1)
        return rng.uniform(-1.0, 1.0, 3), np.cumsum(rng.uniform(0.5, 1.0, 3)) - 1.5

    OpCheck(sample=sample, special=False)(ordered, np.zeros(3), np.array([-1.0, 0.0, 1.0]))
    assert len(drawn) == 3


def test_special():
    op = custom_op(lambda xp, x: xp.logaddexp(x, 0), name="op")
    op.elementwise(lambda out, x: np.exp(x) / (1 + np.exp(x)))
    OpCheck(special=False)(op, V)
    with pytest.raises(AssertionError, match=r"at large values: at .* nan, not"):
        check_op(op, V)


def test_views():
    with pytest.raises(AssertionError, match="shares memory with argument 0"):
        check_op(lambda x: x.T, X)
    OpCheck(views=True)(lambda x: x.T, X)


def test_broadcasting():
    """Silently wrong for one number per example, where there are as many of them as of elements."""
    add = external(lambda x, y: x + y, result=lambda x, y: x, vmap_method="broadcast_all", name="add")
    with pytest.raises(AssertionError, match=r"vmap\(add, \(0, 0\)\): .* values are wrong"):
        check_op(add, V, V + 1)
    OpCheck(broadcasting=False)(add, V, V + 1)


def test_params_are_varied():
    OpCheck(vary_params=False)(wrong_sine, V)
    for params in ({}, {"scale": 1.0}):
        with pytest.raises(AssertionError, match="tangent of wrong_sine"):
            check_op(wrong_sine, V, **params)


def test_params_that_are_not_taken_are_left_alone():
    def total(x, *, axis, keepdims, kind):
        return np.sum(x, axis=axis, keepdims=keepdims)

    check_op(total, X, axis=1, keepdims=True, kind="any")


def test_seed():
    def points(seed):
        seen = []
        OpCheck(seed=seed, order=1)(lambda x: seen.append(x) or 2.0 * x, V)
        return [x for x in seen if type(x) is np.ndarray]

    first, again, other = map(points, (0, 0, 1))
    assert_same(first, again)
    assert len(first) == len(other)
    assert any((x != y).any() for x, y in zip(first, other, strict=True))


# What the parts find that no rule can do alone: it would be a mistake of the engine, or of a function's.


def test_structures_are_compared():
    for actual, expected in (((1,), [1]), ({"a": V}, {"b": V}), ((V,), (V, V)), (V, (V,))):
        with pytest.raises(AssertionError, match="has structure"):
            assert_same(actual, expected)


def test_numbers_are_compared():
    with pytest.raises(AssertionError, match=r"result\[1\]: is 2, not 3"):
        assert_same((V, 2), (V, 3))
    with pytest.raises(AssertionError, match="1 of 3 values are wrong"):
        assert_same(V, np.where(V > 0.5, np.nan, V))


def test_what_writes_and_raises_has_written():
    x = V.copy()
    with pytest.raises(AssertionError, match=r"f wrote to its argument f64\[3\]"), untouched("f", [x]):
        x[0] = 5.0
        raise ValueError
    with pytest.raises(ValueError, match="as it is"), untouched("f", [x]):
        raise ValueError("as it is")


def test_memory_of_derivatives():
    with pytest.raises(AssertionError, match="the tangent: result 0 shares memory with argument 1"):
        assert_own("the tangent", [X[:1]], [V, X])
    with pytest.raises(AssertionError, match="result 1 shares memory with result 0"):
        assert_own("the tangent", [X, X[0]], [])


@pytest.mark.parametrize("mode", ["fwd", "rev"])
def test_values_of_32_bits_beside_derivatives(mode):
    narrow = of_modes(lambda x: np.sin(x) + (0 if x.dtype == np.float64 else 1))
    with pytest.raises(AssertionError, match=r"the value of the (jvp|vjp) of <lambda> of float32: .* values are wrong"):
        check_dtypes(narrow, V, modes=(mode,))


def of_modes(fun):
    """A function that is another one under a transform."""
    return plain(lambda x: np.sin(x) if type(x) is np.ndarray else fun(x))


@pytest.mark.parametrize("mode", ["fwd", "rev"])
def test_values_beside_derivatives(mode):
    with pytest.raises(AssertionError, match=r"the value of (jvp|vjp)\(.*values are wrong"):
        check_grads(of_modes(lambda x: np.sin(x) + 1), V, modes=(mode,), order=1)


def scaled_by_helper(mode):
    """x * y, whose derivative rule calls an operation that is wrong where it maps the first argument alone."""
    helper = custom_op(lambda xp, g, y: g * y, name="helper")
    helper.def_vmap(lambda size, mapped, g, y: (g[:1] if list(mapped) == [True, False] else g) * y + 0 * g)
    op = custom_op(lambda xp, x: x * 3.0, name="op").elementwise()
    constant = np.full(3, 3.0)
    if mode == "rev":
        op.def_vjp(lambda g, out, x: helper(g, constant))
    else:
        op.def_jvp(lambda tangents, out, x: helper(tangents[0], constant))
    return op


@pytest.mark.parametrize(("mode", "over"), [("fwd", "jvp(op)) over tangents"), ("rev", "vjp(op)) over cotangents")])
def test_batches_of_directions(mode, over):
    points = np.stack([V, V + 1, V + 2])
    with pytest.raises(AssertionError, match=r"values are wrong") as caught:
        check_composition(scaled_by_helper(mode), points, order=1, modes=(mode,), deep=True)
    assert over in str(caught.value) or mode == "fwd"  # where a batch of directions comes with that of points, too


# What is said.


def raised(check, *args, **params):
    with pytest.raises(AssertionError) as caught:
        check(*args, **params)
    return caught.value, [note for note in caught.value.__notes__ if note.startswith(SHOWN_AGAIN)]


def test_a_failure_is_shown_again():
    """By a line that imports all it needs."""
    error, (note,) = raised(check_op, wrong_sine, V, scale=1.5)
    source = note.removeprefix(SHOWN_AGAIN)
    assert source.startswith("import numpy as np; from vmapcore.testing import check_grads; from functools import ")
    assert "from tests.test_check_op import wrong_sine; check_grads(partial(wrong_sine, scale=1.5), " in source
    again, _ = raised(lambda: exec(source, {}))
    assert str(again) == str(error).replace("wrong_sine", "partial")


def test_settings_are_shown_again():
    op = custom_op(lambda xp, x: np.sin(x) + np.random.default_rng().uniform(), name="op")
    _, (note,) = raised(OpCheck(order=1, argnums=(0,)), op, V)
    assert "import OpCheck; OpCheck(order=1, argnums=(0,))(op, np.array([0.7, -1.2, 0.4], 'float64'))" in note


def test_nothing_is_shown_for_what_no_module_has():
    _, (note,) = raised(check_vmap, of_modes(lambda x: x), X)
    assert note == f"{SHOWN_AGAIN}import numpy as np; from vmapcore.testing import check_vmap; " + note.split("; ")[-1]


@pytest.mark.parametrize(
    "value",
    [
        1.5,
        np.inf,
        -np.inf,
        True,
        None,
        "nan",
        (),
        (1,),
        [1, (2, 3)],
        {"nano": np.array([np.nan, -np.inf])},
        np.float32(0.1),
        np.array(2.0),
        np.zeros((2, 0, 3), np.int32),
        np.array([1 + 2j, complex(np.nan, np.inf)], np.complex64),
        np.array(complex(0, np.nan)),
        np.array([True, False]),
        np.array([0.1, 1 / 3], np.float32),
        (np.linalg.norm, np.sin),
        Layer(V, X),
    ],
    ids=lambda value: type(value).__name__,
)
def test_arguments_as_source(value):
    scope = {"np": np, "norm": np.linalg.norm, "Layer": Layer}
    assert_same(eval(source_of(value), scope), value)


def test_large_arrays_stand_in():
    assert eval(source_of(np.ones((40, 40), np.float32)), {"np": np}).shape == (40, 40)
    assert "random" not in source_of(np.ones((5, 5)))


# The parts.


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("shape", [(), (3,), (0, 2), (2, 3, 2)])
def test_layouts(layout, shape):
    x = np.arange(float(np.prod(shape))).reshape(shape)
    y = laid_out(x, layout)
    assert_same(y, x)
    assert not np.shares_memory(x, y)
    if x.size > 3:
        assert (layout == "read-only") != y.flags.writeable
        assert (layout == "read-only") == y.flags.c_contiguous


def test_variants_are_near_and_others():
    rng = np.random.default_rng(0)
    args = [V, {"a": np.array([1, 5, 3]), "b": np.array([1.0 + 1j]), "s": 2.0}, np.array([True, False])]
    x, tree, flags = variant(args, rng)
    assert (np.sign(x) == np.sign(V)).all()
    assert (x != V).all()
    assert set(tree["a"].tolist()) <= {1, 2, 3, 4, 5}
    assert tree["b"].dtype == np.complex128
    assert isinstance(tree["s"], float)
    assert flags.dtype == bool


def test_variants_that_are_not_taken_are_replaced():
    """By the example itself, if need be."""

    def fun(x, n):
        if n != 3:
            raise ValueError
        return x

    for x, n in variants(fun, [V, np.array(3)], 5, np.random.default_rng(0)):
        assert n == 3
        assert (x != V).all()
    assert_same(
        variants(lambda x: np.log(x) if x[0] == 2 else [][0], [np.full(3, 2.0)], 2, np.random.default_rng(0)),
        [[np.full(3, 2.0)]] * 2,
    )


def test_zeros_become_something_else_where_they_can():
    zeros = np.zeros(4)
    assert (variant([zeros], np.random.default_rng(0))[0] != 0).all()
    ((x,),) = variants(lambda x: [][0] if x.any() else x, [zeros], 1, np.random.default_rng(0))
    assert_same(x, zeros)


@pytest.mark.parametrize(
    "fun",
    [
        lambda x: np.abs(x),
        lambda x: np.maximum(x, 0),
        lambda x: np.sqrt(np.abs(x)),
        lambda x: np.sort(x),
        lambda x: np.max(x),
        lambda x: np.linalg.norm(x),
        lambda x: np.clip(x, -0.5, 0.5),
        lambda x: np.log(x),
        lambda x: 1 / x,
        lambda x: np.median(x),
        lambda x: np.linalg.inv(np.outer(x, x) + np.diag(x)),
        lambda x: np.where(x == 0, 1.0, x),
        lambda x: x.cumprod(),
    ],
)
def test_nothing_is_asked_where_there_is_no_derivative(fun):
    check_special(fun, [V], None, ("fwd", "rev"), 2, 1.0)
    check_special(fun, [np.array([0.5, 0.0, -0.5])], None, ("fwd", "rev"), 2, 1.0)


def test_dtypes_of_results():
    check_dtypes(np.arctan2, V, V + 2)
    with pytest.raises(AssertionError, match="the result of <lambda> of float32"):
        check_dtypes(lambda x: np.floor(x * 1e4), V)


def test_missing_rules_are_named():
    """By an operation that has some, but not those that its own formulas need."""
    one = scipy.special.kolmogorov
    op = custom_op(lambda xp, x: xp.multiply(x, 2), name="op").vmap_by_loop()
    op.def_vjp(lambda g, out, x: 2 * g * one(-x * x))
    with pytest.raises(MissingRuleError, match="kolmogorov"):
        check_op(op, V)


def test_module_of_checks_is_small():
    assert "hypothesis.extra.numpy" not in vars(sys.modules["vmapcore.testing"])
