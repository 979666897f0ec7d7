"""Rows for vmapcore/rules/activations.py."""

ROWS = []
