"""What a fusion group computes, number by number: the middle of group -> expression -> source.

An `Expression` has axes, numbered from the outermost, and statements in an order in which they can run. A statement
makes one number for every combination of the axes it depends on; along the others it is broadcast, at no cost. A
reduction combines the numbers along the axes in `over`. Where an operand's elements lie is said by `dims`, from the
outermost in memory. Nothing here names a language: every source is written from this.
"""

from dataclasses import dataclass
from math import prod
from typing import Any, NamedTuple

from ...locks import cached_property

Axes = tuple[int, ...]


class Dimension(NamedTuple):
    """One dimension of an array in memory: walked along `axis`, or held `at` a position where `axis` is -1."""

    axis: int
    length: int
    at: int = 0


Dimensions = tuple[Dimension, ...]


class Constant(NamedTuple):
    """A NumPy scalar, of the dtype in which it is used."""

    value: Any

    @property
    def dtype(self) -> Any:
        return self.value.dtype


Argument = int | Constant
"""The number of a statement, or a constant."""


class Statement(NamedTuple):
    """One number per combination of `axes`.

    `operation` is the name of a NumPy ufunc, whose arguments have the dtypes of one of its loops, or one of

    - "load": the element of input `operand`;
    - "index": the position along the one axis;
    - "cast": the argument in `dtype`, as `astype` makes it;
    - "where": the second argument where the first is true, else the third;
    - "sum", "max", "min", "any", "all": the argument combined along the axes `over`.
    """

    operation: str
    args: tuple[Argument, ...]
    dtype: Any
    axes: Axes
    over: Axes = ()
    operand: int = -1
    dims: Dimensions = ()

    @property
    def evaluated(self) -> Axes:
        """The axes of the loops in which it is computed."""
        return tuple(sorted({*self.axes, *self.over}))


class Store(NamedTuple):
    """An output, or a part of one that has positions held."""

    value: Argument
    output: int
    dims: Dimensions

    @property
    def axes(self) -> Axes:
        return tuple(sorted({d.axis for d in self.dims if d.axis >= 0}))


@dataclass(frozen=True)
class Expression:
    """Statements over axes of the `lengths` given; `inputs` and `outputs` are dtypes.

    `checks` are statements of truth values none of which may be true: an argument is then wrong.
    """

    lengths: tuple[int, ...]
    inputs: tuple[Any, ...]
    outputs: tuple[Any, ...]
    statements: tuple[Statement, ...]
    stores: tuple[Store, ...]
    checks: tuple[int, ...] = ()

    def axes_of(self, argument: Argument) -> Axes:
        return self.statements[argument].axes if isinstance(argument, int) else ()

    def dtype_of(self, argument: Argument) -> Any:
        return self.statements[argument].dtype if isinstance(argument, int) else argument.dtype

    @property
    def splits(self) -> bool:
        """Whether rows of the outermost axis can be computed apart from one another.

        An output without that axis is then stored with every part, the same each time.
        """
        return any(0 in store.axes for store in self.stores) and not any(0 in s.over for s in self.statements)

    @property
    def computed(self) -> list[Statement]:
        """The statements that do more than to fetch an element or its place."""
        return [s for s in self.statements if s.operation not in ("load", "index")]

    @cached_property
    def flops(self) -> int:
        """Operations, each statement counting as one per element."""
        counted = [s for s in self.computed if s.operation != "cast"]
        return sum([prod([self.lengths[a] for a in s.evaluated]) for s in counted])
