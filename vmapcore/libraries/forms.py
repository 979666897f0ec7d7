"""What a function of SciPy's is while a transform runs: a form of it, which knows traced values and some options."""

import inspect
from collections.abc import Callable
from typing import Any

from ..core import RUNNING, SEQUENCES
from ..errors import OptionError
from ..numpy import Dispatching, is_traced
from ..tracer import Tracer

IGNORED = frozenset(
    {
        *("check_finite", "workers", "lapack_driver"),
        *("overwrite_a", "overwrite_b", "overwrite_ab", "overwrite_c", "overwrite_x", "overwrite_v", "overwrite_data"),
    }
)
"""Options of how SciPy computes, not of what."""


def of_several(form: Any) -> Any:
    """Marks a form that takes a tuple of arrays for one argument."""
    form.joins = True
    return form


class Counterpart(Dispatching):
    """A function of SciPy's; of traced values `ours`, whose parameters are those of SciPy's that it knows.

    Others must have their defaults; where not, and all rows that go on have one value, it is called with that.
    """

    def __init__(self, theirs: Any, ours: Callable[..., Any], name: str) -> None:
        Dispatching.__init__(self, theirs, self.of_traced)
        self.ours = ours
        self.name = name
        self.joins = getattr(ours, "joins", False)
        self.signature = inspect.signature(theirs)
        self.known = inspect.signature(ours).parameters

    def of_traced(self, *args: Any, **options: Any) -> Any:
        try:
            return self._of_form(*args, **options)
        except OptionError as error:
            unknown = error
        return of_plain(self, lambda _: unknown, args, options)

    def _of_form(self, *args: Any, **options: Any) -> Any:
        given = self.signature.bind(*args, **options)
        for name, value in list(given.arguments.items()):
            if name not in self.known:
                self._check_left_out(name, value)
                del given.arguments[name]
        return self.ours(*given.args, **given.kwargs)

    def _check_left_out(self, name: str, value: Any) -> None:
        default = self.signature.parameters[name].default
        if name not in IGNORED and value is not default and not (type(value) is type(default) and value == default):
            fact = f"{name} is {value!r}, and there are traced values"
            raise OptionError(self.name, fact, f"it must be {default!r} then", "Pass plain values for another")


class OfPlainValues(Dispatching):
    """A function of SciPy's that has no form: where all rows that go on have one value, it is called with that."""

    def __init__(self, theirs: Any, name: str) -> None:
        Dispatching.__init__(self, theirs, self.of_answers)
        self.name = name

    def of_answers(self, *args: Any, **options: Any) -> Any:
        return of_plain(self, lambda x: x.outside(self.name), args, options)

    def _array(self, x: Any) -> Any:
        return x


def of_plain(function: Dispatching, refused: Callable[[Any], Exception], args: Any, options: dict[str, Any]) -> Any:
    """What SciPy's own function makes of the values of all rows who go on; raises `refused` where they differ."""

    def answer(x: Any) -> Any:
        if type(x) in SEQUENCES:
            return type(x)(map(answer, x)) if is_traced(x) else x
        if not isinstance(x, Tracer):
            return x
        value = x.answered()
        if value is None:
            raise refused(x)
        return value[()]

    args, options = answer(args), {name: answer(x) for name, x in options.items()}
    result = function.theirs(*args, **options)
    return function._made(result, args, options) if RUNNING.get() else result
