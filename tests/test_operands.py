"""What the functions of an operation's author get is read-only, shared with no result, and named if they raise."""

import re

import numpy as np
import pytest

from vmapcore import custom_op, external, grad, jit, jvp, ops, vjp, vmap
from vmapcore.errors import EndlessRuleError

from .together import together

X = np.array([[2.0, -1.0, 3.0], [0.5, 4.0, 1.0]])

WRITES = {
    "x *= 2": lambda x: x.__imul__(2),
    "x[0] = 1": lambda x: x.__setitem__(..., 1.0) or x,
    "out=": lambda x: np.exp(x, out=x),
    "sort": lambda x: x.sort() or x,
    "fill": lambda x: x.fill(0) or x,
    "copyto": lambda x: np.copyto(x, 1.0) or x,
    "view": lambda x: x.reshape(-1).__setitem__(0, 1.0) or x,
}

MADE = {
    "custom_op": lambda f: custom_op(lambda xp, x: f(x)).vmap_by_loop(),
    "elementwise": lambda f: ops.elementwise(1.0)(lambda xp, x: f(x)),
    "gufunc": lambda f: ops.gufunc("(n)->(n)")(lambda xp, x: f(x)),
    "linear": lambda f: ops.linear(lambda g, out, x: g)(lambda xp, x: f(x)).vmap_by_loop(),
    "def_eval": lambda f: custom_op(lambda xp, x: x).def_eval(numpy=f).vmap_by_loop(),
    "external": lambda f: external(f, vmap_method="loop"),
    "external at once": lambda f: external(f, vmap_method="expand_dims"),
    "vmap rule": lambda f: with_vmap(f),
}

TRANSFORMS = {
    "eager": lambda op: op,
    "vmap": vmap,
    "vmap vmap": lambda op: lambda x: vmap(vmap(op))(x[None]),
    "jit": jit,
    "jit vmap": lambda op: jit(vmap(op)),
}


def with_vmap(f):
    op = custom_op(lambda xp, x: f(x))
    op.def_vmap(lambda size, mapped, x: f(x))
    return op


WAYS = [
    (made, transform) for made in MADE for transform in TRANSFORMS if (made, transform) != ("vmap rule", "vmap vmap")
]
"""Under two vmaps a rule of one is traced, and what it writes to is its own."""


@pytest.mark.parametrize("made, transform", WAYS)
@together("write", WRITES)
def test_arguments_are_read_only(write, made, transform):
    """What is written to is the caller's."""
    x = X.copy()
    with pytest.raises(ValueError, match="read-only") as error:
        TRANSFORMS[transform](MADE[made](WRITES[write]))(x)
    assert np.array_equal(x, X)
    assert any("read-only, as its owner has it too: write into x.copy()" in note for note in error.value.__notes__)


def test_arguments_in_pytrees_are_read_only():
    op = custom_op(lambda xp, tree: tree["x"].__imul__(2)).vmap_by_loop()
    for transform in (lambda f: f, vmap, jit, lambda f: jit(vmap(f))):
        x = X.copy()
        with pytest.raises(ValueError, match="read-only"):
            transform(op)({"x": x, "y": (x, x)})
        assert np.array_equal(x, X)


RULES = {
    "vjp rule": lambda op: op.def_vjp(lambda g, out, x: g.__imul__(2)),
    "vjp rule of out": lambda op: op.def_vjp(lambda g, out, x: out.__imul__(2)),
    "jvp rule": lambda op: op.def_jvp(lambda ts, out, x: ts[0].__imul__(2)),
    "forward rule": lambda op: op.def_forward(lambda x: (x.__imul__(2), lambda g: (g,))),
    "partial derivative": lambda op: op.elementwise(lambda out, x: out.__imul__(2)),
    "transpose": lambda op: op.linear(lambda g, out, x: g.__imul__(2)),
}


@pytest.mark.parametrize("rule", RULES)
def test_rules_cannot_write(rule):
    op = custom_op(lambda xp, x: x * 2, name="doubled")
    RULES[rule](op)
    run = (lambda x: jvp(op, (x,), (x,))) if rule == "jvp rule" else lambda x: vjp(op, x)[1](np.ones_like(x))
    x = X.copy()
    with pytest.raises(ValueError, match="read-only") as error:
        run(x)
    assert error.value.__notes__[0] == f"In the {rule.removesuffix(' of out')} of 'doubled'"
    assert np.array_equal(x, X)


SHARES = {
    "itself": lambda x: x,
    "a view": lambda x: x[..., :],
    "sometimes": lambda x: x if np.all(x > -5) else x * 2,
    "asarray": lambda x: np.asarray(x, np.float64),
    "broadcast": lambda x: np.broadcast_to(x, x.shape),
}


@pytest.mark.parametrize("made, transform", WAYS)
@together("shares", SHARES)
def test_results_share_nothing(shares, made, transform):
    """Whether the first call did or a later one does."""
    run = TRANSFORMS[transform](MADE[made](SHARES[shares]))
    for first in (X, X - 10, X):
        x = first.copy()
        out = run(x)
        want = x * 2 if shares == "sometimes" and first is not X else x
        if shares != "sometimes" or first is X:
            assert np.array_equal(np.reshape(out, x.shape), want)
        assert not np.shares_memory(out, x)
        out[...] = 7.0
        assert np.array_equal(x, first)


# Who raised.


def broken(*args, **params):
    raise KeyError("mine")


BROKEN = {
    "vmap rule": (lambda op: op.def_vmap(broken), lambda op: vmap(op)(X)),
    "vjp rule": (lambda op: op.def_vjp(broken), lambda op: vjp(op, X)[1](X)),
    "jvp rule": (lambda op: op.def_jvp(broken), lambda op: jvp(op, (X,), (X,))),
    "forward rule": (lambda op: op.def_forward(broken), lambda op: vjp(op, X)),
    "partial derivative": (lambda op: op.elementwise(broken), lambda op: grad(lambda x: np.sum(op(x)))(X)),
    "transpose": (lambda op: op.linear(broken), lambda op: vjp(op, X)[1](X)),
}


@pytest.mark.parametrize("rule", BROKEN)
def test_a_rule_that_raises_is_named(rule):
    declare, run = BROKEN[rule]
    op = custom_op(lambda xp, x: x * 2, name="smoothed")
    declare(op)
    for transform in (lambda f: f, lambda f: lambda op: jit(lambda x: f(op))(X)):
        with pytest.raises(KeyError, match="mine") as error:
            transform(run)(op)
        assert error.value.__notes__ == [f"In the {rule} of 'smoothed'"]


ENDLESS = {
    "vmap rule": (lambda op: op.def_vmap(lambda n, m, x: vmap(op)(x)), lambda op: vmap(op)(X)),
    "vjp rule": (lambda op: op.def_vjp(lambda g, out, x: vjp(op, x)[1](g)[0]), lambda op: vjp(op, X)[1](X)),
    "jvp rule": (lambda op: op.def_jvp(lambda t, out, x: jvp(op, (x,), t)[1]), lambda op: jvp(op, (X,), (X,))),
    "forward rule": (lambda op: op.def_forward(lambda x: vjp(op, x)), lambda op: vjp(op, X)),
    "partial derivative": (
        lambda op: op.elementwise(lambda out, x: grad(lambda x: np.sum(op(x)))(x)),
        lambda op: grad(lambda x: np.sum(op(x)))(X),
    ),
}


@pytest.mark.parametrize("rule", ENDLESS)
def test_a_rule_that_applies_itself(rule):
    declare, run = ENDLESS[rule]
    op = custom_op(lambda xp, x: x * 2, name="smoothed")
    declare(op)
    with pytest.raises(EndlessRuleError, match=re.escape(f"smoothed: its {rule} applies itself without end. ")):
        run(op)


def test_a_function_that_applies_itself():
    op = custom_op(lambda xp, x: op(x), name="smoothed")
    with pytest.raises(RecursionError, match="smoothed: its function applies itself without end"):
        op(X)
