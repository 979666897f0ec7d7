"""Every row of the table of operations, held against NumPy, the loop and finite differences."""

import numpy as np
import pytest

from vmapcore.errors import VmapcoreError
from vmapcore.numpy_protocol import NUMPY
from vmapcore.pytree import tree_map
from vmapcore.testing import assert_same, check_composition, check_dtypes, check_grads, check_vmap

from .ops import OPS
from .reference import PlainTrace, PlainTracer
from .together import together
from .values import arguments, dtypes

LAYOUTS = ("contiguous", "strided", "reversed", "read-only")


def differentiable(row):
    """The positions of the arguments to differentiate."""
    flags = row.differentiable if isinstance(row.differentiable, tuple) else (row.differentiable,) * len(row.args)
    return [i for i, (arg, flag) in enumerate(zip(row.args, flags, strict=True)) if flag and arg.kind == "f"]


def each(selected):
    """A test for each function, which goes through its rows."""
    return together("row", selected, lambda row: row.name, lambda row: row.name.split()[0])


rows = each(OPS)
moving_rows = each([row for row in OPS if differentiable(row)])
float_rows = each([row for row in OPS if differentiable(row) and "f" in row.kinds])


def bind(row):
    """The row's function and what NumPy runs for it, params filled in."""

    def fun(*args):
        return row.fun(*args, **row.params)

    def plain(*args):
        return (row.loop or row.fun)(*args, **row.params)

    fun.__name__ = plain.__name__ = row.name
    return fun, plain


def on_plain_tracers(fun, args):
    """The result of `fun` through the table and the evals of the primitives."""
    trace = PlainTrace()
    return tree_map(lambda y: y.value if isinstance(y, PlainTracer) else y, fun(*[trace.lift(x) for x in args]))


def laid_out(x, layout):
    """The same values, laid out otherwise in memory."""
    if layout == "strided":
        wide = np.zeros((*[2 * n for n in x.shape], 2), x.dtype)
        x_strided = wide[(*[slice(None, None, 2)] * x.ndim, 0, ...)]
        x_strided[...] = x
        return x_strided
    if layout == "reversed":
        return np.array(x[(slice(None, None, -1),) * x.ndim], order="F")[(slice(None, None, -1),) * x.ndim]
    x = x.copy()
    x.flags.writeable = layout != "read-only"
    return x


@rows
def test_eval_is_numpy(row):
    """On plain arrays and through the primitives: value, dtype and shape of NumPy, however the arrays are laid out."""
    fun, plain = bind(row)
    for dtype in dtypes(row):
        args = arguments(row, dtype)
        expected = plain(*[x.copy() for x in args])
        for layout in LAYOUTS:
            given = [laid_out(x, layout) for x in args]
            ours = NUMPY.get(row.fun) if row.fun.__hash__ else None
            if ours is not None:
                assert_same(ours(*given, **row.params), expected, f"{row.name} on {layout} {dtype}", row.tol)
            assert_same(on_plain_tracers(fun, given), expected, f"{row.name} on tracers of {layout} {dtype}", row.tol)
            for x, before in zip(given, args, strict=True):
                assert x.tobytes() == before.tobytes(), f"{row.name} wrote to its argument"


@rows
def test_vmap_is_the_loop(row, xp):
    """Every combination of mapped arguments and every axis; sizes 0, 1, 3; nested. In other dtypes all are mapped."""
    fun, plain = bind(row)
    first, *others = dtypes(row)
    check_vmap(fun, *arguments(row, first, xp, (3,)), like=plain, tol=row.tol)
    for dtype in others:
        check_vmap(fun, *arguments(row, dtype, xp, (3,)), in_axes=0, like=plain, tol=row.tol)


@pytest.mark.deep
@rows
def test_vmap_is_the_loop_in_other_dtypes(row, xp):
    """All of the above."""
    fun, plain = bind(row)
    for dtype in dtypes(row)[1:]:
        check_vmap(fun, *arguments(row, dtype, xp, (3,)), like=plain, tol=row.tol)


@moving_rows
def test_derivatives(row, xp):
    """jvp = finite differences, vjp = jvp, to second order; vmap, grad and jvp in either order."""
    moving = differentiable(row)
    fun, _ = bind(row)
    for dtype in [d for d in dtypes(row) if d in ("float64", "complex128")]:
        check_grads(fun, *arguments(row, dtype, xp), argnums=moving, tol=row.tol)
        check_composition(fun, *arguments(row, dtype, xp, (2,)), argnums=moving, tol=row.tol)


@float_rows
def test_dtypes_of_derivatives(row):
    """A cotangent has the dtype of its argument, a tangent that of its result, though others have another."""
    fun, _ = bind(row)
    check_dtypes(fun, *arguments(row, "float64"), argnums=differentiable(row), tol=row.tol)


@rows
@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # NumPy warns of means and the like of nothing
def test_empty(row):
    """With axes of length 0: NumPy's result, or an error where NumPy has one."""
    fun, plain = bind(row)
    for n in sorted({n for arg in row.args for n in arg.shape}):
        args = arguments(row, "float64", shrink=n)
        try:
            expected = plain(*args)
        except (ValueError, IndexError, TypeError, ZeroDivisionError, np.linalg.LinAlgError) as error:
            with pytest.raises((*type(error).__mro__[:-3], VmapcoreError)):
                on_plain_tracers(fun, args)
            continue
        assert_same(on_plain_tracers(fun, args), expected, f"{row.name} with axes of length {n} empty")
        check_vmap(fun, *arguments(row, "float64", batch=(2,), shrink=n), like=plain)
