"""Options of the command line that are fields of a frozen config: each is declared once, where the config stands.

A field says what `typer` has to know in its type, `Annotated[int, typer.Option(help=…)]`; a field of several words,
`tuple[str, ...]`, becomes an option that may be repeated.
"""

import functools
import inspect
from collections.abc import Callable, Iterator
from dataclasses import MISSING, fields
from typing import Annotated, Any, get_args, get_type_hints

WORDS = tuple[str, ...]


def options_of(config: type) -> Iterator[inspect.Parameter]:
    """One keyword parameter per field, as typer reads them: name, type, default, and what `Annotated` adds.

    Example:
        >>> from dataclasses import make_dataclass
        >>> Config = make_dataclass("Config", [("width", int), ("names", WORDS, ())], frozen=True)
        >>> [str(parameter) for parameter in options_of(Config)]
        ['width: int', 'names: list[str] | None = None']
    """
    hints = get_type_hints(config, include_extras=True)
    for field in fields(config):
        hint, default = hints[field.name], field.default
        if hint == WORDS or WORDS in get_args(hint):
            several: Any = list[str] | None
            hint, default = Annotated[several, *get_args(hint)[1:]] if hint != WORDS else several, None
        default = inspect.Parameter.empty if default is MISSING else default
        yield inspect.Parameter(field.name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=hint)


def with_options(command: Callable[..., None]) -> Callable[..., None]:
    """A command whose first parameter, a config, is put together from one option per field.

    Example:
        >>> from dataclasses import make_dataclass
        >>> Config = make_dataclass("Config", [("width", int), ("names", WORDS, ())], frozen=True)
        >>> def show(config: Config, loud: bool = False) -> None:
        ...     print(config, loud)
        >>> with_options(show)(width=3, names=["a"], loud=True)
        Config(width=3, names=('a',)) True
    """
    first, *others = inspect.signature(command, eval_str=True).parameters.values()
    config = first.annotation
    options = [*options_of(config), *(p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in others)]
    words = {name for name, hint in get_type_hints(config).items() if hint == WORDS}

    @functools.wraps(command)
    def spread(**given: Any) -> None:
        chosen = {field.name: given.pop(field.name) for field in fields(config) if field.name in given}
        for name in words & chosen.keys():
            chosen[name] = tuple(chosen[name] or ())
        command(config(**chosen), **given)

    spread.__signature__ = inspect.Signature(options)  # type: ignore[attr-defined]
    spread.__annotations__ = {option.name: option.annotation for option in options}
    return spread
