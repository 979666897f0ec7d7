"""What a branch does that only computes, where rows or calls may take either way: both arms run, and each takes one.

`converting.selecting` writes the code that calls this. What an arm reads is, for those that do not take it, what the
first of them has that does: no warning, error or derivative comes of values that the branch was to keep out.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from ..converting import CONSTANTS, SELECTS
from ..lanes.meeting import decided
from ..numbers import Number, number, settled
from ..tracer import Tracer
from .arms import Picks, Strings, way_of
from .asking import known, values_of
from .raising import raising


class _Index:
    def __getitem__(self, key: Any) -> Any:
        return key


class Selects:
    """What the code of choices calls."""

    index = _Index()

    @staticmethod
    def branch(test: Any, around: Any, risk: int, *names: Strings) -> Any:
        """The arms of an `if`; `names` are the variables that are read in them, assigned to, and written to."""
        test = settled(test)
        found = way_of(test, around)
        return Picks(test, around, risk, *names) if found is None else found

    @staticmethod
    def choose(test: Any, around: Any, risk: int, yes: Callable[[Any], Any], no: Callable[[Any], Any]) -> Any:
        """`yes if test else no`."""
        test = settled(test)
        arms = way_of(test, around)
        if arms is not None:
            return yes(arms) if arms.ways[0] else no(arms)
        arms = Picks(test, around, risk)
        return arms.joined(*[_arm(arms, yes if way else no) for way in arms])

    @staticmethod
    def both(first: Any, around: Any, risk: int, then: Callable[[Any], Any]) -> Any:
        """`first and then`."""
        test = settled(first)
        arms = way_of(test, around)
        if arms is not None:
            return then(arms) if arms.ways[0] else first
        arms = Picks(test, around, risk)
        second = _arm(arms, then)
        if _is_truth(first) and _is_truth(second):
            return np.logical_and(first, second)
        return arms.joined(second, first)

    @staticmethod
    def either(first: Any, around: Any, risk: int, then: Callable[[Any], Any]) -> Any:
        """`first or then`."""
        test = settled(first)
        arms = way_of(test, around)
        if arms is not None:
            return first if arms.ways[0] else then(arms)
        arms = Picks(test, around, risk)
        arms.way = False
        second = _arm(arms, then)
        if _is_truth(first) and _is_truth(second):
            return np.logical_or(first, second)
        return arms.joined(first, second)

    @staticmethod
    def no(x: Any) -> Any:
        """`not x`."""
        if not isinstance(x, Tracer):
            return not x
        x = settled(x)
        found = known(x)
        return number(bool, np.logical_not(x)) if found is None else not found

    @staticmethod
    def over(going: Any) -> bool:
        """Whether all rows have left a loop."""
        if not isinstance(going, Tracer):
            return not going
        values = values_of(settled(going))
        return values is not None and not values.any()

    decided = staticmethod(decided)
    raising = staticmethod(raising)


def _arm(arms: Picks, run: Callable[[Any], Any]) -> Any:
    try:
        return run(arms)
    except Exception as error:
        arms.raised(error)
        raise


def _is_truth(x: Any) -> bool:
    return type(x) is not Number and (x.dtype == bool if isinstance(x, Tracer) else type(x) in (bool, np.bool_))


CONSTANTS[SELECTS] = Selects()
