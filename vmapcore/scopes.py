"""Scopes: the rows for whom a part of a function runs, one within another, and what tracers hold in each.

A tracer keeps the rows of the scope that it was made in. Where it is used in a narrower one, it takes on those rows
alone, until that ends: then it has the rows of its own again, with what was written to it meanwhile.
"""

from typing import Any

import numpy as np


class AgainError(BaseException):
    """Ends a run that cannot go on with rows apart as it does; they run once more, without the branch `site`."""

    def __init__(self, rows: Any, site: int) -> None:
        self.rows = rows
        self.site = site


class Scope:
    """Some rows of those of `parent`, by their places in the run, for as long as only they go on."""

    __slots__ = ("fresh", "generators", "ids", "parent", "saved", "site", "views")

    def __init__(self, parent: "Scope | None", ids: Any, site: int = -1) -> None:
        self.parent = parent
        self.ids = ids
        self.site = site
        self.saved: dict[int, tuple[Any, Any, Scope, Any]] = {}  # tracers from outside, as they were
        self.views: dict[Scope, Any] = {}  # where the rows are in other scopes
        self.fresh: dict[int, Any] = {}  # lists and dicts that were made here
        self.generators: list[tuple[Any, Any]] = []

    def places_in(self, other: "Scope") -> Any:
        """Where the rows are among those of another scope; None if it lacks some."""
        found = self.views.get(other, self)
        if found is self:
            found = self.views[other] = places_among(other.ids, self.ids)
        return found


def places_among(ids: Any, some: Any) -> Any:
    """Where some rows are among those of `ids`, both in order; None if these lack some."""
    if not len(ids):
        return None
    last = len(ids) - 1
    if ids[last] == last:  # all rows up to one, each in its own place
        return some if not len(some) or some[-1] <= last else None
    places = np.minimum(ids.searchsorted(some), last)
    return places if (ids[places] == some).all() else None


def gathered(x: Any, places: Any) -> Any:
    """Some rows of a value."""
    return x.take(places, 0) if type(x) is np.ndarray else x[places]


def joined(parts: list[tuple[Any, Any]], ids: Any) -> Any:
    """The value of the rows `ids`, made of those of some each, `(ids, value)`, which together are all."""
    arrays = [x for _, x in parts]
    if all(type(x) is np.ndarray for x in arrays):
        out = np.empty((len(ids), *arrays[0].shape[1:]), arrays[0].dtype)
        whole = len(ids) > 0 and ids[-1] == len(ids) - 1
        for some, x in parts:
            out[some if whole else ids.searchsorted(some)] = x
        return out
    order = np.argsort(np.concatenate([some for some, _ in parts]), kind="stable")
    return np.concatenate(arrays)[order]


def replaced(old: Any, places: Any, new: Any) -> Any:
    """A copy of `old` with the rows of `new` at some places."""
    if type(old) is np.ndarray and type(new) is np.ndarray:
        out = old.copy()
        out[places] = new
        return out
    others = np.delete(np.arange(len(old)), places)
    return joined([(others, gathered(old, others)), (places, new)], np.arange(len(old)))
