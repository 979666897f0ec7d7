"""What is known of other libraries' functions: nothing of theirs is imported, it counts once the user has done so."""

from . import scipy, ufuncs

__all__ = ["scipy", "ufuncs"]
