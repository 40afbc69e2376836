"""The order of the pages. One that is listed and not there is left out; one that is not listed comes last."""

from collections.abc import Collection

SECTIONS: dict[str, tuple[str, ...]] = {
    "": ("index.md",),
    "Tutorial": ("tutorial.md", "digits.md"),
    "How to": (
        "flax.md", "jax.md", "onnx.md", "sparse.md", "notebook.md", "sweeps.md", "cluster.md", "extend.md",
        "refusals.md",
    ),
    "Explanation": (
        "what-a-bound-is.md", "which-bound.md", "what-a-certificate-is-not.md", "published-code.md", "measures.md",
        "theory.md", "covers.md",
    ),
    "Reference": (
        "reference/command-line.md", "reference/bounds.md", "reference/theorems.md", "reference/nets.md",
        "reference/sparsity.md", "masks.md", "architectures.md", "json.md",
    ),
}  # fmt: skip
"""Section → its pages."""


def navigation(there: Collection[str]) -> list[dict[str, list[str]] | str]:
    """What stands in the bar at the side.

    Args:
        there: the pages that exist.

    Returns:
        The list that MkDocs takes as `nav`.

    Example:
        >>> navigation(["index.md", "theory.md", "new.md"])
        ['index.md', {'Explanation': ['theory.md']}, {'More': ['new.md']}]
    """
    listed = {title: [page for page in pages if page in there] for title, pages in SECTIONS.items()}
    known = {page for pages in listed.values() for page in pages}
    listed["More"] = sorted(page for page in there if page not in known)
    found: list[dict[str, list[str]] | str] = [*listed.pop("")]
    return [*found, *({title: pages} for title, pages in listed.items() if pages)]
