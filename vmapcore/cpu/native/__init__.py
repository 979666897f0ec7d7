"""All that writes instructions of LLVM. Imported only where Numba is."""
