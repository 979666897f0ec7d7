"""Products: matmul, dot, tensordot, einsum, outer."""
