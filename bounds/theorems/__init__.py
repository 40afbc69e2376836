"""The published theorems, one file each."""
