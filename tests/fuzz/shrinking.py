"""A program in which a check fails, made small while it does."""

import re
import time
from dataclasses import replace

import numpy as np

from .checking import SkippedError, WrongError, run
from .programs import NAME, TARGET, used
from .values import Input

PATIENCE = 20.0
"""Seconds."""


def shrunk(check, program, later, message):
    """The program, the later layouts and the message of the smallest failure found."""
    until = time.monotonic() + PATIENCE
    progress = True
    while progress and time.monotonic() < until:
        progress = False
        for smaller, layouts in candidates(program, later):
            if time.monotonic() > until:
                break
            found = failure(check, smaller, layouts)
            if found and kind(found) == kind(message):
                program, later, message, progress = smaller, layouts, found, True
                break
    return program, later, message


def kind(message):
    """What is wrong, without where: the error, or whether it is values, dtypes or memory."""
    return re.sub(r"call \d+|result \d+|\d+ of \d+|raises (\w+):.*|at \(.*|\W|\d", r"\1", message)[:40]


def failure(check, program, later):
    """The message of a failure that is one of vmapcore's and not of a program that makes no sense."""
    try:
        if not any(x.axis is not None for x in program.inputs) or not any(x.inner is not None for x in program.inputs):
            return None
        program.fun(*[x.copy() for x in program.arguments()])
        run(check, program, later)
    except WrongError as error:
        return str(error)
    except (SkippedError, Exception):
        return None
    return None


def candidates(program, later):
    """Programs that are a little smaller, with layouts for later calls."""
    if later:
        yield program, ()
    for r in program.results:
        if len(program.results) > 1:
            smaller = replace(program, results=(r,))
            yield without_the_unused(smaller), ()
            yield smaller, ()
    for i in range(len(program.lines) - 1, -1, -1):
        for smaller in without_line(program, i):
            yield without_the_unused(smaller), ()
            yield smaller, ()
    for i, x in enumerate(program.inputs):
        for change in simpler(x):
            yield replace(program, inputs=(*program.inputs[:i], replace(x, **change), *program.inputs[i + 1 :])), later
    for i, r in enumerate(program.results):
        for change in ({"axis": 0}, {"inner": 0}):
            smaller = replace(r, **change)
            if smaller != r:
                yield replace(program, results=(*program.results[:i], smaller, *program.results[i + 1 :])), later
    for sizes in ((1, program.sizes[1]), (2, program.sizes[1]), (program.sizes[0], 1), (program.sizes[0], 2)):
        if sizes < program.sizes:
            yield replace(program, sizes=sizes), later
    for n in sorted({n for x in program.inputs for n in x.shape}, reverse=True):
        for m in sorted({n // 2, n - 1} - {0, n}):
            yield resized(program, n, m), later


def simpler(x):
    """Changes that make an argument simpler."""
    if x.layout != "plain":
        yield {"layout": "plain"}
    if x.dtype != "f8":
        yield {"dtype": "f8"}
    if x.axis not in (0, None):
        yield {"axis": 0}
    if x.inner not in (0, None):
        yield {"inner": 0}
    if x.seed > 9:
        yield {"seed": 1}


def without_line(program, i):
    """The program without a line, what it made coming from an earlier value or from an argument instead."""
    rest = (*program.lines[:i], *program.lines[i + 1 :])
    target = TARGET.match(program.lines[i])
    if not target:
        yield replace(program, lines=rest)
        return
    value = values_of(program)[target[1]]
    for name in dict.fromkeys(used(program.lines[i])):
        swapped = tuple([re.sub(rf"\b{target[1]}\b", name, line) for line in rest])
        yield replace(
            program,
            lines=swapped,
            results=tuple([replace(r, name=name) if r.name == target[1] else r for r in program.results]),
        )
    if value.dtype.kind in "fciub" and value.dtype.char not in "eg":
        new = Input(target[1], value.shape, value.dtype.str[1:].replace("b1", "?"), 1)
        yield replace(program, inputs=(*program.inputs, new), lines=rest)


def values_of(program):
    """All variables of the function, after its last line."""
    names = [x.name for x in program.inputs] + [t[1] for t in map(TARGET.match, program.lines) if t]
    fun = replace(program, results=tuple([replace(program.results[0], name=n) for n in names])).fun
    with np.errstate(all="ignore"):
        return dict(zip(names, map(np.asarray, fun(*[x.copy() for x in program.arguments()])), strict=True))


def without_the_unused(program):
    """The program without lines that make what nobody reads, and without such arguments."""
    lines = list(program.lines)
    for i in range(len(lines) - 1, -1, -1):
        target = TARGET.match(lines[i])
        later = {name for line in lines[i + 1 :] for name in NAME.findall(line)} | {r.name for r in program.results}
        if target and target[1] not in later:
            del lines[i]
    read = {name for line in lines for name in NAME.findall(line)} | {r.name for r in program.results}
    inputs = tuple([x for x in program.inputs if x.name in read]) or program.inputs[:1]
    return replace(program, lines=tuple(lines), inputs=inputs)


def resized(program, n, m):
    """The program with `m` for every length and number `n`."""
    inputs = tuple([replace(x, shape=tuple([m if k == n else k for k in x.shape])) for x in program.inputs])
    return replace(
        program, inputs=inputs, lines=tuple([re.sub(rf"(?<![\w.]){n}(?![\w.])", str(m), s) for s in program.lines])
    )
