"""A Jupyter notebook as a page: its cells are run anew at every build, in a process of their own."""

import ast
import base64
import contextlib
import io
import json
import sys
import traceback
from pathlib import Path
from typing import Any


def cells(path: Path) -> list[tuple[str, str]]:
    """The cells of a notebook.

    Args:
        path: an .ipynb file.

    Returns:
        Kinds, "markdown" or "code", and sources.
    """
    found = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return [(cell["cell_type"], "".join(cell["source"])) for cell in found]


def run(source: str, names: dict[str, Any]) -> list[dict[str, str]]:
    """Run one cell as Jupyter does: the value of a last expression is shown, and every figure that was drawn.

    Args:
        source: Python.
        names: of the notebook; changed.

    Returns:
        Outputs, each one kind → text: "text", "html" or "png" (base64).
    """
    body = ast.parse(source).body
    last = body.pop() if body and isinstance(body[-1], ast.Expr) else None
    printed, value = io.StringIO(), None
    with contextlib.redirect_stdout(printed):
        exec(compile(ast.Module(body, []), "<cell>", "exec"), names)
        if isinstance(last, ast.Expr):
            value = eval(compile(ast.Expression(last.value), "<cell>", "eval"), names)
    outputs = [{"text": printed.getvalue()}] if printed.getvalue() else []
    if value is not None and not source.rstrip().endswith(";"):
        rich = getattr(value, "_repr_html_", lambda: None)()
        outputs.append({"html": rich} if rich else {"text": repr(value)})
    return outputs + [{"png": picture} for picture in _figures()]


def _figures() -> list[str]:
    """What was drawn since the last cell, and is closed now."""
    plt = sys.modules.get("matplotlib.pyplot")
    if plt is None:
        return []
    found = []
    for number in plt.get_fignums():
        file = io.BytesIO()
        plt.figure(number).savefig(file, dpi=110, bbox_inches="tight", format="png")
        found.append(base64.b64encode(file.getvalue()).decode())
    plt.close("all")
    return found


def as_markdown(path: Path) -> str:
    """The page: texts, sources and what came out.

    Args:
        path: an .ipynb file.

    Returns:
        Markdown with HTML in it.

    Raises:
        RuntimeError: a cell failed; the message has its number and the traceback.
    """
    names: dict[str, Any] = {"__name__": "__main__"}
    parts = []
    for number, (kind, source) in enumerate(cells(path), 1):
        if kind == "markdown":
            parts.append(source)
            continue
        try:
            outputs = run(source, names)
        except Exception as error:
            raise RuntimeError(f"{path.name}, cell {number}:\n{traceback.format_exc()}") from error
        parts += [f"```python\n{source}\n```", *map(_shown, outputs)]
    return "\n\n".join(parts)


def _shown(output: dict[str, str]) -> str:
    ((kind, text),) = output.items()
    if kind == "text":
        return f"```text\n{text.rstrip()}\n```"
    if kind == "html":
        return f'<div class="output" tabindex="0">{" ".join(text.split())}</div>'
    return f'<p class="output"><img alt="figure" src="data:image/png;base64,{text}"></p>'


if __name__ == "__main__":
    import matplotlib

    matplotlib.use("Agg")
    sys.stdout.write(as_markdown(Path(sys.argv[1])))
