"""jit: operations of a user's own, models and their training."""

import numpy as np
import pytest

import vmapcore as vc
from vmapcore import PerformanceWarning, errors, grad, jit, nn, vmap
from vmapcore import numpy as vnp
from vmapcore.testing import assert_same, check_jit

pytestmark = [pytest.mark.plans, pytest.mark.tiny_deep]

A = np.arange(12.0).reshape(3, 4)
B = np.linspace(-1.0, 1.0, 12).reshape(3, 4)


# Operations of a user's own.


def test_custom_derivatives():
    @vc.custom_vjp
    def clipped(x):
        return x * 2 + vnp.zeros(4)

    clipped.defvjp(lambda x: (2 * x, x), lambda x, g: (np.clip(g, -1, 1) + 0 * x,))

    @vc.custom_jvp
    def twice(x):
        return 2 * x

    twice.defjvp(lambda primals, tangents: (twice(*primals), 3 * tangents[0]))
    for f in (clipped, twice):
        check_jit(f, A, others=[[B]])
        check_jit(vmap(f), A, others=[[B]])
        check_jit(grad(lambda x: np.sum(100 * f(x))), A, others=[[B]])
        check_jit(vmap(grad(lambda x: np.sum(100 * f(x)))), A, others=[[B]])
        assert "custom" not in str(vc.trace(vmap(f))(A))

    def closes_over(x):
        inner = vc.custom_vjp(lambda y: x * y)
        inner.defvjp(lambda y: (x * y, None), lambda _, g: (7 * g,))
        return inner(np.ones((3, 4))) + inner(x)

    check_jit(closes_over, A, others=[[B]])


KINDS = {
    "elementwise": lambda: vc.ops.elementwise(lambda out, x: 1 - out**2)(lambda xp, x: xp.tanh(x)),
    "reduction": lambda: vc.ops.reduction(lambda out, x, *, axis: 2 * x)(
        lambda xp, x, *, axis=None: xp.sum(x * x, axis=axis)
    ),
    "own rules": lambda: vc.custom_op(lambda xp, x: xp.sin(x)),
    "external": lambda: vc.external(np.cos, vmap_method="loop"),
    "expand_dims": lambda: vc.external(np.cos, vmap_method="expand_dims"),
    "broadcast_all": lambda: vc.external(np.cos, vmap_method="broadcast_all"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_custom_operations(kind):
    op = KINDS[kind]()
    if kind not in ("elementwise", "reduction"):
        op.def_vjp(lambda g, out, x: g * np.cos(x))
    if kind == "own rules":
        op.def_vmap(lambda size, mapped, x: op(x))
    check_jit(op, A, others=[[B]])
    check_jit(vmap(op), A, others=[[B]])
    check_jit(vmap(vmap(op)), A, others=[[B]])
    check_jit(grad(lambda x: np.sum(op(x))), A, others=[[B]])
    check_jit(vmap(grad(lambda x: np.sum(op(x)))), A, others=[[B]])


def test_external_runs_in_every_call_on_real_arrays():
    seen = []

    def outside(x):
        seen.append(type(x))
        return np.sin(x)

    f = jit(vmap(vc.external(outside, vmap_method="expand_dims")))
    for i in range(4):
        assert_same(f(A + i), np.sin(A + i))
    assert seen == [np.ndarray] * 4


def test_a_result_of_another_shape_than_recorded_is_refused():
    evens = vc.external(lambda x: x[x % 2 == 0])
    f = jit(lambda x: np.sum(evens(x)) / evens(x).shape[0])
    assert f(np.arange(4)) == 1
    assert f(np.arange(4)) == 1
    with pytest.raises(errors.ShapeError):
        f(np.zeros(4, int))


def test_loops_are_warned_of():
    @vc.custom_op
    def total(xp, x):
        return xp.sum(x)

    f = jit(vmap(total))
    for _ in range(3):
        with pytest.warns(PerformanceWarning, match="'total' has no vmap rule and ran in a loop: 3 calls"):
            assert_same(f(A), A.sum(1))
    with vc.strict(), pytest.raises(errors.MissingRuleError, match=r"strict\(\) forbids to loop"):
        f(A)
    with vc.strict(), pytest.raises(errors.MissingRuleError, match=r"strict\(\) forbids to loop"):
        jit(vmap(total))(B)
    with vc.strict():
        assert_same(jit(vmap(np.sum))(A), A.sum(1))


def test_explain():
    f = jit(vmap(lambda x: np.sum(np.sin(x))))
    for _ in range(2):
        assert_same(vc.explain(f, A).result, np.sin(A).sum(1))


# Models.


@pytest.mark.parametrize("make", [lambda: nn.SGD(lr=0.1, momentum=0.9), lambda: nn.Adam(lr=0.01)], ids=["sgd", "adam"])
def test_a_training_step(make):
    opt = make()
    rng = np.random.default_rng(0)
    params = {"w": rng.normal(size=(2, 4, 3)).astype("f"), "b": np.zeros((2, 3), "f")}
    x, y = rng.normal(size=(2, 8, 4)).astype("f"), rng.integers(0, 3, (2, 8))

    def objective(p, x, y):
        return nn.functional.cross_entropy(np.tanh(x @ p["w"] + p["b"]), y)

    def step(p, state, x, y):
        value, g = vc.value_and_grad(objective)(p, x, y)
        p, state = opt.step(p, g, state)
        return p, state, value

    state = vmap(opt.init)(params)
    eager, replayed = vmap(step), jit(vmap(step))
    ours = theirs = (params, state, None)
    for i in range(5):
        batch = (x + 0.1 * i, (y + i) % 3)
        theirs = eager(*theirs[:2], *batch)
        ours = replayed(*ours[:2], *batch)
        assert_same(ours, theirs, f"step {i}")
    assert len(replayed.plans) == 1


@pytest.mark.parametrize("per_member", [False, True])
def test_training_of_models(per_member):
    """Modules and optimisers are arguments like any other: two LeNet-5, each with its own data, over five steps."""
    rng = np.random.default_rng(0)
    nets = nn.Ensemble.init(nn.LeNet5, 2, rng).stacked
    opt = nn.Adam(lr=np.array([1e-3, 3e-3], np.float32) if per_member else 1e-3)
    x, y = rng.normal(size=(2, 3, 1, 32, 32)).astype("f"), rng.integers(0, 10, (2, 3))

    def step(net, state, opt, x, y):
        value, g = vc.value_and_grad(lambda net: nn.functional.cross_entropy(net(x), y))(net)
        return (*opt.step(net, g, state), value)

    axes = (0, 0, nn.optim.axes_of(opt), 0, 0)
    state = vmap(lambda net, opt: opt.init(net), (0, axes[2]))(nets, opt)
    eager, replayed = vmap(step, axes), jit(vmap(step, axes))
    ours = theirs = (nets, state, None)
    for i in range(5):
        batch = (x + 0.1 * i, (y + i) % 10)
        theirs = eager(*theirs[:2], opt, *batch)
        ours = replayed(*ours[:2], opt, *batch)
        assert_same(ours, theirs, f"step {i}", tol=10)
    assert len(replayed.plans) == 1
