"""The parameters of a user's function: what arguments are called in messages, and which ones an option names."""

import inspect
from collections.abc import Callable, Collection
from typing import Any

from .errors import ArgumentError
from .pytree import flatten, paths
from .words import meant


def leaves_of(
    fun: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], static: Collection[int] = ()
) -> list[tuple[str, Any]]:
    """The leaves of all arguments but the static ones, each with what it is called: `params['w']`."""
    pairs = named_arguments(fun, args, kwargs, static)
    return [(label + path, leaf) for label, x in pairs for leaf, path in zip(flatten(x)[0], paths(x), strict=True)]


def named_arguments(
    fun: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], static: Collection[int] = ()
) -> list[tuple[str, Any]]:
    """All arguments but the static ones, each with what it is called."""
    named = [p.name for p in _parameters_of(fun) if p.kind in POSITIONAL]
    labels = [named[i] if i < len(named) else f"args[{i}]" for i in range(len(args))]
    pairs = [(labels[i], x) for i, x in enumerate(args) if i not in static]
    return pairs + [(name, kwargs[name]) for name in sorted(kwargs)]


POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


def _parameters_of(fun: Callable[..., Any]) -> list[inspect.Parameter]:
    """The parameters of a function; none are known of a builtin or a ufunc without a signature."""
    try:
        return list(inspect.signature(fun).parameters.values())
    except (TypeError, ValueError):
        return []


class Parameters:
    """The parameters of a function, of which options say positions and names."""

    def __init__(self, call: str, fun: Callable[..., Any]) -> None:
        self.call = call
        self.known = _parameters_of(fun)
        self.positional = [p for p in self.known if p.kind in POSITIONAL]
        kinds = {p.kind for p in self.known}
        self.any_position = not kinds or inspect.Parameter.VAR_POSITIONAL in kinds
        self.any_name = not kinds or inspect.Parameter.VAR_KEYWORD in kinds

    def positions(self, option: str, given: Any) -> tuple[int, ...]:
        """The positions that an option names; negative ones count from the last that is passed."""
        found = (given,) if isinstance(given, int) else given
        if isinstance(given, bool) or not isinstance(found, (tuple, list)) or not all(type(i) is int for i in found):
            raise ArgumentError(self.call, f"{option} is {given!r}", "it must be an int or a tuple of ints")
        count = len(self.positional)
        for i in found:
            if not self.any_position and not -count <= i < count:
                raise ArgumentError(
                    self.call, f"{option} has {i}, but the function takes {count} arguments by position"
                )
        return tuple(found)

    def names_of(self, positions: Collection[int]) -> frozenset[str]:
        """What the parameters at these positions are called, if they can be passed by name."""
        by_name = inspect.Parameter.POSITIONAL_OR_KEYWORD
        return frozenset([p.name for i, p in enumerate(self.positional) if i in positions and p.kind == by_name])

    def names(self, option: str, given: Any) -> frozenset[str]:
        """The names that an option names."""
        found = (given,) if isinstance(given, str) else given
        if not isinstance(found, (tuple, list)) or not all(type(name) is str for name in found):
            raise ArgumentError(self.call, f"{option} is {given!r}", "it must be a string or a tuple of strings")
        by_name = {p.name for p in self.known if p.kind != inspect.Parameter.POSITIONAL_ONLY}
        unknown = [name for name in found if name not in by_name]
        if unknown and not self.any_name:
            fact = f"{option} has {unknown[0]!r}, but the function has no such parameter"
            raise ArgumentError(self.call, fact, "", meant(unknown[0], by_name))
        return frozenset(found)
