"""From a graph to an equal one that costs less: one pass a file."""
