"""Programs as values: arguments, lines of Python, and what is returned. NumPy runs each line as it is drawn."""

import functools
import re
from dataclasses import dataclass, replace

import numpy as np

from vmapcore.nn import functional as F
from vmapcore.thresholds import TINY

from .operations import TABLE, Draw, UnfitError
from .values import DTYPES, FLOATS, LAYOUTS, Input

NAME = re.compile(r"\bv\d+\b")
TARGET = re.compile(r"^(v\d+) = ")
LARGEST = 1e3
"""How large a number may become: what grows on would overflow, and hide small errors beside it."""

MOST = {False: 64 if TINY else 1 << 10, True: 1 << 17}
"""Numbers of an argument, of small programs and of large ones; eight times as many of other values."""


@dataclass(frozen=True)
class Result:
    """A variable that is returned, and where the batches go: `axis` of the outer vmap, `inner` of the inner one."""

    name: str
    axis: int | str = 0
    inner: int | str = 0


@dataclass(frozen=True)
class Program:
    """A function of `inputs`; `sizes` are the lengths of two batches of them."""

    inputs: tuple
    lines: tuple
    results: tuple
    sizes: tuple = (3, 2)
    smooth: bool = True

    @property
    def source(self):
        """The function `f`."""
        names = ", ".join([x.name for x in self.inputs])
        body = "".join([f"    {line}\n" for line in self.lines])
        return f"def f({names}):\n{body}    return {', '.join([r.name for r in self.results])},\n"

    @property
    def fun(self):
        """`f` itself."""
        return compiled(self.source)

    @property
    def writes(self):
        """Whether a line writes to something."""
        return not all(TARGET.match(line) for line in self.lines)

    def arguments(self, data=0, depth=0, layouts=None):
        """Arguments of `depth` vmaps around the function."""
        layouts = layouts or [x.layout for x in self.inputs]
        return [x.value(data, self.sizes[:depth], y) for x, y in zip(self.inputs, layouts, strict=True)]

    def moving(self):
        """Positions of the arguments that can be differentiated by."""
        return tuple([i for i, x in enumerate(self.inputs) if np.dtype(x.dtype).kind in "fc"])


@functools.lru_cache(256)
def compiled(source):
    """The function `f` of some source."""
    scope = {"np": np, "F": F}
    exec(compile(source, "<program>", "exec"), scope)
    return scope["f"]


def used(line):
    """The variables that a line reads or writes to."""
    target = TARGET.match(line)
    return NAME.findall(line[target.end() :] if target else line)


def random_program(seed, large=False):
    """A program of 5 to 15 lines."""
    rng = np.random.default_rng(seed)
    lengths, most = pool(rng, large), MOST[large]
    inputs = tuple([random_input(rng, i, lengths, most) for i in range(rng.integers(1, 4))])
    if all(x.axis is None for x in inputs):
        inputs = (replace(inputs[0], axis=0), *inputs[1:])
    if all(x.inner is None for x in inputs):
        inputs = (replace(inputs[0], inner=0), *inputs[1:])
    draw = Draw(rng, {x.name: x.value() for x in inputs}, most)
    draw.fixed = [draw.values[x.name] for x in inputs if None in (x.axis, x.inner) or x.dtype not in FLOATS]
    lines, smooth = [], True
    for _ in range(rng.integers(5, 16)):
        line = random_line(draw)
        if line:
            lines.append(line[0])
            draw.read.update(used(line[0]))
            smooth &= line[1]
    sizes = (int(rng.choice([1, 2, 3, 5])), int(rng.choice([1, 2, 3])))
    return Program(inputs, tuple(lines), random_results(rng, draw), sizes, smooth)


def pool(rng, large):
    """The few lengths that axes of a program have, so that some fit others."""
    if large:
        return [int(n) for n in rng.choice([2, 16, 64, 65, 128, 256, 513, 2048], 2)]
    lengths = [int(n) for n in rng.choice([1, 2, 3, 4, 5, 7, 8], rng.integers(2, 4))]
    if rng.random() < 0.15:
        lengths[0] = int(rng.choice([0, 0, 9, 15, 16, 17, 31, 33, 63, 64, 65, 127, 128, 129]))
    return lengths


def random_input(rng, number, lengths, most):
    shape = tuple([int(rng.choice(lengths)) for _ in range(rng.choice([0, 1, 1, 2, 2, 2, 3, 3, 4]))])
    while np.prod(shape) > most:
        shape = shape[1:]
    inner = None if rng.random() < 0.2 else int(rng.integers(-len(shape) - 1, len(shape) + 1))
    axis = None if rng.random() < 0.2 else int(rng.integers(-len(shape) - 1, len(shape) + 1))
    dtype = str(rng.choice(DTYPES if number else FLOATS))
    layout = "plain" if rng.random() < 0.6 else str(rng.choice(LAYOUTS))
    return Input(f"v{number}", shape, dtype, int(rng.integers(1 << 30)), axis, inner, layout)


def random_line(draw):
    """A line that NumPy runs, and whether it is smooth; the values are in `draw` then. None where none was found."""
    for _ in range(20):
        operation = TABLE[draw.rng.choice(len(TABLE), p=weights())][0]
        before = {name: x.copy() for name, x in draw.values.items()}
        try:
            text = operation(draw)
            name = f"v{len(draw.values)}"
            writes = text.startswith("!")
            line = text[1:] if writes else f"{name} = {text}"
            scope = {"np": np, "F": F, **draw.values}
            with np.errstate(all="ignore"):
                exec(line, scope)
            if not writes:
                new = np.asarray(scope[name])
                if not suits(new, 8 * draw.most):
                    continue
                draw.values[name] = new
            elif not all(suits(draw.values[n], 8 * draw.most) for n in used(line)):
                for n, x in before.items():
                    draw.values[n][...] = x
                continue
            return line, operation.smooth
        except (UnfitError, ValueError, TypeError, IndexError, OverflowError, MemoryError, np.linalg.LinAlgError):
            continue
    return None


@functools.cache
def weights():
    """How often each operation is drawn."""
    w = np.array([weight for _, weight in TABLE])
    return w / w.sum()


def suits(x, most):
    """Whether an array may be a value of a program."""
    if x.dtype.kind not in "fciub" or x.dtype.char in "eg" or x.size > most or x.ndim > 5:
        return False
    return x.dtype.kind == "b" or bool(np.all(np.isfinite(x)) and np.max(np.abs(x), initial=0) < LARGEST)


def random_results(rng, draw):
    """One to five variables, the last ones and those that nothing reads before others."""
    names = list(draw.values)
    loose = [name for name in names if name not in draw.read]
    chosen = [names[-1], *[str(n) for n in rng.permutation(loose or names)]][: rng.integers(1, 6)]
    if rng.random() < 0.9:
        chosen = list(dict.fromkeys(chosen))
    if rng.random() < 0.1:
        chosen.append(str(rng.choice(names)))
    results = []
    for name in chosen:
        x = draw.values[name]
        inner, axis = (int(rng.integers(-x.ndim - 1, x.ndim + 1)) for _ in range(2))
        if x.dtype.kind in "fc" and rng.random() < 0.15:
            axis = str(rng.choice(["sum", "mean"]))
        if x.dtype.kind in "fc" and rng.random() < 0.1:
            inner = str(rng.choice(["sum", "mean"]))
        results.append(Result(name, axis, inner))
    return tuple(results)
