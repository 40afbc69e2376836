"""Which bound has a number for which architecture."""
