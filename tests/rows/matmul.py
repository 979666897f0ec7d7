"""Rows for vmapcore/rules/matmul.py."""

ROWS = []
