"""What a person is told whose file cannot be read."""


class OnnxError(ValueError):
    """A file that is not read; its text says what came, what was needed and what to do."""
