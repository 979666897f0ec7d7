"""What transforms return, which is pickled as it was made: by the transform, the function and the options."""

import functools
import operator
import sys
from collections.abc import Callable
from types import MethodType
from typing import Any, ParamSpec

P = ParamSpec("P")


class Remade:
    """A function that a transform has made; `recipe` says how, as the transform and its arguments."""

    recipe: tuple[Any, ...]
    __qualname__: str

    def __reduce__(self) -> Any:
        """By name where it stands in the place of the function, as a decorator puts it there; else made anew."""
        try:
            found = operator.attrgetter(self.__qualname__)(sys.modules[self.__module__])
        except (AttributeError, KeyError, ValueError):
            found = None
        return self.__qualname__ if found is self else (again, self.recipe)

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        return self if instance is None else MethodType(self, instance)  # type: ignore[arg-type]  # which is called


class Transformed(Remade):
    """Called, bound to an instance and asked for its signature as the function is that it stands for."""

    def __init__(self, call: Callable[..., Any]) -> None:
        self.__dict__.update(call.__dict__)
        functools.update_wrapper(self, call.__wrapped__, updated=())  # type: ignore[attr-defined]
        self.call = call  # last: what is of a transformed function has one of its own

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.call(*args, **kwargs)


def again(transform: Callable[..., Any], args: Any, kwargs: Any) -> Any:
    """Makes a function as one was made that has been pickled."""
    return transform(*args, **kwargs)


def remade(transform: Callable[P, Callable[..., Any]]) -> Callable[P, Callable[..., Any]]:
    """Gives what `transform` returns the recipe to make it again."""

    @functools.wraps(transform)
    def make(*args: P.args, **kwargs: P.kwargs) -> Callable[..., Any]:
        made: Any = transform(*args, **kwargs)
        made = made if isinstance(made, Remade) else Transformed(made)
        made.recipe = (make, args, kwargs)
        return made

    return make
