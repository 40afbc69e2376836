"""What a notebook shows of an object: a heading and a table of two columns, every text escaped."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from html import escape


def card(heading: str, rows: Iterable[tuple[str, str]], remarks: Mapping[str, str] | None = None) -> str:
    """HTML of an object.

    Args:
        heading: one line.
        rows: name and value, a row each.
        remarks: name → text below the table; empty ones are left out.

    Example:
        >>> card("a < b", [("value", "0.5")])
        '<p><strong>a &lt; b</strong></p><table><tbody><tr><th>value</th><td>0.5</td></tr></tbody></table>'
    """
    cells = "".join(f"<tr><th>{escape(name)}</th><td>{escape(value)}</td></tr>" for name, value in rows)
    said = "".join(f"<p>{escape(name)}: {escape(text)}</p>" for name, text in (remarks or {}).items() if text)
    return f"<p><strong>{escape(heading)}</strong></p><table><tbody>{cells}</tbody></table>{said}"
