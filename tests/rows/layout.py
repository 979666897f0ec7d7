"""Rows for vmapcore/rules/layout.py."""

ROWS = []
