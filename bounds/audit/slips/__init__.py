"""Attacks on labels: honest slips that would call a number a certificate which is none."""
