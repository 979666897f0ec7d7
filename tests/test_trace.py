"""trace: the graph of a run, what it says and what it computes; errors that ask for a value, to the word."""

import inspect
import re
import struct

import numpy as np
import pytest

import vmapcore as vc
from tests.own_names import grad, jit, trace, vmap
from vmapcore import errors
from vmapcore import numpy as vnp
from vmapcore.core import RUNNING
from vmapcore.graph import Graph, Literal
from vmapcore.pytree import flatten
from vmapcore.testing import assert_same

pytestmark = pytest.mark.plans

A = np.arange(12.0).reshape(3, 4)
B = np.linspace(-1.0, 1.0, 12).reshape(3, 4)
V = np.array([0.5, -1.0, 2.0])


def names(graph):
    return [step.primitive.name for step in graph.steps]


# Graphs.


def test_a_graph_is_the_function():
    def f(tree, y, *, scale=2.0):
        return {"a": vmap(grad(lambda x: np.sum(x**2) * scale))(tree["p"]) + y, "b": [tree["q"], 3, V]}

    args = ({"q": V, "p": A}, B)
    graph = trace(f)(*args, scale=3.0)
    assert isinstance(graph, Graph)
    for given in (args, ({"q": V + 1, "p": B}, A)):
        assert_same(graph(*flatten(given)[0]), flatten(f(*given, scale=3.0))[0])


def test_inputs_are_named_after_arguments():
    def f(params, x, *rest, scale):
        return params["w"] @ x * scale + rest[0]

    graph = trace(f)({"w": A, "b": None}, V[0] * np.ones(4), V, scale=np.float32(2))
    assert graph.names == ("params['w']", "x", "args[2]", "scale")
    text = str(graph)
    assert text.startswith("graph(a: f64[3,4] = params['w'], b: f64[4] = x, c: f64[3] = args[2], d: f32[] = scale):\n")
    assert trace(np.sin)(A).names[0] in ("x", "args[0]")


def test_steps_name_lines_of_the_users_code():
    def inner(x):
        return np.sum(x * x)

    first = inspect.getsourcelines(inner)[1]

    def f(x):
        return np.full_like(vmap(grad(inner))(x), 0) + np.linalg.norm(x)

    graph = trace(f)(A)
    lines = {step.line for step in graph.steps}
    assert f"test_trace.py:{first + 1} in inner" in lines
    assert all(re.fullmatch(r"test_trace\.py:\d+ in (inner|f)", line) for line in lines)


def test_constants_are_literals():
    table = V.copy()
    graph = trace(lambda x: (x * table + 1, np.maximum(x, np.float32(0)), x @ table))(V)
    table[...] = 0
    found = [a for step in graph.steps for a in step.inputs if isinstance(a, Literal)]
    assert [type(a.value) for a in found] == [np.ndarray, int, np.float32, np.ndarray]
    assert found[0] is found[-1], "one array is one constant"
    assert_same(graph(V)[0], V * V + 1)


@pytest.mark.parametrize("dtype", ["f4", ">f8", "c16", "c8", "?", "i2", "g", "e"])
def test_a_constant_is_another_one_once_a_bit_of_it_changes(dtype):
    table = np.zeros((3, 2), dtype)[::-1].T

    def f(x):
        y = x + table
        for value in (0.0, -0.0, np.nan):
            if np.dtype(dtype).kind in "fc":
                table[0, 0] = value
                y = y + np.copysign(1.0, table.real) * x
        return y

    graph = trace(f)(np.ones((2, 3)))
    found = [a for step in graph.steps for a in step.inputs if isinstance(a, Literal) and a.shape]
    assert len({id(a) for a in found}) == (4 if np.dtype(dtype).kind in "fc" else 1)


def test_what_is_known_may_be_asked_for():
    def f(x):
        return x[: len(vnp.arange(3))] + (1 if vnp.ones(()) else 2) * float(vnp.full((), 1.0))

    assert_same(jit(f)(V), V + 1)


def test_a_run_of_plain_numpy_has_no_steps():
    graph = trace(lambda x: (np.arange(3) * 2, x))(V)
    assert names(graph) == []
    assert_same(graph(V), [np.arange(3) * 2, V])


def test_trace_runs_once_and_leaves_nothing_behind():
    runs = []
    trace(lambda x: runs.append(RUNNING.get()) or x)(A)
    assert len(runs) == 1 and len(runs[0]) == 1 and RUNNING.get() == ()
    with pytest.raises(errors.ArgumentError, match="trace: argument 'fun' is NoneType; it must be callable"):
        trace(None)


def test_jit_inside_trace_steps_aside():
    f = jit(lambda x: np.sin(x) * 2)
    assert names(trace(lambda x: f(x) + 1)(A)) == ["sin", "multiply", "add"]
    assert not f.plans


def test_trace_belongs_outside():
    for outer in (vmap, grad):
        with pytest.raises(
            errors.ArgumentError, match=r"trace\(sum\): the function uses f64\[\d?\] at test_trace.*around"
        ):
            outer(lambda x: trace(np.sum)(x))(V)


# What a recorded value is asked for.

BRANCH = "Use np.where in place of if; or pass what the branch depends on as a static argument."
INDEX = (
    "Pass a size or a count as a static argument; to index with it, use vmapcore.numpy.take(x, i, axis), of a list "
    "after np.stack."
)
OUTSIDE = (
    "Keep it an array, with NumPy's functions in place of math's and astype for another dtype; or return it from the "
    "function, and convert it outside"
)
WRITE = "; to write it into an array, make that with vmapcore.numpy.zeros."
INT = "Pass a size or a count as a static argument; for another dtype use x.astype(int)" + WRITE
TEXT = "Return it from the function, and print what jit returns."
ARRAYS = "np.asarray, np.array or the like"
ITSELF = (
    "Pass NumPy's functions the traced array itself, or np.stack(list) for a list of traced values, and so in place of "
    "np.array and np.r_."
)
ZEROS = " To write it into an array, make that with vmapcore.numpy.zeros, or np.zeros_like of a traced one."
PLACE = " To index a plain array with it, use vmapcore.numpy.take(x, i, axis); no length can depend on it."

ASKED = {
    "bool": (lambda x: 1 if x[0] > 0 else 2, "if/while/and/or/bool", "bool[]", "one truth value", BRANCH),
    "and": (lambda x: x[0] and 1, "if/while/and/or/bool", "f64[]", "one truth value", BRANCH),
    "int": (lambda x: int(x[0]), "int", "f64[]", "one int", INT),
    "float": (lambda x: float(x[0]), "float", "f64[]", "one float", OUTSIDE + WRITE),
    "complex": (lambda x: complex(x[0]), "complex", "f64[]", "one complex number", OUTSIDE + WRITE),
    "bytes": (lambda x: struct.pack("f", x[0]), "float", "f64[]", "one float", OUTSIDE + WRITE),
    "round": (lambda x: round(x[0]), "round", "f64[]", "one int", "Use round(x, 0) or np.rint(x)."),
    "item": (lambda x: x[0].item(), "item", "f64[]", "one Python number", OUTSIDE + "."),
    "tolist": (lambda x: x.tolist(), "tolist", "f64[3]", "a list of Python numbers", OUTSIDE + "."),
    "range": (lambda x: range(np.argmax(x)), "index", "i64[]", "one int", INDEX),
    "index": (lambda x: [1, 2, 3][np.argmax(x)], "index", "i64[]", "one int", INDEX),
    "slice of an array": (lambda x: V[: np.argmax(x)], "index", "i64[]", "one int", INDEX),
    "shape": (lambda x: x.reshape(np.argmax(x), 1), "index", "i64[]", "one int", INDEX),
    "zeros": (lambda x: np.zeros(np.argmax(x)), "index", "i64[]", "one int", INDEX),
    "full of so many": (lambda x: np.full(np.argmax(x), 1.0), "index", "i64[]", "one int", INDEX),
    "shape of a plain array": (lambda x: V.reshape(np.argmax(x)), "index", "i64[]", "one int", INDEX),
    "format": (lambda x: f"{x[0]:.2f}", "format", "f64[]", "one text", TEXT),
    "asarray": (np.asarray, ARRAYS, "f64[3]", "an ordinary array", ITSELF + ZEROS),
    "array": (lambda x: np.array([x[0], 1.0]), ARRAYS, "f64[]", "an ordinary array", ITSELF + ZEROS),
    "full": (lambda x: np.full(3, x[0]), ARRAYS, "f64[]", "an ordinary array", ITSELF + ZEROS),
    "sum of a list": (lambda x: np.sum([x[0], x[1]]), ARRAYS, "f64[]", "an ordinary array", ITSELF + ZEROS),
    "r_": (lambda x: np.r_[x, 1.0], ARRAYS, "f64[3]", "an ordinary array", ITSELF + ZEROS),
    "float32": (
        lambda x: np.float32(x),
        ARRAYS,
        "f64[3]",
        "an ordinary array",
        "For another dtype use x.astype(np.float32). " + ITSELF + ZEROS,
    ),
    "plain index": (lambda x: V[np.argmax(x)], ARRAYS, "i64[]", "an ordinary array", ITSELF + PLACE + ZEROS),
    "arange": (lambda x: np.arange(np.argmax(x)), ARRAYS, "i64[]", "an ordinary array", ITSELF + PLACE + ZEROS),
}


def in_grad(fun):
    return lambda x: grad(lambda w: (fun(x), np.sum(w * x))[1])(x)


def in_vmap(fun):
    return lambda x: vmap(lambda row: (fun(x), row)[1])(A)


@pytest.mark.parametrize("name", ASKED)
@pytest.mark.parametrize("wrap", [lambda f: f, in_grad, in_vmap], ids=["alone", "in grad", "in vmap"])
@pytest.mark.parametrize("door", [jit, trace], ids=["jit", "trace"])
def test_what_is_asked_for_a_value_says_where(name, wrap, door):
    fun, call, what, wanted, remedy = ASKED[name]

    def f(x):
        return fun(x)

    first = inspect.getsourcelines(fun)[1] if inspect.isfunction(fun) else inspect.getsourcelines(f)[1] + 1
    code = "<lambda>" if inspect.isfunction(fun) else "f"
    outer = wrap(f)
    with pytest.raises(errors.ConcretizationError) as found:
        door(outer)(V)
    message = str(found.value)
    assert re.sub(r"test_trace\.py:\d+", "test_trace.py:_", message) == (
        f"{call}: the value {what} at test_trace.py:_ in {code} is recorded by {door.__name__}({outer.__name__}), "
        f"so it is not {wanted}: other calls have other values. {remedy}"
    )
    line = int(re.search(r"test_trace\.py:(\d+)", message)[1])
    assert 0 <= line - first <= 2


def test_a_graph_is_of_the_recorded_shapes_and_dtypes():
    graph = trace(lambda w, x: np.sum(w * x))(V, V)
    with pytest.raises(errors.ShapeError) as found:
        graph(V, np.ones((7, 7)))
    assert str(found.value) == (
        "graph: argument 'x' is f64[7,7], and was f64[3] when it was recorded; a graph is of these shapes and dtypes "
        "alone. Record another, or use jit, which does so."
    )
    with pytest.raises(errors.DTypeError, match=r"argument 'w' is f32\[3\], and was f64\[3\] when"):
        graph(V.astype(np.float32), V)
    nameless = Graph(graph.inputs, graph.steps, graph.outputs)
    with pytest.raises(errors.ShapeError, match=r"argument 1 is f64\[2\]"):
        nameless(V, V[:2])


@pytest.mark.parametrize(
    "fun, kind, message",
    [
        (
            lambda x: x[x > 0],
            errors.IndexingError,
            r"the mask bool\[3\] differs between the calls of jit\(f\), at test_tr",
        ),
        (
            lambda x: x[: np.argmax(x)],
            errors.IndexingError,
            r"from or to a value that differs between the calls of jit\(f\), at t",
        ),
        (
            lambda x: x[x > 0, x > 0],
            errors.IndexingError,
            r"a mask bool\[3\] that differs between the calls of jit\(f\), a",
        ),
        (
            np.nonzero,
            errors.ConcretizationError,
            r"np.nonzero: the length of its result differs between the calls of jit\(f\), at test_trace.py:\d+ in ",
        ),
        (
            np.unique,
            errors.ConcretizationError,
            r"np.unique: the length .* jit\(f\), at test_trace.py:\d+ in .* Use np.unique\(..., size=n\)",
        ),
        (np.argwhere, errors.ConcretizationError, "the length of its result differs"),
        (np.flatnonzero, errors.ConcretizationError, "the length of its result differs"),
        (lambda x: np.compress(x > 0, x), errors.IndexingError, r"x\[i\]: the mask .* the calls of jit\(f\)"),
        (
            lambda x: np.repeat(x, np.argmax(x)),
            errors.ArgumentError,
            r"np.repeat: repeats is the traced i64\[\]; it must",
        ),
        (
            lambda x: vnp.arange(np.argmax(x)),
            errors.ArgumentError,
            r"np.arange: a bound is the traced i64\[\]; it must",
        ),
        (
            lambda x: np.linalg.eigvals(np.diag(x)),
            errors.ConcretizationError,
            r"the dtype of its result .*astype\(comp",
        ),
    ],
    ids=range(11),
)
def test_lengths_that_depend_on_values_are_refused(fun, kind, message):
    def f(x):
        return fun(x)

    replayed = jit(f)
    with pytest.raises(kind, match=message):
        replayed(V)
    assert not replayed.plans


def test_lengths_that_depend_on_constants_are_known():
    def f(x):
        mask = np.array([True, False, True])
        return x[mask], x[np.nonzero(V > 0)], np.nonzero(vnp.asarray([0, 1, 1])), np.linalg.eigvals(np.eye(2)) * x[0]

    assert_same(jit(f)(V), f(V))
    g = jit(f)
    for _ in range(2):
        assert_same(g(V + 1), f(V + 1))


def test_a_value_shows_itself():
    seen = []
    jit(lambda x: seen.extend([repr(x), f"{x}"]) or x)(V)
    assert seen == ["RecordTracer(f64[3] in jit(<lambda>), value=array([ 0.5, -1. ,  2. ]))"] * 2


def test_graphs_of_strict_code():
    with vc.strict():
        assert names(trace(vmap(np.sum))(A)) == ["reduce_sum"]
