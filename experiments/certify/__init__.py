"""`sparsebounds certify`."""
