"""What the names of SciPy mean while a transform runs: told to `names` when the user has imported them."""

from types import FunctionType, ModuleType
from typing import Any

from ..names import LATER, declare_imported, seen, stands_for
from ..numpy import Dispatching
from .functions import FUNCTIONS
from .slopes import s
from .special import PARTIALS


class Library(ModuleType):
    """A module of a library, whose names are seen as those of a user's module are."""

    def __init__(self, theirs: ModuleType) -> None:
        self.__dict__.clear()
        self.__dict__["_theirs"] = theirs
        stands_for(self, theirs)

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._theirs, name)  # which imports what is not loaded yet
        if LATER:
            declare_imported()
        return seen(value)

    def __dir__(self) -> list[str]:
        return dir(self._theirs)

    def __repr__(self) -> str:
        return repr(self._theirs)


def declare_special(special: ModuleType) -> None:
    """The forms of the functions of `scipy.special`, and of its ufuncs where `SCIPY_ARRAY_API` wraps them."""
    for name, ours in FUNCTIONS.items():
        stands_for(Dispatching(getattr(special, name), ours), getattr(special, name))
    for name in PARTIALS:
        if type(theirs := getattr(special, name, None)) is FunctionType:
            stands_for(Dispatching(theirs, getattr(s, name)), theirs)
    Library(special)


LATER.update({"scipy": Library, "scipy.special": declare_special})
