"""Fusion groups: both sources against the steps run one by one."""

import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

import vmapcore as vc
from vmapcore.core import PRIMITIVES
from vmapcore.cpu import compiled
from vmapcore.cpu.fusion import cache, tile_source
from vmapcore.cpu.fusion.fused import fuse
from vmapcore.cpu.fusion.operations import UFUNCS, ULPS
from vmapcore.cpu.units import StepUnit
from vmapcore.errors import IndexingError
from vmapcore.graph import Graph, Literal, Step, Var
from vmapcore.nn import functional as F
from vmapcore.planning.expressions.building import UnfusibleError
from vmapcore.planning.expressions.lowering import fusible
from vmapcore.planning.expressions.repeats import cut

pytestmark = pytest.mark.plans

TOGETHER = 12
"""Operations in one kernel: they take hardly longer to compile than one."""

BACKENDS = ["numpy", pytest.param("numba", marks=pytest.mark.skipif(not compiled.AVAILABLE, reason="no numba"))]
DTYPES = "?bBhHiIqQfd"
QUICK = [Phase.explicit, Phase.reuse, Phase.generate]
RNG = np.random.default_rng(0)


@pytest.fixture(scope="module", autouse=True)
def own_cache(tmp_path_factory):
    """A cache of this test's own, unless one is chosen."""
    before = os.environ.get("NUMBA_CACHE_DIR")
    os.environ["NUMBA_CACHE_DIR"] = before or str(tmp_path_factory.mktemp("kernels"))
    yield
    if before is None:
        del os.environ["NUMBA_CACHE_DIR"]


def graph_of(fun, *arrays):
    with np.errstate(all="ignore"):
        return vc.trace(fun)(*arrays)


def whole(graph, **options):
    """A graph as one group."""
    return fuse(graph.steps, graph.inputs, graph.outputs, **options)


def empty_outputs(graph):
    return [np.full(v.shape, 7).astype(v.dtype) for v in graph.outputs]


def run(graph, backend, *arrays, **options):
    fused = whole(graph, **options)
    assert fused is not None, f"declined:\n{graph}"
    kernel = getattr(fused, backend)()
    assert kernel is not None, f"{backend} declined:\n{graph}"
    outs = empty_outputs(graph)
    with np.errstate(all="ignore"):  # calls of NumPy warn as they do outside kernels
        kernel(arrays, outs)
    return outs


def eager(graph, *arrays):
    with np.errstate(all="ignore"):
        return [np.asarray(r) for r in graph(*arrays)]


def units_apart(x, y):
    """The largest difference in units in the last place, where both are finite."""
    kind = np.int32 if x.dtype == np.float32 else np.int64
    keys = [np.where((k := a.view(kind)) < 0, np.iinfo(kind).min - k, k) for a in (x, y)]
    finite = np.isfinite(x) & np.isfinite(y)
    return int(np.abs(keys[0] - keys[1])[finite].max(initial=0))


@pytest.mark.parametrize("backend", BACKENDS)
def test_constants_whose_dtype_is_another_object(backend):
    """NumPy has many equal dtypes, of which kernels know one."""
    constant = np.arange(1.0, 4.0).astype(np.dtype("f8").newbyteorder("="))
    assert constant.dtype is not np.dtype("f8")
    x = np.array([0.5, -1.0, 2.0])
    graph = graph_of(lambda x: np.exp(x * constant) + constant, x)
    for got, expected in zip(run(graph, backend, x), eager(graph, x), strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-14)


STRAY = [np.negative, np.isnan, np.isfinite, np.isinf, np.signbit]
"""Of which NumPy itself, on some processors, writes only some into every second element, or a column."""


@pytest.mark.parametrize("ufunc", STRAY)
@pytest.mark.parametrize("shape", [(8, 3), (8, 16)])
def test_tiles_that_write_between_gaps(ufunc, shape, monkeypatch):
    monkeypatch.setattr(tile_source, "TILED", 4)
    x = np.random.default_rng(0).standard_normal(shape)
    graph = graph_of(lambda x: ufunc((x * 2).T), x)
    for got, expected in zip(run(graph, "numpy", x), eager(graph, x), strict=True):
        np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("ufunc", STRAY)
def test_steps_that_write_between_gaps(ufunc):
    x = np.random.default_rng(0).standard_normal((16, 8))
    graph = graph_of(ufunc, x[:, :1].T)
    step = StepUnit(graph.steps[0], None, False)
    wide = np.full((16, 8), 7).astype(graph.outputs[0].dtype)
    (made,) = step({}, [wide[:, :1].T], [x[:, :1].T])
    assert np.shares_memory(made, wide)
    np.testing.assert_array_equal(made, [[ufunc(v) for v in x[:, 0]]])


def agree(got, expected, ulps=0):
    assert got.dtype == expected.dtype and got.shape == expected.shape
    if got.dtype.kind != "f":
        np.testing.assert_array_equal(got, expected)
        return
    special = ~np.isfinite(got) | ~np.isfinite(expected)
    np.testing.assert_array_equal(got[special], expected[special])
    assert units_apart(got, expected) <= ulps


def special(dtype):
    d = np.dtype(dtype)
    if d.kind == "b":
        return np.array([False, True])
    if d.kind == "f":
        limits = np.finfo(d)
        ends = [0.0, -0.0, 1.0, -1.0, 0.5, -1.5, 2.5, 3.0, 100.3, -7.25, 1e-3, np.inf, -np.inf, np.nan]
        return np.array([*ends, limits.max, limits.min, limits.tiny, limits.smallest_subnormal], d)
    limits = np.iinfo(d)
    return np.unique(np.array([0, 1, 2, 3, 5, 31, limits.max, limits.max - 1, limits.min, limits.min // 2 + 1], d))


def pairs(*dtypes):
    """Every pair of special values, many times over so that vectors and remainders are met."""
    grids = np.meshgrid(*map(special, dtypes), indexing="ij")
    return [np.tile(g.ravel(), 3) for g in grids]


def exact(name, arrays, out):
    """What a library's function gives in the next wider precision, rounded; for what is exact, NumPy's result."""
    if name not in ULPS or out.dtype.kind != "f":
        return out
    wide = np.float64 if out.dtype == np.float32 else np.longdouble
    with np.errstate(all="ignore"):
        return getattr(np, name)(*[a.astype(out.dtype).astype(wide) for a in arrays]).astype(out.dtype)


def single_step(name, arrays, **params):
    primitive = PRIMITIVES[name]
    inputs = [Var(a.shape, a.dtype) for a in arrays]
    with np.errstate(all="ignore"):
        out = np.asarray(primitive.eval(np, *arrays, **params))
    step = Step(primitive, tuple(inputs), params, (Var(out.shape, out.dtype),))
    return Graph(tuple(inputs), (step,), step.outputs), out


def results(steps, backend):
    """Name, arrays, NumPy's result and ours for all steps that the backend does; loops do many in one kernel."""
    able = {}
    for name, ((graph, out), arrays) in steps.items():
        fused = whole(graph)
        with suppress(UnfusibleError):
            if fused is not None and (backend == "numpy" or fused.source):
                able[name] = graph, out, arrays
    names, many = list(able), TOGETHER if backend == "numba" else 1
    for some in [names[i : i + many] for i in range(0, len(names), many)]:
        graph, _, arrays = able[some[0]]
        group = [able[name][0].steps[0]._replace(inputs=graph.inputs) for name in some]
        outs = tuple([step.outputs[0] for step in group])
        for name, got in zip(some, run(Graph(graph.inputs, tuple(group), outs), backend, *arrays), strict=True):
            yield name, arrays, able[name][1], got


# Operations, one by one, at special values.


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_ufuncs_at_special_values(dtype, backend):
    if backend == "numba" and dtype in "bhHI":
        return  # compiled as those of other lengths
    for nin in (1, 2):
        steps = {}
        for name in [name for name in sorted(UFUNCS) if getattr(np, name).nin == nin]:
            arrays = pairs(*[dtype] * nin)
            if name in ("gcd", "lcm"):
                arrays = [a[a >= 0][: a.size] for a in arrays]
                arrays = [a[: min(map(len, arrays))] for a in arrays]
            try:
                getattr(np, name).resolve_dtypes((np.dtype(dtype),) * nin + (None,))
                steps[name] = single_step(name, arrays), arrays
            except (TypeError, ValueError):  # no such loop; integers refuse some powers
                continue
        for name, arrays, out, got in results(steps, backend):
            if backend == "numba":
                agree(got, exact(name, arrays, out), ULPS.get(name, 0))
            else:
                agree(got, out)
            if out.dtype.kind == "f" and name not in ("maximum", "minimum", "fmax", "fmin"):
                zeros = (out == 0) & (got == 0)
                np.testing.assert_array_equal(np.signbit(got[zeros]), np.signbit(out[zeros]))


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("dtype", "fd")
def test_accuracy_at_random(backend, dtype):
    for nin in (1, 2):
        arrays = [(RNG.standard_normal(20000) * np.exp(RNG.uniform(-6, 5, 20000))).astype(dtype) for _ in range(nin)]
        names = [name for name, f in sorted(UFUNCS.items()) if f.real and getattr(np, name).nin == nin]
        steps = {name: (single_step(name, arrays), arrays) for name in names}
        found = list(results(steps, backend))
        assert [name for name, *_ in found] == names
        for name, arrays, out, got in found:
            if backend == "numba":
                agree(got, exact(name, arrays, out), ULPS.get(name, 0))
            else:
                agree(got, out)


@pytest.mark.parametrize("name", sorted(ULPS))
@pytest.mark.parametrize("dtype", "fd")
def test_numpys_own_functions_are_near(name, dtype):
    """As near as is said of them, so that both sources are."""
    ufunc = getattr(np, name)
    arrays = [(RNG.standard_normal(20000) * np.exp(RNG.uniform(-6, 5, 20000))).astype(dtype) for _ in range(ufunc.nin)]
    _, out = single_step(name, arrays)
    agree(out, exact(name, arrays, out), ULPS[name] + 3)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("source", DTYPES)
def test_casts(source, backend):
    x = np.tile(special(source), 3)
    steps = {}
    for dtype in DTYPES:
        name = "convert" if dtype in "fd" else "convert_to_discrete"
        steps[dtype] = single_step(name, [x], dtype=np.dtype(dtype)), [x]
    found = list(results(steps, backend))
    assert {dtype for dtype, *_ in found} >= set(DTYPES if source not in "fd" else "?iqfd")
    for _, _, out, got in found:
        agree(got, out)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("dtype", "?iqfd")
def test_where_and_clip_at_special_values(backend, dtype):
    x, y = pairs(dtype, dtype)
    mask = RNG.random(x.shape) < 0.5
    for arrays in ([mask, x, y], [x, x, y]):
        graph, out = single_step("select", arrays)
        agree(run(graph, backend, *arrays)[0], out)
    if dtype != "?":
        low, high = [np.array(v, dtype) for v in (-1, 2)]
        graph, out = single_step("clamp", [x, low, high])
        agree(run(graph, backend, x, low, high)[0], out)


# Groups.

X, Y = RNG.standard_normal((5, 7, 6)).astype("f"), RNG.standard_normal((5, 7, 6)).astype("f")
B, V = RNG.standard_normal(6).astype("f"), RNG.standard_normal((5, 1, 1)).astype("f")
T = RNG.integers(0, 6, (5, 7))
S = RNG.standard_normal((9, 2)).astype("f")


def swap(state):
    x, y = state[:, 0], state[:, 1]
    return np.stack([x * y, x - y], axis=-1)


GROUPS = {
    "bias and relu": (lambda x, b: F.relu(x + b), X, B),
    "a mask": (lambda x, y: np.where(x > 0, y, 0), X, Y),
    "rows reduced and used": (lambda x: x / np.sqrt((x * x).sum(-1, keepdims=True)), X),
    "two sweeps over all": (lambda x: (x - x.mean()) / x.std(), X),
    "columns reduced": (lambda x: (np.exp(x).sum(0), x.max((0, 1)), x.min((0, 2))), X),
    "a middle that stays": (lambda x: x.sum((0, 2)), X),
    "columns reduced and used": (lambda x: x - np.tanh(x).sum(1, keepdims=True), X),
    "softmax": (lambda x: F.softmax(x), X),
    "log_softmax over the middle": (lambda x: F.log_softmax(x, 1), X),
    "logsumexp": (lambda x: F.logsumexp(x, -1), X),
    "layer norm": (lambda x: (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-5), X),
    "cross entropy": (lambda x, t: F.cross_entropy(x[0], t[0]), X, T),
    "its gradient": (lambda x, t: vc.vmap(vc.value_and_grad(lambda z, t: F.cross_entropy(z, t)))(x, t), X, T),
    "distances": (lambda x, y: np.linalg.norm(x[0][:, None] - y[0], axis=-1), X, Y),
    "an outer product": (lambda x, y: np.einsum("bi,bj->bij", x[:, 0], y[:, 1]), X[:, :2], Y[:, :2]),
    "a small operand": (lambda x, v, b: x * np.exp(v) + np.log(b * b) * 2, X, V, B),
    "positions apart": (lambda s: swap(s + 0.5 * swap(s)) + s, S),
    "positions reduced": (lambda s: np.stack([s[:, 0], s[:, 1] * 2], -1).sum(-1), S),
    "a transpose": (lambda x: x.transpose(0, 2, 1) * 2, X),
    "sigmoids": (lambda x: F.sigmoid(x) * F.softplus(x) + F.silu(x), X),
    "any and all": (lambda x: ((x > 1).any(-1), (x < 1).all(0), (x > 0).sum(1)), X),
    "a scalar": (lambda x: np.sum(x * 2) + 1, X),
    "numbers": (lambda x: 3 / (2 - x) ** 2 + x**0.5, X),
    "one of many outputs": (lambda x, y: (x, x + y, x * y, np.maximum(x, y)), X, Y),
    "a result nobody made": (lambda x: np.broadcast_to(x[:1] * 1, x.shape), X),
}
SLICED = ("an outer product", "distances", "cross entropy", "a result nobody made")


def unsliced(graph):
    """Steps that pick rows are run beforehand: the group starts after them."""
    head = [s for s in graph.steps if s.primitive.name == "slice_read" and None not in s.params["index"]]
    made = tuple([v for s in head for v in s.outputs])
    rest = [s for s in graph.steps if s not in head]
    read = {a for s in rest for a in s.inputs}
    inputs = tuple([v for v in (*graph.inputs, *made) if v in read])
    before = Graph(graph.inputs, tuple(head), inputs)
    return before, Graph(inputs, tuple(rest), graph.outputs)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", GROUPS)
def test_group(name, backend):
    fun, *arrays = GROUPS[name]
    graph = graph_of(fun, *arrays)
    if name in SLICED:
        before, graph = unsliced(graph)
        arrays = before(*arrays)
    for got, expected in zip(run(graph, backend, *arrays), eager(graph, *arrays), strict=True):
        assert got.dtype == expected.dtype
        np.testing.assert_allclose(got, expected, rtol=2e-5, atol=2e-6)


ELEMENTWISE = ["add", "subtract", "multiply", "maximum", "minimum", "tanh", "negative", "absolute", "less", "rectify"]


@st.composite
def programs(draw):
    """Steps over arrays of shapes that broadcast to one, with reductions that keep their axis."""
    full = draw(st.lists(st.integers(1, 5), min_size=1, max_size=3))
    shapes = st.sampled_from([tuple(full), tuple(full[-1:]), (*full[:-1], 1), (1,) * len(full)])
    arrays = [RNG.standard_normal(draw(shapes)).astype(draw(st.sampled_from("fdi"))) for _ in range(3)]
    values = [Var(a.shape, a.dtype) for a in arrays]
    known = dict(zip(values, arrays, strict=True))
    steps = []
    inputs = tuple(values)
    for _ in range(draw(st.integers(1, 10))):
        reduce = draw(st.integers(0, 3)) == 0
        if reduce:
            x = draw(st.sampled_from(values))
            name = draw(st.sampled_from(["reduce_sum", "reduce_max", "reduce_min"]))
            axis = tuple(sorted(draw(st.sets(st.integers(-len(x.shape), -1), min_size=1))))
            atoms, params = (x,), {"axis": axis, "keepdims": True}
        else:
            name = draw(st.sampled_from(ELEMENTWISE))
            count = 1 if name in ("tanh", "negative", "absolute", "rectify") else 2
            atoms = [draw(st.sampled_from(values)) for _ in range(count)]
            if count == 2 and draw(st.booleans()):
                atoms[1] = Literal(draw(st.sampled_from([2, 0.5, -1])))
            atoms, params = tuple(atoms), {}
        given = [known[a] if isinstance(a, Var) else a.value for a in atoms]
        try:
            with np.errstate(all="ignore"):
                out = np.asarray(PRIMITIVES[name].eval(np, *given, **params))
        except TypeError:
            continue
        if out.dtype == np.float16:
            continue
        v = Var(out.shape, out.dtype)
        steps.append(Step(PRIMITIVES[name], atoms, params, (v,)))
        values.append(v)
        known[v] = out
    made = [v for s in steps for v in s.outputs]
    wanted = draw(st.lists(st.sampled_from(made), min_size=1, max_size=3, unique=True)) if made else []
    return Graph(inputs, tuple(steps), tuple(wanted)), arrays


def check_program(program, backend):
    graph, arrays = program
    if not graph.outputs:
        return
    fused = whole(graph)
    assert fused is not None
    for got, expected in zip(run(graph, backend, *arrays), eager(graph, *arrays), strict=True):
        assert got.dtype == expected.dtype and got.shape == expected.shape
        exact = got.dtype.kind != "f"
        np.testing.assert_allclose(got, expected, rtol=0 if exact else 1e-4, atol=0 if exact else 1e-4)


@settings(max_examples=150, deadline=None, phases=QUICK)
@given(programs())
def test_random_groups_by_numpy(program):
    check_program(program, "numpy")


@pytest.mark.skipif(not compiled.AVAILABLE, reason="no numba")
@settings(max_examples=12, deadline=None, phases=QUICK)
@given(programs())
def test_random_groups_by_numba(program):
    check_program(program, "numba")


# Rows, layouts, memory.


@pytest.mark.parametrize("backend", BACKENDS)
def test_rows_apart(backend):
    graph = graph_of(lambda x: F.softmax(np.tanh(x)), X[:, 0])
    fused = whole(graph)
    assert fused.splits and fused.rows == 5
    outs = empty_outputs(graph)
    bound = getattr(fused, backend)().bind([X[:, 0]], outs)
    for i in range(5):
        bound(i, i + 1)
    np.testing.assert_array_equal(outs[0], run(graph, backend, X[:, 0])[0])


def test_what_reduces_rows_does_not_split():
    assert not whole(graph_of(lambda x: x.sum(0), X)).splits
    assert whole(graph_of(lambda x, b: (x + b, b * 2), X, B)).splits


@pytest.mark.parametrize("backend", BACKENDS)
def test_many_tiles(backend):
    x = RNG.standard_normal(100_003).astype("f")
    graph = graph_of(lambda x: np.maximum(np.tanh(x) * x, 0), x)
    np.testing.assert_allclose(run(graph, backend, x)[0], eager(graph, x)[0], rtol=1e-6)


@pytest.mark.parametrize("backend", BACKENDS)
def test_axes_in_another_order(backend):
    x = np.asfortranarray(X)
    graph = graph_of(lambda x, b: x * b, x, B)
    order = (2, 1, 0)
    fused = whole(graph, orders={graph.inputs[0]: order, graph.outputs[0]: order})
    out = np.empty(X.shape, "f", order="F")
    getattr(fused, backend)()([x, B], [out])
    np.testing.assert_array_equal(out, X * B)


@pytest.mark.parametrize("backend", BACKENDS)
def test_arrays_that_are_not_contiguous(backend):
    graph = graph_of(lambda x: x * 2, X)
    out = np.zeros((5, 7, 12), "f")
    getattr(whole(graph), backend)()([np.asfortranarray(X)], [out[..., ::2]])
    np.testing.assert_array_equal(out[..., ::2], X * 2)


@pytest.mark.parametrize("backend", BACKENDS)
def test_in_place(backend):
    graph = graph_of(lambda p, m, g: (p - 0.1 * (0.9 * m + g), 0.9 * m + g), X, Y, X * Y)
    arrays = [X.copy(), Y.copy(), X * Y]
    expected = eager(graph, *arrays)
    getattr(whole(graph, in_place={0: 0, 1: 1}), backend)()(arrays, arrays[:2])
    np.testing.assert_allclose(arrays[0], expected[0], rtol=1e-6)
    np.testing.assert_allclose(arrays[1], expected[1], rtol=1e-6)


def test_no_memory_in_place_that_is_read_again():
    graph = graph_of(lambda x, y: (y * 2, x - y), X, Y)  # all is read before anything is stored
    assert whole(graph, in_place={0: 0}) is not None
    copied = Graph(graph.inputs, graph.steps[:1], (graph.outputs[0], graph.inputs[0]))
    assert whole(copied, in_place={0: 0}) is None
    graph = graph_of(lambda x: x - x.mean(-1, keepdims=True), X)
    assert whole(graph, in_place={0: 0}) is None


@pytest.mark.parametrize("backend", BACKENDS)
def test_threads(backend):
    x = RNG.standard_normal((64, 5000)).astype("f")
    graph = graph_of(lambda x: np.tanh(x) - x.mean(-1, keepdims=True), x)
    outs = empty_outputs(graph)
    bound = getattr(whole(graph), backend)().bind([x], outs)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda i: bound(i, i + 1), range(64)))
    np.testing.assert_allclose(outs[0], eager(graph, x)[0], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_class_out_of_range(backend):
    graph = graph_of(lambda x, t: F.cross_entropy(x, t), X[0], T[0])
    with pytest.raises(IndexingError, match="a target is 6"):
        run(graph, backend, X[0], np.full(7, 6))


@pytest.mark.parametrize("backend", BACKENDS)
def test_rows_apart_of_what_is_copied_at_the_end(backend):
    """A thread would copy rows that another has not computed yet."""
    graph = graph_of(lambda x: x * 2, X)
    kernel, out = getattr(whole(graph), backend)(), np.zeros((5, 7, 12), "f")[..., ::2]
    assert kernel.splits([np.zeros(X.shape, "f")]) and not kernel.splits([out])
    bound = kernel.bind([X], [out])
    with pytest.raises(ValueError, match="some of the rows"):
        bound(0, 1)
    bound(0, kernel.rows)
    np.testing.assert_array_equal(out, X * 2)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("dtype", ["f", "d"])
def test_small_arrays_are_turned_for_sums_over_a_short_axis(backend, dtype):
    x, y = RNG.standard_normal((500, 16)).astype(dtype), RNG.standard_normal((100, 16)).astype(dtype)
    graph = graph_of(lambda x, y: np.sqrt(np.square(x[:, None] - y).sum(-1)), x, y)
    fused = whole(graph).transposed()
    last = len(fused.expression.lengths) - 1
    assert fused.copied == {graph.inputs[1]} and not any(last in s.over for s in fused.expression.statements)
    out = np.empty((500, 100), dtype)
    getattr(fused, backend)()([x, np.repeat(y, 2, axis=0)[::2]], [out])
    np.testing.assert_allclose(out, np.linalg.norm(x[:, None] - y, axis=-1), rtol=1e-5)


def test_what_is_not_turned():
    wide, tall = np.zeros((500, 400), "f"), np.zeros((100, 400), "f")
    assert whole(graph_of(lambda x: np.square(x).sum(-1), wide)).transposed() is None  # as much as is computed of it
    assert whole(graph_of(lambda x, y: (x[:, None] - y).sum(-1), wide, tall)).transposed() is None  # a long sum
    assert whole(graph_of(lambda x, y: x[:, None] - y, wide[:, :16], tall[:, :16])).transposed() is None  # no sum


# What declines.


@pytest.mark.parametrize(
    ("fun", "arrays"),
    [
        (lambda x: x * 2, [X.astype(complex)]),
        (lambda x: x * 2, [X.astype("e")]),
        (lambda x: np.sort(x), [X]),
        (lambda x: x.reshape(35, 6) * 2, [X]),
        (lambda x: x[:, 1:] * 2, [X]),
        (lambda x, y: x @ y, [X[0], X[0].T]),
        (lambda x: x * 2, [X[:0]]),
        (lambda x: x**2, [T]),
    ],
)
def test_declines(fun, arrays):
    assert whole(graph_of(fun, *arrays)) is None


def test_fusible():
    graph = graph_of(lambda x: np.sort(x) + 1, X)
    assert [fusible(s) for s in graph.steps] == [s.primitive.name == "add" for s in graph.steps]
    for fun in (lambda x: x.reshape(35, 6), lambda x: x[1:], lambda x: x[0] @ x[1].T):
        assert not fusible(graph_of(fun, X).steps[-1])
    for fun in (lambda x: x.reshape(5, 1, 42 // 6, 6), lambda x: x[None], lambda x: x * 2):
        assert fusible(graph_of(fun, X).steps[-1])


def test_what_numpy_is_better_at():
    assert whole(graph_of(lambda x: np.sin(x) * 2, X)).favours_numpy
    assert not whole(graph_of(lambda x: np.exp(x) * 2, X)).favours_numpy
    assert not whole(graph_of(lambda x: np.sin(x) * 2, X.astype("d"))).favours_numpy


def test_without_numba(monkeypatch):
    monkeypatch.setattr(compiled, "AVAILABLE", False)
    assert whole(graph_of(lambda x: x * 2, X)).numba() is None


# Sources and their cache.


def test_sources_are_the_same_each_time():
    fun, *arrays = GROUPS["its gradient"]
    one, other = [whole(graph_of(fun, *arrays)) for _ in range(2)]
    assert one.source == other.source and one.numpy().backend.calls.call is other.numpy().backend.calls.call


@pytest.mark.skipif(not compiled.AVAILABLE, reason="no numba")
def test_one_kernel_for_all_shapes():
    whole(graph_of(lambda x, b: x * b - 0.25, X, B)).numba()
    before = cache.compiled_count
    whole(graph_of(lambda x, b: x * b - 0.25, X[:2, :3], B)).numba()
    assert cache.compiled_count == before
    whole(graph_of(lambda x, b: x * b - 0.25, X[:2, :3].astype("d"), B)).numba()
    assert cache.compiled_count == before + 1


def test_short_rows_have_their_length_in_the_source():
    sources = [
        whole(graph_of(lambda x: x.sum(-1), np.ones(s))).source for s in ((30, 4), (9, 4), (9, 5), (9, 50), (8, 60))
    ]
    assert sources[0] == sources[1] != sources[2] != sources[3] == sources[4]


# Long runs.


def test_repeats_share_a_kernel():
    def rounds(x):
        for _ in range(20):
            for k in range(5):
                x = x * 0.5 + k
        return x

    graph = graph_of(rounds, X)
    groups = cut(graph.steps, limit=64)
    assert [len(g) for g in groups] == [60, 60, 60, 20]
    sources = {
        fuse(g, [graph.inputs[0] if i == 0 else groups[i - 1][-1].outputs[0]], g[-1].outputs).source
        for i, g in enumerate(groups)
    }
    assert len(sources) == 2
    assert sum(map(len, cut(graph_of(lambda x: np.tanh(x) + 1, X).steps))) == 2
