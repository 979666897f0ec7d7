"""Errors that only some rows raise: with them all do, and no function goes on from there for the others."""

from collections.abc import Callable
from typing import Any

import numpy as np

from ..arrays import on_host
from ..numbers import settled
from ..refusals import kept
from ..rules.pythons import surely
from ..tracer import Tracer, innermost
from .asking import known, vmaps_of


class Raising:
    """An error that some rows raise, and with them all."""

    __slots__ = ("some", "test", "values")

    def __init__(self, test: Any) -> None:
        self.test = test
        self.values = on_host(innermost(test)).astype(bool)
        self.some = not self.values.all()

    def shown(self, x: Any) -> Any:
        """The value of the first row that raises."""
        place, mask = x, self.values
        if isinstance(x, Tracer) and vmaps_of(x) == vmaps_of(self.test):
            place = innermost(x)[np.unravel_index(int(np.argmax(mask)), mask.shape)]
        return place

    def error(self, make: Callable[[], Any]) -> Any:
        made = make()
        made = made() if isinstance(made, type) else made
        return kept(self.test._trace, made) if self.some else made


class Raised:
    """An error that all raise."""

    @staticmethod
    def shown(x: Any) -> Any:
        return x

    @staticmethod
    def error(make: Callable[[], Any]) -> Any:
        return make()


RAISED = Raised()


def raising(test: Any, around: Any) -> Any:
    """False, or what makes the error that is raised where `test` is true."""
    deep = around is not None and around.deep
    test = settled(test)
    if not isinstance(test, Tracer) or (found := known(test)) is not None:
        if not (bool(test) if not isinstance(test, Tracer) else found):
            return False
        if not deep:
            return RAISED
        test = True
    if deep:
        test = np.logical_and(around.mask(), test)
    return False if surely(_is_nowhere, test) else Raising(test)


def _is_nowhere(test: Any) -> Any:
    return np.logical_not(np.any(test))
