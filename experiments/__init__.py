"""Everything that is run rather than imported: the command line, the report, the figures."""

if __name__ == "experiments":  # in a checkout `import experiments` gives no second copy of what is below
    __path__ = []
