"""Certificates: classes of networks fixed before the certified sample is looked at."""
