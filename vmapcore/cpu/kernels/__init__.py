"""Array kernels for one tile of a graph on one thread, with the images innermost in memory."""
