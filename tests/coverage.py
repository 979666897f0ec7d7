"""docs/coverage.md: which functions of NumPy take traced values. `python -m tests.coverage` writes it.

What it says is what the tests of rows hold: a function has each transform of which a row of it is checked.
"""

import contextlib
import functools
import warnings
from pathlib import Path

import numpy as np

from vmapcore.numpy_protocol import NUMPY
from vmapcore.rules.sets import PLACES

from .ops import OPS
from .reference import PlainTrace
from .test_rules import differentiable
from .values import arguments, dtypes

PAGE = Path(__file__).parent.parent / "docs" / "coverage.md"

MODULES = {"np": np, "np.linalg": np.linalg, "np.fft": np.fft}

CANNOT = {
    "texts, files and settings": (
        "array2string array_repr array_str base_repr binary_repr format_float_positional format_float_scientific "
        "fromfile fromregex fromstring genfromtxt get_include get_printoptions getbufsize geterr geterrcall info load "
        "loadtxt printoptions save savetxt savez savez_compressed set_printoptions setbufsize seterr seterrcall "
        "show_config show_runtime test typename"
    ),
    "dtypes, shapes and types alone": (
        "broadcast_shapes isdtype issubdtype isscalar iterable mintypecode promote_types"
    ),
    "bytes in memory, which a traced array has not": (
        "from_dlpack frombuffer isfortran may_share_memory nested_iters require shares_memory"
    ),
    "dates": "busday_count busday_offset datetime_as_string datetime_data is_busday",
    "counts and shapes, of which they make constants": (
        "bartlett blackman diag_indices hamming hanning indices mask_indices tril_indices triu_indices"
    ),
    "matrices and ufuncs of Python objects": "asmatrix bmat fromiter frompyfunc",
}
"""Functions of which no argument is an array that could be traced, by what they take."""

MADE_OF_OTHERS = {
    **dict.fromkeys(("asanyarray", "ascontiguousarray", "asfortranarray"), "as a function of `vmapcore.numpy`"),
    **dict.fromkeys(("fftfreq", "rfftfreq"), "of a traced spacing, as Python's operators do it all"),
    "fromfunction": "of what the function makes of its indices",
    "row_stack": "it is `np.vstack`",
}
"""Functions without an entry of their own that take traced values all the same."""

LACKING = {
    "kaiser": "makes an array of a traced `beta`",
    "asarray_chkfinite": "asks whether all values are finite",
}
"""What could take traced values and does not, and why."""

NO_CUPY = {
    *("block", "einsum_path", "geomspace", "histogram_bin_edges", "insert", "isnat", "matvec", "nanpercentile"),
    *("nanquantile", "polyder", "polydiv", "polyint", "spacing", "unstack", "vecdot", "vecmat", "linalg.diagonal"),
    *("linalg.matrix_norm", "linalg.multi_dot", "linalg.outer", "linalg.svdvals", "linalg.tensordot", "linalg.trace"),
    *("linalg.vecdot", "linalg.vector_norm"),
}
"""Names that CuPy 14.2.0 does not have, as its modules define them."""

LENGTHS = {
    *(*PLACES, np.unique, np.unique_all, np.unique_counts, np.unique_inverse, np.unique_values),
    *(np.union1d, np.intersect1d, np.setdiff1d, np.setxor1d),
}
"""Whose results differ in length between rows; test_sets.py and test_selections.py have them."""

WHERE_ALIKE = {np.polydiv, np.trim_zeros}
"""Which ask for their length at once; test_more_functions.py has them."""

OF_COMPLEX = {np.linalg.eig, np.linalg.eigvals, np.roots}
"""Which jit takes complex arrays for: of real ones the dtype of the result hangs on values."""

ABOUT = {np.shape, np.ndim, np.size}
"""Which return what is known of an array, and no array."""

INTRODUCTION = """# Coverage

Which functions of NumPy take traced values; `python -m tests.coverage` writes this page. Functions of lists of arrays,
such as `np.stack`, and those that make arrays count as well. Classes are elsewhere, and so are `np.random`
([random numbers](numpy-code.md#random-numbers)) and `np.vectorize`, whose contract `vectorize` has.

A mark says what tests hold: `vmap` against a loop, in every way to map the arguments; `vjp` and `jvp` against finite
differences and one another; `jit` against the function itself. A dash says that there is no derivative, as of a
comparison or a place. CuPy is another matter: no test was run on a GPU for this page, and the column says whether
CuPy 14.2.0 has a function of that name, which is what most of ours call.

`len`: results of another length in each row stay value and mask ([Boolean masks](numpy-code.md#boolean-masks)), and
take `size=` in `vmapcore.numpy`. `alike`: works where rows agree on the length; elsewhere rows split. `complex`: of
real arrays the dtype of the result hangs on values, so `jit` takes complex ones.

Methods of ufuncs of two arguments are there for all of them: `reduce` and `accumulate` with derivatives wherever the
ufunc has some; `outer` likewise; `at` with derivatives for what combines values in any grouping (`add`, `subtract`,
`multiply`, `divide`, `maximum`, `minimum`, `fmax`, `fmin`, `hypot`, `logaddexp`, `logaddexp2`); `reduceat` with
derivatives for `add`, `multiply`, `maximum`, `minimum`, `fmax`, `fmin`, `hypot` and `logaddexp`.
"""


def functions(name):
    """The public functions of a module, by name."""
    module = MODULES[name]
    found = {n: getattr(module, n) for n in sorted(dir(module)) if not n.startswith("_")}
    return {n: f for n, f in found.items() if callable(f) and not isinstance(f, type)}


def rows_by_function():
    """For each entry of the table, the rows that call it first."""
    found, depth, current = {}, [0], [None]

    def noting(key, function):
        @functools.wraps(function)
        def noted(*args, **kwargs):
            if not depth[0]:
                found.setdefault(key, []).append(current[0])
            depth[0] += 1
            try:
                return function(*args, **kwargs)
            finally:
                depth[0] -= 1

        return noted

    kept = dict(NUMPY)
    try:
        NUMPY.update({key: noting(key, function) for key, function in kept.items()})
        with warnings.catch_warnings(action="ignore"):
            for row in OPS:
                current[0] = row
                trace = PlainTrace()
                for dtype in dtypes(row)[:1]:
                    with contextlib.suppress(Exception):
                        row.fun(*[trace.lift(x) for x in arguments(row, dtype)], **row.params)
    finally:
        NUMPY.update(kept)
    return found


def marks(function, rows):
    """What a function has of vmap, vjp, jvp and jit."""
    if function in LENGTHS:
        moves = "–" if function in PLACES else "✓"
        return ["len", moves, moves, "len"]
    if function in WHERE_ALIKE:
        return ["alike", "✓", "✓", "–"]
    if function in ABOUT:
        return ["✓", "–", "–", "✓"]
    if function not in rows:
        return None
    moves = "✓" if any(map(differentiable, rows[function])) else "–"
    return ["✓", moves, moves, "complex" if function in OF_COMPLEX else "✓"]


def page():
    """The text of the page, and which functions have no row and no reason; how many of all are covered."""
    rows, lines, unexplained = rows_by_function(), [INTRODUCTION], []
    reasons = {name: why for why, names in CANNOT.items() for name in names.split()}
    covered = 0
    for module in MODULES:
        lines += [f"## {module}", "", "| function | vmap | vjp | jvp | jit | CuPy |", "|---|---|---|---|---|---|"]
        for name, function in functions(module).items():
            found = marks(function, rows) if function in NUMPY else None
            if found is None:
                if not (function not in NUMPY and (name in reasons or name in MADE_OF_OTHERS or name in LACKING)):
                    unexplained.append(f"{module}.{name}")
                continue
            covered += 1
            cupy = "–" if f"{module}.{name}".removeprefix("np.") in NO_CUPY else "✓"
            lines.append(f"| `{name}` | {' | '.join([*found, cupy])} |")
        lines.append("")
    lines += ["## Others", "", "Without an entry of their own, and take traced values all the same:", ""]
    lines += [f"- `{name}`: {why}" for name, why in MADE_OF_OTHERS.items()]
    share = covered / (covered + len(LACKING))
    lines += ["", f"Could take traced values, and do not ({1 - share:.1%} of those that could):", ""]
    lines += [f"- `{name}`: {why}" for name, why in LACKING.items()]
    lines += ["", "Take no array that could be traced:", ""]
    lines += [f"- {why}: {', '.join([f'`{n}`' for n in names.split()])}" for why, names in CANNOT.items()]
    return "\n".join(lines) + "\n", unexplained, share


if __name__ == "__main__":
    PAGE.write_text(page()[0])
