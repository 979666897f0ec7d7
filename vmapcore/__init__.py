"""vmap, grad and their kin for plain NumPy and CuPy code."""

from . import errors, numpy, rules
from .batching import vmap
from .custom import custom_jvp, custom_vjp
from .derivatives import grad, hessian, jacfwd, jacrev, stop_gradient, value_and_grad, vjp
from .forward import jvp
from .numpy_protocol import implements, supported
from .pytree import register_pytree, tree_map
from .rules.at import at

__version__ = "0.1.0"

__all__ = [
    "at",
    "custom_jvp",
    "custom_vjp",
    "errors",
    "grad",
    "hessian",
    "implements",
    "jacfwd",
    "jacrev",
    "jvp",
    "numpy",
    "register_pytree",
    "rules",
    "stop_gradient",
    "supported",
    "tree_map",
    "value_and_grad",
    "vjp",
    "vmap",
]
