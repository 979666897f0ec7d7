"""A graph as a picture, in DOT: a box per step, an arrow per array, steps of one line of source in one frame."""

from collections.abc import Sequence
from itertools import groupby

from .printing import short
from .values import Atom, Literal, Step, Var


def dot(inputs: Sequence[Var], given: Sequence[str], steps: Sequence[Step], outputs: Sequence[Atom]) -> str:
    """The DOT text of a graph whose inputs are called `given` in the user's function."""
    node: dict[Var, str] = {}
    lines = ["  node [shape=box, style=rounded, fontname=monospace]", "  edge [fontname=monospace, fontsize=10]"]
    for i, v in enumerate(inputs):
        node[v] = f"in{i}"
        lines.append(f"  in{i} [shape=ellipse, label={quoted((given[i] if given else '') or f'input {i}')}]")
    for i, step in enumerate(steps):
        node.update(dict.fromkeys(step.outputs, f"step{i}"))
    for group, (line, members) in enumerate(groupby(enumerate(steps), lambda numbered: numbered[1].line)):
        boxes = [f"step{i} [label={quoted(_label(step))}]" for i, step in members]
        if line:
            frame = [f"    label={quoted(line)}; fontname=monospace; fontsize=10; color=gray"]
            lines += [f"  subgraph cluster{group} {{", *frame, *[f"    {box}" for box in boxes], "  }"]
        else:
            lines += [f"  {box}" for box in boxes]
    for i, step in enumerate(steps):
        lines += [_edge(node[a], f"step{i}", a) for a in step.inputs if isinstance(a, Var)]
    for i, a in enumerate(outputs):
        name = f"output {i}" if isinstance(a, Var) else f"output {i} = {a!r}"
        lines.append(f"  out{i} [shape=ellipse, label={quoted(name)}]")
        lines += [_edge(node[a], f"out{i}", a)] if isinstance(a, Var) else []
    return "\n".join(["digraph {", *lines, "}"])


def quoted(text: str) -> str:
    """`text` as a string of DOT: what would end it or mean something in it is escaped."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def _label(step: Step) -> str:
    """The primitive, then its constants and parameters, one a line."""
    constants = [repr(a) for a in step.inputs if isinstance(a, Literal)]
    return "\n".join([step.primitive.name, *constants, *[f"{k}={short(v)}" for k, v in step.params.items()]])


def _edge(source: str, target: str, v: Var) -> str:
    return f"  {source} -> {target} [label={quoted(repr(v))}]"
