"""Every primitive with its rules, one family a file. Importing this package fills the tables.

Rules are functions of plain values: nothing here imports a transform.
"""

from . import (
    activations,
    casts,
    conv,
    creation,
    diagonals,
    elementwise,
    indexing,
    joining,
    layout,
    linalg,
    matmul,
    padding,
    pooling,
    reductions,
    repeating,
    selection,
    sorting,
    ufuncs,
)

__all__ = [
    "activations",
    "casts",
    "conv",
    "creation",
    "diagonals",
    "elementwise",
    "indexing",
    "joining",
    "layout",
    "linalg",
    "matmul",
    "padding",
    "pooling",
    "reductions",
    "repeating",
    "selection",
    "sorting",
    "ufuncs",
]
