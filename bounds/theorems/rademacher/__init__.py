"""Theorems on Rademacher complexities of norm balls."""
