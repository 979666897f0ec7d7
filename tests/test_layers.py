"""What layers refuse: shapes that would be broadcast without a word, and arrays that would not be trained."""

import re
from typing import Any

import numpy as np
import pytest

import vmapcore as vc
import vmapcore.nn.functional as F
from vmapcore import errors, nn


def fails(error, message):
    return pytest.raises(error, match=re.escape(message))


@pytest.mark.parametrize("shape", [(), (3,), (4, 1), (4, 2), (4, 1, 3), (2, 4, 3, 3)])
def test_batch_norm_has_a_value_for_each_channel(shape):
    norm, x = nn.BatchNorm(3, dtype=np.float64), np.ones(shape)
    message = f"is f64[3] and x {errors.describe(x)}; x has channels on axis 1, and it one value each"
    for call in (norm, norm.train_call):
        with fails(errors.ShapeError, message):
            call(x)
        with fails(errors.ShapeError, message):
            vc.vmap(lambda x, call=call: call(x))(np.ones((2, *shape)))
    with fails(errors.ShapeError, "batch_norm: bias is f64[1] and x f64[2,3]"):
        F.batch_norm(np.ones((2, 3)), np.ones(3), np.ones(3), None, np.ones(1))


@pytest.mark.parametrize("shape", [(), (3,), (4, 3), (2, 1, 1), (2, 3, 2), (2, 2, 1)])
def test_layer_norm_has_a_value_for_each_entry(shape):
    norm, x = nn.LayerNorm((2, 3), dtype=np.float64), np.ones(shape)
    with fails(
        errors.ShapeError, f"layer_norm: weight is f64[2,3] and x {errors.describe(x)}; it must have x's last 2"
    ):
        norm(x)
    with fails(errors.ShapeError, f"layer_norm: bias is f64[2,3] and x {errors.describe(x)}"):
        F.layer_norm(x, 2, None, np.ones((2, 3)))


@pytest.mark.parametrize(
    "layer, x",
    [
        (nn.Linear(3, 3), np.ones((3, 3), np.float32)),
        (nn.Conv2d(3, 3, 1), np.ones((3, 3, 3, 3), np.float32)),
        (nn.BatchNorm(3), np.ones((3, 3), np.float32)),
        (nn.LayerNorm(3), np.ones((3, 3), np.float32)),
        (nn.Embedding(3, 3), np.array([0, 1, 2])),
    ],
    ids=lambda layer: type(layer).__name__,
)
def test_stacked_layers_are_not_called_directly(layer, x):
    """Where all sizes are equal too: the members' axis would be taken for another."""
    with pytest.raises(errors.ShapeError):
        nn.stack([layer] * 3)(x)
    with pytest.raises(errors.ShapeError):
        nn.Ensemble(layer)(x)  # the other way round: one model where a stacked one belongs


@pytest.mark.parametrize("x", [np.ones(2), [0.5], np.array([True, False]), 1.0])
def test_rows_are_looked_up_by_ints(x):
    with fails(errors.DTypeError, f"Embedding: x is {errors.describe(np.asarray(x))}; it must be of ints"):
        nn.Embedding(4, 2)(x)
    assert nn.Embedding(4, 2)([0, 3]).shape == (2, 2)


def test_static_fields_hold_no_arrays():
    """They would be neither trained nor stacked, without a word."""

    class Holder(nn.Module):
        part: Any = nn.static()

    for part in (np.ones(2), nn.Linear(2, 2), (nn.ReLU(), {"a": np.ones(1)}), np.float32(1)):
        with fails(errors.ArgumentError, "Holder.part: is a static field, and"):
            Holder(part)
        with fails(errors.ArgumentError, "Holder.part: is a static field, and"):
            nn.replace(Holder(None), {"part": part})
    for part in (nn.ReLU(), 3, "same", (1, 2), np.tanh, np.float32, None):
        assert Holder(part).part is part


def test_a_module_that_is_no_field():
    with fails(errors.MutationError, "Net.layer: is a module, but no field. Declare it: layer: <type>."):

        class Net(nn.Module):
            layer = nn.Linear(2, 2)


def test_an_ensemble_of_nothing():
    with fails(errors.ArgumentError, "Ensemble: its members have no arrays"):
        nn.Ensemble([nn.ReLU(), nn.ReLU()])
