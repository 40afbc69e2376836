"""Walks over a graph that carry a few numbers per layer, with a table of rules by kind of layer."""
