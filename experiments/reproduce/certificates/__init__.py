"""Certificates of all tasks, and the curve of complexity against ramp."""
