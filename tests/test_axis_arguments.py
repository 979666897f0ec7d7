"""What NumPy takes for an axis, a shape or a count, every function takes, however it is spelled, and nothing else.

The calls are made from NumPy's own signatures: of every function of the table each parameter that is named as such are,
in a call that a row of the table of operations has, or `CALLS`.
"""

import functools
import inspect
import operator
import warnings

import numpy as np
import pytest

from vmapcore import vmap
from vmapcore.errors import VmapcoreError
from vmapcore.nn import functional
from vmapcore.numpy_protocol import NUMPY
from vmapcore.pytree import flatten, tree_map
from vmapcore.tracer import Tracer

from .ops import OPS
from .reference import PlainTrace
from .test_completeness import name_of
from .together import together
from .values import arguments, dtypes

AXES = {"axis", "axes", "axis1", "axis2", "axisa", "axisb", "axisc", "source", "destination"}
SIZES = {
    *("shape", "new_shape", "window_shape", "dims", "reps", "repeats", "shift", "pad_width", "indices_or_sections"),
    *("s", "n", "k", "offset", "num", "N", "M", "decimals", "minlength", "kth", "ndmin", "ndmax"),
}


class Index:
    """What is an int to whoever asks."""

    def __init__(self, value):
        self.value = value

    def __index__(self):
        return self.value

    def __repr__(self):
        return f"Index({self.value})"


SPELLED = [
    *(0, 1, -1, np.int64(-1), np.uint8(0), Index(0), True, np.True_, 0.0, np.float64(1), "0", None, 9, -9, 1j),
    *((), [], (0,), [0], range(1), np.array(0), np.array([0]), np.array(0.0), np.array([0.0]), (0.0,), [True], (True,)),
    *((0, 1), [0, -1], (1, 0), range(2), np.array([1, 0]), np.array([0, 1], np.uint8), (np.int64(0), Index(1))),
    *((0.0, 1.0), np.array([0.0, 1.0]), np.array([True, False]), (0, 0), [0, 0], (0, 9), (-9, 0), "01", (None, 0)),
    *((2, 0, 1), [2, 0, 1], np.array([2, 0, 1]), range(3), (2, 0, 0), (0, 1, 9), [[0, 1]], np.array([[0, 1]])),
    *(((0,), (0,)), [[0], [-1]], np.array([[0], [0]]), (range(1), [0]), ([0], np.array([0])), (0, [0]), ((0.0,), (0,))),
]


def respelled(value):
    """Other ways to write an int, or ints in a row."""
    if isinstance(value, int):
        as_int = [np.int32(value), Index(value), np.array(value), float(value), np.float32(value), str(value)]
        return [value, *as_int, (value,), [value], np.array([value]), (float(value),), -value, (-value,), -value - 7]
    if isinstance(value, (tuple, list)) and value and all(isinstance(v, int) for v in value):
        each = [[kind(v) for v in value] for kind in (np.int16, Index, float, np.array)]
        made = [tuple(value), list(value), np.array(value), np.array(value, float)]
        return [*made, *each, *map(tuple, each), [list(value)], value[:-1], (*value, 1), [-v for v in value]]
    return [] if value is None else [value]


def outcome(call):
    """What a call returns, or the error that it raises."""
    try:
        with warnings.catch_warnings(action="ignore"):
            return call()
    except Exception as error:
        return error


X = np.arange(6.0).reshape(2, 3)
CALLS = {
    np.apply_along_axis: ((), {"func1d": np.cumsum, "arr": X}),
    np.apply_over_axes: ((np.sum, X), {}),
    np.compress: (([True, False], X), {}),
    np.concatenate: (([X, X],), {}),
    np.empty_like: ((X,), {}),
    np.eye: ((), {"N": 3}),
    np.identity: ((), {"n": 3}),
    np.insert: ((X, 1, 7.0), {}),
    np.linalg.tensorsolve: ((np.eye(6).reshape(3, 2, 6), np.ones((3, 2))), {}),
    np.put_along_axis: ((X, np.array([[1, 1, 0]]), -1.0), {"axis": 0}),
    np.ravel_multi_index: ((([1, 0], [2, 1]),), {"dims": (2, 3)}),
    np.stack: (([X, X],), {}),
    np.take: ((X, np.array([1, 0])), {}),
    np.tri: ((), {"N": 3}),
    np.array: ((X,), {}),
    np.tril_indices_from: ((X,), {}),
    np.triu_indices_from: ((X,), {}),
    np.unique: ((X,), {}),
    np.unwrap: ((X,), {}),
    np.size: ((X,), {}),
    np.trim_zeros: ((np.array([0.0, 1.0, 2.0, 0.0]),), {}),
    **{f: ((), {"shape": (2, 3)}) for f in (np.zeros, np.ones, np.empty)},
    np.full: ((), {"shape": (2, 3), "fill_value": 7.0}),
}
"""Calls of functions of which no row calls the very function."""

ZEROS = {np.empty: np.zeros, np.empty_like: np.zeros_like}
"""What NumPy leaves undefined is zero here."""

MEANINGLESS = {
    (np.reshape, "shape"): (-1, "it takes any negative size for -1"),
    (np.tensordot, "axes"): (0, "it takes a negative count for 0"),
    (np.linalg.tensordot, "axes"): (0, "it takes a negative count for 0"),
    (np.linalg.tensorsolve, "axes"): (0, "it does not know axes counted from the end, as here"),
    (np.tri, "N"): (0, "it takes a negative size for 0"),
    (np.tri, "M"): (0, "it takes a negative size for 0"),
    (np.unravel_index, "shape"): (0, "two negative sizes make a positive one"),
}
"""Below which number NumPy takes ints in a way that is not ours, and which."""

VALUES = {(np.polyint, "k")}
"""Values, though they are named as what others have counts for."""

LENGTHS = {np.unique, np.bincount, np.trim_zeros}
"""Functions whose results differ in length, which cannot be mapped."""

ROWS = {}
for _row in OPS:
    if getattr(_row.fun, "__hash__", None):
        ROWS.setdefault(_row.fun, []).append(_row)


def base_call(function, name):
    """Arguments for a call of the function, one of a row if there is one that has the parameter."""
    if function in CALLS:
        return CALLS[function]
    row = max(ROWS[function], key=lambda row: name in row.params)
    return arguments(row, dtypes(row)[0]), row.params


def parameters():
    for function in NUMPY:
        if callable(function):
            for name in inspect.signature(function).parameters:
                if name in AXES | SIZES and (function, name) not in VALUES and not getattr(function, "signature", None):
                    yield pytest.param(function, name, id=f"{name_of(function)}-{name}")


def written(function, args, params):
    """The result; of functions that write to their first argument and return nothing, that."""
    result = function(*args, **params)
    return args[0] if result is None else result


def traced(function, args, params):
    trace = PlainTrace()
    lift = functools.partial(tree_map, lambda x: trace.lift(x) if isinstance(x, np.ndarray) else x)
    out = written(NUMPY[function], [lift(a) for a in args], params)
    return tree_map(lambda x: x.value if isinstance(x, Tracer) else x, out)


def vmapped(function, args, params):
    leaves = [x for x in flatten(args)[0] if isinstance(x, np.ndarray)]

    def f(*rows):
        row = iter(rows)
        return written(NUMPY[function], tree_map(lambda x: next(row) if isinstance(x, np.ndarray) else x, args), params)

    return tree_map(lambda x: x[0], vmap(f, axis_size=1)(*[x[None] for x in leaves]))


def plain(function, args, params):
    return written(NUMPY[function], args, params)


def equal(found, wanted):
    """Whether two results are one."""
    found, wanted = flatten(found)[0], flatten(wanted)[0]
    return len(found) == len(wanted) and all(
        x is y if x is None else np.shape(x) == np.shape(y) and np.allclose(x, y, equal_nan=True)
        for x, y in zip(found, wanted, strict=True)
    )


def ints(spelling):
    """The int, or the tuples of them, that a spelling stands for; None where it stands for something else."""
    if isinstance(spelling, (bool, np.bool, str)) or spelling is None:
        return None
    if isinstance(spelling, (tuple, list, range)) or np.ndim(spelling):
        found = tuple([ints(v) for v in spelling])
        return None if None in found else found
    try:
        return operator.index(spelling)
    except TypeError:
        return None


def below(known, limit):
    return any(below(k, limit) for k in known) if isinstance(known, tuple) else known is not None and known < limit


def same(found, wanted, plainly):
    """Whether an outcome is NumPy's, or where NumPy takes the ints and not this spelling of them, NumPy's of the ints.

    What stands for no int may be refused, as may what NumPy refuses if it is written plainly. A refusal is our error,
    or NumPy's of the ints.
    """
    if isinstance(found, Exception):
        refused = isinstance(wanted, Exception) or all(isinstance(p, Exception) for p in plainly)
        return refused and (isinstance(found, VmapcoreError) or type(found) in map(type, plainly))
    return any(equal(found, w) for w in (wanted, *plainly) if not isinstance(w, Exception))


def compared(function, name, ways):
    """Where a way of calling differs from NumPy, and how many spellings NumPy takes."""
    args, params = base_call(function, name)
    taken, wrong = 0, []

    def outcomes(way, spelling):
        return outcome(lambda: way(function, tree_map(copied, args), {**params, name: spelling}))

    for spelling in [*SPELLED, *respelled(params.get(name))]:
        known = ints(spelling)
        wanted = outcomes(numpys, spelling)
        if (function, name) in MEANINGLESS and below(known, MEANINGLESS[function, name][0]):
            continue
        meant = [] if known is None else [known, (known,)] if isinstance(known, int) else [known]
        plainly = [outcomes(numpys, m) for m in meant]
        taken += not isinstance(wanted, Exception)
        for way in ways:
            found = outcomes(way, spelling)
            if not same(found, wanted, plainly):
                wrong.append(f"{way.__name__} {name}={spelling!r}: {found!r:.120}; NumPy: {wanted!r:.120}")
    return taken, wrong


def numpys(function, args, params):
    return written(ZEROS.get(function, function), args, params)


def copied(x):
    return x.copy() if isinstance(x, np.ndarray) else x


@pytest.mark.parametrize("function, name", list(parameters()))
def test_spellings_are_numpy_s(function, name):
    taken, wrong = compared(function, name, (traced, plain) if function in LENGTHS else (traced, plain, vmapped))
    assert taken, "NumPy takes no spelling, so nothing is tested"
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("name", ["softmax", "log_softmax", "logsumexp"])
@together("spelling", SPELLED)
def test_functions_that_numpy_has_not(name, spelling):
    """The axes are those that `np.sum` takes."""
    function, known = getattr(functional, name), ints(spelling)
    wanted = outcome(lambda: np.sum(X, known)) if spelling is None or known is not None else None
    found = outcome(lambda: function(X, spelling))
    if wanted is None or isinstance(wanted, Exception):
        assert isinstance(found, VmapcoreError)
    else:
        assert equal(found, function(X, known))


METHODS = {
    "reshape": [
        (3, 2),
        ((3, 2),),
        ([3, 2],),
        (np.array([3, 2]),),
        (np.int64(3), Index(2)),
        (range(6, 7),),
        (-1,),
        (6.0,),
    ],
    "transpose": [(), (None,), (1, 0), ((1, 0),), ([0, 1],), (np.array([1, 0]),), (range(2),), (np.int8(1), Index(0))],
    "squeeze": [(), ((),), (0,)],
    "swapaxes": [(0, 1), (np.uint8(0), Index(1)), (0.0, 1)],
    "repeat": [(2,), (np.array([1, 2]), 0), ([0, 1, 2], Index(1)), (range(3), 1)],
}
"""Arguments of the methods that have them otherwise than their functions."""


@pytest.mark.parametrize("name, args", [(name, args) for name, calls in METHODS.items() for args in calls], ids=repr)
def test_methods(name, args):
    wanted = outcome(lambda: getattr(X, name)(*args))
    found = outcome(lambda: getattr(PlainTrace().lift(X), name)(*args))
    if isinstance(wanted, Exception):
        assert isinstance(found, VmapcoreError)
    else:
        assert equal(found.value, wanted)


def test_a_function_that_takes_less_is_found(monkeypatch):
    flip = NUMPY[np.flip]
    monkeypatch.setitem(NUMPY, np.flip, lambda m, axis=None: flip(m, axis if isinstance(axis, int) else None))
    _, wrong = compared(np.flip, "axis", (traced,))
    assert any("axis=range(0, 1)" in w for w in wrong)
    assert any("axis=0.0" in w for w in wrong)
