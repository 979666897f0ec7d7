"""A bar for every contender of every workload, from 1 to how many times our vmap's time it takes."""

from pathlib import Path
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt

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
    axes[-1, 0].set_xlabel("time / time of vmapcore's vmap (to the right of 1: slower)")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=150)
    plt.close(figure)
