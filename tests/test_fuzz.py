"""Some hundreds of random programs, and what is planted in them is found: `python -m tests.fuzz` runs thousands."""

import numpy as np
import pytest

from vmapcore import replay
from vmapcore.core import PRIMITIVES
from vmapcore.rules.contract import contract
from vmapcore.thresholds import TINY

from .fuzz.programs import random_program
from .fuzz.running import check_program

pytestmark = [pytest.mark.numpy_plans, pytest.mark.tiny]


@pytest.mark.tiny
@pytest.mark.parametrize("seed", range(0, 300, 20))
def test_programs(seed):
    for k in range(seed, seed + 20):
        _, find = check_program(k)
        assert find is None, find


def wrong_batching(patch):
    """Rows of a cumulative sum come in the wrong order."""
    rule = PRIMITIVES["scan_sum"].vmap
    patch.setattr(PRIMITIVES["scan_sum"], "vmap", lambda *args, **params: rule(*args, **params)[::-1])


def wrong_pullback(patch):
    """The derivative of a product by its second factor is a tenth too small, backwards alone."""
    first, second = PRIMITIVES["multiply"].vjps
    patch.setattr(PRIMITIVES["multiply"], "vjps", (first, lambda *args, **params: 0.9 * second(*args, **params)))


def wrong_tangent(patch):
    """The tangent of a product of matrices is that of one factor."""
    rule = contract.jvp
    patch.setattr(contract, "jvp", lambda tangents, *args, **params: rule((tangents[0], None), *args, **params))


def wrong_labels(patch):
    """A product is taken to run along with the wrong axes of its second operand."""
    axes = contract.axes

    def labels(ins, outs, **params):
        found = axes.labels(ins, outs, **params)
        return found._replace(inputs=(found.inputs[0], found.inputs[1][::-1]))

    patch.setattr(contract, "axes", axes._replace(labels=labels))


def shared_results(patch):
    """A plan gives out the same arrays in every call."""
    call, kept = replay._Plan.__call__, {}

    def again(plan, arrays):
        new = call(plan, arrays)
        old = kept.setdefault(id(plan), new)
        if old is not new:
            for x, y in zip(old, new, strict=True):
                np.copyto(x, y)
        return old

    patch.setattr(replay._Plan, "__call__", again)


def written_arguments(patch):
    """An operation works in the memory of what it is given."""

    def evaluate(xp, x):
        return np.square(x, out=x) if isinstance(x, np.ndarray) and x.flags.writeable and x.ndim else np.square(x)

    patch.setattr(PRIMITIVES["square"], "eval", evaluate)


def wrong_dtype(patch):
    """The mean of float32 is float64."""
    evaluate = PRIMITIVES["reduce_sum"].eval
    patch.setattr(PRIMITIVES["reduce_sum"], "eval", lambda xp, x, **p: evaluate(xp, x, **p).astype(np.float64))


PLANTED = [wrong_batching, wrong_pullback, wrong_tangent, shared_results, written_arguments, wrong_dtype]


@pytest.mark.parametrize("plant", [*PLANTED, *([wrong_labels] if TINY else [])])
def test_what_is_planted_is_found(plant, monkeypatch):
    """Within a hundred programs, and made small."""
    plant(monkeypatch)
    find = next(find for k in range(5000, 5100) if (find := check_program(k)[1]))
    assert len(find[2].lines) <= 4


def test_programs_of_a_seed_are_the_same():
    assert random_program(7) == random_program(7)
