"""The reference: a page for each part of the public faces, from signatures and docstrings alone."""

import ast
import dataclasses
import inspect
import re
import textwrap
from collections.abc import Callable, Iterator
from itertools import pairwise
from types import ModuleType
from typing import Any

from docstrings import as_markdown, linked

from sparsebounds import bounds, nets

INTRODUCTION = {
    "bounds": "Everything under `from sparsebounds import bounds`, but the bounds themselves, which have "
    "[a page of their own](theorems.md).",
    "theorems": "Every bound is called as `bounds.NAME(graph, sample, delta=…)` and returns a `Bound`. What their "
    "arguments have in common stands once, under [`Theorem`](bounds.md#theorem).",
    "nets": "Everything under `from sparsebounds import nets`: networks, data, training. Its submodules are "
    "[on the next page](sparsity.md).",
    "sparsity": "The submodules of `nets`: data sets, masks, pruning, growth, the graph of a mask.",
}


def pages() -> dict[str, str]:
    """The reference, but for the command line.

    Returns:
        Markdown by name of the page.
    """
    plain, pictures = _parted({name: getattr(bounds, name) for name in bounds.__all__ if name != "BOUNDS"})
    own, modules = _parted({name: getattr(nets, name) for name in nets.__all__})
    return {
        "bounds": "\n\n".join([_page("Python: bounds", "bounds", plain), *_modules("bounds", pictures)]),
        "theorems": _page("Python: every bound", "theorems", dict(bounds.BOUNDS)),
        "nets": _page("Python: nets", "nets", own),
        "sparsity": _head("Python: data, masks, sparsity", "sparsity") + "\n\n".join(_modules("nets", modules)),
    }


def public_docstrings() -> Iterator[tuple[str, str]]:
    """Every docstring that the reference shows, of methods and modules too.

    Returns:
        Names and dedented docstrings.
    """
    public = [(f"bounds.{name}", getattr(bounds, name)) for name in [*bounds.__all__, *bounds.BOUNDS]]
    things: dict[str, Any] = {}
    for name, value in [*public, *((f"nets.{name}", getattr(nets, name)) for name in nets.__all__)]:
        things[name] = value
        if isinstance(value, ModuleType):
            things |= {f"{name}.{inner}": getattr(value, inner) for inner in members(value)}
    for name, thing in things.items():
        yield name, doc(thing)
        if inspect.isclass(thing):
            yield from ((f"{name}.{method}", doc(value)) for method, value in methods(thing))


def doc(thing: Any) -> str:
    """Its docstring, dedented; "" for values such as tables of methods, whose class is documented elsewhere."""
    documented = inspect.isroutine(thing) or inspect.isclass(thing) or isinstance(thing, ModuleType | bounds.Theorem)
    return inspect.cleandoc(thing.__doc__ or "") if documented or isinstance(thing, property) else ""


def members(module: ModuleType) -> list[str]:
    """The public names of a submodule: its `__all__`, or the functions and classes written in it."""
    listed = getattr(module, "__all__", None)
    if listed is not None:
        return [name for name in listed if not isinstance(getattr(module, name), ModuleType)]
    written = (name for name, value in vars(module).items() if getattr(value, "__module__", "") == module.__name__)
    return [name for name in written if not name.startswith("_") and doc(getattr(module, name))]


def methods(thing: type) -> list[tuple[str, Any]]:
    """Public methods and properties that a class itself documents."""
    unwrap: Callable[[Any], Any] = lambda value: getattr(value, "__func__", value)  # noqa: E731
    own = [(name, unwrap(value)) for name, value in vars(thing).items() if not name.startswith("_")]
    return [(name, value) for name, value in own if (callable(value) or isinstance(value, property)) and doc(value)]


def _head(title: str, name: str) -> str:
    return f"# {title}\n\n{INTRODUCTION[name]}\n\n"


def _page(title: str, name: str, things: dict[str, Any]) -> str:
    return _head(title, name) + "\n\n".join(_entry(key, value, 2) for key, value in things.items())


def _parted(things: dict[str, Any]) -> tuple[dict[str, Any], dict[str, ModuleType]]:
    """Functions, classes and tables; and submodules."""
    modules = {name: value for name, value in things.items() if isinstance(value, ModuleType)}
    return {name: value for name, value in things.items() if name not in modules}, modules


def _modules(package: str, modules: dict[str, ModuleType]) -> Iterator[str]:
    for name, module in modules.items():
        yield f"## {package}.{name}\n\n{as_markdown(doc(module))}"
        yield from (_entry(f"{name}.{key}", getattr(module, key), 3) for key in members(module))


def _entry(name: str, thing: Any, level: int) -> str:
    head = f"{'#' * level} {name}"
    if not doc(thing):
        keys = ", ".join(f"`{key}`" for key in thing) if hasattr(thing, "__iter__") else ""
        return f"{head}\n\n`{type(thing).__name__}`" + (f" of {keys}" if keys else "")
    parts = [head, f"```python\n{_called(name, thing)}\n```"]
    if isinstance(thing, bounds.Theorem):
        parts.append(_declared(thing))
    parts.append(as_markdown(doc(thing)))
    if inspect.isclass(thing):
        parts += [_fields(thing), *(_method(method, value) for method, value in methods(thing))]
    return "\n\n".join(part for part in parts if part)


def _called(name: str, thing: Any) -> str:
    """The call as one writes it, each argument on a line if it is long; types are left to the text."""
    try:
        signature = inspect.signature(thing)
    except (TypeError, ValueError):
        return name
    bare = [p.replace(annotation=p.empty) for p in signature.parameters.values() if p.name != "self"]
    shown = [_argument(p) for p in bare]
    if any(p.kind is p.KEYWORD_ONLY for p in bare) and not any(p.kind is p.VAR_POSITIONAL for p in bare):
        shown.insert(next(i for i, p in enumerate(bare) if p.kind is p.KEYWORD_ONLY), "*")
    line = f"{name}({', '.join(shown)})"
    return line if len(line) <= 88 else f"{name}(\n" + "".join(f"    {part},\n" for part in shown) + ")"


def _argument(parameter: inspect.Parameter) -> str:
    shown = str(parameter)
    return re.sub(r"<[\w ]*?([\w.]+)( at 0x\w+)?>", r"\1", shown) if len(shown) <= 120 else f"{parameter.name}=…"


def _declared(thing: Any) -> str:
    said = thing.declaration
    assumes = "; ".join(said.assumes) or "nothing"
    return f"*{said.guarantee}* · {linked(said.summary)}. Assumes: {linked(assumes)}."


def _fields(thing: type) -> str:
    """Fields of a dataclass that have a text below them."""
    if not dataclasses.is_dataclass(thing):
        return ""
    body = next(node for node in ast.parse(textwrap.dedent(inspect.getsource(thing))).body).body  # type: ignore[attr-defined]
    said = [
        (field.target.id, inspect.cleandoc(text.value.value))
        for field, text in pairwise(body)
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)
        and isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant) and isinstance(text.value.value, str)
    ]  # fmt: skip
    listed = "\n".join(f"- `{name}`: {' '.join(linked(text).split())}" for name, text in said)
    return f"**Fields**\n\n{listed}" if said else ""


def _method(name: str, value: Any) -> str:
    called = name if isinstance(value, property) else _called(name, value)
    text = textwrap.indent(as_markdown(doc(value)), "    ")
    return f'??? note "`.{" ".join(called.split())}`"\n\n{text}'
