"""Memory that belongs to one thread while it runs tiles: handed out by name and shape, the same again the next time."""

from collections.abc import Callable
from typing import Any

import numpy as np

from ..memory import empty

Own = dict[Any, Any]


def borrowed(idle: list[Own]) -> Own:
    """Memory that no thread is using, of `idle` or new, taken in one step, for another may come between."""
    try:
        return idle.pop()
    except IndexError:
        return {}


def scratch(own: Own, dtype: Any) -> Callable[[Any, tuple[int, ...]], Any]:
    """Returns `new(name, shape)`, which hands out arrays of `dtype`."""

    def new(name: Any, shape: tuple[int, ...]) -> Any:
        key = (name, shape, dtype)
        found = own.get(key)
        if found is None:
            found = own[key] = empty(np, shape, dtype)
        return found

    return new
