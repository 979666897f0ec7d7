"""Train an ensemble of LeNet-5 on real handwritten digits, all members at once.

The 1,797 digits of scikit-learn, 8x8, are resized to LeNet's 32x32. Every member sees the images in its own order; one
vmap of one training step, under jit, trains them all. Then: each member's test accuracy, the ensemble's, their
calibration, the time of a step by a Python loop over members, by vmap and by jit, and a plot of the curves in
`out/digits_ensemble.png`.

    python examples/digits_ensemble.py [--members 8] [--epochs 12] [--out out/digits_ensemble.png]
"""

import argparse
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from sklearn.datasets import load_digits

import vmapcore as vc
import vmapcore.nn.functional as F
from vmapcore import nn

matplotlib.use("Agg")

BATCH = 64


@dataclass
class Data:
    """Images (n, 1, 32, 32) of float32 in [-1, 1] and labels (n,)."""

    train_images: np.ndarray
    train_labels: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray


def resize(images: np.ndarray, size: int) -> np.ndarray:
    """Resizes square images (n, s, s) to (n, size, size), interpolating linearly between pixel centres."""
    old = images.shape[-1]
    place = np.clip((np.arange(size) + 0.5) * old / size - 0.5, 0, old - 1)
    low = np.minimum(place.astype(int), old - 2)
    weights = np.zeros((size, old), np.float32)
    weights[np.arange(size), low] = 1 - (place - low)
    weights[np.arange(size), low + 1] = place - low
    return np.asarray(weights @ images @ weights.T)


def load_data(seed: int = 0) -> Data:
    """Returns the digits, shuffled, a fifth of them for the test."""
    digits = load_digits()
    images = resize((digits.images / 8 - 1).astype(np.float32), 32)[:, None]
    order = np.random.default_rng(seed).permutation(len(images))
    test, train = order[:360], order[360:]
    return Data(images[train], digits.target[train], images[test], digits.target[test])


def loss(net: nn.LeNet5, images: Any, labels: Any) -> Any:
    """Mean cross-entropy of one member on one minibatch."""
    return F.cross_entropy(net(images), labels)


def train_step(net: Any, state: Any, images: Any, labels: Any, opt: nn.Adam) -> Any:
    """One step of one member: plain code, with no member axis in sight."""
    value, gradient = vc.value_and_grad(loss)(net, images, labels)
    net, state = opt.step(net, gradient, state)
    return net, state, value


in_one = vc.vmap(train_step, in_axes=(0, 0, 0, 0, None))
"""A step of all members."""


def compiled(step: Any, nets: Any, opt: nn.Adam, data: Data, members: int, console: Console) -> float:
    """Has `jit` record, plan and compile a step, which its first two calls do; returns the seconds."""
    images, labels = batches_of(data, members, 1)[0]
    start = time.perf_counter()
    console.print("recording a training step and compiling its kernels: up to a minute, once a machine", soft_wrap=True)
    for _ in range(2):
        step(nets, vc.vmap(opt.init)(nets), images, labels, opt)
    seconds = time.perf_counter() - start
    console.print(f"that took {seconds:.1f} s; training")
    return seconds


def batches_of(data: Data, members: int, count: int) -> list[tuple[Any, Any]]:
    """Minibatches, for each member its own."""
    rng = np.random.default_rng(2)
    found = []
    for _ in range(count):
        chosen = rng.integers(0, len(data.train_images), (members, BATCH))
        found.append((data.train_images[chosen], data.train_labels[chosen]))
    return found


def train(
    step: Any, nets: Any, opt: nn.Adam, data: Data, members: int, epochs: int, console: Console
) -> tuple[Any, dict[str, Any]]:
    """Trains stacked members; returns them, and loss and test accuracy of each member after each epoch."""
    state = vc.vmap(opt.init)(nets)
    rng = np.random.default_rng(1)
    history: dict[str, Any] = {"loss": [], "accuracy": []}
    steps = len(data.train_images) // BATCH
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f}%"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("training", total=epochs * steps)
        for epoch in range(epochs):
            orders = np.stack([rng.permutation(len(data.train_images)) for _ in range(members)])
            losses = []
            for i in range(steps):
                batch = orders[:, i * BATCH : (i + 1) * BATCH]
                left = np.float32(1 - (epoch * steps + i) / (epochs * steps))
                slower = nn.replace(opt, {"lr": opt.lr * left})  # the rate falls to zero along a line
                nets, state, value = step(nets, state, data.train_images[batch], data.train_labels[batch], slower)
                losses.append(value)
                progress.advance(task)
            accuracy = member_accuracy(probabilities(nets, data.test_images), data.test_labels)
            history["loss"].append(np.mean(losses, axis=0))
            history["accuracy"].append(accuracy)
            progress.update(task, description=f"training, test accuracy {accuracy.mean():.1%}")
    return nets, {name: np.array(values) for name, values in history.items()}


def probabilities(nets: Any, images: np.ndarray) -> np.ndarray:
    """Returns (members, n, 10): what each member thinks of the same images."""
    return np.asarray(vc.vmap(lambda net, x: F.softmax(net(x), -1), in_axes=(0, None))(nets, images))


def member_accuracy(p: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Share of right answers, along the axis of images."""
    return np.asarray((p.argmax(-1) == labels).mean(-1))


def calibration_error(p: np.ndarray, labels: np.ndarray, bins: int = 10) -> float:
    """Expected calibration error (Guo et al., 2017): how far confidence and accuracy lie apart, weighted by counts."""
    confidence, right = p.max(-1), p.argmax(-1) == labels
    bin_of = np.minimum((confidence * bins).astype(int), bins - 1)
    return float(
        sum(
            abs(confidence[bin_of == b].mean() - right[bin_of == b].mean()) * (bin_of == b).mean()
            for b in range(bins)
            if (bin_of == b).any()
        )
    )


def compare(fast: Any, nets: Any, opt: nn.Adam, data: Data, members: int, steps: int = 10) -> dict[str, float]:
    """Times the same steps by a loop over members, by vmap and by `fast`, and how far their losses lie apart."""
    batches = batches_of(data, members, steps)

    def together(step: Any) -> Any:
        stacked, state = nets, vc.vmap(opt.init)(nets)
        for images, labels in batches:
            stacked, state, value = step(stacked, state, images, labels, opt)
        return value

    def by_loop() -> Any:
        losses = []
        for member, net in enumerate(nn.unstack(nets)):
            state = opt.init(net)
            for images, labels in batches:
                net, state, value = train_step(net, state, images[member], labels[member], opt)
            losses.append(value)
        return np.stack(losses)

    ways = {"loop": by_loop, "vmap": lambda: together(in_one), "jit": lambda: together(fast)}
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    results = {}
    for _ in range(3):
        for name, run in ways.items():
            start = time.perf_counter()
            results[name] = run()
            seconds[name].append(time.perf_counter() - start)
    apart = max(float(np.abs(results[name] - results["loop"]).max()) for name in ("vmap", "jit"))
    return {**{f"{name}_ms": 1e3 * float(np.median(t)) / steps for name, t in seconds.items()}, "difference": apart}


def plot(history: dict[str, Any], ensemble_accuracy: float, path: Path) -> None:
    """Draws each member's loss and test accuracy over the epochs."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
    epochs = np.arange(1, len(history["loss"]) + 1)
    left.plot(epochs, history["loss"], color="tab:blue", alpha=0.5)
    left.set(xlabel="epoch", ylabel="training loss", yscale="log", title="every member")
    right.plot(epochs, history["accuracy"], color="tab:blue", alpha=0.5)
    right.axhline(ensemble_accuracy, color="tab:orange", label="ensemble, at the end")
    right.set(
        xlabel="epoch", ylabel="test accuracy", ylim=(min(0.9, history["accuracy"].min()), 1), title="every member"
    )
    right.legend()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)
    plt.close(figure)


def main(
    members: int = 8, epochs: int = 12, out: Path = Path("out/digits_ensemble.png"), console: Console | None = None
) -> dict[str, Any]:
    """Runs it all; returns the numbers it prints."""
    console = console or Console()
    data = load_data()
    nets = nn.Ensemble.init(nn.LeNet5, members, rng=0, weight_init=nn.init.he_normal()).stacked
    opt = nn.Adam(lr=np.float32(2e-3), amsgrad=True)  # an array's number: it may differ from call to call under jit
    console.print(
        f"{members} LeNet-5, {len(data.train_images)} digits to learn from, {len(data.test_images)} to test on"
    )
    untrained, step = nets, vc.jit(in_one)
    compiling = compiled(step, nets, opt, data, members, console)
    start = time.perf_counter()
    nets, history = train(step, nets, opt, data, members, epochs, console)
    seconds = time.perf_counter() - start

    p = probabilities(nets, data.test_images)
    accuracy = member_accuracy(p, data.test_labels)
    mean = p.mean(0)
    results = {
        "member_accuracy": accuracy,
        "ensemble_accuracy": float(member_accuracy(mean, data.test_labels)),
        "member_calibration": np.array([calibration_error(q, data.test_labels) for q in p]),
        "ensemble_calibration": calibration_error(mean, data.test_labels),
        "seconds": seconds,
        "history": history,
        "compiling": compiling,
        "timing": compare(step, untrained, opt, data, members),
    }
    plot(history, results["ensemble_accuracy"], out)

    table = Table("", "test accuracy", "calibration error")
    for i in range(members):
        table.add_row(f"member {i}", f"{accuracy[i]:.2%}", f"{results['member_calibration'][i]:.3f}")
    table.add_section()
    table.add_row("mean of members", f"{accuracy.mean():.2%}", f"{results['member_calibration'].mean():.3f}")
    table.add_row("ensemble", f"{results['ensemble_accuracy']:.2%}", f"{results['ensemble_calibration']:.3f}")
    console.print(table)
    timing = results["timing"]
    table = Table("a training step of all members", "ms", "times as fast as the loop")
    for name, way in (("Python loop", "loop"), ("vmap", "vmap"), ("jit(vmap)", "jit")):
        taken = timing[f"{way}_ms"]
        table.add_row(name, f"{taken:.1f}", f"{timing['loop_ms'] / taken:.1f}")
    console.print(table)
    console.print(f"losses after 10 steps differ by {timing['difference']:.1e} at most")
    console.print(f"trained in {seconds:.1f} s; curves in {out}")
    return results


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--members", type=int, default=8)
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--out", type=Path, default=Path("out/digits_ensemble.png"))
    arguments = parser.parse_args()
    main(arguments.members, arguments.epochs, arguments.out)
