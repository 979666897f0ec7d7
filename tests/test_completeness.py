"""Nothing is left untested: a row reaches every primitive, and one of its own every NumPy function of the table."""

import contextlib
import functools
import warnings

import numpy as np
import pytest

from vmapcore import jvp, vjp
from vmapcore.core import PRIMITIVES, Primitive
from vmapcore.numpy_protocol import NUMPY, full_name

from .ops import OPS
from .reference import PlainTrace
from .test_rules import differentiable
from .together import together
from .values import arguments, dtypes

ELSEWHERE = {
    "custom_vjp_call": "its params are functions",
    "custom_jvp_call": "its params are functions",
    "detach": "stop_gradient, whose derivative is on purpose not that of its values",
    "unique_positions": "its results differ in length, so it cannot be mapped; test_reductions.py has it",
}
"""Primitives that a row cannot hold, and why; their features have tests of their own."""

NO_ARRAY = {
    np.shape: "returns a tuple",
    np.ndim: "returns an int",
    np.size: "returns an int",
    "namespace": "returns a module",
    "as_array": "makes an array of lists",
    "in_dtypes": "returns the arguments of an operation",
    "in_dtype": "takes a number of Python's",
    "number": "makes a number of Python's",
    "rounded": "makes a number of Python's",
    np.nonzero: "its results differ in length",
    np.flatnonzero: "its results differ in length",
    np.argwhere: "its results differ in length",
    np.unique: "its results differ in length",
    np.unique_all: "its results differ in length",
    np.unique_counts: "its results differ in length",
    np.unique_inverse: "its results differ in length",
    np.unique_values: "its results differ in length",
    np.trim_zeros: "its results differ in length",
    np.polydiv: "its results differ in length",
    np.union1d: "its results differ in length",
    np.intersect1d: "its results differ in length",
    np.setdiff1d: "its results differ in length",
    np.setxor1d: "its results differ in length",
}
"""Entries of the table that a row cannot hold, and why; test_inputs.py, test_sets.py and others have them."""


def name_of(key):
    return (
        key if isinstance(key, str) else f"{full_name(key[0])}.{key[1]}" if isinstance(key, tuple) else full_name(key)
    )


@pytest.fixture(scope="module")
def reached():
    """The names of primitives bound, and the entries of the table called first, when every row runs once on tracers."""
    bound, entries, depth = set(), set(), [0]
    call = Primitive.__call__

    def noting_call(self, *args, **params):
        bound.add(self.name)
        return call(self, *args, **params)

    def noting_entry(key, function):
        @functools.wraps(function)
        def noting(*args, **kwargs):
            if not depth[0]:  # another entry that is written with this one says nothing about this one's options
                entries.add(key)
            depth[0] += 1
            try:
                return function(*args, **kwargs)
            finally:
                depth[0] -= 1

        return noting

    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings(action="ignore"):
        patch.setattr(Primitive, "__call__", noting_call)
        for key, function in list(NUMPY.items()):
            patch.setitem(NUMPY, key, noting_entry(key, function))
        for row in OPS:
            for dtype in dtypes(row):
                args = arguments(row, dtype)
                trace = PlainTrace()
                with contextlib.suppress(Exception):  # test_rules.py says what is wrong with a row
                    row.fun(*[trace.lift(x) for x in args], **row.params)
                if differentiable(row) and dtype in ("float64", "complex128"):
                    with contextlib.suppress(Exception):
                        differentiate(row, args)
    return bound, entries


def differentiate(row, args):
    """Both modes, for the primitives that derivatives alone bind."""
    moving = differentiable(row)

    def f(*primals):
        values = list(args)
        for i, x in zip(moving, primals, strict=True):
            values[i] = x
        return row.fun(*values, **row.params)

    primals = tuple([args[i] for i in moving])
    jvp(f, primals, primals)
    out, pullback = vjp(f, *primals)
    pullback(out)


def test_every_primitive_has_a_row(reached):
    missing = set(PRIMITIVES) - reached[0] - set(ELSEWHERE)
    assert not missing, f"no row binds {sorted(missing)}"


def test_every_numpy_function_has_a_row(reached):
    missing = set(NUMPY) - reached[1] - set(NO_ARRAY)
    assert not missing, f"no row calls {sorted(map(name_of, missing))}"


def test_exceptions_are_needed(reached):
    primitives, _ = reached
    assert not sorted(set(ELSEWHERE) & primitives), "have rows after all"
    assert not sorted(set(ELSEWHERE) - set(PRIMITIVES)), "are gone"
    assert not sorted(map(name_of, set(NO_ARRAY) - set(NUMPY))), "are gone"


@together("name", PRIMITIVES)
def test_rules_are_whole(name):
    """Every primitive can be batched, and differentiated in both modes or in none."""
    primitive = PRIMITIVES[name]
    assert primitive.vmap or primitive.dynamic, "has no vmap rule"
    assert primitive.vjps != () or primitive.forward, "has neither vjps nor a zero derivative"
    if primitive.vjps is None:
        assert primitive.jvp is None, "has a jvp rule that is never used"
    else:
        assert primitive.jvp is not None, "has vjps but no jvp rule"
    assert primitive.__doc__, "its eval has no docstring"


def test_names_are_unique():
    """Rows and primitives are told apart by name."""
    names = [row.name for row in OPS]
    assert len(names) == len(set(names)), sorted({n for n in names if names.count(n) > 1})
