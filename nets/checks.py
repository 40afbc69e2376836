"""Sizes of networks, checked by name."""


def check_sizes(**sizes: int) -> None:
    """Every size a positive integer, or a ValueError that names the first that is not."""
    for name, value in sizes.items():
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise ValueError(f"{name} is {value!r}; need an integer of at least 1")
