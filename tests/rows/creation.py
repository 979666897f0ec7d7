"""Rows for vmapcore/rules/creation.py."""

ROWS = []
