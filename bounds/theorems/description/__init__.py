"""Theorems on the length of a description."""
