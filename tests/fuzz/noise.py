"""How far right results may be apart: as far as they go when every value on the way is moved by a rounding.

A program is run again in another precision, whose error says what the roundings inside of operations and of derivatives
come to, and with each new float replaced by one that is a few roundings away, of its own size and of the
largest number beside it. What comes of it in the results is what another order of sums, or another library's sine,
may do to them. Where it is as large as the results, or changes integers, nothing can be said: the program is chaotic.
"""

import re
from dataclasses import replace

import numpy as np

from vmapcore import stop_gradient

from .programs import TARGET, compiled

SAMPLES = 2
MARGIN = 50.0
"""By how much one sample of roundings may be smaller than what another order gives."""

FLOOR = 64.0
"""Roundings of the largest number that are always allowed."""

BLIND = {4: 0.02, 8: 1e-5}
"""By bytes of a real number: tolerances, relative to the largest number, that would hide what is wrong."""


def noisy(program, seed):
    """`f` with roundings in it. Where something is written to, views stay views."""
    rng = np.random.default_rng(seed)
    body, writes = [f"{x.name} = moved({x.name}, {rng.integers(1 << 30)})" for x in program.inputs], program.writes
    for line in program.lines:
        body.append(line)
        target = TARGET.match(line)
        if target and not (writes and any(word in line for word in VIEWS)):
            body.append(f"{target[1]} = moved({target[1]}, {rng.integers(1 << 30)})")
            if PRODUCT.search(line):
                body.append(f"{target[1]} = signed({target[1]}, {1.0 - 2 * (seed % 2)})")
        elif not target:
            written = WRITTEN.match(line)[1]
            body.append(f"{written}[...] = moved({written}, {rng.integers(1 << 30)})")
    fun = compiled(replace(program, lines=tuple(body)).source)
    fun.__globals__.update(moved=moved, signed=signed)
    return fun


WRITTEN = re.compile(r"^(?:np\.[\w.]+\((?:.*out=)?)?(v\d+)")
"""What a line writes to: what it begins with, or `out` or else the first argument of a function."""

PRODUCT = re.compile(r" @ |np\.(matmul|dot|inner|outer|vecdot|einsum|tensordot|kron)\(")
"""NumPy's own products begin with 0, or with their first term: so a sum of -0 is -0 or 0, by their shapes."""

OTHERS = {"f8": "f4", "f4": "f8", "c16": "c8", "c8": "c16"}


def in_other_precision(program):
    """The program in float32 where it is all in float64, else in float64; and by how much its roundings are larger."""
    wide = coarsest(program) == np.finfo("f8").eps
    taken = ("f8", "c16") if wide else ("f4", "c8")

    def changed(text):
        return re.sub(r"\b(f8|f4|c16|c8)\b", lambda m: OTHERS[m[0]] if m[0] in taken else m[0], text)

    inputs = tuple([replace(x, dtype=changed(x.dtype)) for x in program.inputs])
    other = replace(program, inputs=inputs, lines=tuple([changed(line) for line in program.lines]))
    return other, np.finfo("f4").eps / np.finfo("f8").eps if wide else 1.0


VIEWS = (
    ".T",
    "np.transpose",
    "np.swapaxes",
    "np.moveaxis",
    "np.expand_dims",
    "np.flip",
    "np.reshape",
    ".ravel",
    "np.squeeze",
    "np.atleast",
    "np.rot90",
    "np.broadcast_to",
    "np.lib",
    "np.diagonal",
    "np.split",
    "[",
    ".real",
    ".imag",
    "np.real",
    "np.imag",
    "np.asarray",
    "np.ravel",
)


def moved(x, seed):
    """`x`, a few roundings away."""
    if x.dtype.kind not in "fc":
        return x
    rng = np.random.default_rng(seed)
    real = f"f{bytes_of(x.dtype)}"
    relative, absolute = ((eps(x.dtype) * rng.standard_normal(x.shape)).astype(real) for _ in range(2))
    return x * (1 + relative) + absolute * np.max(np.abs(stop_gradient(x)), initial=0)


def signed(x, sign):
    """`x`, its zeros of this sign; a tracer as it is, for zeros must move as they do."""
    if not isinstance(x, (np.ndarray, np.generic)) or x.dtype.kind != "f":
        return x
    return np.where(x == 0, np.copysign(x.dtype.type(0), sign), x)


def bytes_of(dtype):
    """Bytes of a real number of this dtype."""
    return dtype.itemsize // (2 if dtype.kind == "c" else 1)


def eps(dtype):
    return np.finfo(f"f{bytes_of(dtype)}").eps


def coarsest(program):
    """The largest rounding of any number in it."""
    narrow = any(x.dtype in ("f4", "c8") for x in program.inputs) or re.search("'(f4|c8)'", program.source)
    return float(np.finfo("f4" if narrow else "f8").eps)


def strict(expected):
    """A bound that needs no explanation."""
    e = np.asarray(expected)
    return 4 * eps(e.dtype) * max(float(np.max(np.abs(e), initial=0)), 1.0) if e.dtype.kind in "fc" else 0.0


def bound(expected, others, least=0.0, apart=0.0):
    """How far a right result may be from this one; `least` is a rounding that it has had on the way, at least, and
    `apart` how far it may be by all of them."""
    e = np.asarray(expected)
    if e.dtype.kind not in "fc":
        return 0.0 if all(np.array_equal(e, o) for o in others) else np.nan
    if not e.size:
        return 0.0
    with np.errstate(all="ignore"):
        apart = max(apart, *[np.max(np.abs(e - o)) for o in others])
        largest = np.max(np.abs(e))
    if not np.isfinite(apart):
        return np.nan
    found = MARGIN * apart + FLOOR * max(eps(e.dtype), least) * max(largest, 1.0)
    return found if found <= BLIND[bytes_of(e.dtype)] * max(largest, 1.0) else np.nan
