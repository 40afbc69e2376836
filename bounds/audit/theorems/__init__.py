"""Attacks on the published theorems."""
