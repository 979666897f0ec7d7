"""Rows for vmapcore/rules/pooling.py."""

ROWS = []
