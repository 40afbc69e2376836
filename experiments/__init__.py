"""Everything that is run rather than imported: command line, reports, certificates, audit, figures of papers."""

if __name__ == "experiments":  # in a checkout `import experiments` gives no second copy of what is below
    __path__ = []
