"""Sums, products, extrema, means, cumulative sums."""
