"""What is known of a truth value, and for whom."""

from typing import Any

import numpy as np

from ..batched import BatchedTensor, SplitTrace
from ..refusals import TRUTH
from ..rules.chosen import is_recorded
from ..tracer import Tracer, innermost


def known(test: Any) -> Any:
    """The truth of `test` where it is one for all rows and calls, or of those who go on where rows part; else None."""
    found = test
    while isinstance(found, Tracer):
        if found.shape or found._trace.ended or asks_rows(found):
            return bool(test)
        found = found._known(TRUTH)
    return found if found is None else bool(found)


def asks_rows(x: Any) -> bool:
    """Whether there are rows to answer what `x` is asked."""
    while isinstance(x, Tracer):
        if type(x._trace) is SplitTrace:
            return True
        x = x.value
    return False


def values_of(test: Any) -> Any:
    """The truths of all rows; None where other calls may have others, or where a device would be waited for."""
    values = None if is_recorded(test) else innermost(test)
    return values if isinstance(values, (np.ndarray, np.generic)) else None


def vmaps_of(x: Any) -> set[Any]:
    """The traces that have a row of `x` for each of theirs."""
    found = set()
    while isinstance(x, Tracer):
        if type(x) is BatchedTensor:
            found.add(x._trace)
        x = x.value
    return found
