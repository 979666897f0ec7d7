"""Rows for vmapcore/rules/sorting.py."""

ROWS = []
