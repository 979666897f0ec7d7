"""custom_op: rules of every sort and kind, in every order of the transforms, and what is said of wrong ones."""

import inspect
from collections import namedtuple
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

import vmapcore as vc
from vmapcore import errors, grad, jacfwd, jacrev, jvp, ops, vjp, vmap
from vmapcore.core import PRIMITIVES, Primitive
from vmapcore.ops.ufuncs import DECLARED
from vmapcore.testing import check_composition, check_grads, check_vmap

from .test_errors import fails

RNG = np.random.default_rng(0)
A, B = RNG.normal(size=(4, 3)), RNG.normal(size=(4, 3))
T = RNG.normal(size=(4, 2, 3))

looping = pytest.mark.filterwarnings("ignore::vmapcore.PerformanceWarning")


# Operations of every sort. `f(x, y) = sin(x) * sum(y)` has its rules declared in every way there is.


def by_vjp_x(g, out, x, y):
    return g * np.cos(x) * np.sum(y)


def by_vjp_y(g, out, x, y):
    return np.sum(g * np.sin(x)) * np.ones_like(y)


def by_jvp(tangents, out, x, y):
    dx, dy = tangents
    total = 0.0
    if dx is not None:
        total = total + dx * np.cos(x) * np.sum(y)
    if dy is not None:
        total = total + np.sin(x) * np.sum(dy)
    return total


def by_forward(x, y):
    sine, total = np.sin(x), np.sum(y)
    return sine * total, lambda g: (g * np.cos(x) * total, np.sum(g * sine) * np.ones_like(y))


def by_vmap(axis_size, mapped, x, y):
    total = np.sum(y, axis=-1)
    return np.sin(x) * (total[:, None] if mapped[1] else total)


def sine_times_sum(*declarations):
    @vc.custom_op
    def op(xp, x, y):
        """The sine of x times the sum of y."""
        return xp.sin(x) * xp.sum(y)

    for name, *rules in declarations:
        getattr(op, name)(*rules)
    return op


VJP, JVP, FORWARD = ("def_vjp", by_vjp_x, by_vjp_y), ("def_jvp", by_jvp), ("def_forward", by_forward)
OWN, LOOP = ("def_vmap", by_vmap), ("vmap_by_loop",)


@ops.elementwise(lambda out, x, y: y * np.cos(x * y), lambda out, x, y: x * np.cos(x * y))
def sine_of_product(xp, x, y):
    return xp.sin(x * y)


@vc.custom_op
def product_by_rules(xp, x, y):
    return xp.multiply(x, y)


product_by_rules.elementwise()
product_by_rules.def_vjp(lambda g, out, x, y: g * y, lambda g, out, x, y: g * x)


@ops.elementwise(lambda out, x: (out[1], -out[0]))
def sine_and_cosine(xp, x):
    return xp.sin(x), xp.cos(x)


Parts = namedtuple("Parts", "mantissa exponent root")


@ops.elementwise(lambda out, x: Parts(2.0 ** -np.asarray(out.exponent, like=x), None, 0.5 / out.root))
def parts(xp, x):
    return Parts(*xp.frexp(x), xp.sqrt(x))


@ops.elementwise(lambda out, x, *, slope: np.where(x > 0, 1.0, slope))
def leaky(xp, x, *, slope=0.125):
    return xp.where(x > 0, x, slope * x)


@vc.custom_op
def two_and_an_index(xp, x, y):
    return xp.sin(x) * y[0], xp.sum(x) + xp.sum(y), xp.argmax(x)


two_and_an_index.def_vjp(
    lambda g, out, x, y: g[0] * np.cos(x) * y[0] + g[1],
    lambda g, out, x, y: np.stack([np.sum(g[0] * np.sin(x))] + [0 * g[1]] * (len(y) - 1)) + g[1],
)


@dataclass(frozen=True)
class Affine:
    weight: Any
    bias: Any


def apply_affine(xp, model, x):
    return {"each": xp.sin(model.weight) * x + model.bias[0], "all": xp.sum(x) * model.bias[0]}


def affine(**declarations):
    op = vc.custom_op(apply_affine)
    for name, rules in declarations.items():
        getattr(op, name)(*rules)
    return lambda w, b, x: op(Affine(w, (b, None)), x)


def affine_vmap(axis_size, mapped, model, x):
    assert type(mapped[0]) is Affine
    bias = model.bias[0]
    column = bias[:, None] if mapped[0].bias[0] else bias
    each = np.sin(model.weight) * x + column
    return {
        "each": np.broadcast_to(each, (axis_size, 3)),
        "all": np.broadcast_to(np.sum(x, axis=-1) * bias, (axis_size,)),
    }


def affine_jvp(tangents, out, model, x):
    dm, dx = tangents
    each, total = 0.0 * out["each"], 0.0 * out["all"]
    if dm is not None:
        each = each + dm.weight * np.cos(model.weight) * x + dm.bias[0]
        total = total + np.sum(x) * dm.bias[0]
    if dx is not None:
        each = each + np.sin(model.weight) * dx
        total = total + np.sum(dx) * model.bias[0]
    return {"each": each, "all": total}


AFFINE_VJP = (
    lambda g, out, m, x: Affine(g["each"] * np.cos(m.weight) * x, (np.sum(g["each"]) + g["all"] * np.sum(x), None)),
    lambda g, out, m, x: g["each"] * np.sin(m.weight) + g["all"] * m.bias[0],
)


@ops.gufunc("(m,n),(n)->(m)")
def apply_matrix(xp, a, x):
    return xp.matmul(a, x[..., None])[..., 0]


apply_matrix.bilinear(lambda g, out, a, x: np.outer(g, x), lambda g, out, a, x: a.T @ g)


@ops.gufunc("(n)->(),(n)")
def norm_and_direction(xp, x):
    norm = xp.sqrt(xp.sum(x * x, axis=-1))
    return norm, x / norm[..., None]


@norm_and_direction.def_jvp
def norm_and_direction_jvp(tangents, out, x):
    norm, unit = out
    along = np.dot(unit, tangents[0])
    return along, (tangents[0] - unit * along) / norm


@ops.gufunc("(n),()->(n)")
def scaled_by_rules(xp, x, s):
    return x * xp.asarray(s)[..., None]


scaled_by_rules.def_vjp(lambda g, out, x, s: g * s, lambda g, out, x, s: np.dot(g, x))


@ops.reduction(lambda out, x, *, axis, keepdims: np.exp(x - out))
def logsumexp(xp, x, *, axis, keepdims=False):
    return xp.log(xp.sum(xp.exp(x), axis=axis, keepdims=keepdims))


@ops.reduction(lambda out, x, w, *, axis: w, lambda out, x, w, *, axis: x)
def weighted_sum(xp, x, w, *, axis=None):
    return xp.sum(x * w, axis=axis)


@ops.reduction(1)
def total(xp, x, *, axis):
    return xp.sum(x, axis=axis)


@vc.custom_op
def scaled_steps(xp, x, n):
    return xp.diff(x) * n


scaled_steps.linear(lambda g, out, x, n: -np.diff(g * n, prepend=0, append=0))


@vc.custom_op
def sum_of_all(xp, *xs):
    return sum(xs)


sum_of_all.def_vjp_all(lambda i, g, out, *xs: g)


@vc.custom_op
def whole(xp, x):
    return xp.floor(x)


whole.elementwise().def_zero_derivative()


@vc.custom_op
def both_ways(xp, x):
    """Linear in a pytree."""
    return {"sum": x["a"] + x["b"], "difference": x["a"] - x["b"]}


both_ways.linear(lambda g, out, x: {"a": g["sum"] + g["difference"], "b": g["sum"] - g["difference"]})


def both(a, b):
    return both_ways({"a": a, "b": b})


SMOOTH = {
    "vjp, loop": (sine_times_sum(VJP), A, B),
    "jvp, loop": (sine_times_sum(JVP), A, B),
    "vjp and jvp, declared loop": (sine_times_sum(LOOP, VJP, JVP), A, B),
    "forward, loop": (sine_times_sum(FORWARD), A, B),
    "vjp, own": (sine_times_sum(OWN, VJP), A, B),
    "jvp, own": (sine_times_sum(JVP, OWN), A, B),
    "forward, own": (sine_times_sum(FORWARD, OWN), A, B),
    "elementwise": (sine_of_product, A, B),
    "elementwise, rules": (product_by_rules, A, B),
    "elementwise, broadcast": (sine_of_product, T, A),
    "elementwise, rules, broadcast": (product_by_rules, A, T),
    "elementwise, two results": (sine_and_cosine, A),
    "elementwise, named results": (parts, np.abs(A) + 0.1),
    "elementwise, params": (lambda x: leaky(x, slope=0.5), A),
    "elementwise, default params": (leaky, A),
    "elementwise, constants": (ops.elementwise(1, -1, 2.5)(lambda xp, x, y, z: x - y + 2.5 * z), A, B, A),
    "several results": (two_and_an_index, A, B),
    "pytrees, vjp, loop": (affine(def_vjp=AFFINE_VJP), A, A[:, 0], B),
    "pytrees, jvp, loop": (affine(def_jvp=[affine_jvp]), A, A[:, 0], B),
    "pytrees, vjp, own": (affine(def_vjp=AFFINE_VJP, def_vmap=[affine_vmap]), A, A[:, 0], B),
    "pytrees, jvp, own": (affine(def_jvp=[affine_jvp], def_vmap=[affine_vmap]), A, A[:, 0], B),
    "pytrees, linear": (both, A, B),
    "gufunc, bilinear": (apply_matrix, T, A),
    "gufunc, jvp, two results": (norm_and_direction, A),
    "gufunc, vjp": (scaled_by_rules, A, A[:, 0]),
    "gufunc, with leading axes": (apply_matrix, RNG.normal(size=(4, 5, 1, 2, 3)), RNG.normal(size=(4, 2, 3))),
    "gufunc, jvp, with leading axes": (norm_and_direction, T),
    "gufunc, vjp, with leading axes": (scaled_by_rules, T, A[:, :1]),
    "reduction, keepdims": (lambda x: logsumexp(x, axis=(0, 1), keepdims=True), T),
    "reduction, one axis": (lambda x: logsumexp(x, axis=0), T),
    "reduction, last axis": (lambda x: logsumexp(x, axis=-1), T),
    "reduction, all axes": (lambda x: logsumexp(x, axis=None), T),
    "reduction, all axes, keepdims": (lambda x: logsumexp(x, axis=None, keepdims=True), T),
    "reduction of two": (lambda x, w: weighted_sum(x, w, axis=1), T, A),
    "reduction of two, all axes": (weighted_sum, A, T),
    "reduction, constant": (lambda x: total(x, axis=(1, 0)), T),
    "linear": (lambda x: scaled_steps(x, 2), A),
    "linear, unmapped array": (lambda x: scaled_steps(x, np.arange(2)), A),
    "any number": (sum_of_all, A, B, A),
    "zero derivative": (whole, A),
}
smooth = pytest.mark.parametrize("case", SMOOTH.values(), ids=SMOOTH)


@looping
@smooth
def test_vmap_is_the_loop(case):
    op, *args = case
    check_vmap(op, *args)


@looping
@smooth
def test_derivatives_in_both_modes(case):
    op, *args = case
    check_grads(op, *[x[0] for x in args])


@looping
@smooth
def test_derivatives_of_vmap(case):
    op, *args = case
    check_grads(lambda *xs: vmap(op)(*xs), *args)
    first, *rest = args
    check_grads(lambda *xs: vmap(op, in_axes=(0, *[None] * len(rest)))(*xs), first, *[x[0] for x in rest])


@looping
@smooth
def test_compositions(case):
    op, *args = case
    check_composition(op, *args)


@looping
@pytest.mark.parametrize("declarations", [(VJP,), (JVP,), (FORWARD,), (OWN, VJP), (JVP, OWN)])
def test_jacobians_and_third_orders(declarations):
    op = sine_times_sum(*declarations)
    x, y = A[0], B[0]
    expected = np.diag(np.cos(x) * y.sum())
    assert np.allclose(jacrev(op)(x, y), expected)
    assert np.allclose(jacfwd(op)(x, y), expected)
    assert np.allclose(vmap(jacfwd(jacrev(op)))(A, B)[0], jacrev(jacfwd(op))(x, y))

    def third(x):
        return grad(grad(grad(lambda s: np.sum(op(s * x, y)))))(1.0)

    assert np.allclose(vmap(third)(A), -np.sum(A**3 * np.cos(A) * y.sum(), axis=1))


def test_complex_arguments_and_results():
    @ops.gufunc("(m,n),(n)->(m)")
    def apply(xp, a, x):
        return (a @ x[..., None])[..., 0]

    apply.bilinear(lambda g, out, a, x: np.outer(g, x), lambda g, out, a, x: a.T @ g)

    def of_squares(*rules):
        @vc.custom_op
        def op(xp, x):
            return x.real**2 + 1j * x.imag, xp.abs(x)

        for name, rule in rules:
            getattr(op, name)(rule)
        return op.vmap_by_loop()

    def squares_jvp(tangents, out, x):
        (t,) = tangents
        return 2 * x.real * t.real + 1j * t.imag, np.real(np.conj(x) * t) / np.abs(x)

    def squares_vjp(g, out, x):
        return 2 * x.real * g[0].real + 1j * g[0].imag + g[1] * np.conj(x) / np.abs(x)

    z = A + 1j * B
    check_grads(apply, T[0] + 1j, z[0])
    for op in (of_squares(("def_jvp", squares_jvp)),):
        check_grads(op, z[0], modes=("fwd", "rev"))
        check_vmap(op, z)
        check_composition(op, z)
    del squares_vjp


def test_single_precision_stays(xp):
    x = xp.asarray(A, np.float32)
    for op in (leaky, sine_and_cosine, lambda x: logsumexp(x, axis=0), lambda x: apply_matrix(x, x[0])):
        out, pullback = vjp(op, x)
        leaves = out if isinstance(out, tuple) else (out,)
        assert all(o.dtype == np.float32 for o in leaves)
        assert pullback(out)[0].dtype == np.float32
        assert all(t.dtype == np.float32 for t in np.atleast_1d(jvp(op, (x,), (x,))[1]))


# What the rules are given.


def test_it_is_a_primitive_and_a_function():
    assert isinstance(leaky, Primitive)
    assert repr(leaky) == "<custom_op leaky(x, *, slope)>"
    assert str(inspect.signature(leaky)) == "(x, *, slope=0.125)"
    assert sine_times_sum().__doc__ == "The sine of x times the sum of y."
    assert leaky.__name__ == leaky.name == "leaky"
    assert "leaky" not in PRIMITIVES
    assert vc.custom_op(name="other")(lambda xp, x: x).name == "other"


def test_arguments_by_name_in_vmap():
    assert vmap(sine_of_product, in_axes={"x": 0, "y": None})(A, B[0]).shape == (4, 3)
    with fails(errors.ShapeError, "vmap(sine_of_product): mapped axes differ in size: argument 'x' has 4"):
        vmap(sine_of_product)(A, B[:2])


def test_a_few_lines_make_an_operation(xp):
    @vc.custom_op
    def softplus(xp, x):
        return xp.logaddexp(x, 0)

    @softplus.def_vmap
    def softplus_vmap(axis_size, mapped, x):
        return softplus(x)

    softplus.def_vjp(lambda g, out, x: g * (1 - np.exp(-out)))
    x = xp.asarray([-1000.0, 0.0, 1000.0])
    assert np.allclose(vmap(grad(softplus))(x), xp.asarray([0, 0.5, 1]))
    assert np.allclose(vmap(vmap(grad(softplus)))(xp.stack([x, x]))[1], xp.asarray([0, 0.5, 1]))
    assert np.allclose(jvp(softplus, (x,), (xp.ones_like(x),))[1], xp.asarray([0, 0.5, 1]))


def test_rules_get_every_parameter_and_default():
    seen = []

    @vc.custom_op
    def op(xp, x, scale=2.0, *, power=1, shift):
        seen.append((power, shift))
        return (x * scale) ** power + shift

    op.def_vmap(lambda size, mapped, x, scale, *, power, shift: op(x, scale, power=power, shift=shift))
    op.def_vjp(lambda g, out, x, scale, *, power, shift: g * power * (x * scale) ** (power - 1) * scale, None)
    x = np.array([1.0, 2.0])
    assert np.array_equal(op(x, shift=1), 2 * x + 1)
    assert np.array_equal(op(x, scale=3.0, shift=1), 3 * x + 1)
    for _ in range(2):  # the second call goes the short way
        assert np.array_equal(vmap(grad(lambda x: op(x, 3.0, power=2, shift=0)))(x), 18 * x)
        assert np.array_equal(vmap(grad(lambda x: op(x, shift=0)))(x), [2, 2])
    assert set(seen) == {(1, 1), (2, 0), (1, 0)}


def test_equal_parameters_of_two_types_stay_apart():
    @vc.custom_op
    def times(xp, x, *, by):
        return x * by

    x = np.arange(3)
    for by in (1, 1.0, True, np.float64(1), 1):
        assert times(x, by=by).dtype == (x * by).dtype


def test_structure_may_depend_on_parameters():
    @vc.custom_op
    def op(xp, x, *, full=False):
        return (x, {"twice": 2 * x}) if full else +x

    op.elementwise()
    for _ in range(2):
        assert np.array_equal(vmap(op)(A), A)
        assert np.array_equal(vmap(lambda x: op(x, full=True))(A)[1]["twice"], 2 * A)


def test_pytrees_in_and_out_keep_their_structure():
    seen = []

    @vc.custom_op
    def op(xp, tree, x):
        seen.append(type(tree).__name__)
        return [tree, x]

    op.vmap_by_loop()
    for tree in ([A, A[0]], (A,), {"k": A}, Affine(A, None), None, A):
        out, x = op(tree, 1.0 * B)
        assert type(out) is type(tree)
        assert type(vmap(op, in_axes=(None, 0))(tree, B)[0]) is type(tree)
        assert np.array_equal(x, B)
    assert set(seen) == {"list", "tuple", "dict", "Affine", "NoneType", "ndarray"}


@looping
def test_arguments_without_gradient():
    @vc.custom_op
    def pick(xp, x, i, table):
        return x[i] * table["scale"]

    pick.def_vjp(lambda g, out, x, i, table: np.where(np.arange(len(x)) == i, g * table["scale"], 0.0), None, None)
    table = {"scale": np.asarray(2.0), "unused": np.arange(3)}
    assert np.array_equal(grad(lambda x: pick(x, 1, table))(np.ones(3)), [0, 2, 0])
    picked = vmap(grad(lambda x, i: pick(x, i, table)))(A, np.array([0, 1, 2, 0]))
    assert np.array_equal(picked, 2.0 * np.eye(3)[[0, 1, 2, 0]])
    assert np.array_equal(grad(lambda s: pick(A[0], 1, {"scale": s, "unused": 0}))(2.0), 0.0)


def test_only_wanted_cotangents_are_computed():
    ran = []

    @vc.custom_op
    def op(xp, tree, y):
        return tree["x"] * y

    op.def_vjp(lambda g, out, tree, y: ran.append("tree") or {"x": g * y}, lambda g, out, tree, y: ran.append("y") or g)
    grad(lambda x: np.sum(op({"x": x}, 2.0)))(1.0)
    assert ran == ["tree"]


def test_cotangents_come_complete():
    """Zeros stand for results that nothing was made of, among them integers."""

    @vc.custom_op
    def op(xp, x):
        return {"a": x * 2, "n": xp.argmax(x), "b": (x * 3,)}

    seen = []
    op.def_vjp(lambda g, out, x: seen.append(g) or 2 * g["a"] + 3 * g["b"][0])
    assert np.array_equal(grad(lambda x: np.sum(op(x)["b"][0]))(A[0]), [3, 3, 3])
    assert np.array_equal(seen[0]["a"], np.zeros(3)) and seen[0]["n"] == 0


def test_no_tangents_of_integer_results():
    _, tangent = jvp(lambda x: two_and_an_index(x, B[0])[:2], (A[0],), (A[0],))
    assert np.allclose(tangent[0], A[0] * np.cos(A[0]) * B[0][0])
    assert two_and_an_index(A[0], B[0])[2].dtype.kind == "i"


def test_a_library_of_its_own():
    @vc.custom_op
    def triple(xp, x, *, n=3):
        raise AssertionError("not for NumPy")

    assert triple.def_eval(numpy=lambda x, n: x * n, cupy=lambda x, n: x * n) is triple
    triple.elementwise(lambda out, x, *, n: n)
    assert np.array_equal(vmap(triple)(A), 3 * A)
    assert np.array_equal(vmap(grad(lambda x: np.sum(triple(x, n=4))))(A), np.full((4, 3), 4.0))


def test_compiled_functions_return_numbers():
    op = vc.custom_op(lambda xp, x: (xp.sum(x), xp.max(x)), name="op")
    op.def_eval(numpy=lambda x: (float(sum(x)), float(max(x))))
    op.vmap_by_loop()
    assert np.allclose(vmap(op)(A), (A.sum(1), A.max(1)))
    op = vc.custom_op(lambda xp, x: xp.sum(x), name="op").vmap_by_loop()
    op.def_eval(numpy=lambda x: float(sum(x)))
    for _ in range(2):
        assert np.allclose(vmap(op)(A), A.sum(1))


@looping
@pytest.mark.parametrize(
    "view", [lambda x: x, lambda x: x[...], lambda x: np.broadcast_to(x, x.shape), lambda x: x.T.T]
)
@pytest.mark.parametrize("declare", [
    lambda op: op.elementwise(1),
    lambda op: op.vmap_by_loop().def_vjp(lambda g, out, x: g),
    lambda op: (op.def_vmap(lambda n, mapped, x: op.evaluate(np, x)), op.def_vjp(lambda g, out, x: g)),
])  # fmt: skip
def test_results_share_no_memory_with_arguments(view, declare):
    """So that a write to one is the same in a loop, where NumPy would write through, and in a batch."""
    op = vc.custom_op(lambda xp, x: view(x), name="view")
    declare(op)

    def f(x):
        y = op(x)
        y[0] = 7.0
        return np.sum(x * x) + np.sum(y)

    for _ in range(2):
        expected = np.array([f(x.copy()) for x in A])
        assert np.allclose(expected, np.sum(A * A, 1) + 7 + np.sum(A[:, 1:], 1))
        assert np.allclose(vmap(f)(A), expected)
        assert np.allclose(vmap(grad(f))(A), 2 * A + [0, 1, 1])
        check_vmap(f, A)


def test_derivatives_of_closures_are_refused():
    def outer(w):
        op = vc.custom_op(lambda xp, x: x * w)
        return op.elementwise(lambda out, x: 1)(w)

    with fails(errors.ArgumentError, "<lambda>: its function closes over a value traced by grad(outer)"):
        grad(outer)(2.0)


# Ufuncs.


@pytest.fixture
def special():
    """The module; what a test declares of its functions is forgotten after it."""
    before = dict(DECLARED)
    yield pytest.importorskip("scipy.special")
    DECLARED.clear()
    DECLARED.update(before)


def test_any_ufunc_vmaps(special):
    check_vmap(special.expit, A)
    check_vmap(special.sici, np.abs(A))
    check_vmap(special.hyp2f1, A, B, np.float64(2) + np.zeros(4), np.full(4, 0.3))
    own = np.frompyfunc(lambda x, y: x + 2 * y, 2, 1)
    assert np.array_equal(vmap(lambda x, y: own(x, y).astype(float))(A, B), A + 2 * B)


def test_options_of_ufuncs_work(special):
    out = vmap(lambda x: special.expit(x, where=x > 0, out=np.zeros_like(x)))(A)
    assert np.array_equal(out, np.where(A > 0, special.expit(A), 0))


def test_derivatives_of_ufuncs_say_what_to_declare(special):
    say = "Declare its derivative with vmapcore.custom_op(scipy.special.kolmogorov).elementwise(lambda out, x: ...)."
    with fails(errors.MissingRuleError, "grad(f): primitive 'scipy.special.kolmogorov' has no vjp rule. " + say):

        def f(x):
            return special.kolmogorov(x)

        grad(f)(1.0)
    with fails(errors.MissingRuleError, say):
        jvp(special.kolmogorov, (1.0,), (1.0,))
    with fails(errors.MissingRuleError, "custom_op(scipy.special.tklmbda).elementwise(lambda out, x1, x2: ..., lambda"):
        grad(lambda x: special.tklmbda(x, 2.0))(1.0)


def test_declared_ufuncs_differentiate_wherever_they_are_called(special):
    op = vc.custom_op(special.erf).elementwise(lambda out, x: 2 / np.sqrt(np.pi) * np.exp(-x * x))
    check_grads(special.erf, A)
    check_composition(special.erf, A)
    assert np.array_equal(op(A), special.erf(A))
    vc.custom_op(special.sici).elementwise(lambda out, x: (np.sin(x) / x, np.cos(x) / x))
    check_grads(special.sici, np.abs(A))
    vc.custom_op(special.erf)  # declared anew, without a derivative: the last one counts
    with fails(errors.MissingRuleError, "has no vjp rule"):
        grad(special.erf)(1.0)


def test_ufuncs_of_numpy_are_there_already():
    with fails(errors.ArgumentError, "custom_op(np.sin): it is an operation of vmapcore's already."):
        vc.custom_op(np.sin)


class Generalised:
    """A gufunc that is not of NumPy's class, as compilers make them."""

    __name__ = "outer_gufunc"
    nin, nout = 2, 1

    def __init__(self, signature):
        self.signature = signature

    def __call__(self, x, y):
        return x[..., :, None] * y[..., None, :]


def test_gufuncs_vmap_by_their_signature():
    op = vc.custom_op(Generalised("(m),(n)->(m,n)"))
    check_vmap(op, A, B)
    op.def_vjp(lambda g, out, x, y: g @ y, lambda g, out, x, y: x @ g)
    check_grads(op, A, B)
    with fails(errors.ArgumentError, "outer_gufunc.elementwise: it has the signature (m),(n)->(m,n). Use def_vjp."):
        op.elementwise(1, 1)


def test_a_ufunc_of_another_library_says_where_it_runs():
    kind = type("Ufunc", (Generalised,), {"__module__": "cupy._core"})
    op = vc.custom_op(kind("(m),(n)->(m,n)"), name="elsewhere")
    with fails(errors.ArgumentError, "outer_gufunc: got an array of numpy; it computes on arrays of cupy alone."):
        op(A[0], B[0])
    op.def_eval(numpy=np.outer)
    assert np.array_equal(op(A[0], B[0]), np.outer(A[0], B[0]))


@looping
def test_gufuncs_with_optional_axes_loop():
    check_vmap(vc.custom_op(Generalised("(m?),(n)->(m?,n)")), A, B)


# Errors at declaration.


@pytest.fixture
def op():
    @vc.custom_op
    def mix(xp, x, y, *, axis, k=2):
        return xp.sum(x * y, axis=axis)

    return mix


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: vc.custom_op(lambda x: x), "custom_op(<lambda>): the function takes (x), and its first parameter is"),
        (lambda: vc.custom_op(lambda x: x), "Add xp as the first parameter, or wrap code for NumPy arrays alone with"),
        (lambda: vc.custom_op(3), "custom_op: argument 'fun' is int 3; it must be callable."),
    ],
)
def test_what_is_no_function_of_arrays(make, text):
    with fails(errors.ArgumentError, text):
        make()


WRONG = {
    "def_vjp, count": (
        lambda op: op.def_vjp(None),
        "mix.def_vjp: the number of rules is 1; it needs one for each of x, y. None is no gradient.",
    ),
    "def_vjp, signature": (
        lambda op: op.def_vjp(None, lambda out, x, y, *, axis, k: 0),
        "mix.def_vjp: the rule for 'y' takes (out, x, y, *, axis, k): too many positional arguments; "
        "it is called with (g, out, x, y, *, axis, k).",
    ),
    "def_vjp, params": (
        lambda op: op.def_vjp(lambda g, out, x, y: 0, None),
        "mix.def_vjp: the rule for 'x' takes (g, out, x, y): got an unexpected keyword argument 'axis'",
    ),
    "def_vjp, more params": (
        lambda op: op.def_vjp(lambda g, out, x, y, *, axis, k, m: 0, None),
        "mix.def_vjp: the rule for 'x' takes (g, out, x, y, *, axis, k, m): missing a required",
    ),
    "def_vjp, no function": (lambda op: op.def_vjp(3, None), "the rule for 'x' is int 3; it must be a function."),
    "def_vmap": (
        lambda op: op.def_vmap(lambda mapped, x, y, *, axis, k: 0),
        "mix.def_vmap: the rule takes (mapped, x, y, *, axis, k)",
    ),
    "def_jvp": (
        lambda op: op.def_jvp(lambda tangents, out, x, y: 0),
        "mix.def_jvp: the rule takes (tangents, out, x, y): got an unexpected keyword argument 'axis'",
    ),
    "def_forward": (lambda op: op.def_forward(lambda x: 0), "mix.def_forward: the rule takes (x)"),
    "def_result": (lambda op: op.def_result(lambda x: x), "mix.def_result: the rule takes (x)"),
    "def_vjp_all": (lambda op: op.def_vjp_all(lambda g, out, x, y: x), "it is called with (i, g, out, x, y, *, axis"),
    "def_eval, library": (
        lambda op: op.def_eval(jax=max),
        "mix.def_eval: got jax=; the libraries are numpy and cupy.",
    ),
    "def_eval, signature": (lambda op: op.def_eval(numpy=lambda x: x), "mix.def_eval: numpy= takes (x): too many"),
    "elementwise, count": (
        lambda op: op.elementwise(1),
        "mix.elementwise: the number of partial derivatives is 1; it needs one for each of x, y.",
    ),
    "elementwise, signature": (
        lambda op: op.elementwise(1, lambda out, x: 0),
        "mix.elementwise: the partial by 'y' takes (out, x): too many positional arguments",
    ),
    "reduction": (
        lambda op: op.reduction(axis="along"),
        "mix.reduction: it has no static parameter 'along'; it is called with (x, y, *, axis, k).",
    ),
    "gufunc, count": (
        lambda op: op.gufunc("(n)->()"),
        "mix.gufunc: the signature '(n)->()' has 1 arguments; the operation has 2: x, y.",
    ),
    "gufunc, text": (lambda op: op.gufunc("n,n->"), "mix.gufunc: the signature is 'n,n->'; it must name the core"),
    "linear": (lambda op: op.linear(lambda g, x: g), "mix.linear: the transpose takes (g, x)"),
    "bilinear": (lambda op: op.bilinear(lambda g, out, x, y, *, axis, k: g, 3), "mix.bilinear: right is int 3"),
    "bilinear, count": (
        lambda op: vc.custom_op(lambda xp, x: x).bilinear(lambda g, out, x: x, lambda g, out, x: x),
        "<lambda>.bilinear: the operation is called with (x); it needs two array arguments.",
    ),
    "linear, count": (
        lambda op: sum_of_all.linear(lambda g, out, *xs: g),
        "sum_of_all.linear: the operation is called with (*arrays); it needs a first array argument.",
    ),
    "partials, any number": (lambda op: sum_of_all.elementwise(1), "the number of arguments is not known"),
}


@pytest.mark.parametrize(("declare", "text"), WRONG.values(), ids=WRONG)
def test_wrong_declarations(op, declare, text):
    with fails(errors.ArgumentError, text):
        declare(op)


RULES = {"axis": None, "k": None}


@pytest.mark.parametrize(
    ("first", "second", "text"),
    [
        ("def_vmap", "def_vmap", "mix.def_vmap: the vmap rule is already declared, by def_vmap. Keep one."),
        ("def_vmap", "vmap_by_loop", "mix.vmap_by_loop: the vmap rule is already declared, by def_vmap."),
        ("gufunc", "reduction", "mix.reduction: the vmap rule is already declared, by gufunc."),
        ("def_vjp", "def_forward", "mix.def_forward: the vjp rule is already declared, by def_vjp."),
        ("bilinear", "def_jvp", "mix.def_jvp: the jvp rule is already declared, by bilinear."),
        ("def_zero_derivative", "elementwise", "mix.elementwise: the vjp rule is already declared, by def_zero"),
        ("def_eval", "def_eval", "mix.def_eval: the numpy eval rule is already declared, by def_eval."),
        ("def_result", "def_result", "mix.def_result: the result rule is already declared, by def_result."),
    ],
)
def test_a_rule_is_declared_once(op, first, second, text):
    def rule(*args, **params):
        return args[0]

    calls = {
        "def_vmap": lambda: op.def_vmap(rule),
        "vmap_by_loop": op.vmap_by_loop,
        "gufunc": lambda: op.gufunc("(n),(n)->()"),
        "reduction": op.reduction,
        "def_vjp": lambda: op.def_vjp(rule, rule),
        "def_forward": lambda: op.def_forward(rule),
        "bilinear": lambda: op.bilinear(rule, rule),
        "def_jvp": lambda: op.def_jvp(rule),
        "def_zero_derivative": op.def_zero_derivative,
        "elementwise": lambda: op.elementwise(1, 1),
        "def_eval": lambda: op.def_eval(numpy=rule),
        "def_result": lambda: op.def_result(rule),
    }
    calls[first]()
    with fails(errors.ArgumentError, text):
        calls[second]()


# Errors at the call.


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda op: op(A, B), "mix: parameter 'axis' is missing; it is called as mix(x, y, *, axis, k)."),
        (lambda op: op(A, axis=0), "mix: argument 'y' is missing; it is called as mix(x, y, *, axis, k)."),
        (lambda op: op(A, B, 0), "mix: got 3 positional arguments; it is called as mix(x, y, *, axis, k). Pass static"),
        (lambda op: op(A, B, axis=0, z=1), "mix: got the keyword 'z'; it is called as mix(x, y, *, axis, k)."),
        (lambda op: op(A, B, axis=[0]), "mix: parameter 'axis' is a list; static parameters must be hashable. Pass a"),
        (lambda op: op(A, B, axis=A), "mix: parameter 'axis' is f64[4,3]; keyword parameters are static."),
        (lambda op: vmap(lambda x: op(x, x, axis=x))(A), "mix: parameter 'axis' is f64[3]; keyword parameters are st"),
        (lambda op: op(A, "no", axis=0), "mix: argument 'y' is str 'no'; positional arguments are arrays or pytrees"),
        (lambda op: op(A, {"a": "no"}, axis=0), "mix: argument 'y['a']' is str 'no'"),
    ],
)
def test_wrong_calls(op, call, text):
    with fails(errors.ArgumentError, text):
        call(op)
    op(A, B, axis=0)
    with fails(errors.ArgumentError, text):
        call(op)


def test_results_that_are_no_arrays():
    with fails(errors.ArgumentError, "<lambda>: returned int 3; results must be arrays. Make it one with xp.asarray."):
        vc.custom_op(lambda xp, x: (x, 3))(A)
    with fails(errors.ArgumentError, "<lambda>: returned NoneType; results must be arrays."):
        vc.custom_op(lambda xp, x: None)(A)


def test_results_of_another_structure():
    several = []

    @vc.custom_op
    def op(xp, x):
        several.append(x)
        return (x, x) if len(several) > 2 else (x,)

    op(A), op(A)
    with fails(errors.StructureError, "op: returned the structure PyTreeSpec((*, *)); for arguments of the same stru"):
        op(A)


# Errors at the first use of a rule.


def with_rule(method, *rules, shape=lambda xp, x: x * 2):
    op = vc.custom_op(shape, name="h")
    getattr(op, method)(*rules)
    return op


VMAPS = {
    "no batch": (lambda n, m, x: np.sum(x), "h: its vmap rule returned f64[]; every result must have the batch, of 4"),
    "batch elsewhere": (lambda n, m, x: x.T, "h: its vmap rule returned f64[3,4]; every result must have the batch"),
    "nothing": (lambda n, m, x: None, "returned NoneType"),
}


@pytest.mark.parametrize(("rule", "text"), VMAPS.values(), ids=VMAPS)
def test_vmap_rules_without_the_batch(rule, text):
    op = with_rule("def_vmap", rule)
    with fails(errors.VmapcoreError, text):
        vmap(op)(A)
    op(A)
    with fails(errors.VmapcoreError, text):
        vmap(op)(A)
    with fails(errors.VmapcoreError, text):
        vmap(vmap(op))(np.stack([A, A]))


VJPS = {
    "shape": (lambda g, out, x: g[0], "h.def_vjp: the rule returned the cotangent f64[3]; argument 'x' is f64[4,3]."),
    "scalar": (lambda g, out, x: 0.0, "h.def_vjp: the rule returned the cotangent float 0.0; argument 'x' is"),
    "dtype": (lambda g, out, x: g.astype("f4"), "the cotangent f32[4,3]; argument 'x' is f64[4,3]. Convert it with"),
    "complex": (lambda g, out, x: g * 1j, "the cotangent c128[4,3]; argument 'x' is f64[4,3]. Take its real part."),
    "tuple": (lambda g, out, x: (g,), "h.def_vjp: the rule returned the cotangent tuple; argument 'x' is f64[4,3]."),
    "none": (lambda g, out, x: None, "h.def_vjp: the rule for 'x' returned None. Declare None in its place."),
}


@pytest.mark.parametrize(("rule", "text"), VJPS.values(), ids=VJPS)
def test_cotangents_unlike_their_argument(rule, text):
    op = with_rule("def_vjp", rule)
    for _ in range(2):
        with fails(errors.VmapcoreError, text):
            vjp(op, A)[1](A)
        op(A)
    with fails(errors.VmapcoreError, text) as caught:
        jvp(op, (A,), (A,))
    assert caught.value.__notes__ == ["'h' has no jvp rule, so that forward mode transposes its vjp rules"]


JVPS = {
    "shape": (lambda t, out, x: t[0][0], "h.def_jvp: the rule returned the tangent f64[3]; its result is f64[4,3]."),
    "dtype": (lambda t, out, x: t[0] * 1j, "the tangent c128[4,3]; its result is f64[4,3]. Take its real part."),
    "tuple": (lambda t, out, x: (t[0], t[0]), "h.def_jvp: the rule returned the tangent tuple; its result is f64"),
}


@pytest.mark.parametrize(("rule", "text"), JVPS.values(), ids=JVPS)
def test_tangents_unlike_their_result(rule, text):
    op = with_rule("def_jvp", rule)
    for _ in range(2):
        with fails(errors.VmapcoreError, text):
            jvp(op, (A,), (A,))
        op(A)
    with fails(errors.VmapcoreError, text) as caught:
        vjp(op, A)[1](A)
    assert caught.value.__notes__ == ["'h' has no vjp rule, so that reverse mode transposes its jvp rule"]


def test_structures_of_what_rules_return():
    op = with_rule("def_vjp", lambda g, out, tree: g, shape=lambda xp, tree: tree["a"] * 2)
    with fails(errors.StructureError, "h.def_vjp: the rule returned f64[4,3]; argument 'tree' is the structure"):
        vjp(lambda x: op({"a": x}), A)[1](A)
    op = with_rule("def_forward", lambda x: x * 2)
    with fails(errors.StructureError, "h.def_forward: the rule returned f64[4,3]; it must return (out, pullback)."):
        vjp(op, A)
    op = with_rule("def_forward", lambda x: (x * 2, lambda g: g))
    with fails(errors.StructureError, "must return a tuple with one cotangent for each of 1 arguments."):
        vjp(op, A)[1](A)
    op = with_rule("def_jvp", lambda t, out, x: t[0], shape=lambda xp, x: (x, {"b": x}))
    with fails(errors.StructureError, "h.def_jvp: the rule returned f64[4,3]; the result is the structure"):
        jvp(op, (A,), (A,))
    op = with_rule("elementwise", lambda out, x: x, shape=lambda xp, x: (x, x))
    with fails(errors.StructureError, "h.elementwise: the partial derivative by argument 0 is f64[4,3]; it must have"):
        jvp(op, (A,), (A,))


def test_kinds_that_are_not():
    op = with_rule("elementwise", shape=lambda xp, x: xp.sum(x, keepdims=True))
    with fails(errors.ShapeError, "h: as elementwise, on a batch, it returned f64[1,1]; every result must have the"):
        vmap(op)(A)
    op(A)
    with fails(errors.ShapeError, "h: returned f64[1,1] for f64[4,3]; it is declared elementwise."):
        vmap(op)(A)
    op = with_rule("gufunc", "(n)->()", shape=lambda xp, x: xp.sum(x))
    with fails(errors.ShapeError, "h: as gufunc, on a batch, it returned f64[]"):
        vmap(op)(A)
    with fails(errors.ShapeError, "h: an argument has the shape (); its signature is (n)->()."):
        vmap(vmap(op))(A)
    with fails(errors.ShapeError, "apply_matrix: core axis 'n' has 3 and 2; its signature is (m,n),(n)->(m)."):
        vmap(apply_matrix, in_axes=(None, 0))(T[0], A[:, :2])
    with fails(errors.AxisError, "logsumexp: axis 2 is out of range"):
        vmap(lambda x: logsumexp(x, axis=2))(T)


def test_what_a_linear_operation_does_not_say():
    with fails(errors.MissingRuleError, "scaled_steps: is declared linear in 'x', which says nothing of its other ar"):
        grad(lambda n: np.sum(scaled_steps(A[0], n)))(2.0)
    with fails(errors.MissingRuleError, "stop_gradient makes one constant"):
        jvp(lambda n: scaled_steps(A[0], n), (2.0,), (1.0,))


def test_without_a_derivative():
    op = sine_times_sum()
    say = "Declare its derivative with op.def_vjp or def_jvp, or by a kind such as op.elementwise(...)."
    with fails(errors.MissingRuleError, "grad(<lambda>): primitive 'op' has no vjp rule. " + say):
        grad(lambda x: np.sum(op(x, x)))(A)
    op(A, A)
    with fails(errors.MissingRuleError, "jvp(<lambda>): primitive 'op' has no jvp rule. " + say):
        jvp(lambda x: op(x, x), (A,), (A,))
    some = vc.custom_op(lambda xp, *xs: xs[0] + xs[1], name="some")
    some.def_vjp(lambda g, out, *xs: g)
    with fails(errors.MissingRuleError, "some: has no vjp rule for argument 'args[1]': def_vjp got 1 rules."):
        grad(lambda x: np.sum(some(x, x)))(A)


# Arguments of several dtypes. Every rule computes in the widest of them.


def by_both(g, out, a, x):
    return np.outer(g, x)


def by_vector(g, out, a, x):
    return a.T @ g


def pushed_forward(tangents, out, a, x):
    da, dx = tangents
    return (0 if da is None else da @ x) + (0 if dx is None else a @ dx) + np.zeros(1)


def product_of_trees(xp, x, a):
    return {"y": xp.matmul(a, x["v"]), "z": (x["s"] * a[0],)}


def transposed_product(g, out, x, a):
    return {"v": a.T @ g["y"], "s": np.sum(g["z"][0] * a[0])}


MIXING = {
    "bilinear": lambda: vc.custom_op(lambda xp, a, x: a @ x).vmap_by_loop().bilinear(by_both, by_vector),
    "bilinear, gufunc": lambda: with_leading().bilinear(by_both, by_vector),
    "gufunc, vjp": lambda: declared(with_leading(), "def_vjp", by_both, by_vector),
    "gufunc, jvp": lambda: declared(with_leading(), "def_jvp", pushed_forward),
    "linear": lambda: vc.custom_op(lambda xp, a, x: a @ x).vmap_by_loop().linear(by_both),
    "linear, gufunc": lambda: with_leading().linear(by_both),
    "linear, widening": lambda: vc.custom_op(lambda xp, a, x: a @ x * xp.ones(2)).vmap_by_loop().linear(by_both),
}


def with_leading():
    return vc.custom_op(lambda xp, a, x: xp.matmul(a, x[..., None])[..., 0]).gufunc("(m,n),(n)->(m)")


def declared(op, how, *rules):
    getattr(op, how)(*rules)
    return op


@pytest.mark.parametrize("kind", MIXING)
@pytest.mark.parametrize("dtypes", [("f4", "f8"), ("f8", "f4"), ("f4", "i8"), ("f8", "c8"), ("c8", "f8"), ("i8", "f4")])
def test_kinds_convert_derivatives_to_the_dtypes_of_arguments(kind, dtypes):
    """As elementwise and reduction do: to widen one argument is no mistake of the rule for another."""
    op = MIXING[kind]()
    args = [np.array(x).astype(d) for x, d in zip(([[1.0, 2.0], [3.0, -1.0]], [2.0, -1.0]), dtypes, strict=True)]
    moving = [i for i, x in enumerate(args) if x.dtype.kind in "fc" and not (i and kind.startswith("linear"))]
    if not moving:
        return

    def f(*primals):
        given = list(args)
        for i, x in zip(moving, primals, strict=True):
            given[i] = x
        return op(*given)

    primals = [args[i] for i in moving]
    check_grads(f, *primals)
    check_composition(f, *[np.stack([x, 2 * x, -x]) for x in primals])


def test_trees_of_several_dtypes():
    op = vc.custom_op(product_of_trees).vmap_by_loop().linear(transposed_product)
    x = {"v": np.array([2.0, -1.0], np.float32), "s": np.array(0.5)}
    check_grads(lambda x: op(x, np.array([[1.0, 2.0], [3.0, -1.0]])), x)
    cts = vjp(lambda x: op(x, np.eye(2)), x)[1]({"y": np.ones(2), "z": (np.ones(2),)})[0]
    assert (cts["v"].dtype, cts["s"].dtype) == (np.float32, np.float64)


def test_what_a_kind_cannot_convert_is_said():
    op = vc.custom_op(lambda xp, x: 2 * x, name="op").vmap_by_loop().linear(lambda g, out, x: [g])
    with pytest.raises(errors.VmapcoreError):
        vjp(op, np.ones(2))[1](np.ones(2))
    op = vc.custom_op(lambda xp, x: 2 * x, name="op").vmap_by_loop().linear(lambda g, out, x: None)
    with pytest.raises(errors.StructureError, match="returned None"):
        vjp(op, np.ones(2))[1](np.ones(2))


@pytest.mark.parametrize("results", [lambda x: x, lambda x: (x, 2 * x)], ids=["one", "two"])
def test_elementwise_results_have_all_axes_of_the_arguments(results):
    """One that leaves a mapped argument out has no batch, even where its first axis is as long."""
    op = vc.custom_op(lambda xp, x, y: results(xp.sin(x)), name="op").elementwise()
    for y in (np.ones((3, 3)), np.ones((3, 2, 3)), np.ones((2, 3))):
        with pytest.raises(errors.ShapeError, match="op: as elementwise, on a batch, it returned f64"):
            vmap(op, in_axes=(None, 0))(np.ones(3), y)
    with pytest.raises(errors.ShapeError, match=r"it returned f64\[3\] for f64\[3\] and f64\[3,3\]; every result must"):
        vmap(op, in_axes=(None, 0))(np.ones(3), np.ones((3, 3)))


def test_arrays_are_given_as_views_without_a_look_for_trees(monkeypatch):
    """Not for the array library either, with which every call begins."""
    monkeypatch.setattr(ops.guards, "tree_map", None)
    add = vc.custom_op(lambda xp, x, y: xp.add(x, y), name="sum_of_two")
    assert np.array_equal(add(np.ones(3), 2.0), np.full(3, 3.0))


def test_what_a_vmap_rule_hands_on_is_copied():
    """By what stands around it, as of any function of an author's."""

    @vc.custom_op
    def same(xp, x):
        return x.copy()

    same.def_vmap(lambda size, mapped, x: x[::-1][::-1])
    x = np.ones((3, 2))
    out = vmap(same)(x)
    assert out.flags.writeable and not np.shares_memory(out, x)
