"""Attacks on the library's own theorems."""
