"""What MkDocs is told: generated pages, the notebook, the order of the pages, links out of docs/."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from command_line_page import page as command_line
from formulas import page as typeset_page
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files
from navigation import SECTIONS, navigation
from reference_pages import pages as reference

UNICODE_FORMULAS = ("theory.md", "covers.md")
OUTSIDE = re.compile(r"\[((?:[^\[\]]|\[[^\]]*\])*)\]\((\.\./[^)#\s]*)(?:#[^)]*)?\)")
LIST = re.compile(r"<!-- pages: (.+) -->")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that are generated, then put all of them in order."""
    folder = Path(config.docs_dir)
    for name, text in {**reference(), "command-line": command_line()}.items():
        files.append(File.generated(config, f"reference/{name}.md", content=text))
    for notebook in sorted(folder.glob("*.ipynb")):
        files.append(File.generated(config, f"{notebook.stem}.md", content=executed(notebook)))
    config.nav = navigation([file.src_uri for file in files if file.is_documentation_page()])
    return files


def executed(notebook: Path) -> str:
    """A notebook, run in a process of its own."""
    command = [sys.executable, str(Path(__file__).with_name("notebook.py")), str(notebook)]
    done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8")
    if done.returncode:
        raise PluginError(f"{notebook.name} does not run:\n{done.stderr}")
    return done.stdout


def on_page_markdown(markdown: str, page: Any, config: MkDocsConfig, files: Files) -> str:
    """Formulas of the theory, lists of pages, and links to files of the repository that are no pages."""
    if page.file.src_uri in UNICODE_FORMULAS:
        markdown = typeset_page(markdown)
    if "/" not in page.file.src_uri:
        markdown = OUTSIDE.sub(_in_the_repository, markdown)
    return LIST.sub(lambda found: _listed(found[1], files), markdown)


def _in_the_repository(found: re.Match[str]) -> str:
    path = found[2].removeprefix("../")
    return f"{found[1]} (`{path}` in the repository)" if found[1].strip("`") != path else f"`{path}`"


def _listed(section: str, files: Files) -> str:
    """The pages of a section, each with the first sentence below its heading."""
    lines = []
    for name in SECTIONS[section]:
        file = files.get_file_from_path(name)
        if file is None:
            continue
        title, _, rest = file.content_string.partition("\n")
        first = re.split(r"(?<=[.:])\s", " ".join(rest.strip().split("\n\n")[0].split()))[0]
        first = "" if first.startswith(("|", "`", "<", "!")) else re.sub(r":$", ".", first)
        lines.append(f"- [{title.lstrip('# ')}]({name}). {first}")
    return "\n".join(lines)
