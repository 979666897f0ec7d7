"""vmap, grad and their kin for plain NumPy and CuPy code."""

from typing import TYPE_CHECKING

from . import errors, lanes, libraries, numpy, ops, rules, scalars, selects  # noqa: F401
from .batching import vmap
from .custom import custom_jvp, custom_vjp
from .derivatives import grad, stop_gradient, value_and_grad, vjp
from .errors import PerformanceWarning, ZeroGradientWarning
from .explain import explain
from .forward import jvp
from .jacobians import hessian, jacfwd, jacrev
from .names import plain
from .numpy_protocol import implements, supported
from .ops import custom_op, external, strict
from .pytree import register_pytree, tree_map
from .replay import jit, trace
from .rules.at import at
from .threads import set_threads
from .vectorizing import vectorize
from .words import missing_name

__version__ = "0.1.0"

__all__ = [
    "PerformanceWarning",
    "ZeroGradientWarning",
    "at",
    "custom_jvp",
    "custom_op",
    "custom_vjp",
    "errors",
    "explain",
    "external",
    "grad",
    "hessian",
    "implements",
    "jacfwd",
    "jacrev",
    "jit",
    "jvp",
    "numpy",
    "ops",
    "plain",
    "register_pytree",
    "rules",
    "set_threads",
    "stop_gradient",
    "strict",
    "supported",
    "trace",
    "tree_map",
    "value_and_grad",
    "vectorize",
    "vjp",
    "vmap",
]

if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        raise missing_name(__name__, name, __all__)
