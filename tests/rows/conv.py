"""Rows for vmapcore/rules/conv.py."""

ROWS = []
