"""vmap, grad and their kin for plain NumPy and CuPy code."""

from . import rules
from .batching import vmap
from .forward import jvp
from .numpy_protocol import implements, supported
from .reverse import grad, value_and_grad, vjp

__all__ = ["grad", "implements", "jvp", "rules", "supported", "value_and_grad", "vjp", "vmap"]
