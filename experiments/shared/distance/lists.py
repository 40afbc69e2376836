"""What may be chosen with the certified samples at hand; the lists are short because every choice is paid for."""

LEFT_OUT = (0.5, 0.4, 0.3, 0.25, 0.2, 0.15, 0.1, 0.05, 0.02, 0.01, 500, 1000, 2000, 5000, 10000, 20000)
"""Shares and numbers of samples left out."""
RANKS = (1, 2, 4, 8, 16, 32, 64)
"""Of low-rank steps, `--layers lora:RANK`."""
