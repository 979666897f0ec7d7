"""Every option that NumPy's functions, methods and ufuncs have, they have on tracers; what they refuse they say.

The laws go over NumPy's own signatures, so that what is added to the table is tested by itself.
"""

import functools
import inspect
import warnings

import numpy as np
import pytest

import vmapcore.numpy as vnp
from vmapcore import jit, vmap
from vmapcore.errors import VmapcoreError
from vmapcore.numpy_protocol import ACCUMULATE, NUMPY, REDUCE
from vmapcore.tracer import Tracer

from .reference import PlainTrace
from .together import together

X = np.array([[3.0, 1.0, 2.0], [0.0, 5.0, 4.0]])
MASK = X > 1

POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
NAMED = (inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


def lacking(theirs, ours):
    """The parameters of `theirs` that a caller of `ours` could not pass, by position or by name."""
    theirs, ours = list(theirs.values()), list(ours.values())
    kinds = {p.kind for p in ours}
    names = {p.name for p in ours if p.kind in NAMED}
    count = sum(p.kind in POSITIONAL for p in ours)
    missing = [
        p.name for p in theirs if p.kind in NAMED and p.name not in names and inspect.Parameter.VAR_KEYWORD not in kinds
    ]
    if inspect.Parameter.VAR_POSITIONAL not in kinds:
        missing += [p.name for p in theirs if p.kind in POSITIONAL][count:]
        missing += [p.name for p in theirs if p.kind is inspect.Parameter.VAR_POSITIONAL]
    return missing


FUNCTIONS = [f for f in NUMPY if callable(f) and not isinstance(f, np.ufunc)]


@together("function", FUNCTIONS)
def test_functions_have_numpy_s_parameters(function):
    assert not lacking(inspect.signature(function).parameters, inspect.signature(NUMPY[function]).parameters)


METHODS = [n for n in dir(np.ndarray) if not n.startswith("__") and callable(getattr(np.ndarray, n))]


@together("name", METHODS)
def test_methods_have_numpy_s_parameters(name):
    ours = getattr(Tracer, name)
    if isinstance(ours, property):  # which raises, see below
        return
    parameters = inspect.signature(ours).parameters
    if set(parameters) == {"self", "args", "kwargs"} and hasattr(np, name):  # as the function has it
        parameters = inspect.signature(NUMPY[getattr(np, name)]).parameters
    assert not lacking(inspect.signature(getattr(np.ndarray, name)).parameters, parameters)


def test_a_parameter_that_is_missing_is_found():
    theirs = inspect.signature(lambda a, axis=None, *, stable=None: None).parameters
    assert lacking(theirs, inspect.signature(lambda a, axis=None: None).parameters) == ["stable"]
    assert lacking(theirs, inspect.signature(lambda a, *, axis=None, stable=None: None).parameters) == ["axis"]


@together("name", [n for n in dir(np.ndarray) if not n.startswith("__")])
def test_attributes_are_there_or_say_why_not(name):
    x = PlainTrace().lift(X)
    try:
        getattr(x, name)
    except VmapcoreError as error:
        assert isinstance(error, AttributeError)


@pytest.mark.parametrize("transform", [vmap, lambda f: lambda x: f(PlainTrace().lift(x))])
def test_the_dtype_does_not_change(transform):
    with pytest.raises(AttributeError, match=r"x.dtype = v: .*Use x.astype") as caught:
        transform(lambda x: setattr(x, "dtype", int))(X)
    assert isinstance(caught.value, VmapcoreError)


def outcome(call, lift, *arrays):
    """What a call returns, or what it has made of its first array; or its error."""
    arrays = [lift(x.copy()) for x in arrays]
    try:
        with warnings.catch_warnings(action="ignore"):
            result = call(*arrays)
    except Exception as error:
        return error
    result = arrays[0] if result is None else result
    return getattr(result, "value", result)


def check(call, *arrays, refused=(), ulps=0):
    """Holds a call to NumPy's outcome: on a tracer, and mapped. What is refused has our error."""
    wanted = outcome(call, lambda x: x, *arrays)
    mapped = outcome(lambda *xs: vmap(lambda *rows: returned(call, rows))(*xs), lambda x: np.stack([x, x]), *arrays)
    for found in (outcome(call, PlainTrace().lift, *arrays), mapped if isinstance(mapped, Exception) else mapped[1]):
        if isinstance(wanted, Exception) or isinstance(found, refused):
            assert isinstance(found, VmapcoreError), (found, wanted)
            continue
        assert not isinstance(found, Exception), (found, wanted)
        assert np.asarray(found).dtype == np.asarray(wanted).dtype
        rtol = ulps and ulps * np.finfo(np.asarray(wanted).dtype).eps
        np.testing.assert_allclose(found, wanted, rtol=rtol, strict=True)


def returned(call, arrays):
    result = call(*arrays)
    return arrays[0] if result is None else result


REDUCTIONS = [
    *({}, {"axis": 1}, {"axis": None}, {"axis": (0, 1)}, {"axis": ()}, {"axis": 7}, {"keepdims": True}),
    *({"dtype": float}, {"dtype": bool}, {"dtype": "f4"}, {"dtype": None}),
    *({"initial": 1}, {"initial": 0}, {"initial": None}, {"initial": 2.5, "axis": 1}),
    *({"where": MASK}, {"where": MASK, "initial": 1}, {"where": MASK, "initial": 0, "keepdims": True, "axis": (1,)}),
]


ROUNDED = dict.fromkeys([np.logaddexp, np.logaddexp2, np.hypot], 2)
"""What is combined in another grouping than NumPy's, which rounds otherwise."""


@together("options", REDUCTIONS)
@together("x", [X, MASK, X.astype(int), X.astype("f4"), X.astype("i1")])
@pytest.mark.parametrize("ufunc", REDUCE, ids=lambda u: u.__name__)
def test_reduce(ufunc, x, options):
    check(lambda x: ufunc.reduce(x, **options), x, ulps=ROUNDED.get(ufunc, 0))


@together("options", [{}, {"axis": 1}, {"axis": None}, {"axis": (0,)}, {"axis": (0, 1)}, {"dtype": "f4"}])
@together("x", [X, MASK, X.astype(int), X.astype("i1")])
@pytest.mark.parametrize("ufunc", ACCUMULATE, ids=lambda u: u.__name__)
def test_accumulate(ufunc, x, options):
    check(lambda x: ufunc.accumulate(x, **options), x, ulps=ROUNDED.get(ufunc, 0))


@pytest.mark.parametrize("ufunc", [*REDUCE, *ACCUMULATE], ids=lambda u: u.__name__)
def test_out(ufunc):
    logical, ulps = ufunc in (np.logical_and, np.logical_or), ROUNDED.get(ufunc, 0)
    check(lambda o, x: ufunc.reduce(x, out=o), np.zeros(3, bool if logical else float), X, ulps=ulps)
    if not logical:
        check(lambda o, x: ufunc.accumulate(x, 1, out=(o,)), np.zeros((2, 3)), X, ulps=ulps)


@pytest.mark.parametrize("options", [{}, {"dtype": "f4"}, {"where": True}, {"casting": "unsafe"}], ids=str)
@pytest.mark.parametrize("ufunc", [np.add, np.arctan2, np.maximum], ids=lambda u: u.__name__)
def test_outer(ufunc, options):
    check(lambda x: ufunc.outer(x, x[0], **options), X)


IN_ORDER = [np.subtract, np.divide, np.floor_divide, np.copysign, np.remainder, np.logical_xor, np.float_power]
"""Ufuncs whose methods go through the numbers one after the other."""
POSITIVE = np.array([[1.5, 2.0, 0.5], [3.0, 0.25, 1.0]])


@together("options", [{}, {"axis": 1}, {"axis": -1, "keepdims": True}, {"axis": ()}, {"dtype": "f4"}, {"axis": 7}])
@together("x", [POSITIVE, POSITIVE.astype("f4"), X.astype(int) + 2])
@pytest.mark.parametrize("ufunc", IN_ORDER, ids=lambda u: u.__name__)
def test_reduce_in_order(ufunc, x, options):
    check(lambda x: ufunc.reduce(x, **options), x)


@together("x", [POSITIVE, POSITIVE.astype(int)])
@together("ufunc", [np.subtract, np.divide, np.lcm, np.left_shift, np.logical_xor])
def test_options_of_reduce_in_order(ufunc, x):
    for options in ({"initial": 2}, {"initial": 2, "axis": 1, "keepdims": True}, {"axis": None}, {"axis": (0, 1)}):
        check(lambda x, options=options: ufunc.reduce(x, **options), x)
    check(lambda x: ufunc.reduce(x, where=MASK), x, refused=VmapcoreError)
    if ufunc in (np.subtract, np.divide):
        check(lambda o, x: ufunc.reduce(x, out=o), np.zeros(3), x)


@together("options", [{}, {"axis": 1}, {"axis": (0,)}, {"axis": (0, 1)}, {"dtype": "f4"}])
@together("x", [POSITIVE, X.astype(int) + 2])
@pytest.mark.parametrize("ufunc", IN_ORDER, ids=lambda u: u.__name__)
def test_accumulate_in_order(ufunc, x, options):
    check(lambda x: ufunc.accumulate(x, **options), x)


@together("options", [{}, {"axis": 1}, {"axis": -1, "dtype": "f4"}])
@together("starts", [[0], [0, 1], [1, 0, 1], [1, 1], np.array([0, 1], "u1"), []])
@together("x", [POSITIVE, X.astype(int) + 2, X > 0])
@pytest.mark.parametrize("ufunc", [np.add, np.hypot, np.maximum, *IN_ORDER[:3]], ids=lambda u: u.__name__)
def test_reduceat(ufunc, x, starts, options):
    check(lambda x: ufunc.reduceat(x, starts, **options), x)


def test_reduceat_refuses_what_numpy_does():
    for starts in ([0, 2], [-1]):
        with pytest.raises(IndexError, match="out of bounds"):
            vmap(lambda x, starts=starts: np.add.reduceat(x, starts))(POSITIVE[None])
    check(lambda x: np.add.reduceat(x, [[0]]), POSITIVE)
    check(lambda o, x: np.add.reduceat(x, [0, 0], out=o), np.zeros((2, 3)), POSITIVE)


STARTS = np.array([[0, 2, 5], [3, 3, 1], [5, 0, 0], [0, 1, 2]])
LINES = np.random.default_rng(0).normal(size=(4, 6))


@together("ufunc", [np.add, np.subtract, np.maximum, np.multiply])
def test_reduceat_from_places_that_differ(ufunc):
    want = np.stack([ufunc.reduceat(x, i) for x, i in zip(LINES, STARTS, strict=True)])
    for f in (
        vmap(ufunc.reduceat),
        jit(vmap(ufunc.reduceat)),
        vmap(lambda x, i: vmap(ufunc.reduceat)(x[None], i[None])[0]),
    ):
        np.testing.assert_allclose(f(LINES, STARTS), want)
    shared = np.stack([ufunc.reduceat(LINES[0], i) for i in STARTS])
    np.testing.assert_allclose(vmap(ufunc.reduceat, in_axes=(None, 0))(LINES[0], STARTS), shared)


@together("places", [[0, 2, 2, 0], (np.array([[0], [0]]), np.array([1, 1])), np.s_[1], MASK, (0, [1, 1])])
@pytest.mark.parametrize(
    "ufunc", [np.hypot, np.logaddexp, np.fmax, np.fmin, np.logaddexp2, *IN_ORDER[:3]], ids=lambda u: u.__name__
)
def test_at(ufunc, places):
    x = np.concatenate([POSITIVE, POSITIVE[:1] + 1])[:, :3] if not isinstance(places, np.ndarray) else POSITIVE

    def changed(x, v):
        y = x * 1
        ufunc.at(y, places, v)
        return y

    check(changed, x, np.float64(0.7), ulps=2)
    values = np.resize(POSITIVE, np.shape(x[places])) + 0.1
    check(changed, x, values, ulps=2)


@together("ufunc", [np.bitwise_and, np.bitwise_or, np.bitwise_xor, np.gcd, np.lcm, np.left_shift, np.floor_divide])
def test_at_of_integers(ufunc):
    def changed(x, v):
        y = x + 0
        ufunc.at(y, [0, 1, 1, 0], v)
        return y

    for dtype in (int, "u1"):
        check(changed, np.array([5, 12, 3], dtype), np.array([3, 2, 1, 2], dtype))


@pytest.mark.parametrize("ufunc", [np.arctan2, np.power], ids=lambda u: u.__name__)
def test_what_numpy_reduces_wrongly(ufunc):
    want = [functools.reduce(ufunc, x) for x in POSITIVE]
    np.testing.assert_allclose(vmap(ufunc.reduce)(POSITIVE), want)
    np.testing.assert_allclose(vmap(ufunc.accumulate)(POSITIVE)[:, -1], want)


def test_methods_of_other_ufuncs_say_so():
    with pytest.raises(VmapcoreError, match=r"np\.negative\.at: has no vmapcore rule; ufuncs of two arguments"):
        np.negative.at(PlainTrace().lift(X), [0])


def clipped(x):
    return np.clip(x, 0, 1, casting="unsafe")


CALLS = [
    *(lambda x: x.sort(), lambda x: x.sort(0, "stable"), lambda x: x.sort(axis=0, stable=True)),
    *(lambda x: x.sort(kind="mergesort", stable=True), lambda x: x.sort(order="a")),
    *(lambda x: x.partition(1), lambda x: x.partition([0, 2], -1, "introselect"), lambda x: x.partition(1, order="a")),
    *(lambda x: x.argsort(stable=True), lambda x: x.argsort(0, kind="stable"), lambda x: x.argpartition(1, axis=0)),
    *(lambda x: x.put([7, -1], 9.0, "wrap"), lambda x: x.put([0, 9], [8.0, 9.0], mode="clip"), lambda x: x.put(9, 1.0)),
    *(lambda x: x.take([0, 9], mode="clip"), lambda x: x.take([0, 4], 1, mode="wrap"), lambda x: x.take([9])),
    *(lambda x: x.clip(min=1), lambda x: x.clip(max=2), lambda x: x.clip(1, 2, dtype="f8"), lambda x: x.clip(None, 2)),
    *(lambda x: x.sum(1, "f4", None, True, 1.0, MASK), lambda x: x.sum(where=MASK, initial=2), lambda x: x.sum((0, 1))),
    *(lambda x: x.prod(where=MASK), lambda x: x.max(0, initial=4, where=MASK), lambda x: x.min(1, None, True)),
    *(lambda x: x.mean(where=MASK), lambda x: x.std(ddof=1), lambda x: x.var(0, ddof=1), lambda x: x.any(1)),
    *(lambda x: x.argmax(keepdims=True), lambda x: x.argmin(1, keepdims=True), lambda x: x.cumsum(1, "f4")),
    *(lambda x: x.repeat([1, 2], 0), lambda x: x.swapaxes(0, -1), lambda x: x.diagonal(1), lambda x: x.trace(1, 0, 1)),
    *(lambda x: x.round(1), lambda x: x.ravel("F"), lambda x: x.flatten("F"), lambda x: x.searchsorted(1)),
    *(lambda x: x[0].searchsorted(x[1], "right", [1, 2, 0]), lambda x: x.dot(x.T), lambda x: x.compress([0, 1], 1)),
    *(lambda x: x.astype("f4", "K", "same_kind"), lambda x: x.astype(int, casting="safe"), lambda x: x.copy("F")),
    *(lambda x: x.reshape(3, 2, order="F"), lambda x: x.reshape((3, -1), copy=True), lambda x: x.squeeze(axis=())),
    *(lambda x: x.to_device("cpu"), lambda x: vnp.array(x, ndmin=3), lambda x: vnp.array(x, ndmax=1)),
    *(clipped, lambda x: (x > 1).choose([x, -x]), lambda x: x.conjugate()),
]


@pytest.mark.parametrize("call", CALLS, ids=range(len(CALLS)))
def test_methods(call):
    check(call, X, refused=VmapcoreError if call is clipped else ())


@pytest.mark.parametrize(
    "method, args", [("take", ([1],)), ("dot", (X.T,)), ("clip", (1,)), ("cumsum", (1,)), ("max", (1,))]
)
def test_methods_with_out(method, args):
    out = np.zeros_like(getattr(X, method)(*args))
    check(lambda o, x: getattr(x, method)(*args, out=o), out, X)


def test_ndmax_of_lists():
    with pytest.raises(VmapcoreError, match="ndmax is 1"):
        vmap(lambda x: vnp.array([[x, x]], ndmax=1))(X)
