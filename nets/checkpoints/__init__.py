"""Weights on disk: safetensors, .npz and Orbax, by names that people can read, into networks of Flax and plain JAX."""

from sparsebounds.nets.checkpoints.checkpoint import Checkpoint, load_checkpoint

__all__ = ["Checkpoint", "load_checkpoint"]
