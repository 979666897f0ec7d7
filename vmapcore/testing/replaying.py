"""The law of jit: what it replays is what the function returns, for values that it has not seen before too."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..errors import name_of
from ..pytree import flatten
from ..replay import jit
from .compare import assert_own, assert_same, copies, untouched
from .oracles import Fun
from .reproduction import reproducible
from .variants import variants


def check_jit(
    fun: Fun, *args: Any, others: Sequence[Sequence[Any]] | None = None, like: Fun | None = None, tol: float = 1.0
) -> None:
    """Checks that `jit(fun)` equals `fun`, in the call that records and in later ones, which have other values.

    Law:  jit(fun)(x) == fun(x)

    No result may share memory with an argument, with another result, with one of an earlier call or with what the
    plan keeps: all of them are written to between the calls.

    Args:
        fun: a function of arrays in any pytree, with any transforms inside.
        *args: its arguments in the first call.
        others: those of later calls, of the same shapes and dtypes; by default three variants of `args`.
        like: what the results are held against, in place of `fun`.
        tol: a factor on the tolerances.

    Raises:
        AssertionError: the law is broken.

    Example:
        >>> check_jit(lambda x: np.cumsum(x) * 2, np.arange(3.0))
    """
    others = variants(fun, args, 3, np.random.default_rng(0)) if others is None else others
    replayed, calls = jit(fun), [args, *others, args]
    options: dict[str, Any] = {"others": [list(other) for other in others], "like": like}
    earlier: list[Any] = []
    with reproducible("check_jit", fun, args, options):
        for i, values in enumerate(calls):
            what = f"call {i + 1} of jit({name_of(fun)})"
            expected = (like or fun)(*copies(list(values)))
            with untouched(what, flatten(values)[0]), untouched(what, earlier, "an earlier result"):
                results = replayed(*values)
            assert_same(results, expected, what, tol)
            leaves = flatten(results)[0]
            assert_own(what, leaves, [*flatten(values)[0], *earlier])
            for y in leaves:
                if isinstance(y, np.ndarray) and y.flags.writeable:
                    y[...] = y.dtype.type(3)  # what the plan keeps, or an earlier result, must not see this
            earlier += leaves
