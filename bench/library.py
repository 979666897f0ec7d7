"""What a contender's library must say of itself, and which libraries there are.

A library is a module with a `LIBRARY`. The driver reads only the table below; the module is loaded in the contender's
own process. A dotted name that is not in the table is a module of the user's own.
"""

import importlib
import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from .trees import tree_map, tree_stack
from .workloads import Axes, Workload

Call = Callable[[], Any]


class Library:
    """How one library holds arrays and maps a function; what it does for each task is in `member`."""

    tree_map = staticmethod(tree_map)
    """Maps a function over the arrays of one argument, whatever form `arguments` gave it."""

    def start(self, device: str, precision: str) -> dict[str, Any]:
        """Chooses device and precision, once per process; returns what a reader of the timings should know of them."""
        return {}

    def array(self, x: np.ndarray) -> Any:
        """A NumPy array as this library's, on the device."""
        raise NotImplementedError

    def numpy(self, x: Any) -> np.ndarray:
        """The way back."""
        return np.asarray(x)

    def wait(self, out: Any) -> None:
        """Returns once `out` is computed."""

    def stack(self, arrays: list[Any]) -> Any:
        """Arrays of one shape as one."""
        raise NotImplementedError

    def collect(self, results: list[Any]) -> Any:
        """What a loop returned for each member as one tree of stacked arrays."""
        return tree_stack(self.stack, results)

    def vmap(self, f: Callable[..., Any], axes: Axes) -> Callable[..., Any]:
        raise NotImplementedError

    def grad(self, f: Callable[..., Any]) -> Callable[..., Any]:
        raise NotImplementedError

    def member(self, workload: Workload, variant: str) -> Callable[..., Any]:
        """The function of one member."""
        raise NotImplementedError

    def chain(self, op: str) -> Callable[[Any, Any], Any]:
        """One primitive of the overhead workloads: a function of two arrays that may ignore the second."""
        raise NotImplementedError

    def arguments(self, workload: Workload, arrays: tuple[Any, ...]) -> tuple[Any, ...]:
        """The workload's NumPy arrays in the form that `member` takes them, still stacked."""
        return tuple(tree_map(self.array, arrays))

    def result(self, workload: Workload, out: Any) -> Any:
        """What a contender returned as dicts, tuples and lists of this library's arrays."""
        return out

    def build(self, workload: Workload, variant: str, args: tuple[Any, ...]) -> Call:
        """The call to be timed."""
        f = self.member(workload, variant)
        if "loop" in variant:
            return self.looped(f, workload.levels, args, self.collect if workload.stacked else list)
        mapped = self.vmapped(f, workload.levels)
        return lambda: mapped(*args)

    def looped(
        self,
        f: Callable[..., Any],
        levels: tuple[Axes, ...],
        args: tuple[Any, ...],
        collect: Callable[[list[Any]], Any],
    ) -> Call:
        """A Python loop over the members, nested if `levels` are several; their arguments are cut beforehand."""
        if not levels:
            return lambda: f(*args)
        calls = [self.looped(f, levels[1:], row, collect) for row in self._rows(args, levels[0])]
        return lambda: collect([call() for call in calls])

    def _rows(self, args: tuple[Any, ...], axes: Axes) -> list[tuple[Any, ...]]:
        """The arguments of each member; those that all share are the same object in every row."""
        lengths: list[int] = []
        for arg, axis in zip(args, axes, strict=True):
            if axis is not None:
                self.tree_map(lambda x: lengths.append(len(x)), arg)

        def cut(arg: Any, axis: int | None, i: int) -> Any:
            return arg if axis is None else self.tree_map(lambda x: x[i], arg)

        return [tuple(map(cut, args, axes, [i] * len(args))) for i in range(lengths[0])]

    def vmapped(self, f: Callable[..., Any], levels: tuple[Axes, ...]) -> Callable[..., Any]:
        for axes in reversed(levels):
            f = self.vmap(f, axes)
        return f


@dataclass(frozen=True)
class Entry:
    """A library as the driver knows it: where it lives, what must be installed, its variants per kind of workload."""

    module: str
    requires: str = "numpy"
    variants: tuple[str, ...] = ("loop", "vmap")
    overhead: tuple[str, ...] = ()
    imports: bool = False


TRANSFORMS = ("vmap", "grad", "vmap(grad)")

LIBRARIES = {
    "vmapcore": Entry("bench.own", overhead=TRANSFORMS, imports=True),
    "numpy": Entry("bench.by_hand", variants=("by hand", "vectorize"), overhead=("plain",)),
    "torch": Entry("bench.peers.torch_peer", "torch", overhead=("plain", *TRANSFORMS), imports=True),
    "torch-compile": Entry("bench.peers.torch_compile", "torch"),
    "jax": Entry("bench.peers.jax_peer", "jax", ("loop", "vmap", "jit loop", "jit vmap"), ("plain", *TRANSFORMS), True),
}
OURS = ("vmapcore", "numpy")
PEERS = tuple(name for name in LIBRARIES if name not in OURS)


def entry(name: str) -> Entry:
    return LIBRARIES.get(name) or Entry(name, name.partition(".")[0])


def found(package: str) -> bool:
    """Whether a package is installed; it is not imported."""
    return importlib.util.find_spec(package) is not None


def installed(name: str) -> bool:
    """Whether a library can be loaded."""
    return found(entry(name).requires)


def load(name: str) -> Library:
    """The library itself, in the process that runs it."""
    library: Library = importlib.import_module(entry(name).module).LIBRARY
    return library


@dataclass(frozen=True)
class Contender:
    """One way to do a workload: a library and its variant."""

    library: str
    variant: str

    @property
    def name(self) -> str:
        return f"{self.library} {self.variant}"


def contenders(workload: Workload, libraries: tuple[str, ...], device: str = "cpu") -> list[Contender]:
    """Who takes part in a workload; `np.vectorize` does where the workload has a signature and arrays are NumPy's."""
    vectorizable = workload.signature and device == "cpu"
    able = []
    for name in libraries:
        known = entry(name)
        if workload.task == "overhead":
            variants = known.overhead
        elif workload.task == "import":
            variants = ("import",) if known.imports else ()
        else:
            variants = tuple(v for v in known.variants if v != "vectorize" or vectorizable)
        able += [Contender(name, variant) for variant in variants]
    return able


def reference(workload: Workload) -> Contender | None:
    """Whose result the others must agree with: the function of one member in a loop."""
    if workload.task == "import":
        return None
    return Contender("numpy", "plain") if workload.task == "overhead" else Contender("vmapcore", "loop")


def baseline(workload: Workload, contender: Contender) -> Contender | None:
    """Whom a contender's time is divided by: our vmap, or our same transform."""
    if workload.task not in ("overhead", "import"):
        return Contender("vmapcore", "vmap")
    return None if contender.variant == "plain" else Contender("vmapcore", contender.variant)
