"""What is asked of the function of an operation on plain arrays, before any transform.

It returns the same for the same values however they lie in memory, writes to nothing, and returns memory of its own.
"""

from collections.abc import Sequence
from typing import Any

from ..errors import name_of
from ..pytree import flatten, unflatten
from .compare import aliases, assert_own, assert_same, copies, untouched
from .layouts import LAYOUTS, laid_out
from .oracles import Fun


def check_evaluation(fun: Fun, first: Sequence[Any], second: Sequence[Any], views: bool, tol: float) -> None:
    """Checks `fun` on two inputs: plain calls, calls again, and calls with arrays laid out otherwise in memory.

    `views` allows results to share memory with arguments.
    """
    name = name_of(fun)
    for args in (first, second):
        with untouched(name, flatten(list(args))[0]):
            fun(*args)
    expected = copies(fun(*copies(list(first))))
    result = fun(*first)
    assert_same(result, expected, f"{name}, called again with the same arguments", tol)
    _check_memory(fun, result, first, second, views)
    for layout in LAYOUTS:
        leaves, tree = flatten(list(first))
        given = unflatten(tree, [laid_out(x, layout) if hasattr(x, "dtype") else x for x in leaves])
        assert_same(fun(*given), expected, f"{name} of {layout} arrays", tol)


def _check_memory(fun: Fun, result: Any, first: Sequence[Any], second: Sequence[Any], views: bool) -> None:
    """Results share memory with nothing: not with arguments, not with one another, not with those of other calls."""
    name = name_of(fun)
    leaves, _ = flatten(result)
    arguments, _ = flatten(list(first))
    if not views:
        instead = ". Under vmap a write to one would not be seen by the other: return a copy"
        assert_own(name, leaves, arguments, instead)
    with untouched(f"{name}, called again,", leaves, "its earlier result"):
        again, _ = flatten([fun(*first), fun(*second)])
    if aliases(leaves, again) and not views:
        raise AssertionError(f"{name}: a result shares memory with that of another call: return an array of its own")
