"""Tables of what was measured."""

from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from . import sweep
from .documents import Document
from .library import LIBRARIES, installed
from .summary import (
    FIRST,
    HEADINGS,
    PLANNING,
    PROGRAMS,
    WEIGHED,
    first_calls,
    floor_of,
    lines,
    memories,
    planning,
    programs,
    seconds,
    size,
)
from .workloads import WORKLOADS


def workloads_table() -> Table:
    """What there is to run."""
    table = _table("workloads", "workload", "what", "size")
    for workload in WORKLOADS.values():
        table.add_row(workload.name, workload.title, workload.described("full"))
    return table


def libraries_table() -> Table:
    """Who can take part."""
    table = _table("contenders", "library", "installed", "variants", "in overhead")
    for name, known in LIBRARIES.items():
        there = "yes" if installed(name) else "no"
        table.add_row(name, there, ", ".join(known.variants), ", ".join(known.overhead) or "–")
    return table


def _table(title: str, *headings: str) -> Table:
    table = Table(
        title=title, title_justify="left", box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, collapse_padding=True
    )
    for heading in headings:
        table.add_column(heading, no_wrap=heading not in ("what", "variants"))
    return table


def show(document: Document, console: Console) -> None:
    """Prints a document: what it was measured on, then the tables."""
    for line in (*headline(document), "ratio: to the time of vmapcore's vmap under jit, above 1 is slower"):
        say(console, line)
    swept = [row for row in document["rows"] if row["task"] == "program"]
    rows, document = document["rows"], {**document, "rows": [row for row in document["rows"] if row not in swept]}
    for row in document["rows"]:
        if row["task"] != "overhead":
            console.print(_timings(row, floor_of(row, document)), "")
    chains = [row for row in rows if row["task"] == "overhead"]
    if chains:
        console.print(_overhead(chains), "")
    if swept:
        _print(console, f"programs: {swept[0]['sizes']['rows']} rows of their sweeps", PROGRAMS, programs(swept))
    if found := lines(document):
        _print(console, "in short: the best peer's time over ours, and how much of ours is the floor", HEADINGS, found)
    if found := planning(document):
        _print(console, "recording and planning: the first two calls, less a later one", PLANNING, found)
    if weighed := memories(document):
        _print(console, "memory of a call", ("workload", *WEIGHED), weighed)
    if document.get("cold"):
        headings = ("workload", "eager vmap", *(f"{name}, {how}" for name in FIRST for how in ("cold", "cached")))
        _print(
            console,
            "the first two calls together, with empty caches on disk and with full ones",
            headings,
            first_calls(document),
        )
    for row in rows:
        for problem in problems(row):
            say(console, problem, "red")


def _print(console: Console, title: str, headings: tuple[str, ...], rows: list[list[str]]) -> None:
    table = _table(title, *headings)
    for row in rows:
        table.add_row(*row)
    console.print(table, "")


def show_sweep(document: Document, console: Console) -> None:
    """The ratios as tables; then what is slower than the loop, and where the time jumps."""
    for title, headings, rows in sweep.tables(document):
        table = _table(title, headings[0])
        for heading in headings[1:]:
            table.add_column(heading, justify="right", no_wrap=True)
        for row in rows:
            table.add_row(*row)
        console.print(table, "")
    for cell in sweep.slower(document):
        say(console, f"slower than the loop: {_place(cell)}: {seconds(cell['vmap'])}, the loop {seconds(cell['loop'])}")
    for a, b, faster in sweep.cliffs(document):
        say(console, f"a cliff: {_place(b)}: {faster:.1f} times more than the work, from {_place(a)}")
    if document["left"]:
        say(console, f"{document['left']} cells are left; the same command goes on with them", "yellow")


def _place(cell: dict[str, Any]) -> str:
    return f"{cell['model']} {cell['task']}, {cell['members']} × {cell['images']} images, {cell['channels']} channels"


def say(console: Console, line: str, style: str = "") -> None:
    """Prints a line as it is, brackets and numbers included."""
    console.print(line, style=style, highlight=False, markup=False, soft_wrap=True)


def headline(document: Document) -> list[str]:
    """Machine, versions and settings in three lines."""
    machine, versions = document["machine"], document["versions"]
    pools = ", ".join(f"{pool['internal_api']} {pool['num_threads']}" for pool in document["threads"]["pools"])
    return [
        f"{machine['processor']}, {machine['usable cores']} of {machine['cores']} cores, threads: {pools}",
        ", ".join(f"{name} {version}" for name, version in versions.items()),
        f"{document['when']}: device {document['device']}, precision {document['precision']}, "
        f"size {document['size']}, {document['repeat']} rounds" + _peaks(document),
    ]


def _peaks(document: Document) -> str:
    """The rates behind the floors, as they were before and after."""
    peaks = document.get("peaks", [])
    rates = [f"{p['flops'] / 1e9:.0f} GFLOP/s and {p['bytes'] / 1e9:.1f} GB/s" for p in peaks]
    return f"; products and copies at {', then '.join(rates)}" if rates else ""


def _timings(row: dict[str, Any], floor: float | None) -> Table:
    least = f"; floor {seconds(floor)}" if floor else ""
    table = _table(f"{row['workload']}: {row['title']}{least}", "contender")
    for heading in ("median", "ratio", "least", "most", "first", "second", "cold", "memory", "error"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("agrees", no_wrap=True)
    best = min((c["median"] for c in row["contenders"] if c["median"]), default=None)
    for entry in row["contenders"]:
        table.add_row(*_cells(entry), style="bold" if best and entry["median"] == best else "")
    return table


def _cells(entry: dict[str, Any]) -> list[str]:
    least, _, _, most = entry["spread"] or [None] * 4
    ratio = "–" if entry["ratio"] is None else f"{entry['ratio']:.2f}"
    error = "–" if entry["error"] is None else f"{entry['error']:.0e}"
    return [
        entry["name"],
        seconds(entry["median"]),
        ratio,
        seconds(least),
        seconds(most),
        seconds(entry["first"]),
        seconds(entry.get("second")),
        seconds(entry.get("cold")),
        size(entry.get("memory")),
        error,
        _agrees(entry),
    ]


def _agrees(entry: dict[str, Any]) -> str:
    return "failed" if entry["failure"] else {True: "yes", False: "NO", None: "–"}[entry["agrees"]]


def _overhead(rows: list[dict[str, Any]]) -> Table:
    """A line per contender, a column per operation, and the range of the ratios."""
    table = _table("overhead: µs per primitive, the slope of the time of chains over their length", "contender")
    for heading in (*(row["workload"].partition(":")[2] for row in rows), "ratio"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("agrees", no_wrap=True)
    for entries in zip(*(row["contenders"] for row in rows), strict=True):
        slopes = ["–" if e["median"] is None else f"{e['median'] * 1e6:.2f}" for e in entries]
        ratios = sorted(e["ratio"] for e in entries if e["ratio"] is not None)
        table.add_row(
            entries[0]["name"],
            *slopes,
            f"{ratios[0]:.1f} … {ratios[-1]:.1f}" if ratios else "–",
            ", ".join(sorted({_agrees(e) for e in entries})),
        )
    return table


def problems(row: dict[str, Any]) -> list[str]:
    """A line for each contender that failed or disagrees."""
    lines = []
    for entry in row["contenders"]:
        if entry["failure"]:
            lines.append(f"{row['workload']}: {entry['name']} failed: {entry['failure']}")
        elif entry["agrees"] is False:
            error = "" if entry["error"] is None else f", off by {entry['error']:.2e}"
            lines.append(f"{row['workload']}: {entry['name']} disagrees at {entry['where']}{error}")
    return lines
