"""Which ufuncs of a library have derivatives, told to `vmapcore.ops` by their names."""

import sys
from collections.abc import Callable
from typing import Any

from ..errors import MissingRuleError
from ..ops.ufuncs import TABLES
from .special import PARTIALS, UNKNOWN

ORDINALS = ("first", "second", "third", "fourth")


def of_scipy(ufunc: Any) -> tuple[str, list[Any]] | None:
    """The name of a ufunc of `scipy.special` and its partial derivatives; None for another."""
    own = str(ufunc.__name__)
    if own not in PARTIALS or getattr(sys.modules.get("scipy.special._ufuncs"), own, None) is not ufunc:
        return None
    name = f"scipy.special.{own.removeprefix('_').removesuffix('_d').removeprefix('riemann_')}"
    declare = "" if own.startswith("_") else f", or declare all derivatives with vmapcore.custom_op({name})"
    remedy = f"Make it a constant, with stop_gradient{declare}"
    return name, [_unknown(name, i, remedy) if p is UNKNOWN else p for i, p in enumerate(PARTIALS[own])]


def _unknown(name: str, i: int, remedy: str) -> Callable[..., Any]:
    def unknown(out: Any, *args: Any) -> Any:
        raise MissingRuleError(name, f"has no known derivative by its {ORDINALS[i]} argument", "", remedy)

    return unknown


TABLES.append(of_scipy)
