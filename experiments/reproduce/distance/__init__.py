"""Certificates of ordinary networks on MNIST, by their distance from a reference."""
