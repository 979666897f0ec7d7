"""The one table of operations: every check in `test_rules.py` runs over every row.

A row is a function of arrays and, per argument, the shape, kind and range of one example. Rows live in `rows/`,
one file per file of `vmapcore/rules/`, and all of them are joined here.
"""

import importlib
import pkgutil

from . import rows

OPS = [
    row
    for module in pkgutil.iter_modules(rows.__path__, f"{rows.__name__}.")
    for row in importlib.import_module(module.name).ROWS
]
