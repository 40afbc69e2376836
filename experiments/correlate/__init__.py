"""`sparsebounds correlate`: which bound or measure orders the networks of a sweep as their gaps do."""
