"""What a function sees of NumPy's and Python's generators while a transform runs: for each a `Seen`, which asks it.

A generator is an object of C, in which nothing can stand in the place of a method. So names mean a `Seen` that stands
for it; where no transform runs, it does what the generator does.
"""

import random
import weakref
from typing import Any

import numpy as np

from ..core import RUNNING
from ..errors import RandomnessError, callers_line
from ..methods import PARTS
from ..names import SEES, STAND_INS
from ..tracer import is_traced
from .calls import bits_of, copied
from .families import GENERATOR, STATE, Drawing, Families, family
from .python import PYTHON
from .sources import Source, concerned, held, made, placed, refused, source_of

BITS = (np.random.MT19937, np.random.PCG64, np.random.PCG64DXSM, np.random.Philox, np.random.SFC64)

KINDS: dict[type, Families] = {
    np.random.Generator: GENERATOR,
    np.random.RandomState: STATE,
    random.Random: PYTHON,
    np.random.SeedSequence: {},
    **{kind: {} for kind in BITS},
}
"""By the types of generators: what their methods do of traced arguments."""

SEEDING = frozenset({"seed", "set_state", "setstate"})
ASKING = frozenset({"get_state", "getstate", "state", "ctypes", "cffi"})
"""What has one answer where all rows have the same generator."""

BY_LIBRARIES = frozenset({"capsule", "lock"})
"""What NumPy's own `default_rng` takes of a generator, where a library calls it."""

MAKING = frozenset({"spawn", "jumped"})
"""Methods that make other generators."""

SEEN: weakref.WeakValueDictionary[int, "Seen"] = weakref.WeakValueDictionary()
"""Those of generators that were there before, by the ids of these."""


def families_of(kind: type) -> Families:
    """What the methods of a generator do of traced arguments."""
    return next(KINDS[base] for base in kind.__mro__ if base in KINDS)


class Seen:
    """Stands for a generator."""

    __slots__ = ("__weakref__", "_source")

    def __init__(self, source: Source) -> None:
        self._source = source

    @property
    def _kind(self) -> type:
        return type(self._source.generators.flat[0])

    @property
    def __class__(self) -> Any:
        return self._kind

    @__class__.setter
    def __class__(self, kind: Any) -> None:
        raise TypeError("the class of a generator does not change")

    def __getattr__(self, name: str) -> Any:
        source = self._source
        if name in BY_LIBRARIES:
            return getattr(bits_of(self._alone("a library") if RUNNING.get() else source.only), name)
        if not RUNNING.get() or name.startswith("_"):
            return getattr(source.only, name)
        if name == "bit_generator":
            return Seen(self._bits())
        if issubclass(self._kind, np.random.SeedSequence) and name != "spawn" and not source.lanes:
            return getattr(source.only, name)
        if name in ASKING:
            return getattr(self._alone(name), name)
        if name in MAKING:
            return lambda *args: made_seen(getattr(self._alone(name), name)(*args))
        if not callable(getattr(self._kind, name)):
            return getattr(source.only, name)
        return SeenMethod(source, families_of(self._kind), name)

    def _bits(self) -> Source:
        made = np.empty(self._source.generators.shape, object)
        for i, g in enumerate(self._source.generators.flat):
            made.flat[i] = bits_of(g)
        return Source(made, self._source.lanes, self._source.born, self._source.key)

    def _alone(self, name: str) -> Any:
        """The generator, where all rows have one and the same."""
        source, sharing = placed(self._source, f"rng.{name}")
        if sharing or source.lanes:
            call = (sharing or source.lanes)[0].call
            fact = f"rows have generators in other states, of which {name} is asked at {callers_line()}"
            raise RandomnessError(call, fact, "", "Ask outside, of a generator for each row")
        return source.only

    def __deepcopy__(self, memo: Any) -> Any:
        if not RUNNING.get():
            return copied(self._source.generators).item()
        source, sharing = placed(self._source, "copy.deepcopy")
        return Seen(source.copy(RUNNING.get()[-1].level)) if not sharing else self._alone("a copy")

    def __reduce_ex__(self, protocol: Any) -> Any:
        return self._source.only.__reduce_ex__(protocol)

    def __repr__(self) -> str:
        return repr(self._source.generators.flat[0])

    def __dir__(self) -> list[str]:
        return dir(self._kind)


class SeenMethod:
    """A method of a generator, for the transforms that run when it is called."""

    __slots__ = ("__dict__", "__name__", "families", "source")

    def __init__(self, source: Source, families: Families, name: str) -> None:
        self.source = source
        self.families = families
        self.__name__ = name
        self.__doc__ = getattr(source.generators.flat[0], name).__doc__

    def __call__(self, *args: Any, **options: Any) -> Any:
        source, name = self.source, self.__name__
        if not RUNNING.get():
            return getattr(source.only, name)(*args, **options)
        text = f"{'random' if self.families is PYTHON else 'rng'}.{name}"
        if name in SEEDING:
            check_seeding(source.born, text)
        if not any(map(is_traced, (*args, *options.values()))):
            source, sharing = placed(source, text)
            if not sharing and not source.lanes:
                return made(getattr(source.only, name)(*args, **options))
        return family(self.families, name)(Drawing(source, text), *args, **options)

    def __repr__(self) -> str:
        return repr(getattr(self.source.generators.flat[0], self.__name__))

    def __reduce__(self) -> Any:
        return getattr, (self.source.only, self.__name__)


def check_seeding(born: int, call: str) -> None:
    """Raises where a generator that was there before is put into another state."""
    for trace in concerned():
        if trace.level > born:
            raise refused(trace, call, "seeds a generator that was made outside")


def made_seen(x: Any) -> Any:
    """Generators that another has made inside."""
    if isinstance(x, list):
        return [made_seen(e) for e in x]
    return Seen(Source(held(x), born=RUNNING.get()[-1].level))


def seen(generator: Any) -> Any:
    """What a function sees of a generator."""
    found = SEEN.get(id(generator))
    if found is None:
        found = SEEN.setdefault(id(generator), Seen(source_of(generator)))
    return found


def seen_method(method: Any) -> Any:
    """What it sees of a method of one that C code has bound; of any other such, itself."""
    owner = getattr(method, "__self__", None)
    return getattr(seen(owner), method.__name__) if PARTS[type(owner)] else method


STAND_INS.add(Seen)
for _kind in KINDS:
    SEES[_kind] = seen
    PARTS[_kind] = True
SEES[type(len)] = seen_method
