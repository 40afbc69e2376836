"""Everything that is run rather than imported: the command line, the report, the figures."""
