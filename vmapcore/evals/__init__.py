"""What evals are made of: products, patches, windows, sums, and work in pieces. Knows arrays, and no tracer."""
