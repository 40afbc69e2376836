"""`sparsebounds report`."""
