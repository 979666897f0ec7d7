"""Rows for vmapcore/rules/elementwise.py."""

ROWS = []
