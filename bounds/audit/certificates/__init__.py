"""Attacks on classes with fixed signs."""
