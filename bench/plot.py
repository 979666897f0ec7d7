"""Bars for the contenders of every workload, from 1 to how many times our time they take; and the lines of a sweep."""

from pathlib import Path
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt

from .sweep import along, own_channels

mpl.use("Agg")  # no window


def draw(documents: list[dict[str, Any]], path: Path) -> None:
    """Draws the ratios of all documents, one panel per workload, and writes `path`; its ending gives the format."""
    rows = [row for document in documents for row in document["rows"] if any(c["ratio"] for c in row["contenders"])]
    if not rows:
        raise ValueError("there are no ratios to draw")
    names = list(dict.fromkeys(c["name"] for row in rows for c in row["contenders"]))
    colours = {name: plt.get_cmap("tab20")(i % 20) for i, name in enumerate(names)}
    heights = [sum(c["ratio"] is not None for c in row["contenders"]) + 1 for row in rows]
    figure, axes = plt.subplots(
        len(rows),
        figsize=(9, 0.28 * sum(heights) + 1),
        squeeze=False,
        sharex=True,
        gridspec_kw={"height_ratios": heights},
        layout="constrained",
    )
    for row, panel in zip(rows, axes[:, 0], strict=True):
        entries = [c for c in row["contenders"] if c["ratio"] is not None]
        labels = [c["name"] for c in entries]
        bars = panel.barh(labels, [c["ratio"] - 1 for c in entries], left=1, color=[colours[name] for name in labels])
        panel.bar_label(bars, [f"{c['ratio']:.3g}" for c in entries], padding=3, fontsize=7)
        panel.set_title(row["workload"], loc="left", fontsize=9)
        panel.tick_params(axis="y", labelsize=7)
        panel.invert_yaxis()
        panel.axvline(1, color="black", linewidth=0.8)
        panel.set_xscale("log")
        panel.margins(x=0.15)
    axes[-1, 0].set_xlabel("time / time of vmapcore's vmap, under jit where there is one (to the right of 1: slower)")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=150)
    plt.close(figure)


def draw_sweep(document: dict[str, Any], path: Path) -> None:
    """Time against members, images and channels, a row per model and task, with what linear growth would be."""
    cells = document["cells"]
    kinds = list(dict.fromkeys((c["model"], c["task"]) for c in cells))
    figure, axes = plt.subplots(len(kinds), 3, figsize=(13, 3.6 * len(kinds)), squeeze=False, layout="constrained")
    for row, kind in zip(axes, kinds, strict=True):
        of_kind = [c for c in cells if (c["model"], c["task"]) == kind]
        own = [c for c in of_kind if c["channels"] == own_channels(kind[0])]
        for panel, axis, chosen in zip(row, ("members", "images", "channels"), (own, own, of_kind), strict=True):
            _lines(panel, axis, chosen)
            panel.set_title(f"{kind[0]}, {kind[1]}", loc="left", fontsize=9)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=150)
    plt.close(figure)


def _lines(panel: Any, axis: str, cells: list[dict[str, Any]]) -> None:
    """A line of jit(vmap) for each series of cells along an axis, the loop's dashed, growth like the work's dotted."""
    for i, line in enumerate(line for line in along(cells, axis).values() if len(line) > 1):
        colour = plt.get_cmap("tab10")(i % 10)
        places = [c[axis] for c in line]
        fixed = "images" if axis == "members" else "members"
        panel.plot(places, [c["vmap"] * 1e3 for c in line], "o-", color=colour, label=f"{line[0][fixed]} {fixed}")
        panel.plot(places, [c["loop"] * 1e3 for c in line], "--", color=colour, alpha=0.5, linewidth=0.8)
        last = line[-1]
        panel.plot(places, [last["vmap"] * 1e3 * c["flops"] / last["flops"] for c in line], ":", color="grey")
    panel.set_xscale("log", base=2)
    panel.set_yscale("log")
    panel.set_xlabel(f"{axis} (dashed: loop, dotted: as the work grows)", fontsize=8)
    panel.set_ylabel("ms")
    if panel.lines:
        panel.legend(fontsize=7)
