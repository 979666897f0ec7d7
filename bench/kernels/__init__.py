"""Times kernels of one tile on one thread, against other ways and torch: `python -m bench.kernels.conv` and others."""
