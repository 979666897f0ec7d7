"""A graph as text: one line per step, with shapes, dtypes and where in the user's code it comes from."""

from collections.abc import Iterator, Sequence
from itertools import count, product
from string import ascii_lowercase
from typing import Any

from .values import Atom, Literal, Step, Var

MAX_WIDTH = 100
"""Where the lines of source begin at the latest."""


def listing(inputs: Sequence[Var], given: Sequence[str], steps: Sequence[Step], outputs: Sequence[Atom]) -> str:
    """The text of a graph whose inputs are called `given` in the user's function."""
    names = Names()
    heads = [
        f"{names(v)}: {v!r}" + (f" = {name}" if name else "")
        for v, name in zip(inputs, given or [""] * len(inputs), strict=True)
    ]
    lines = []
    for step in steps:
        left = ", ".join([f"{names(v)}: {v!r}" for v in step.outputs])
        arguments = [names(a) for a in step.inputs] + [f"{k}={short(v)}" for k, v in step.params.items()]
        lines.append((f"  {left} = {step.primitive.name}({', '.join(arguments)})", step.line))
    width = min(max([len(text) for text, _ in lines], default=0), MAX_WIDTH)
    body = [f"{text:<{width}}  # {line}" if line else text for text, line in lines]
    return "\n".join([f"graph({', '.join(heads)}):", *body, f"  return {', '.join([names(a) for a in outputs])}"])


def short(value: Any) -> str:
    """A parameter, cut off if it is long."""
    text = f"'{value}'" if isinstance(value, str) else str(value)
    return text if len(text) <= 60 else text[:57] + "..."


class Names:
    """Names values a, b, ..., z, aa, ab, ... in the order they are met."""

    def __init__(self) -> None:
        self.names: dict[Var, str] = {}
        self.fresh = _letters()

    def __call__(self, atom: Atom) -> str:
        if isinstance(atom, Literal):
            return repr(atom)
        if atom not in self.names:
            self.names[atom] = next(self.fresh)
        return self.names[atom]


def _letters() -> Iterator[str]:
    for length in count(1):
        yield from map("".join, product(ascii_lowercase, repeat=length))
