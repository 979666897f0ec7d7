"""What every primitive states of itself, and what a plan makes of it: one kernel with others, tiles, or whole."""

import numpy as np
import pytest

from vmapcore import grad, trace, vmap
from vmapcore.core import PRIMITIVES, Axes, Memory, Primitive
from vmapcore.cpu.fusion.fused import fuse
from vmapcore.graph import Literal, Step, Var
from vmapcore.planning.expressions.lowering import fusible
from vmapcore.planning.labels import labels_of
from vmapcore.planning.plan_primitives import FUSED, cross_entropy_along, cross_entropy_grad, rectify_grad

from .ops import OPS
from .primitives_in_plans import FUSES, TILES, WHOLE
from .test_labels import recorded
from .together import together

ALL = {**PRIMITIVES, **{p.name: p for p in FUSED}}


@pytest.fixture(scope="module")
def steps():
    """Of each primitive the steps that the table of operations reaches."""
    found = {}
    for row in OPS:
        for step, _ in recorded(row):
            found.setdefault(step.primitive.name, []).append(step)
    return found


@together("name", ALL)
def test_every_primitive_states_what_is_known_of_it(name):
    primitive = ALL[name]
    assert primitive.work is not None, "does not state its work; @facts or a family does"
    assert isinstance(primitive.memory, Memory)
    assert primitive.axes is None or isinstance(primitive.axes, Axes)
    assert primitive.formula is None or callable(primitive.formula)


def test_what_a_plan_makes_of_each_is_written_down():
    """A new primitive needs a place in primitives_in_plans.py, and one that lost its axes or its formula another."""
    ways = {name: FUSES if p.formula else TILES if p.axes else WHOLE for name, p in ALL.items()}
    misplaced = {name for name, way in ways.items() if name not in way}
    assert not misplaced and len(ways) == len({*FUSES, *TILES, *WHOLE})


def single(step):
    """The kernel of a step alone."""
    inputs = [a for a in dict.fromkeys(step.inputs) if isinstance(a, Var)]
    return fuse([step], inputs, step.outputs)


ELSEWHERE = {rectify_grad.name, cross_entropy_along.name, cross_entropy_grad.name}
"""Made by plans alone: test_fusion_axes.py has them."""


@together("name", sorted({*FUSES} - ELSEWHERE - {"isnat"}))
def test_a_formula_makes_a_kernel(steps, name):
    """Of every step that is said to fuse, in the shapes and dtypes of the table."""
    kernels = [single(step) for step in steps[name] if fusible(step)]
    assert kernels and None not in kernels


OF_ONE_SHAPE = {"reshape", "broadcast_to", "slice_read", "contract"}
"""Their parameters say of which."""


@together("name", sorted({*FUSES} - ELSEWHERE - OF_ONE_SHAPE - {"isnat"}))
def test_a_formula_does_not_depend_on_sizes(steps, name):
    """An `eval` that goes another way for large arrays has a formula all the same."""
    step = next(step for step in steps[name] if fusible(step))
    large = {v: Var((1 << 20, *v.shape), v.dtype) for v in (*step.inputs, *step.outputs) if isinstance(v, Var)}
    inputs = tuple([large.get(a, a) for a in step.inputs])
    assert single(Step(step.primitive, inputs, step.params, (large[step.outputs[0]],))) is not None


def test_a_declaration_is_all_it_takes():
    """An elementwise operation of one statement is tiled, fused and counted without a word anywhere else."""
    made = PRIMITIVES["tanh"]
    x = np.ones((4, 5), np.float32)
    (step,) = trace(vmap(np.tanh))(x).steps
    assert step.primitive is made and labels_of(step).outputs == ((0, 1),) and step.flops == 20 and single(step)


def test_powers_are_as_squares_are():
    """Programs that say the same are planned the same."""

    def ways(fun):
        graph = trace(vmap(grad(lambda w, x: np.sum(fun(x @ w) @ w))))(np.ones((2, 3, 3)), np.ones((2, 4, 3)))
        return [labels_of(step) is None for step in graph.steps if len(step.outputs[0].shape) == 3]

    assert not any(ways(np.square)) and not any(ways(lambda a: a**2)) and not any(ways(lambda a: np.maximum(a, 0)))


def test_an_unstated_primitive_is_noticed():
    new = Primitive(lambda xp, x: x, name="new", listed=False)
    with pytest.raises(AssertionError, match="state its work"):
        _ = Step(new, (Literal(1.0),), {}, (Var((), np.dtype(float)),)).flops
