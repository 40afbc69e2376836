"""The reference of the command line, from the declarations of its options."""

import re
from typing import Any

import typer

from sparsebounds.experiments.cli import app

INTRODUCTION = (
    "# The command line\n\n"
    "`sparsebounds COMMAND --help` prints the same. Exit status: 0 done, 1 the audit broke a bound, 2 something that "
    "you can put right (one line says what), 130 interrupted."
)


def page() -> str:
    """Every command with its arguments and options.

    Returns:
        Markdown.
    """
    commands: dict[str, Any] = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    return "\n\n".join([INTRODUCTION, *(_command(name, command) for name, command in commands.items())])


def _command(name: str, command: Any) -> str:
    arguments = [p for p in command.params if p.param_type_name == "argument"]
    shown = " ".join(_metavar(p) for p in arguments)
    rows = "\n".join(_row(p) for p in command.params)
    usage = f"```text\nsparsebounds {name} {shown + ' ' if shown else ''}[OPTIONS]\n```"
    return f"## {name}\n\n{usage}\n\n{command.help or ''}\n\n| | what | default |\n|---|---|---|\n{rows}"


def _metavar(parameter: Any) -> str:
    shown = parameter.metavar or parameter.name.upper()
    return shown if parameter.required or shown.startswith("[") else f"[{shown}]"


def _row(parameter: Any) -> str:
    names = ", ".join(parameter.opts) if parameter.param_type_name == "option" else _metavar(parameter)
    default = parameter.show_default if isinstance(parameter.show_default, str) else parameter.default
    empty = default is None or default is False or default == () or callable(default) or parameter.required
    said = parameter.help or ""
    shown = "required" if parameter.required else "" if empty else f"`{default}`"
    return "| " + " | ".join(re.sub(r"\|", r"\\|", cell) for cell in (f"`{names}`", said, shown)) + " |"
