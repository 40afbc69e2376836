"""Passes over a graph of any shape, which theorems read instead of a file of their own for every kind of network."""
