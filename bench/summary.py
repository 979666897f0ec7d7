"""A line per workload: our time with Numba and with NumPy alone, the best peer's, their ratio, and how near the floor.

Other lines compare what a first call costs, and the memory of a call.
"""

from statistics import median
from typing import Any

from .documents import Document
from .floors import floor
from .library import OURS

HEADINGS = (
    "workload",
    "jit vmap",
    "NumPy only",
    "jit loop",
    "vmap",
    "best peer",
    "which",
    "peer / ours",
    "floor / ours",
)


def floor_of(row: dict[str, Any], document: Document) -> float | None:
    """The least seconds the workload can take at the rates measured in the same run."""
    return floor(row.get("counts", {}), document.get("peaks", []))


def medians(row: dict[str, Any]) -> dict[str, float]:
    """The times of all who did the workload right."""
    return {c["name"]: c["median"] for c in row["contenders"] if c["median"] and c["agrees"] and not c["failure"]}


def best_peer(row: dict[str, Any]) -> str | None:
    """Who of the peers was fastest."""
    ours = {c["name"] for c in row["contenders"] if c["library"] in OURS}
    times = {name: t for name, t in medians(row).items() if name not in ours}
    return min(times, key=lambda name: times[name]) if times else None


def lines(document: Document) -> list[list[str]]:
    """The cells of `HEADINGS` for every workload that a jit of ours did."""
    return [_cells(row, document) for row in document["rows"] if _ours(row)]


def _ours(row: dict[str, Any]) -> str | None:
    times = medians(row)
    return next((name for name in ("vmapcore jit vmap", "vmapcore jit") if name in times), None)


def _cells(row: dict[str, Any], document: Document) -> list[str]:
    times, peer, least = medians(row), best_peer(row), floor_of(row, document)
    if _has_numba(row, "vmapcore-numpy jit vmap"):  # it was not kept out
        times.pop("vmapcore-numpy jit vmap", None)
    ours = times[str(_ours(row))]
    shown = [seconds(times.get(f"vmapcore{name}")) for name in ("-numpy jit vmap", " jit loop", " vmap")]
    return [
        row["workload"],
        seconds(ours) + ("" if _numba(row) else " (NumPy only)"),
        *shown,
        seconds(times[peer] if peer else None),
        peer or "–",
        f"{times[peer] / ours:.2f}" if peer else "–",
        f"{least / ours:.0%}" if least else "–",
    ]


def _numba(row: dict[str, Any]) -> bool:
    """Whether our contender had Numba; a function that computes nothing needs none."""
    return _has_numba(row, str(_ours(row))) or row["task"] == "dispatch"


def _has_numba(row: dict[str, Any], name: str) -> bool:
    return any(c["name"] == name and c["notes"].get("numba") for c in row["contenders"])


def seconds(value: float | None) -> str:
    """A duration in the unit that suits it."""
    if value is None:
        return "–"
    for factor, unit in ((1, "s"), (1e3, "ms")):
        if value * factor >= 0.999:
            return f"{value * factor:.3g} {unit}"
    return f"{value * 1e6:.3g} µs"


def size(value: int | None) -> str:
    """A number of bytes."""
    return "–" if value is None else f"{value / 1e6:.3g} MB"


PLANNING = ("workload", "eager vmap", "its first call", "allowed", "jit vmap", "NumPy only")


def planning(document: Document) -> list[list[str]]:
    """The cells of `PLANNING`: what the first two calls cost beyond a later one, and what the project allows itself.

    That is one and a half times a call of the eager vmap and 50 ms, without Numba; full caches of it may add 100 ms.
    What touches much memory for the first time is slow without jit as well.
    """
    found = []
    for row in document["rows"]:
        by_name = {c["name"]: c for c in row["contenders"] if c["median"] and c["first"] is not None}
        eager = medians(row).get("vmapcore vmap")
        beyond = []
        for name in FIRST[:2]:
            entry = by_name.get(name)
            alone = name == FIRST[0] or not _has_numba(row, name)
            times = [entry["first"], entry.get("second")] if entry and alone else [None]
            beyond.append(None if entry is None or None in times else max(0.0, sum(times) - entry["median"]))
        if beyond[0] is not None:
            allowed = None if eager is None else 1.5 * eager + 0.05
            first = by_name["vmapcore vmap"]["first"] if eager is not None else None
            found.append([row["workload"], *map(seconds, (eager, first, allowed, *beyond))])
    return found


PROGRAMS = ("program", "loop", "np.vectorize", "vmap", "jit vmap", "loop / vmap", "loop / jit vmap")


def programs(rows: list[dict[str, Any]]) -> list[list[str]]:
    """The cells of `PROGRAMS`, then the median and the least of the ratios."""
    found, ratios = [], times(rows)
    for row in rows:
        name, taken = row["workload"].partition(":")[2], medians(row)
        found.append([name, *[seconds(taken.get(who)) for who in (LOOP, "numpy vectorize", *SWEPT)], *ratios[name]])
    return found + [[name, "", "", "", "", *ratios[name]] for name in ("median", "least")]


LOOP, *SWEPT = "vmapcore loop", "vmapcore vmap", "vmapcore jit vmap"


def times(rows: list[dict[str, Any]]) -> dict[str, list[str]]:
    """How many times faster than the loop each of `SWEPT` is, by programs; and the median and the least of them all."""
    ratios: dict[str, list[float | None]] = {}
    for row in rows:
        taken = medians(row)
        ours = [taken[who] if who in taken and LOOP in taken else None for who in SWEPT]
        ratios[row["workload"].partition(":")[2]] = [t and taken[LOOP] / t for t in ours]
    columns = [[r for r in column if r is not None] for column in zip(*ratios.values(), strict=True)]
    for name, of in (("median", median), ("least", min)):
        ratios[name] = [of(column) if column else None for column in columns]
    return {name: ["–" if r is None else f"{r:.2g}" if r < 10 else f"{r:.0f}" for r in ratios[name]] for name in ratios}


def first_calls(document: Document) -> list[list[str]]:
    """What recording, planning and compiling cost, with caches empty and full, beside a call of the eager vmap."""
    found = []
    for row in document["rows"]:
        by_name = {c["name"]: c for c in row["contenders"] if c["compiled"] and c["first"] is not None}
        cells = [row["workload"], seconds(medians(row).get("vmapcore vmap"))]
        for name in FIRST:
            entry = by_name.get(name)
            cells += [_both(entry, "cold", "cold second"), _both(entry, "first", "second")] if entry else ["–", "–"]
        if "vmapcore jit vmap" in by_name:
            found.append(cells)
    return found


def _both(entry: dict[str, Any], *calls: str) -> str:
    """The time of two calls: what the first puts off, the second does."""
    times = [entry[call] for call in calls]
    return seconds(None if None in times else sum(times))


def memories(document: Document) -> list[list[str]]:
    """The memory of a call, of ours and of peers: its results, what it computes on its way, and what is kept for it."""
    found = []
    for row in document["rows"]:
        by_name = {c["name"]: c.get("call memory") for c in row["contenders"] if not c["failure"]}
        if by_name.get("vmapcore jit vmap") is not None:
            found.append([row["workload"], *[size(by_name.get(name)) for name in WEIGHED]])
    return found


WEIGHED = (
    "vmapcore jit vmap",
    "vmapcore-numpy jit vmap",
    "vmapcore vmap",
    "vmapcore loop",
    "torch loop",
    "torch vmap",
    "torch-compile vmap",
    "jax jit vmap",
)

FIRST = ("vmapcore jit vmap", "vmapcore-numpy jit vmap", "torch-compile vmap", "jax jit vmap")


def markdown(document: Document) -> str:
    """The tables of the README, with the command that measured them."""
    command = f"`python -m bench {' '.join(document['command'])}`"
    if swept := [row for row in document["rows"] if row["task"] == "program"]:
        return f"{command}\n\n{_markdown([*PROGRAMS], programs(swept))}"
    table = _markdown(["workload", "ours", *HEADINGS[2:]], lines(document))
    if weighed := memories(document):
        table += "\n" + _markdown(["memory of a call", *WEIGHED], weighed)
    if not document.get("cold"):
        return f"{command}\n\n{table}"
    headings = [
        "first two calls",
        "a call of eager vmap",
        *(f"{name}, {how}" for name in FIRST for how in ("cold", "cached")),
    ]
    return f"{command}\n\n{table}\n{_markdown(headings, first_calls(document))}"


def _markdown(headings: list[str], rows: list[list[str]]) -> str:
    rule = ["---"] + ["---:"] * (len(headings) - 1)
    return "".join("| " + " | ".join(cells) + " |\n" for cells in (headings, rule, *rows))
