"""Rows for vmapcore/rules/reductions.py."""

ROWS = []
