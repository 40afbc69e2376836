"""Theorems on covering numbers."""
