"""Docstrings as Markdown: their sections, their formulas, and links to the theorems that they name."""

import re
from collections.abc import Iterator

from formulas import anchor, page

SECTION = re.compile(r"^(Args|Returns|Raises|Examples?|Source|Attributes|Yields)( of [^:\n]+)?:[ \t]*", re.MULTILINE)
ENTRY = re.compile(r"^([\w*]+(?:, [\w*]+)*): ?(.*)")
THEORY = {"theory": "../theory.md", "covers": "../covers.md"}
POINTER = re.compile(r"(?:docs/)?(theory|covers)\.md(?:, \"([^\"]+)\")?(?: (?:to|and) \"([^\"]+)\")?")
THEOREM = re.compile(r"[Tt]heorems? ([1-5NMP])\b")
THEOREMS = {
    "1": "Theorem 1: the pass",
    "2": "Theorem 2: the margin",
    "3": "Theorem 3: the certificate",
    "4": "Theorem 4 (one draw).",
    "5": "Theorem 5 (excess over the reference).",
    "N": "Theorem N.",
    "M": "Theorem M.",
    "P": "Theorem P.",
}


def sections(text: str) -> Iterator[tuple[str, str]]:
    """The parts of a docstring: what comes first has the title "", the others theirs.

    Args:
        text: dedented.

    Returns:
        Titles and bodies, in the order of the docstring.
    """
    found = list(SECTION.finditer(text))
    yield "", text[: found[0].start()].strip("\n") if found else text.strip("\n")
    ends = [*(section.start() for section in found[1:]), len(text)]
    for this, end in zip(found, ends, strict=False):
        body = text[this.end() : end]
        yield this[1] + (this[2] or ""), re.sub(r"^ {4}", "", body, flags=re.MULTILINE).strip("\n")


def as_markdown(text: str) -> str:
    """A docstring, section by section.

    Args:
        text: dedented.

    Returns:
        Markdown without headings; a section begins with its name in bold.
    """
    parts = []
    for title, body in sections(text):
        word = title.split(" ")[0]
        if word in ("Args", "Attributes"):
            body = "\n".join(f"- {_entry(name, said)}" for name, said in entries(body)) or linked(body)
        elif word in ("Example", "Examples"):
            body = f"```pycon\n{body}\n```"
        else:
            body = linked(body)
        parts.append(
            f"**{title}**\n\n{body}" if title and word != "Source" else f"**Source** · {body}" if title else body
        )
    return "\n\n".join(parts)


def _entry(name: str, said: str) -> str:
    names = ", ".join(f"`{part}`" for part in name.split(", "))
    return f"{names}: {linked(said)}" if name else linked(said)


def entries(body: str) -> list[tuple[str, str]]:
    """The arguments of a section, and what is said of each, on one line.

    Args:
        body: of the section, dedented.

    Returns:
        Names and texts; a text without a name has the name "".
    """
    found: list[tuple[str, str]] = []
    for line in body.splitlines():
        entry = ENTRY.match(line)
        if entry:
            found.append((entry[1], entry[2]))
        elif line.strip():
            name, said = found.pop() if found else ("", "")
            found.append((name, f"{said} {line.strip()}".strip()))
    return found


def linked(text: str) -> str:
    """Text with its formulas, and links where it names a section or a theorem of the theory.

    Args:
        text: of a docstring.

    Returns:
        Markdown.
    """
    marked = POINTER.sub(_pointer, text)
    return page(marked).strip("\n")


def _pointer(found: re.Match[str]) -> str:
    file = THEORY[found[1]]
    said = [f'["{title}"]({file}#{_anchor_of(title)})' for title in found.groups()[1:] if title]
    return ", ".join(said) if said else f"[{found[1]}.md]({file}{_theorem_before(found)})"


def _anchor_of(title: str) -> str:
    """Of a section by its title, or of a theorem by its number alone."""
    return anchor(THEOREMS.get(title.removeprefix("Theorem "), title))


def _theorem_before(found: re.Match[str]) -> str:
    """The anchor of the theorem that stands before a bare mention of the file: "theorem N of docs/theory.md"."""
    before = THEOREM.search(found.string[max(0, found.start() - 30) : found.start()])
    return f"#{anchor(THEOREMS[before[1]])}" if before else ""


def targets(text: str) -> list[tuple[str, str]]:
    """What a docstring points at in the theory.

    Args:
        text: dedented.

    Returns:
        Files and anchors, "" for the whole file.
    """
    links = re.findall(r"\]\(\.\./(\w+\.md)(?:#([\w-]*))?\)", POINTER.sub(_pointer, text))
    return [(file, mark) for file, mark in links]
