"""Every option that NumPy's functions, methods and ufuncs have, they have on tracers; what they refuse they say.

The laws go over NumPy's own signatures, so that what is added to the table is tested by itself.
"""

import inspect
import itertools
import warnings

import numpy as np
import pytest

import vmapcore.numpy as vnp
from vmapcore import vmap
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
    if set(parameters) == {"self", "args", "kwargs"}:  # as the function has it
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
@pytest.mark.parametrize("name, value, method", [("shape", (3, 1), "reshape"), ("dtype", int, "astype")])
def test_shape_and_dtype_do_not_change(transform, name, value, method):
    with pytest.raises(AttributeError, match=f"x.{name} = v: .*Use x.{method}") as caught:
        transform(lambda x: setattr(x, name, value))(X)
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


@pytest.mark.parametrize(
    "ufunc, method",
    [
        *itertools.product([np.subtract, np.arctan2, np.power], ["reduce", "accumulate", "reduceat"]),
        *itertools.product([np.hypot, np.logaddexp], ["reduceat"]),
    ],
)
def test_methods_without_a_rule_say_so(ufunc, method):
    at = ([0, 1],) if method == "reduceat" else ()
    with pytest.raises(VmapcoreError, match=f"np.{ufunc.__name__}.{method}: has no"):
        getattr(ufunc, method)(PlainTrace().lift(X), *at)


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
