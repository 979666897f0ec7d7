"""What graphs are made of: `Var`s, known by identity, `Literal`s, which were constants of the run, and `Step`s."""

from collections.abc import Sequence
from math import prod
from typing import Any, NamedTuple

import numpy as np

from ..arrays import namespace
from ..core import Primitive
from ..errors import ShapeError, describe


def is_same(a: Any, b: Any) -> bool:
    """Whether two dtypes are one but for the order of bytes, which is the accident of how something is computed."""
    return a is b or bool(a.newbyteorder("=") == b.newbyteorder("="))


class Var:
    """One array of a graph, by its shape and dtype."""

    __slots__ = ("dtype", "shape", "size")

    def __init__(self, shape: tuple[int, ...], dtype: Any) -> None:
        self.shape = shape
        self.dtype = dtype
        self.size = prod(shape)

    @property
    def nbytes(self) -> int:
        return self.size * int(self.dtype.itemsize)

    @property
    def is_complex(self) -> bool:
        return bool(self.dtype.kind == "c")

    def __repr__(self) -> str:
        return describe(self)


class Literal:
    """A constant: a Python number, which keeps its weak dtype, a NumPy scalar, or an array of nobody else's."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value

    @property
    def shape(self) -> tuple[int, ...]:
        return getattr(self.value, "shape", ())

    @property
    def dtype(self) -> Any:
        return np.result_type(self.value)

    @property
    def size(self) -> int:
        return prod(self.shape)

    @property
    def nbytes(self) -> int:
        return getattr(self.value, "nbytes", 0)

    @property
    def is_complex(self) -> bool:
        dtype = getattr(self.value, "dtype", None)
        return isinstance(self.value, complex) if dtype is None else bool(dtype.kind == "c")

    def __repr__(self) -> str:
        value = self.value
        return f"<{describe(value)}>" if self.shape else repr(getattr(value, "item", lambda: value)())


Atom = Var | Literal


class Step(NamedTuple):
    """One application of a primitive."""

    primitive: Primitive
    inputs: tuple[Atom, ...]
    params: dict[str, Any]
    outputs: tuple[Var, ...]
    line: str = ""
    """Where in the user's code: `file.py:12 in f`."""

    @property
    def flops(self) -> int:
        """The operations that it takes."""
        assert self.primitive.work is not None, f"{self.primitive} does not state its work"
        return int(self.primitive.work(self.inputs, self.outputs, **self.params))

    def run(self, values: Sequence[Any]) -> tuple[Any, ...]:
        """Applies the primitive to arrays and returns a tuple of results."""
        out = self.primitive.eval(namespace(values), *values, **self.params)
        outs = tuple(out) if self.primitive.multiple else (out,)
        for o, v in zip(outs, self.outputs, strict=True):
            if o.shape != v.shape or not is_same(
                o.dtype, v.dtype
            ):  # of code of a user's own, such as an external function
                raise ShapeError(
                    self.primitive.name,
                    f"the result is {describe(o)}, and was {describe(v)} when it was recorded, at {self.line}",
                    "shapes and dtypes must not depend on values",
                )
        return outs
