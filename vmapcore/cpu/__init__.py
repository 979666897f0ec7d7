"""Plans for NumPy's arrays, on threads of the CPU: units, tiles, kernels and what compiles them."""
