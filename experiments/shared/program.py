"""A command of the program: what goes to stdout, what to stderr, and how it ends."""

import contextlib
import os
import signal
import sys
import threading
import traceback
import warnings
from collections.abc import Callable, Iterator
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from rich.console import Console
from typer.exceptions import TyperException

from sparsebounds.experiments.shared.extras import missing
from sparsebounds.experiments.shared.problems import Problem, one_line
from sparsebounds.experiments.shared.screen import screen

INTERRUPTED = 130
DEBUG = "--debug"


@contextlib.contextmanager
def human_output(as_json: bool) -> Iterator[Console]:
    """A console for people. With JSON asked for, whatever is printed inside goes to stderr instead."""
    if as_json:
        with contextlib.redirect_stdout(sys.stderr):
            yield Console(stderr=True, quiet=True)
    else:
        yield screen()


def stages(console: Console, text: str) -> contextlib.AbstractContextManager[Callable[[str], None]]:
    """What is done next: a line that changes on a terminal, one line per stage on stderr in a pipe.

    Args:
        console: of the command; a quiet one shows nothing.
        text: what a terminal shows until the first stage.

    Returns:
        A context whose value is called with the text of each further stage.
    """
    return _stages(Console(stderr=True, quiet=console.quiet), text)


@contextlib.contextmanager
def _stages(console: Console, text: str) -> Iterator[Callable[[str], None]]:
    if console.is_terminal:
        with console.status(text) as status:
            yield status.update
        return
    said: list[str] = []

    def tell(text: str) -> None:
        if said[-1:] != [text]:
            said.append(text)
            stage(text, enabled=not console.quiet)

    yield tell


def stage(text: str, *, enabled: bool = True) -> None:
    """One line on stderr where it is no terminal; there a progress bar says it."""
    if enabled and not sys.stderr.isatty():
        print(text, file=sys.stderr, flush=True)


def versions_line() -> str:
    """Of the program and of what its numbers depend on; nothing is imported for it."""
    found = []
    for name in ("sparsebounds", "jax", "flax", "optax", "numpy"):
        with contextlib.suppress(PackageNotFoundError):
            found.append(f"{name} {version(name)}")
    return f"{', '.join(found)}, Python {sys.version.split()[0]}"


def ended(call: Callable[[], Any], *, debug: bool) -> int:
    """Run a command; its exit status: 0 done, 2 something the user can put right, 130 interrupted.

    Args:
        call: what is run; an int that it returns is the status.
        debug: also print the full traceback of what the user can put right.
    """
    try:
        with warnings.catch_warnings():
            if not debug:
                warnings.showwarning = _say_warning
            status = call()
    except TyperException as error:
        return _complain(error.format_message())
    except Problem as error:
        if debug:
            traceback.print_exception(error)
        return _complain(one_line(error))
    except ImportError as error:
        text = missing(error)
        if text is None:
            raise
        if debug:
            traceback.print_exception(error)
        return _complain(text)
    except KeyboardInterrupt:
        return INTERRUPTED
    return status if isinstance(status, int) else 0


def without_teardown(main: Callable[[], None]) -> None:
    """Run a program; after Ctrl-C an end without teardown.

    Orbax writes in threads. Left to the interpreter's teardown, one in the middle of a checkpoint would print pages
    of tracebacks; a half-written checkpoint has not been renamed yet and does not count.
    """
    sys.unraisablehook = _interrupt_again
    try:
        main()
    except SystemExit as stop:
        if stop.code == INTERRUPTED:
            sys.stderr.flush()
            os._exit(INTERRUPTED)
        raise


def _interrupt_again(lost: Any) -> None:
    """Deliver a Ctrl-C once more that Python dropped: it fell into a callback, such as JAX's of the collector."""
    if lost.exc_type is KeyboardInterrupt:
        main_thread = threading.main_thread().ident or 0
        threading.Timer(0.1, signal.pthread_kill, (main_thread, signal.SIGINT)).start()
    else:
        sys.__unraisablehook__(lost)


def _complain(message: str) -> int:
    say(message)
    return 2


def _say_warning(
    message: Warning | str, category: type[Warning], filename: str, lineno: int, file: Any = None, line: Any = None
) -> None:
    """A warning as one line, without the place in the code that it came from."""
    say(str(message))


def say(message: str) -> None:
    """One line on stderr."""
    print(f"sparsebounds: {' '.join(message.split())}", file=sys.stderr)
