"""Rows for vmapcore/rules/linalg.py."""

ROWS = []
