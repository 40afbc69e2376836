"""`sparsebounds reproduce`: figures and tables of the papers."""
