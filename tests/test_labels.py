"""The labels of steps: pieces cut along a label make that piece of the result, or terms of it."""

import numpy as np
import pytest

from vmapcore import grad, nn, trace, value_and_grad, vmap
from vmapcore.core import PRIMITIVES, Axes
from vmapcore.errors import VmapcoreError
from vmapcore.graph import Literal
from vmapcore.nn import functional as F
from vmapcore.planning import simplify
from vmapcore.planning.labels import Labels, labels_of, params_for
from vmapcore.planning.plan_primitives import FUSED
from vmapcore.pytree import flatten

from .ops import OPS
from .test_rules import differentiable
from .values import arguments, dtypes


def pieces(step, values, found, label, cut):
    """The results of a step on pieces of its inputs, before and from `cut` on."""
    return [
        run(step, [take(v, axes, label, part) for v, axes in zip(values, found.inputs, strict=True)], found, label)
        for part in (slice(cut), slice(cut, None))
    ]


def take(value, axes, label, part):
    for i, a in enumerate(axes):
        if a == label:
            value = value[(slice(None),) * i + (part,)]
    return value


def run(step, values, found, label):
    shape = list(step.outputs[0].shape)
    lengths = {v.shape[a.index(label)] for v, a in zip(values, found.inputs, strict=True) if label in a}
    for i, a in enumerate(found.outputs[0]):
        if a == label:
            shape[i] = lengths.pop() if lengths else 1
    out = step.primitive.eval(np, *values, **params_for(step, tuple(shape)))
    return out if step.primitive.multiple else (out,)


def check(step, values):
    """Every label of a step: summed or put together, the pieces are the whole. Returns how many labels there were."""
    found = labels_of(step)
    if found is None:
        return 0
    whole = step.run(values)
    in_outputs = {a for axes in found.outputs for a in axes}
    every = {a for axes in (*found.inputs, *found.outputs) for a in axes if a is not None}
    count = 0
    for label in every:
        lengths = {v.shape[a.index(label)] for v, a in zip(values, found.inputs, strict=True) if label in a}
        assert len(lengths) <= 1, f"label {label} has lengths {lengths}"
        if not lengths or min(lengths) < 2:
            continue
        parts = pieces(step, values, found, label, 1)
        for k, (out, axes) in enumerate(zip(whole, found.outputs, strict=True)):
            if label in in_outputs:
                made = np.concatenate([p[k] for p in parts], axis=axes.index(label))
            else:
                made = parts[0][k] + parts[1][k]
            assert made.shape == out.shape
            if out.dtype.kind in "fc":
                np.testing.assert_allclose(made, out, rtol=1e-5, atol=1e-6)
            else:
                np.testing.assert_array_equal(made, out)
        count += 1
    return count


def steps_of(fun, args, passes=lambda graph: graph):
    """The steps of a recorded run with the arrays that went in."""
    graph = passes(trace(fun)(*args))
    leaves = [x for x in args if hasattr(x, "shape")]
    values = dict(zip(graph.inputs, leaves, strict=True))
    for step in graph.steps:
        given = [a.value if isinstance(a, Literal) else values[a] for a in step.inputs]
        yield step, [np.asarray(x) if isinstance(x, list) else x for x in given]
        values.update(zip(step.outputs, step.run(given), strict=True))


def recorded(row):
    """The steps of vmap of a row, and of vmap of its gradient where it has one."""
    dtype = dtypes(row)[0]
    args = arguments(row, dtype, batch=(3,))
    if not args:
        return

    def fun(*xs):
        return row.fun(*xs, **row.params)

    def total(*xs):
        return sum(np.sum(np.real(y)) for y in flatten(fun(*xs))[0])

    moving = differentiable(row)
    for f in [fun, grad(total, argnums=tuple(moving))] if moving else [fun]:
        try:
            yield from steps_of(vmap(f), args)
        except VmapcoreError:
            continue  # what vmap or a recording refuses has no steps


@pytest.mark.parametrize("part", range(8))
def test_pieces_make_the_whole(part):
    for row in OPS[part::8]:
        for step, values in recorded(row):
            try:
                check(step, values)
            except AssertionError as error:
                error.add_note(f"{row.name}: {step.primitive.name} {step.params} {labels_of(step)}")
                raise


def test_every_rule_is_checked():
    """Each primitive with a row of labels stands in some row of the table of operations, with a label to cut."""
    found = {}
    for row in OPS:
        for step, values in recorded(row):
            if step.primitive not in found and check(step, values):
                found[step.primitive] = row.name
    images, targets = np.random.default_rng(0).standard_normal((3, 4, 1, 28, 28)), np.arange(12).reshape(3, 4) % 10
    net = nn.SimpleCNN(rng=0)

    def step_of_training(x, y):
        return value_and_grad(lambda n: F.cross_entropy(n(x), y))(net)

    for step, values in steps_of(vmap(step_of_training), [images, targets], simplify):
        if step.primitive in FUSED and check(step, values):
            found[step.primitive] = "training"
    stated = {p for p in (*PRIMITIVES.values(), *FUSED) if p.axes is not None}
    assert {p.name for p in stated} == {p.name for p in found}


def test_a_wrong_label_is_found(monkeypatch):
    """The check itself: labels that swap two axes, or that call a maximum a sum, do not pass."""
    (step,), (values,) = zip(*steps_of(lambda x: np.max(x, axis=-1), [np.arange(6.0).reshape(2, 3)]), strict=True)
    wrong = [Labels(((0, 1),), ((0,),)), Labels(((1, 0),), ((0,),))]
    for labels_given in wrong:
        axes = Axes(lambda *shapes, given=labels_given, **params: given)
        monkeypatch.setattr(step.primitive, "axes", axes)
        with pytest.raises(AssertionError):
            check(step, values)
