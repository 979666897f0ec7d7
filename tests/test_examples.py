"""The examples run, and their numbers are those of the tutorials they rebuild."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest

pytestmark = pytest.mark.tiny_deep

EXAMPLES = Path(__file__).parent.parent / "examples"


def load(name):
    """Imports an example as a module."""
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def close(a, b):
    return np.allclose(a, b, atol=1e-3, rtol=1e-5)


def test_cnn_ensemble():
    cnn = load("cnn_ensemble")
    results = cnn.main(batch=16, repeat=0)
    assert results["leading"] == [10] * 8
    assert results["vmap_separate"].shape == (10, 16, 10)
    assert close(results["vmap_separate"], results["loop_separate"])
    assert close(results["vmap_shared"], results["loop_shared"])
    assert not close(results["loop_shared"], results["loop_separate"])


def test_mlp_ensemble():
    load("cnn_ensemble")
    mlp = load("mlp_ensemble")
    results = mlp.main(mlp.nn.SimpleMLP, repeat=0)
    assert results["leading"] == [10] * 6
    assert results["vmap_separate"].shape == (10, 64, 10)
    assert close(results["vmap_separate"], results["loop_separate"])
    assert close(results["vmap_shared"], results["loop_shared"])


def test_stacked_state_ensemble():
    results = load("stacked_state_ensemble").main()
    assert list(results["leading"].values()) == [10] * 6
    assert next(iter(results["leading"])) == "fc1.weight"
    assert not any(isinstance(x, np.ndarray) for x in results["base"].state_dict().values())
    assert close(results["vmap_separate"], results["loop_separate"])
    assert close(results["vmap_shared"], results["loop_shared"])


@pytest.mark.parametrize("batch", [8, pytest.param(64, marks=pytest.mark.deep)])
def test_per_sample_gradients(batch):
    results = load("per_sample_gradients").main(batch)
    shapes = {
        "conv1.weight": (batch, 32, 1, 3, 3),
        "conv1.bias": (batch, 32),
        "conv2.weight": (batch, 64, 32, 3, 3),
        "conv2.bias": (batch, 64),
        "fc1.weight": (batch, 128, 9216),
        "fc1.bias": (batch, 128),
        "fc2.weight": (batch, 10, 128),
        "fc2.bias": (batch, 10),
    }
    assert {name: g.shape for name, g in results["vmap"].items()} == shapes
    for name, gradient in results["vmap"].items():
        assert np.allclose(gradient, results["loop"][name], atol=3e-3, rtol=1e-5), name
        assert np.abs(gradient).max() > 0, name


@pytest.fixture(scope="module")
def tour():
    return load("vmap_tour")


def test_tour_convolutions(tour):
    found = tour.convolutions()
    assert np.array_equal(found["one"], [8, 14, 20])
    for case in ("batch", "axes", "shared"):
        assert np.array_equal(found[case], [[8, 14, 20]] * 3), case
        assert found[case].dtype == np.float32
    assert np.array_equal(
        found["every"],
        [
            [[6, 9, 12], [12, 18, 24], [18, 27, 36]],
            [[9, 12, 15], [18, 24, 30], [27, 36, 45]],
            [[12, 15, 18], [24, 30, 36], [36, 45, 54]],
        ],
    )


def test_tour_gradients(tour):
    by_x = [[2.83662200e-01, -1.45500034e-01, 4.42569796e-03], [-1.45500034e-01, 4.42569796e-03, 1.36737213e-01]]
    by_y = [[5.67324400e-01, -2.91000068e-01, 8.85139592e-03], [-2.91000068e-01, 8.85139592e-03, 2.73474425e-01]]
    for found in tour.gradients().values():
        assert np.allclose(found[0], by_x, atol=1e-6) and np.allclose(found[1], by_y, atol=1e-6)


def test_tour_layer(tour):
    """The tutorial's weights are not printed, but the smallest that give its numbers give the rest of them too."""
    from_a = np.array(
        [[0.0219292, -0.01062493, -0.03378957, -0.02589925], [0.03091274, -0.04968021, -0.08098207, -0.07896652]]
    )
    from_b = np.array(
        [[0.02492371, -0.02364336, -0.0495204, -0.04358834], [0.03390725, -0.06269865, -0.09671289, -0.09665561]]
    )
    from_c = np.array(
        [[0.02791822, -0.03666179, -0.06525123, -0.06127743], [0.03690176, -0.07571708, -0.11244373, -0.1143447]]
    )
    found = tour.layer()
    dense = found["dense"]
    assert np.array_equal(found["loop"], found["vmap"]) or np.allclose(found["loop"], found["vmap"], atol=1e-7)
    assert np.abs(dense.weight).max() < 0.05 and not dense.bias.any()
    weight = np.linalg.lstsq(np.array([[1.0, 2, 3], [4, 5, 6]]), from_a, rcond=None)[0].T.astype(np.float32)
    theirs = tour.nn.load_state_dict(dense, {"weight": weight, "bias": dense.bias})
    inputs = np.arange(1, 7, dtype=np.float32).reshape(2, 3) + np.arange(3, dtype=np.float32)[:, None, None]
    assert np.allclose(tour.vc.vmap(theirs)(inputs), np.stack([from_a, from_b, from_c]), atol=1e-6)


def test_tour_ensembles(tour, capsys):
    found = tour.ensembles()
    nets, minibatch = found["nets"], found["minibatch"]
    assert found["shared"].shape == found["separate"].shape == (4, 3, 10)
    assert np.allclose(found["shared"], np.stack([net(minibatch) for net in nets]), atol=1e-7)
    separate = np.stack([net(x) for net, x in zip(nets, found["minibatches"], strict=True)])
    assert np.allclose(found["separate"], separate, atol=1e-7)
    losses = found["losses"]
    assert losses.shape == (10, 4)
    assert np.allclose(losses[0], 2.30258, atol=1e-4)  # log 10: small weights make all classes equal
    assert (losses[-1] < losses[0]).all()
    assert losses[-1, 0] < losses[-1, 2] < losses[-1, 1]  # the largest rate goes fastest, the smallest slowest
    assert losses[-1, 3] < losses[-1, 1]
    assert np.allclose(found["trained"][0], found["member"], rtol=1e-4, atol=1e-5)
    assert capsys.readouterr().out.count("loss of each member") == 10


def test_digits_ensemble(tmp_path):
    digits = load("digits_ensemble")
    results = digits.main(members=3, epochs=9, out=tmp_path / "curves.png", console=digits.Console(quiet=True))
    assert (results["member_accuracy"] >= 0.97).all()
    assert results["ensemble_accuracy"] >= results["member_accuracy"].mean()
    assert results["history"]["loss"].shape == (9, 3)
    assert (results["history"]["loss"][-1] < 0.2 * results["history"]["loss"][0]).all()
    assert results["timing"]["difference"] < 1e-2 and results["compiling"] > 0
    assert {"loop_ms", "vmap_ms", "jit_ms"} < results["timing"].keys()
    assert 0 <= results["ensemble_calibration"] < 0.1
    assert (tmp_path / "curves.png").stat().st_size > 10_000


def test_calibration_error_of_known_cases():
    digits = load("digits_ensemble")
    sure_and_right = np.eye(10)[[1, 2, 3]]
    assert digits.calibration_error(sure_and_right, np.array([1, 2, 3])) == 0
    assert digits.calibration_error(sure_and_right, np.array([0, 0, 0])) == 1
    assert np.isclose(digits.calibration_error(np.array([[0.7, 0.3]] * 2), np.array([0, 1])), 0.2)
    assert np.allclose(digits.resize(np.ones((1, 8, 8), np.float32), 32), 1)
