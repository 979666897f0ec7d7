"""What a contender's library must say of itself, and which libraries there are.

A library is a module with a `LIBRARY`. The driver reads only the table below; the module is loaded in the contender's
own process. A dotted name that is not in the table is a module of the user's own.
"""

import importlib
import importlib.util
from collections.abc import Callable, Iterator
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

    def part(self, x: Any, member: int) -> Any:
        """A member's part of an array, as a loop takes it."""
        return x[member]

    def collect(self, results: list[Any]) -> Any:
        """What a loop returned for each member as one tree of stacked arrays."""
        return tree_stack(self.stack, results)

    def vmap(self, f: Callable[..., Any], axes: Axes) -> Callable[..., Any]:
        raise NotImplementedError

    def grad(self, f: Callable[..., Any]) -> Callable[..., Any]:
        raise NotImplementedError

    def jit(self, f: Callable[..., Any]) -> Callable[..., Any]:
        raise NotImplementedError

    def member(self, workload: Workload, variant: str) -> Callable[..., Any]:
        """The function of one member."""
        raise NotImplementedError

    def counts(self, workload: Workload, args: tuple[Any, ...]) -> dict[str, Any]:
        """What the mapped function costs by a count of its operations, where the library can tell."""
        return {}

    def settled(self) -> int:
        """Gives back memory that it keeps for nobody; returns the bytes of arrays that it keeps for the next call."""
        return 0

    def after(self, call: Call) -> dict[str, Any]:
        """What a reader should know of a call once it has run, such as the memory it planned."""
        return {}

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
        jit = self.jit if "jit" in variant else lambda f: f
        if "loop" in variant:
            return self.looped(jit(f), workload.levels, args, self.collect if workload.stacked else list)
        mapped = jit(self.vmapped(f, workload.levels))
        return lambda: mapped(*args)

    def looped(
        self,
        f: Callable[..., Any],
        levels: tuple[Axes, ...],
        args: tuple[Any, ...],
        collect: Callable[[list[Any]], Any],
    ) -> Call:
        """A Python loop over the members, nested if `levels` are several; their arguments are cut beforehand."""
        cuts: dict[tuple[int, int], Any] = {}

        def nested(levels: tuple[Axes, ...], args: tuple[Any, ...]) -> Call:
            if not levels:
                return lambda: f(*args)
            calls = [nested(levels[1:], row) for row in rows(args, levels[0])]
            return lambda: collect([call() for call in calls])

        def rows(args: tuple[Any, ...], axes: Axes) -> Iterator[tuple[Any, ...]]:
            """The arguments of each member; those that all share are the same object in every row."""
            lengths: list[int] = []
            for arg, axis in zip(args, axes, strict=True):
                if axis is not None:
                    self.tree_map(lambda x: lengths.append(len(x)), arg)
            for i in range(lengths[0]):
                yield tuple([arg if axis is None else cut(arg, i) for arg, axis in zip(args, axes, strict=True)])

        def cut(arg: Any, i: int) -> Any:
            """A member's part, cut once however many outer loops share `arg`, which lives as long as they do."""
            if (id(arg), i) not in cuts:
                cuts[id(arg), i] = arg, self.tree_map(lambda x: self.part(x, i), arg)
            return cuts[id(arg), i][1]

        return nested(levels, args)

    def vmapped(self, f: Callable[..., Any], levels: tuple[Axes, ...]) -> Callable[..., Any]:
        for axes in reversed(levels):
            f = self.vmap(f, axes)
        return f


@dataclass(frozen=True)
class Entry:
    """A library as the driver knows it: where it lives, what must be installed, its variants per kind of workload.

    `overhead`, `dispatch` and `program` are the variants for workloads of these tasks, and `variants` for all others;
    `compiles` is whether all variants do, and not only those with "jit" in their names. `environment` is set in its
    processes. `caches` are variables that name the folder where it keeps what it compiled.
    """

    module: str
    requires: str = "numpy"
    variants: tuple[str, ...] = ("loop", "vmap")
    overhead: tuple[str, ...] = ()
    dispatch: tuple[str, ...] = ()
    program: tuple[str, ...] = ()
    imports: bool = False
    compiles: bool = False
    environment: tuple[tuple[str, str], ...] = ()
    caches: tuple[str, ...] = ()
    devices: tuple[str, ...] = ("cpu", "cuda")


TRANSFORMS = ("vmap", "grad", "vmap(grad)")
JITTED = ("jit loop", "jit vmap")

LIBRARIES = {
    "vmapcore": Entry(
        "bench.own",
        variants=("loop", "vmap", *JITTED),
        overhead=TRANSFORMS,
        dispatch=("jit",),
        program=("loop", "vmap", "jit vmap"),
        imports=True,
        caches=("NUMBA_CACHE_DIR",),
    ),
    "vmapcore-numpy": Entry(  # without Numba it would be the one above
        "bench.own", "numba", variants=JITTED, environment=(("VMAPCORE_NUMBA", "0"),), devices=("cpu",)
    ),
    "numpy": Entry(
        "bench.by_hand",
        variants=("by hand", "vectorize"),
        overhead=("plain",),
        dispatch=("plain",),
        program=("vectorize",),
    ),
    "torch": Entry(
        "bench.peers.torch_peer",
        "torch",
        variants=("loop", "loop nhwc", "vmap"),
        overhead=("plain", *TRANSFORMS),
        imports=True,
    ),
    "torch-compile": Entry(
        "bench.peers.torch_compile", "torch", dispatch=("jit",), compiles=True, caches=("TORCHINDUCTOR_CACHE_DIR",)
    ),
    "jax": Entry(
        "bench.peers.jax_peer",
        "jax",
        variants=JITTED,
        overhead=("plain", *TRANSFORMS),
        dispatch=("jit",),
        imports=True,
    ),
    "jax-eager": Entry("bench.peers.jax_peer", "jax"),
}
OURS = ("vmapcore", "vmapcore-numpy", "numpy")
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

    @property
    def compiled(self) -> bool:
        """Whether its first call does more than later ones."""
        return "jit" in self.variant or entry(self.library).compiles

    @property
    def caches(self) -> tuple[str, ...]:
        """The variables that name the folder where what it compiles is kept."""
        return entry(self.library).caches if self.compiled else ()


def contenders(workload: Workload, libraries: tuple[str, ...], device: str = "cpu") -> list[Contender]:
    """Who takes part in a workload: all variants of what is installed that fit it."""
    able = []
    for name in libraries:
        known = entry(name)
        if device not in known.devices or not installed(name):
            continue
        variants: tuple[str, ...]
        if workload.task == "import":
            variants = ("import",) if known.imports else ()
        elif workload.task in ("overhead", "dispatch"):
            variants = known.overhead if workload.task == "overhead" else known.dispatch
        elif workload.task == "program":  # of NumPy's arrays
            variants = known.program if device == "cpu" else ()
        else:
            variants = tuple(v for v in known.variants if _fits(v, workload, device))
        able += [Contender(name, variant) for variant in variants]
    return able


def _fits(variant: str, workload: Workload, device: str) -> bool:
    """`np.vectorize` is for functions with a signature, of NumPy arrays; channels come last in batches of images."""
    if variant == "vectorize":
        return bool(workload.signature) and device == "cpu"
    return "nhwc" not in variant or workload.convolves


def reference(workload: Workload) -> Contender | None:
    """Whose result the others must agree with: the function of one member in a loop."""
    if workload.task == "import":
        return None
    return Contender("numpy", "plain") if workload.task in ("overhead", "dispatch") else Contender("vmapcore", "loop")


def baseline(workload: Workload, contender: Contender) -> Contender | None:
    """Whom a contender's time is divided by: our vmap under jit, our jit, or our same transform."""
    if workload.task not in ("overhead", "dispatch", "import"):
        return Contender("vmapcore", "jit vmap")
    if workload.task == "dispatch":
        return Contender("vmapcore", "jit")
    return None if contender.variant == "plain" else Contender("vmapcore", contender.variant)
