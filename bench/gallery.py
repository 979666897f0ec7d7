"""The page of the gallery: of each program what it computes, how it is vmapped, and how fast that is."""

import inspect
from textwrap import fill
from typing import Any

from . import programs
from .documents import RESULTS, Document
from .summary import LOOP, SWEPT, medians, seconds, times

MEASURED = RESULTS / "programs.json"

WIDTH = 120
"""Of a line of the page."""

HEAD = """# The gallery

Programs as scientists write them who know nothing of vmapcore: plain NumPy and SciPy, with loops, branches, writes,
classes and random draws, in [examples/numpy_code](../examples/numpy_code). None was changed. Of each the tests hold
`vmap` over a sweep of its arguments, `jit` of that, and derivatives, against a Python loop and finite differences.

{counts}

{times}

    python -m bench run programs --json bench/results/programs.json
    python -m bench gallery > docs/gallery.md

"""


def page(document: Document) -> str:
    """The text of docs/gallery.md, with the times of a document."""
    rows = {row["workload"].partition(":")[2]: row for row in document["rows"] if row["task"] == "program"}
    ratios = times([*rows.values()])
    parts = [HEAD.format(counts=_counts(), times=_times(document, next(iter(rows.values())), ratios))]
    return "\n".join(parts + [_section(name, rows.get(name), ratios.get(name)) for name in programs.names()])


def _counts() -> str:
    every, alone, ragged = len(programs.names()), len(programs.AS_ONE), len(programs.RAGGED)
    return _wrapped(
        f'Of {every}, {alone} need nothing said, {every - alone} need `branches="split"`, as their rows answer '
        f"questions differently, and {ragged} of those `out_axes=list` too, as their results differ in length."
    )


def _times(document: Document, row: dict[str, Any], ratios: dict[str, list[str]]) -> str:
    machine = document["machine"]
    found = [f"{name} {', '.join(ratios[name])}" for name in ("median", "least")]
    return _wrapped(
        f"Times are medians for {row['sizes']['rows']:,} rows on {machine['usable cores']} cores of an "
        f"{machine['processor']}. How many times the loop's time is that of `vmap` and of `jit(vmap)`: "
        f"{'; '.join(found)}. The commands are"
    )


def _section(name: str, row: dict[str, Any] | None, ratios: list[str] | None) -> str:
    program = programs.load(name)
    parts = [f"## {name}", _wrapped(f"{programs.title(name)}."), f"```python\n{_call(program)}\n```"]
    needs = " and ".join([f"`{option}`" for option in _options(program)]) or "nothing"
    derivatives = " It has derivatives." if program.differentiable else ""
    parts.append(_wrapped(f"Has {', '.join(program.features)}. Needs {needs}.{derivatives}"))
    if row is not None and ratios is not None:
        taken = medians(row)
        loop, vectorize, mapped, jitted = [seconds(taken.get(who)) for who in (LOOP, "numpy vectorize", *SWEPT)]
        parts.append(
            f"Loop {loop}, `np.vectorize` {vectorize}; `vmap` {mapped} ({ratios[0]}×), "
            f"`jit(vmap)` {jitted} ({ratios[1]}×)."
        )
    return "\n\n".join([*parts, ""])


def _call(program: programs.Program) -> str:
    names = list(inspect.signature(program.fun).parameters)[: len(program.in_axes)]
    options = "".join([f", {option}" for option in _options(program)])
    axes = "" if set(program.in_axes) == {0} else f", in_axes={program.in_axes}"
    mapped, arguments = f"vmap({program.fun.__name__}{axes}{options})", ", ".join(names)
    line = f"{mapped}({arguments})"
    return line if len(line) <= WIDTH else f"{mapped}(\n    {arguments}\n)"


def _options(program: programs.Program) -> list[str]:
    return [f"{name}=list" if value is list else f'{name}="{value}"' for name, value in program.options.items()]


def _wrapped(text: str) -> str:
    return fill(text, WIDTH, break_long_words=False, break_on_hyphens=False)
