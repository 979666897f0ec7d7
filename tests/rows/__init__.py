"""What a row of the table is made of."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Arg:
    """One array argument: the shape of an example, its kind, and where its values lie.

    Kind "f" stands for every inexact dtype the row is checked with; "i", "b" and "u" are fixed (int64, bool, uint8).
    Values are uniform in [low, high] (integers: low <= v < high). `distinct` keeps them apart, where ties would make
    the derivative jump; `positive_definite` and the like are left to the row's function.
    """

    shape: tuple[int, ...]
    kind: str = "f"
    low: float = -2.0
    high: float = 2.0
    distinct: bool = False


@dataclass(frozen=True)
class Op:
    """One row. `fun(*arrays, **params)` is a NumPy function, or plain code around one, that also runs on tracers."""

    name: str
    """Unique; starts with the function's name: "sum axis=(0, -1)"."""
    fun: Callable[..., Any]
    args: tuple[Any, ...]
    """Arg, or a bare shape for Arg(shape)."""
    params: dict[str, Any] = field(default_factory=dict)
    kinds: str = "f"
    """Which kinds of dtype the arguments of kind "f" take: of "f" (float32, float64), "c" (complex128), "i" (int64),
    "u" (uint8), "b" (bool)."""
    differentiable: bool | tuple[bool, ...] = True
    """Whether (each argument, or all) has a derivative that is checked against finite differences."""
    tol: float = 1.0
    """Factor on the tolerances, for functions that amplify rounding; say why in the row."""
    loop: Callable[..., Any] | None = None
    """What one example must equal, in plain NumPy, where `fun` itself does not run on ndarrays."""


def row(name: str, fun: Callable[..., Any], *args: Any, **options: Any) -> Op:
    """`Op` with bare shapes made into Args, and params among the options under `params`."""
    return Op(name, fun, tuple(a if isinstance(a, Arg) else Arg(a) for a in args), **options)
