"""Which family of bounds knows which kind of layer, from the declarations of the bounds themselves."""

from collections.abc import Mapping

from sparsebounds import bounds

LAYERS = {
    "linear": "dense, convolution, average pooling, skips, ReLU",
    "max pool": "max pooling, maxout",
    "activation": "GELU, SiLU, tanh, ELU, ReLU6, …",
    "product": "products of values: gates, squeeze and excite",
    "normalisation": "LayerNorm, GroupNorm",
    "attention": "attention",
    "unknown": "an operation that the reader does not know",
    "program": "no graph at all: the program and its scores",
}
"""Role in a declaration → what it is in a network."""
FAMILIES = {
    "moments": "peeling",
    "rademacher": "products of norms, paths",
    "covering": "covering numbers",
    "pac_bayes": "PAC-Bayes",
    "description": "length of a description",
    "held_out": "held-out samples",
}
"""Module of a theorem → its family; `bounds.distance_certificate`, a certificate by distance, takes any network."""


def family_of(name: str) -> str:
    """Of a bound; those of other packages are a family of their own.

    Example:
        >>> family_of("golowich"), family_of("peeling")
        ('products of norms, paths', 'peeling')
    """
    parts = bounds.BOUNDS[name].__module__.split(".")
    return next((family for part, family in FAMILIES.items() if part in parts), "of other packages")


def support() -> dict[str, Mapping[str, tuple[int, int]]]:
    """Kind of layer → family → (bounds that know it, bounds of the family)."""
    names: dict[str, list[str]] = {family: [] for family in FAMILIES.values()}
    for name in bounds.BOUNDS:
        names.setdefault(family_of(name), []).append(name)
    return {
        words: {
            family: (sum(role in bounds.BOUNDS[name].declaration.covers for name in found), len(found))
            for family, found in names.items()
        }
        for role, words in LAYERS.items()
    }


def cell(known: tuple[int, int]) -> str:
    """Both numbers, or a word where they say the same.

    Example:
        >>> cell((0, 3)), cell((3, 3)), cell((2, 3))
        ('–', 'all', '2 of 3')
    """
    found, of = known
    return "–" if not found else "all" if found == of else f"{found} of {of}"


def markdown() -> str:
    """The matrix as the README shows it.

    Example:
        >>> markdown().splitlines()[0].startswith("| a network with | peeling |")
        True
    """
    table = support()
    heads = ["a network with", *next(iter(table.values()))]
    lines = [heads, ["---"] * len(heads)]
    lines += [[words, *map(cell, found.values())] for words, found in table.items()]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"
