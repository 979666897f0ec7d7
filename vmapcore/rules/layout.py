"""Shape and order: reshape, transpose, broadcast, concatenate, stack, split, pad, flip, roll, tile, repeat."""
