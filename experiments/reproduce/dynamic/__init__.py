"""Masks that change during training."""
