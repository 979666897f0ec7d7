"""Whether compiling a group pays: what a call of its kernel saves over calls of NumPy, as measured.

Compiling takes from 0.2 to 2 seconds, once; loading what an earlier process has compiled takes a few milliseconds.
"""

from ...thresholds import PAYS
from .fused import Fused

CALL, STATEMENT, ELEMENT = 3000.0, 1000.0, 0.2
"""Nanoseconds that loops save in a call, for each statement, and for each number that a statement makes."""


def saved(fused: Fused) -> float:
    """Nanoseconds that a compiled kernel saves in each call, roughly."""
    return CALL + STATEMENT * len(fused.expression.computed) + ELEMENT * fused.expression.flops


def worth_compiling(fused: Fused) -> bool:
    """Whether the kernel is to be compiled: by its statements and sizes alone, so that every process decides alike."""
    return not fused.favours_numpy and saved(fused) >= PAYS
