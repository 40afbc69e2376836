"""`sparsebounds evaluate`."""
