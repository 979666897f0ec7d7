"""Graphs as objects: what they cost, counted by hand, and how they are printed and drawn."""

import re
import shutil
import subprocess

import numpy as np
import pytest

from vmapcore import at, external, grad, nn, trace, vmap
from vmapcore.core import PRIMITIVES
from vmapcore.graph import Graph, Var
from vmapcore.graph.totals import TAKEN, summary
from vmapcore.nn.functional import conv2d, cross_entropy, max_pool2d
from vmapcore.planning import simplify

from .graphs import Builder


def traced(fun, *shapes, dtype=np.float32):
    return trace(fun)(*[np.ones(shape, dtype) for shape in shapes])


# Operations.


def test_matmul():
    assert traced(np.matmul, (3, 4), (4, 5)).flops == 2 * 3 * 4 * 5


def test_stack_of_products():
    assert traced(np.matmul, (7, 3, 4), (4, 5)).flops == 7 * 2 * 3 * 4 * 5


def test_outer_product_has_no_sums():
    assert traced(lambda x, y: np.einsum("i,j->ij", x, y), (3,), (5,)).flops == 15


def test_sum_and_elementwise():
    assert traced(lambda x: np.sum(np.exp(x) * 2), (6, 7)).flops == 3 * 42


@pytest.mark.parametrize("groups", [1, 2])
def test_conv(groups):
    def fun(x, w, b):
        return conv2d(x, w, b, groups=groups)

    graph = traced(fun, (2, 4, 8, 8), (6, 4 // groups, 3, 3), (6,))
    out = 2 * 6 * 6 * 6
    assert graph.flops == out * (2 * (4 // groups) * 9 + 1)


def test_both_gradients_of_conv_cost_what_conv_does():
    """Each of the three sums over the same products."""
    products = 2 * 2 * 6 * 36 * 4 * 9

    def fun(x, w):
        return conv2d(x, w)

    assert traced(fun, (2, 4, 8, 8), (6, 4, 3, 3)).flops == products
    graph = traced(grad(lambda x, w: np.sum(fun(x, w)), argnums=(0, 1)), (2, 4, 8, 8), (6, 4, 3, 3))
    costs = {step.primitive.name: cost.flops for step, cost in zip(graph.steps, graph.costs, strict=True)}
    assert costs["conv_input_grad"] == costs["conv_weight_grad"] == products


def test_gradients_of_grouped_conv_cost_what_it_does():
    def fun(x, w):
        return conv2d(x, w, groups=2)

    graph = traced(grad(lambda x, w: np.sum(fun(x, w)), argnums=(0, 1)), (3, 4, 8, 8), (6, 2, 3, 3))
    costs = {step.primitive.name: cost.flops for step, cost in zip(graph.steps, graph.costs, strict=True)}
    assert costs["conv"] == costs["conv_input_grad"] == costs["conv_weight_grad"] == 3 * 6 * 36 * 2 * 9 * 2


def test_lenet():
    """The multiply-adds of the five layers, as in any account of the network, and what lies between."""
    graph = trace(lambda net, x: net(x))(nn.LeNet5(rng=0), np.ones((1, 1, 32, 32), np.float32))
    conv1, conv2 = 6 * 784 * 25, 16 * 100 * 6 * 25
    dense = 400 * 120 + 120 * 84 + 84 * 10
    biases = 120 + 84 + 10
    rectifiers = 6 * 784 + 16 * 100 + 120 + 84
    pools = 6 * 784 + 16 * 100
    convolved = [step for step in graph.steps if step.primitive.name == "conv"]
    biases += sum([step.outputs[0].size for step in convolved if len(step.inputs) > 2])
    assert graph.flops == 2 * (conv1 + conv2 + dense) + biases + rectifiers + pools


@pytest.mark.parametrize(
    ("fun", "shapes", "flops"),
    [
        (np.sort, [(5, 8)], 40 * 3),
        (np.linalg.cholesky, [(6, 6)], 6**3 / 3),
        (np.linalg.solve, [(3, 6, 6), (3, 6, 2)], 3 * (2 / 3 * 6**3 + 2 * 36 * 2)),
        (np.linalg.inv, [(6, 6)], 2 * 6**3),
        (np.fft.fft, [(4, 8)], 4 * 5 * 8 * 3),
        (np.fft.rfft, [(4, 8)], 4 * 5 * 8 * 3 / 2),
        (np.fft.irfft, [(4, 5)], 4 * 5 * 8 * 3 / 2),
        (lambda x: max_pool2d(x, 2), [(3, 4, 4)], 48),
        (np.cross, [(5, 3), (5, 3)], 9 * 5),
        (lambda x: np.linspace(x[0], x[1], 7), [(2,)], 2 * 7),
        (lambda x: np.astype(x, np.float32), [(3, 4)], 0),
        (lambda x: np.astype(x, np.int64), [(3, 4)], 0),
        (lambda x: x.T.reshape(-1), [(3, 4)], 0),
        (lambda x: np.concatenate([x, x]), [(3, 4)], 0),
    ],
)
def test_formulas(fun, shapes, flops):
    def definite(*xs):
        return fun(*[x + 0 for x in xs])

    arrays = [np.eye(shape[-1]) + np.zeros(shape) if shape[-1:] == shape[-2:-1] else np.ones(shape) for shape in shapes]
    made = sum([a.size for a in arrays])
    assert trace(definite)(*arrays).flops - made == int(flops)


def steps_named(graph, *names):
    """The operations of the steps that apply these primitives."""
    return [c.flops for step, c in zip(graph.steps, graph.costs, strict=True) if step.primitive.name in names]


@pytest.mark.parametrize("fun", [np.convolve, lambda x, w: np.correlate(x, w, "full")])
@pytest.mark.parametrize(("n", "m"), [(20, 5), (5, 20), (7, 7), (3, 1)])
def test_every_pair_of_two_sequences_meets_once(fun, n, m):
    assert steps_named(traced(fun, (n,), (m,)), "slide") == [2 * n * m]
    assert steps_named(traced(vmap(fun), (3, n), (3, m)), "slide") == [3 * 2 * n * m]


def test_convolutions_that_keep_within_the_sequence():
    inside = traced(lambda x, w: np.convolve(x, w, "valid"), (20,), (5,))
    assert steps_named(inside, "slide") == [2 * 16 * 5]
    same = traced(lambda x, w: np.convolve(x, w, "same"), (20,), (5,))
    assert steps_named(same, "slide") == [2 * (20 * 5 - 2 * (1 + 2))]


def test_padding_that_is_not_zero_is_computed_with():
    def fun(x, w, value):
        return np.convolve(np.pad(x, 2, constant_values=value), w, "valid")

    assert steps_named(traced(lambda x, w: fun(x, w, 1.0), (6,), (3,)), "slide") == [2 * 8 * 3]
    assert steps_named(traced(lambda x, w: fun(x, w, 0.0), (6,), (3,)), "slide") == [2 * 6 * 3]


def test_the_derivative_of_a_convolution_meets_the_same_pairs():
    graph = traced(grad(lambda x, w: np.sum(np.convolve(x, w)), argnums=1), (20,), (5,))
    assert steps_named(graph, "slide")[-1] == 2 * 20 * 5


def test_cofactors_take_singular_values():
    graph = trace(grad(np.linalg.det))(np.eye(6))
    assert steps_named(graph, "cofactors") == [25 * 6**3]


def test_scatters_add_what_they_are_given():
    i = np.array([0, 2, 2])
    assert steps_named(traced(lambda x, v: at(x)[i].add(v), (9, 4), (3, 4)), "scatter_add") == [12]
    assert steps_named(traced(lambda x: at(x)[i].add(1.0), (9, 4)), "scatter_add") == [12]
    assert steps_named(traced(lambda x: at(x)[i[:, None], i].add(1.0), (9, 4)), "scatter_add") == [9]
    graph = trace(vmap(lambda x, i: at(x)[i].add(1.0)))(np.ones((5, 9)), np.zeros((5, 3), int))
    assert steps_named(graph, "scatter_add") == [15]
    assert steps_named(traced(grad(lambda x: np.sum(np.sin(x[i]))), (9, 4)), "scatter_place") == [12]


def test_what_is_put_at_places_of_its_own_is_not_added():
    graph = traced(grad(lambda x: np.sum(np.sort(x)[:2])), (9,))
    assert steps_named(graph, "scatter_along", "scatter_place") == [0]


def test_a_fused_loss_counts_its_parts():
    x, y = np.ones((3, 4), np.float32), np.array([0, 2, 1])
    assert steps_named(simplify(trace(cross_entropy)(x, y)), "cross_entropy_along") == [5 * 12]
    assert steps_named(simplify(trace(grad(cross_entropy))(x, y)), "cross_entropy_grad") == [6 * 12]


COMPLEX = [
    (lambda z: z * z, 5 * 6),
    (lambda z: z * 2.0, 5 * 2),
    (lambda z: z * 2j, 5 * 6),
    (lambda z: z + z, 5 * 2),
    (lambda z: z / z, 5 * 11),
    (lambda z: 2.0 / z, 5 * 11),
    (lambda z: z / 2.0, 5 * 2),
    (np.reciprocal, 5 * 11),
    (np.square, 5 * 6),
    (np.conjugate, 5),
    (np.exp, 5 * 2),
    (np.abs, 5 * 4),
    (np.sign, 5 * 6),
    (np.real, 0),
    (lambda z: z == 0, 5 * 2),
    (np.sum, 5 * 2),
    (np.cumsum, 5 * 2),
    (np.prod, 5 * 6),
    (np.linalg.norm, 5 * 4),
    (lambda z: z @ z, 5 * 8),
    (lambda z: z.real @ z, 5 * 4),
    (lambda z: np.outer(z, z), 25 * 6),
    (lambda z: np.outer(z.real, z), 25 * 2),
    (lambda z: np.convolve(z, z), 25 * 8),
    (lambda z: np.cross(z[:3], z[:3]), 3 * 14),
    (lambda z: z.astype(np.complex64), 0),
    (lambda z: np.concatenate([z, z]), 0),
]


@pytest.mark.parametrize(("fun", "flops"), COMPLEX)
def test_complex_numbers(fun, flops):
    assert traced(fun, (5,), dtype=complex).flops == flops


def test_matrices_of_complex_numbers():
    assert traced(np.matmul, (6, 6), (6, 6), dtype=complex).flops == 8 * 6**3
    for fun in (np.linalg.inv, np.linalg.eigh, np.linalg.cholesky, lambda a: np.linalg.solve(a, a)):
        whole, real = trace(fun)(np.eye(6, dtype=complex)).flops, trace(fun)(np.eye(6)).flops
        assert 4 * real <= whole < 4 * real + 4


def test_a_transform_of_complex_numbers_is_the_whole_one():
    assert traced(np.fft.fft, (8,), dtype=complex).flops == 5 * 8 * 3


def test_every_row_is_a_primitive():
    assert {*TAKEN} <= {*PRIMITIVES}


def test_an_operation_of_an_author_counts_as_elementwise():
    op = external(lambda x: x + 1, result=lambda x: x, vmap_method="expand_dims")
    assert traced(op, (3, 4)).flops == 12


def test_no_steps():
    graph = Graph((Var((3,), np.dtype("f4")),), (), ())
    assert (graph.flops, graph.bytes, graph.peak_memory, graph.costs) == (0, 0, 0, ())


# Bytes.


def test_bytes_read_and_written():
    graph = traced(lambda x, y: np.add(x, y), (10, 4), (4,))
    assert graph.bytes == 4 * (40 + 4 + 40)


def test_costs_more_compares_what_is_computed_and_moved():
    graph = traced(lambda x: np.sum(np.tanh(x.T) @ x + 1, axis=0), (10, 10))
    assert graph.costs_more(graph.flops + graph.bytes - 1)
    assert not graph.costs_more(graph.flops + graph.bytes)


def test_readers_of_a_value():
    graph = traced(lambda x: (x * x) + np.exp(x), (3,))
    (x,) = graph.inputs
    assert graph.readers[x] == [0, 0, 1]
    assert graph.readers[graph.steps[1].outputs[0]] == [2]
    assert graph.outputs[0] not in graph.readers


def test_what_is_read_twice_counts_once():
    assert traced(lambda x: x * x, (10,)).bytes == 4 * 20


def test_views_of_one_array_are_read_as_what_they_share():
    """Of an array, each byte is read once."""
    assert trace(lambda x: x.T + x)(np.ones((10, 10))).bytes == 1600
    assert traced(lambda x: x[1:] - x[:-1], (10,)).bytes == 4 * (10 + 9)
    assert traced(lambda x: x[:3] + x[7:], (10,)).bytes == 4 * (6 + 3)
    assert traced(lambda x: np.matmul(x.T, x), (10, 4)).bytes == 4 * (40 + 16)
    assert traced(lambda x: np.exp(x).T + x, (10, 10)).bytes == 4 * (200 + 300)


@pytest.mark.parametrize(
    "fun",
    [lambda x, i: x[i], lambda x, i: np.take(x, i, 0), vmap(lambda x, i: x[i], (None, 0)), lambda x, i: x[::-1][i]],
)
def test_a_gather_reads_what_it_takes(fun):
    graph = trace(fun)(np.ones((5000, 64), np.float32), np.arange(8))
    assert graph.bytes == 8 * 8 + 2 * 8 * 64 * 4


def test_a_gather_along_an_axis_reads_what_it_takes():
    x, i = np.ones((5, 1000), np.float32), np.zeros((5, 3), np.int64)
    assert trace(lambda x, i: np.take_along_axis(x, i, 1))(x, i).bytes == 15 * (8 + 4 + 4)
    assert trace(vmap(lambda x, i: x[i]))(x, i).bytes == 15 * (8 + 4 + 4)


def test_a_gather_of_more_than_there_is_reads_all_of_it():
    graph = trace(lambda x, i: x[i])(np.ones(10), np.zeros(1000, np.int64))
    assert graph.bytes == 10 * 8 + 1000 * (8 + 8)


def test_indices_that_are_taken_from_are_read():
    assert trace(lambda i: i[i])(np.arange(10)).bytes == 2 * 80
    assert trace(lambda i: i[i[:2]])(np.arange(10)).bytes == 16 + 16 + 16


def test_a_binary_search_reads_what_it_compares_with():
    graph = trace(np.searchsorted)(np.ones(1000), np.ones(2))
    assert graph.bytes == 2 * 10 * 8 + 2 * 8 + 2 * 8


def test_a_loss_reads_the_scores_of_its_targets():
    graph = traced(lambda x: cross_entropy(x, np.zeros(3, int), reduction="none"), (3, 1000))
    costs = {step.primitive.name: cost.bytes for step, cost in zip(graph.steps, graph.costs, strict=True)}
    assert costs["nll_along"] == 3 * (4 + 8 + 4)


def test_a_scatter_writes_all_of_a_new_array():
    i = np.array([0, 2, 2])
    graph = traced(lambda x, v: at(x)[i].add(v), (9, 4), (3, 4))
    assert graph.bytes == 4 * (36 + 12 + 36) + 3 * 8
    graph = traced(lambda x, v: at(x)[i].set(v), (9, 4), (3, 4))
    assert graph.bytes == 4 * (36 + 12 + 36) + 3 * 8
    graph = traced(grad(lambda x: np.sum(np.sin(x[i]))), (9, 4))
    (placed,) = [c for step, c in zip(graph.steps, graph.costs, strict=True) if step.primitive.name == "scatter_place"]
    assert placed.bytes == 4 * (12 + 36) + 3 * 8


def test_views_move_nothing():
    graph = traced(lambda x: x.T[1:].reshape(-1), (10, 4))
    assert [cost.bytes for cost in graph.costs] == [0, 0, 2 * 4 * 30]


def test_a_broadcast_array_is_read_as_what_it_repeats():
    graph = traced(lambda x, y: np.broadcast_to(x, (10, 4)) * y, (4,), (10, 4))
    assert graph.bytes == 4 * (4 + 40 + 40)


# Memory.


def test_peak_memory_of_a_chain():
    """Two arrays at a time: inputs count nowhere."""
    assert traced(lambda x: np.exp(np.exp(np.exp(x))), (100,)).peak_memory == 2 * 400


def test_peak_memory_of_what_lives_long():
    def fun(x):
        a = np.exp(x)
        return np.sin(np.cos(np.tan(a))) + a

    assert traced(fun, (100,)).peak_memory == 3 * 400


def test_results_live_to_the_end():
    assert traced(lambda x: [np.exp(x), np.sin(x), np.cos(x)], (100,)).peak_memory == 3 * 400


def test_views_share_memory():
    def fun(x):
        a = np.exp(x)
        return a.reshape(2, 50).T + 1

    assert traced(fun, (100,)).peak_memory == 2 * 400


def test_views_keep_their_base_alive():
    def fun(x):
        a = np.exp(x)[:1]
        return np.sin(x), a

    assert traced(fun, (100,)).peak_memory == 2 * 400


def test_views_of_inputs_cost_nothing():
    assert traced(lambda x: x.T, (10, 10)).peak_memory == 0


def test_a_transposed_array_is_copied_to_be_reshaped():
    assert traced(lambda x: x.T.reshape(-1), (10, 10)).peak_memory == 400
    assert traced(lambda x: x.T.reshape(10, 1, 10), (10, 10)).peak_memory == 0


def test_alive_per_step():
    graph = traced(lambda x: np.exp(np.exp(x)) + 1, (100,))
    assert [cost.alive for cost in graph.costs] == [400, 800, 800]


# Text.


def test_totals_are_the_last_line():
    graph = traced(np.matmul, (100, 200), (200, 300))
    assert str(graph).splitlines()[-1] == "  # 12 Mflop, 440 kB moved, at most 120 kB at once"
    assert str(graph).splitlines()[-2] == "  return c"


@pytest.mark.parametrize(
    ("n", "text"),
    [(0, "0 flop"), (999, "999 flop"), (1000, "1 kflop"), (1_234_567, "1.23 Mflop"), (5 * 10**16, "5e+04 Tflop")],
)
def test_numbers_are_short(n, text):
    assert summary(n, 0, 0).startswith(text)


# Drawings.

STRING = r'"(?:[^"\\]|\\.)*"'
ATTRIBUTES = rf"\[\w+=(?:\w+|{STRING})(?:, \w+=(?:\w+|{STRING}))*\]"
STATEMENTS = [
    r"digraph \{",
    r"\}",
    r"subgraph cluster\d+ \{",
    rf"label={STRING}(?:; \w+=\w+)*",
    rf"\w+ {ATTRIBUTES}",
    rf"\w+ -> \w+ {ATTRIBUTES}",
]


def check_dot(text):
    """Every line is a statement of DOT, braces are balanced, and arrows go between nodes that are there."""
    depth = 0
    for line in text.splitlines():
        assert any(re.fullmatch(pattern, line.strip()) for pattern in STATEMENTS), line
        depth += line.rstrip().endswith("{") - (line.strip() == "}")
        assert depth >= 0
    assert depth == 0
    nodes = set(re.findall(r"^\s*(\w+) \[", text, re.M))
    ends = re.findall(r"^\s*(\w+) -> (\w+)", text, re.M)
    assert {name for pair in ends for name in pair} <= nodes
    if shutil.which("dot"):
        subprocess.run(["dot", "-Tcanon"], input=text, text=True, check=True, capture_output=True)


def test_drawing_of_a_gradient():
    text = traced(grad(lambda x: np.sum(np.tanh(x) * x)), (3, 4)).draw()
    check_dot(text)
    assert 'label="f32[3,4]"' in text and "subgraph" in text and '"reduce_sum\\naxis=(-2, -1)' in text


def test_drawing_of_a_network():
    check_dot(trace(lambda net, x: net(x))(nn.LeNet5(rng=0), np.ones((1, 1, 32, 32), np.float32)).draw())


def test_drawing_of_odd_names():
    b = Builder()
    x = b.input(np.ones(2))
    y = b("add", x, 1)
    graph = b.graph(y, x, 2.5)
    odd = graph.with_steps([step._replace(line='C:\\new "file".py:3 in <lambda>\n}') for step in graph.steps])
    text = Graph(odd.inputs, odd.steps, odd.outputs, ('["a\\"]',)).draw()
    check_dot(text)
    assert 'output 2 = 2.5"' in text


def test_drawing_without_lines_has_no_frames():
    b = Builder()
    x = b.input(np.ones(2))
    graph = b.graph(b("add", x, 1))
    assert "subgraph" not in graph.with_steps([step._replace(line="") for step in graph.steps]).draw()
