"""Every row of the table of operations under jit: what is replayed is what runs without it, whatever the values."""

import numpy as np
import pytest

from vmapcore import errors, grad, jit, jvp, trace, vmap
from vmapcore.cpu.steps import shared
from vmapcore.graph import Literal
from vmapcore.pytree import flatten
from vmapcore.testing import check_jit
from vmapcore.testing.derivatives import direction
from vmapcore.transposing import has_derivative

from .ops import OPS
from .test_rules import bind, differentiable, each, moving_rows, rows
from .values import arguments, dtypes

pytestmark = [pytest.mark.numpy_plans, pytest.mark.plans, pytest.mark.tiny_deep]

CALLS = 3

UNKNOWN = {"linalg.eig", "linalg.eigvals"}
"""What cannot be recorded of real matrices: their eigenvalues are real or complex, by their values."""


def calls(row, dtype, batch=(), **options):
    """Arguments for three calls, each of other values."""
    stacked = arguments(row, dtype, batch=(CALLS, *batch), **options)
    return [[x[i, ...] for x in stacked] for i in range(CALLS)]


def recordable(row):
    """The dtypes in which a row can be recorded."""
    return [dtype for dtype in dtypes(row) if row.name.split()[0] not in UNKNOWN or np.dtype(dtype).kind == "c"]


@each([row for row in OPS if row.name.split()[0] in UNKNOWN and "f" in row.kinds])
def test_what_cannot_be_recorded(row):
    fun, _ = bind(row)
    args = arguments(row, "float64")
    for call, given in ((jit(fun), args), (jit(vmap(fun)), [x[None] for x in args])):
        with pytest.raises(
            errors.ConcretizationError, match=r"depends on the values of f64\[.*, at \w+\.py:\d+ in .*astype\(complex\)"
        ):
            call(*given)


@rows
def test_jit(row):
    """On arrays, in every dtype."""
    fun, plain = bind(row)
    for dtype in recordable(row):
        first, *others = calls(row, dtype)
        check_jit(fun, *first, others=others, like=plain, tol=row.tol)


@pytest.mark.tiny
@pytest.mark.deep
@rows
def test_jit_of_vmap(row):
    """Of all arguments and of the first alone; of three examples, of one and of none."""
    fun, _ = bind(row)
    for dtype in recordable(row):
        for size in (3, 1, 0):
            first, *others = calls(row, dtype, (size,))
            check_jit(vmap(fun), *first, others=others, tol=row.tol)
    if len(row.args) > 1:  # and in the first dtype
        alone = (0, *[None] * (len(row.args) - 1))
        values = [[args[0], *[x[0, ...] for x in args[1:]]] for args in calls(row, dtypes(row)[0], (3,))]
        check_jit(vmap(fun, alone), *values[0], others=values[1:], tol=row.tol)


def scalar(fun):
    """The sum of all inexact results, as one real number."""

    def total(*args):
        return sum([np.sum(np.real(y * y)) for y in flatten(fun(*args))[0] if has_derivative(y)])

    return total


@pytest.mark.tiny
@pytest.mark.deep
@moving_rows
def test_jit_of_derivatives(row):
    """Reverse mode, alone and in a vmap, and forward mode."""
    fun, _ = bind(row)
    moving = tuple(differentiable(row))
    for dtype in recordable(row):
        if np.dtype(dtype).kind not in "fc":
            continue
        first, *others = calls(row, dtype)
        if not any(map(has_derivative, flatten(fun(*first))[0])):
            continue
        gradient = grad(scalar(fun), moving)
        check_jit(gradient, *first, others=others, tol=row.tol)
        batch, *batches = calls(row, dtype, (2,))
        check_jit(vmap(gradient), *batch, others=batches, tol=row.tol)
        rng = np.random.default_rng(0)
        tangents = [[direction(args[i], rng) for i in moving] for args in (first, *others)]

        def tangent(args, ts):
            def f(*primals):
                full = list(args)
                for i, x in zip(moving, primals, strict=True):
                    full[i] = x
                return fun(*full)

            return jvp(f, tuple([args[i] for i in moving]), tuple(ts))

        pairs = list(zip((first, *others), tangents, strict=True))
        check_jit(tangent, *pairs[0], others=pairs[1:], tol=row.tol)


@each([row for row in OPS if any(arg.shape for arg in row.args) and row.name.split()[0] not in UNKNOWN])
@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # NumPy warns of means and the like of nothing
def test_jit_of_empty(row):
    """With axes of length 0, where NumPy takes them."""
    fun, plain = bind(row)
    for n in sorted({n for arg in row.args for n in arg.shape}):
        first, *others = calls(row, "float64", shrink=n)
        try:
            plain(*first)
        except (ValueError, IndexError, TypeError, ZeroDivisionError, np.linalg.LinAlgError):
            continue
        check_jit(fun, *first, others=others, like=plain)


@rows
def test_results_that_share_memory(row):
    """Only of what moves numbers, which is what plans take for granted."""
    fun, _ = bind(row)
    for dtype in recordable(row):
        for call, args in [
            (fun, calls(row, dtype)[0]),
            *[(vmap(fun), calls(row, dtype, (size,))[0]) for size in (3, 1)],
        ]:
            graph = trace(call)(*args)
            values = dict(zip(graph.inputs, flatten(args)[0], strict=True))
            for step in graph.steps:
                ins = [a.value if isinstance(a, Literal) else values[a] for a in step.inputs]
                with np.errstate(all="ignore"):
                    outs = step.run(ins)
                values.update(zip(step.outputs, outs, strict=True))
                if not shared(step):
                    assert not any(np.may_share_memory(x, y) for x in ins for y in outs), step
