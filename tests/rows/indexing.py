"""Rows for vmapcore/rules/indexing.py."""

ROWS = []
