"""`python -m bench sweep`: jit(vmap) against a loop over the jitted function, over members, images and channels.

vmap must never be slower than the loop, and its time must grow no faster than the work: every cell of the grid where
the ratio is below 1 is measured again, longer, and marked if it stays there; so is every step along the grid where the
time grows much faster than the work. Cells are measured from the least work to the most, within a number of seconds,
and kept after each, so that another run goes on where one stopped.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import pairwise, product
from math import prod
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

import vmapcore.nn.functional as F
from vmapcore import grad, jit, vmap

from . import documents, machine
from .documents import Document
from .models import MODELS, Model
from .trees import tree_map

Cell = dict[str, Any]

SCHEMA = "sweep 1"
TASKS = ("forward", "gradients")

MEMBERS: tuple[int, ...] = (1, 2, 4, 8, 16, 32, 64)
IMAGES: tuple[int, ...] = (1, 4, 16, 64, 256, 1024)
CHANNELS: tuple[int, ...] = (1, 4, 16, 64, 256)
WIDE_MEMBERS: tuple[int, ...] = (1, 8, 64)
WIDE_IMAGES: tuple[int, ...] = (16,)
"""With what the channels vary; else they are the model's own."""

CLIFF = 2.0
"""How many times more than the work the time may grow from one cell to the next."""

NOISE = 0.97
"""Ratios between this and 1 are marked as less than 1, and are no finding: the loop over one member is vmap's equal."""

BRIEF = 1e-3
"""Seconds below which a time is mostly fixed costs, and how it grows says nothing."""

BYTES = 1 << 30
"""Arguments may take so many."""


@dataclass(frozen=True)
class Limits:
    """How long the sweep may take, and how much work a cell may be."""

    seconds: float = 270.0
    flops: float = 8e9
    block: float = 0.04
    rounds: int = 3


@dataclass(frozen=True, order=True)
class Point:
    """A place of the grid; the least work comes first."""

    flops: int
    model: str
    task: str
    members: int
    images: int
    channels: int

    @property
    def key(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in ("model", "task", "members", "images", "channels")}


def own_channels(name: str) -> int:
    """The width of the first layer of a model as it is."""
    return next(iter(MODELS[name].shapes.values()))[0]


def widened(name: str, channels: int) -> Model:
    """A model with so many channels, or hidden units, in its first layer; inner layers grow alike, outputs stay 10."""
    model = MODELS[name]
    first = own_channels(name)
    shapes: dict[str, tuple[int, ...]] = {}
    before, after = 1, 1  # how many inputs a layer had, and has
    for key, shape in model.shapes.items():
        if len(shape) == 1:
            shapes[key] = (after,)
            continue
        inputs = shape[1] if not shapes else shape[1] * after // before
        before, after = shape[0], shape[0]
        if len(shape) == 4 or (name == "mlp" and shape[0] != 10):
            after = -(-shape[0] * channels // first)
        shapes[key] = (after, inputs, *shape[2:])
    return replace(model, shapes=shapes)


def flops(model: Model, task: str) -> int:
    """The products for one image, twice; those of gradients are about three times as many."""
    side, total = model.image[1], 0
    for layer in model.layers:
        shape = model.shapes.get(f"{layer}.weight", ())
        if len(shape) == 4:
            side -= shape[-1] - 1
        elif layer == "pool":
            side //= 2
        total += 2 * prod(shape) * (side**2 if len(shape) == 4 else 1) if shape else 0
    return total * (3 if task == "gradients" else 1)


def grid(models: tuple[str, ...], tasks: tuple[str, ...], most: float, small: bool = False) -> list[Point]:
    """The points within the limit of work, from the least on."""
    few = slice(0, 2 if small else None)
    points = set()
    for name, task in product(models, tasks):
        own = own_channels(name)
        sizes = [(m, n, own) for m, n in product(MEMBERS[few], IMAGES[few])]
        sizes += [(m, n, c) for m, n, c in product(WIDE_MEMBERS[few], WIDE_IMAGES[few], CHANNELS[few])]
        for members, images, channels in sizes:
            model = widened(name, channels)
            arguments = 4 * members * (images * prod(model.image) + sum(map(prod, model.shapes.values())))
            work = flops(model, task) * members * images
            if work <= most and arguments <= BYTES:
                points.add(Point(work, name, task, members, images, channels))
    return sorted(points)


def forward(model: Model, params: dict[str, Any], x: Any) -> Any:
    for layer in model.layers:
        if layer == "relu":
            x = F.relu(x)
        elif layer == "pool":
            x = F.max_pool2d(x, 2)
        elif layer == "flatten":
            x = F.flatten(x, 1)
        else:
            w, b = params[f"{layer}.weight"], params.get(f"{layer}.bias")
            x = F.linear(x, w, b) if w.ndim == 2 else F.conv2d(x, w, b)
    return x


def calls(point: Point) -> tuple[Callable[[], Any], Callable[[], Any]]:
    """The loop over members and the vmap, each to be called without arguments."""
    rng = np.random.default_rng(0)
    model = widened(point.model, point.channels)
    params = model.parameters(rng, point.members)
    x = rng.standard_normal((point.members, point.images, *model.image), dtype=np.float32)
    y = rng.integers(0, 10, (point.members, point.images))

    def logits(params: Any, x: Any, y: Any) -> Any:
        return forward(model, params, x)

    def loss(params: Any, x: Any, y: Any) -> Any:
        return F.cross_entropy(forward(model, params, x), y)

    f: Callable[..., Any] = logits if point.task == "forward" else grad(loss)
    alone, together = jit(f), jit(vmap(f))
    rows = [_row(i, params, x, y) for i in range(point.members)]
    return lambda: [alone(*row) for row in rows], lambda: together(params, x, y)


def _row(member: int, params: Any, x: Any, y: Any) -> tuple[Any, ...]:
    return tree_map(lambda p: p[member], params), x[member], y[member]


def timed(pair: tuple[Callable[[], Any], ...], rounds: int, block: float) -> list[list[float]]:
    """The times of calls in blocks that alternate; each block begins with a call that is not counted if it is short."""
    times: list[list[float]] = [[] for _ in pair]
    for turn in range(rounds):
        for i in range(len(pair)):
            which = (i + turn) % len(pair)
            time.sleep(0.01)
            end = time.perf_counter() + block
            fresh: list[float] = []
            while time.perf_counter() < end or len(fresh) < 1:
                start = time.perf_counter()
                pair[which]()
                fresh.append(time.perf_counter() - start)
            times[which] += fresh[1:] or fresh
    return times


def measured(point: Point, limits: Limits) -> Cell:
    """A cell of the result. What seems slower than the loop is measured three times as long before it is said to be."""
    pair = calls(point)
    firsts = []
    for call in pair:
        start = time.perf_counter()
        call()
        firsts.append(time.perf_counter() - start)
    times = timed(pair, limits.rounds, limits.block)
    again = median(times[0]) < median(times[1])
    if again:
        times = [a + b for a, b in zip(times, timed(pair, 2 * limits.rounds, limits.block), strict=True)]
    loop, mapped = map(median, times)
    return {
        **point.key,
        "flops": point.flops,
        "loop": loop,
        "vmap": mapped,
        "ratio": loop / mapped,
        "again": again,
        "first loop": firsts[0],
        "first vmap": firsts[1],
    }


def started(path: Path, fresh: bool) -> Document:
    """The document of an earlier run on this machine with these versions, to go on with, or a new one."""
    about = machine.describe()
    if path.exists() and not fresh:
        found = documents.load(path, SCHEMA)
        if all(found[key] == about[key] for key in ("machine", "versions")):
            return found
    return {"schema": SCHEMA, **about, "cells": [], "left": 0}


def run(points: list[Point], path: Path, limits: Limits, fresh: bool, tick: Callable[[Point], None]) -> Document:
    """Measures the points that are not in the document yet, one at least; saved after each, until seconds are over."""
    document = started(path, fresh)
    have = [{name: cell[name] for name in points[0].key} for cell in document["cells"]] if points else []
    left = [point for point in points if point.key not in have]
    end = time.perf_counter() + limits.seconds
    for i, point in enumerate(left):
        tick(point)
        document["cells"].append(measured(point, limits))
        document["left"] = len(left) - i - 1
        documents.save(document, path)
        if time.perf_counter() > end:
            break
    return document


def slower(document: Document) -> list[Cell]:
    """The cells where vmap takes longer than the loop, by more than noise."""
    return [cell for cell in document["cells"] if cell["ratio"] < NOISE]


def cliffs(document: Document) -> list[tuple[Cell, Cell, float]]:
    """Steps along the grid where the time of vmap grows much faster than the work, with how much faster."""
    found = []
    for axis in ("members", "images", "channels"):
        for line in along(document["cells"], axis).values():
            for a, b in pairwise(line):
                faster = b["vmap"] / a["vmap"] / (b["flops"] / a["flops"])
                if a["vmap"] > BRIEF and faster > CLIFF:
                    found.append((a, b, faster))
    return found


def along(cells: list[Cell], axis: str) -> dict[tuple[Any, ...], list[Cell]]:
    """The lines of the grid in one direction, by what stays the same in them."""
    fixed = [name for name in ("model", "task", "members", "images", "channels") if name != axis]
    lines: dict[tuple[Any, ...], list[Cell]] = {}
    for cell in sorted(cells, key=lambda c: c[axis]):
        lines.setdefault(tuple([cell[name] for name in fixed]), []).append(cell)
    return lines


def tables(document: Document) -> Iterator[tuple[str, list[str], list[list[str]]]]:
    """A title, headings and rows: members down; images, then channels, to the right."""
    for name, task in product(MODELS, TASKS):
        cells = [c for c in document["cells"] if (c["model"], c["task"]) == (name, task)]
        own = [c for c in cells if c["channels"] == own_channels(name)]
        wide = [c for c in cells if c["images"] in WIDE_IMAGES and c["members"] in WIDE_MEMBERS]
        for axis, chosen in (("images", own), ("channels", wide)):
            if not chosen:
                continue
            across = sorted({c[axis] for c in chosen})
            ratios = {(c["members"], c[axis]): f"{c['ratio']:.2f}" + ("<" if c["ratio"] < 1 else " ") for c in chosen}
            rows = [
                [str(m), *(ratios.get((m, n), "– ") for n in across)] for m in sorted({c["members"] for c in chosen})
            ]
            yield f"{name}, {task}: loop / vmap", [f"members, by {axis}", *map(str, across)], rows
