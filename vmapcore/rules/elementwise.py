"""Arithmetic, comparison, rounding, exponential and trigonometric functions; where, clip, casts."""
