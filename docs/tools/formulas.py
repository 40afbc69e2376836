"""Formulas as the sources write them, x_i and 2^{1/p} in plain text, with indices set as indices.

Docstrings and docs/theory.md are read in terminals and editors too, so that they write formulas in Unicode. Here
indices and exponents become <sub> and <sup>, and indented blocks displayed formulas; nothing else is changed.
"""

import html
import re
from collections.abc import Iterable

WORDS = {"max", "min", "sup", "inf", "log", "mean", "Re", "Bin", "err", "pred", "size"}
CODE = re.compile(r"(`+[^`]+`+|\]\([^)]*\)|<[^>\n]+>)")
FENCE = re.compile(r"^\s*(```|~~~)")
LEAD_IN = re.compile(r"^((?:[*-] )?)(\*{1,2})([A-Z(][^*\n]{1,80}?)([.:]?)\2(?=[ .]|$)")
SIGN = {"*": "&#42;", "_": "&#95;", "|": "&#124;"}


def typeset(text: str) -> str:
    """A line of text, with the indices of its formulas as <sub> and <sup>; code and links stay.

    Args:
        text: Markdown.

    Returns:
        Markdown with HTML in it.

    Example:
        >>> typeset("Σ_i α_ji q_i^{1/p} of `mask_fixed`, and snake_case")
        'Σ<sub>i</sub> α<sub>ji</sub> q<sub>i</sub><sup>1/p</sup> of `mask_fixed`, and snake_case'
    """
    return "".join(part if i % 2 else _scripts(part) for i, part in enumerate(CODE.split(text)))


def _scripts(text: str) -> str:
    done, at, after_script = [], 0, False
    while at < len(text):
        sign = text[at]
        script = _argument(text, at + 1, sign) if sign in "_^" and (after_script or _is_base(text[:at])) else None
        if script is None:
            done.append(sign)
            at, after_script = at + 1, False
            continue
        inner, at = script
        tag = "sub" if sign == "_" else "sup"
        done.append(f"<{tag}>{_scripts(inner)}</{tag}>")
        after_script = True
    return "".join(done)


def _is_base(before: str) -> bool:
    """Whether what stands before an underscore can carry an index: one letter, a closing bracket, a known word."""
    word = re.search(r"[A-Za-z_]+$", before)
    if word is None:
        return bool(before) and not before[-1].isspace() and before[-1] not in "([{,.;:\\"
    return word[0] in WORDS or (len(word[0]) == 1 and word[0] != "_")


def _argument(text: str, at: int, sign: str) -> tuple[str, int] | None:
    """The index that begins at a place, and the place behind it."""
    if at < len(text) and text[at] == "{":
        depth, end = 1, at + 1
        while depth and end < len(text):
            depth += {"{": 1, "}": -1}.get(text[end], 0)
            end += 1
        return (text[at + 1 : end - 1], end) if depth == 0 else None
    found = re.match(
        r"\([a-z]\)|[0-9A-Za-zͰ-Ͽ½⅔∞]+'?" if sign == "_" else r"[−-]?(\d+|\([a-z]\)|[A-Za-zͰ-Ͽ½⅔])'?", text[at:]
    )
    if found is None or (
        len(found[0]) > 3 and found[0].isascii() and text[at - 2].isascii() and text[at - 2].isalpha()
    ):
        return None  # x_train is a name
    return found[0], at + found.end()


def displayed(lines: Iterable[str]) -> str:
    """An indented block: a formula on lines of its own.

    Args:
        lines: of the block.

    Returns:
        HTML that keeps the lines and the columns.
    """
    body = "\n".join(typeset(html.escape(line.rstrip(), quote=False)) for line in lines).strip("\n")
    return f'<div class="formula" tabindex="0">{re.sub("[*_|]", lambda found: SIGN[found[0]], body)}</div>'


def anchor(title: str) -> str:
    """The anchor of a heading or of a bold beginning of a paragraph, as Python-Markdown makes it.

    Args:
        title: its text.

    Returns:
        Small letters, digits and hyphens.
    """
    plain = re.sub(r"[^\w\s-]", "", title.encode("ascii", "ignore").decode()).strip().lower()
    return re.sub(r"[-\s]+", "-", plain)


def page(markdown: str) -> str:
    """A page whose formulas are written in plain text.

    Beginnings of paragraphs in bold or italics get anchors, so that docstrings can point at them.

    Args:
        markdown: the page.

    Returns:
        Markdown that shows the formulas.
    """
    done: list[str] = []
    block: list[str] = []
    fenced = in_list = False
    taken = {anchor(line.lstrip("# ")) for line in markdown.splitlines() if line.startswith("#")} | {"proof"}
    for line in [*markdown.splitlines(), ""]:
        if FENCE.match(line):
            fenced = not fenced
        blank_before = not done or not done[-1].strip()
        if not fenced and line.startswith("    ") and not in_list and (block or blank_before):
            block.append(line[4:])
            continue
        if block and not line.strip():
            done += [displayed(block), ""]
            block = []
            continue
        if block:
            done.append(displayed(block))
            block = []
        in_list = bool(re.match(r"[*-] ", line)) or (in_list and (line.startswith("  ") or not line.strip()))
        plain = fenced or FENCE.match(line) or line.startswith("#")
        done.append(line if plain else _with_anchor(typeset(line), taken))
    return "\n".join(done)


def _with_anchor(line: str, taken: set[str]) -> str:
    found = LEAD_IN.match(line)
    if not found or anchor(found[3]) in taken:
        return line
    taken.add(anchor(found[3]))
    return f'{found[1]}<span id="{anchor(found[3])}"></span>{line[len(found[1]) :]}'
