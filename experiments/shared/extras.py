"""Optional parts: which extra of the package brings a module that is not there."""

from collections.abc import Mapping
from importlib.util import find_spec

EXTRAS: Mapping[str, str] = {
    "matplotlib": "report", "sklearn": "report",
    "onnx": "onnx", "onnxruntime": "onnx",
    "dask": "sweep", "distributed": "sweep", "pyarrow": "sweep", "powerlaw": "spectra",
    "jinja2": "page", "altair": "page", "vl_convert": "page",
    "datasets": "hub",
}  # fmt: skip
"""Module → extra, as in pyproject.toml."""


def missing(error: ImportError) -> str | None:
    """What to say of an import that failed; None where no extra brings the module.

    Example:
        >>> missing(ModuleNotFoundError("No module named 'matplotlib.figure'", name="matplotlib.figure"))
        "matplotlib is not installed, and this needs it: pip install 'sparsebounds[report]'"
    """
    module = (error.name or "").partition(".")[0]
    if module not in EXTRAS:
        return None
    return f"{module} is not installed, and this needs it: pip install 'sparsebounds[{EXTRAS[module]}]'"


def require(extra: str) -> None:
    """Before any work: every module of an extra is there.

    Raises:
        ModuleNotFoundError: one is not; `missing` says what to install.
    """
    for module in (name for name, brings in EXTRAS.items() if brings == extra):
        if find_spec(module) is None:
            raise ModuleNotFoundError(f"No module named {module!r}", name=module)
