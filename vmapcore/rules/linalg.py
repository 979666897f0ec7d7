"""Norms, solves and factorisations."""
