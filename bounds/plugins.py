"""Bounds and measures of other packages: loaded by entry point, held to what they owe, never a danger to `import`."""

from __future__ import annotations

import functools
import hashlib
import importlib.util
import json
import math
import os
import warnings
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from importlib.metadata import EntryPoint, entry_points, version
from pathlib import Path
from typing import Any, Literal

from sparsebounds.bounds.bound import Bound, Declaration, NotCovered, Theorem
from sparsebounds.bounds.measures.measure import Measure
from sparsebounds.bounds.measures.subject import Subject, Undefined

UNAUDITED: Literal["unaudited"] = "unaudited"


class PluginWarning(UserWarning):
    """A bound or measure of another package is left out."""


@dataclass(frozen=True)
class Origin:
    """Where something offered comes from."""

    package: str
    version: str
    sha256: str
    """Of the file that it stands in: an editable installation changes without its version."""

    @property
    def words(self) -> str:
        return f"{self.package} {self.version}"


@dataclass(frozen=True)
class Plugin:
    """A bound of another package."""

    name: str
    origin: Origin
    offered: Theorem[...]
    """As it came, with all that it claims."""

    @property
    def audited(self) -> bool:
        """Whether `sparsebounds check-bound` has passed for it, as it is, on this version of sparsebounds."""
        return read_passed().get(self.name) == passed_entry(self.origin)

    def guarded(self) -> Theorem[...]:
        """What stands in the table: its package in the note, and no guarantee until it was audited."""
        return Theorem(_guarded(self), self.offered.declaration)


def offered(group: str, taken: Collection[str]) -> Iterator[tuple[str, Any, Origin]]:
    """What other packages offer under a group of entry points.

    Args:
        group: such as "sparsebounds.bounds".
        taken: names that are no longer free.

    Yields:
        Name, object, origin. Whatever cannot be loaded, or has a name that is taken, is left out with a PluginWarning.
    """
    seen: dict[str, str] = {}
    for entry in entry_points(group=group):
        package = entry.dist.name if entry.dist is not None else "an unknown package"
        if entry.name in taken:
            _left_out(entry, package, "sparsebounds has this name itself: the package has to choose another")
        elif entry.name in seen:
            _left_out(entry, package, f"{seen[entry.name]} offers one of the same name")
        else:
            try:
                found = entry.load()
            except (Exception, SystemExit) as error:  # whatever the module does when it is imported
                _left_out(entry, package, f"{type(error).__name__}: {' '.join(str(error).split())}")
                continue
            seen[entry.name] = package
            yield entry.name, found, _origin(entry, package)


def plugin_of(name: str, found: Any, origin: Origin) -> Plugin:
    """The bound, or, of what is none, one whose row says why."""
    if isinstance(found, Theorem):
        return Plugin(name, origin, found)

    def undeclared(graph: Any, sample: Any, *, delta: float) -> Bound:
        """What its row says."""
        raise NotCovered(
            f"{origin.words} offers a {type(found).__name__} without a declaration: decorate the function with "
            "bounds.declare(…)"
        )

    declaration = Declaration("offered without a declaration", "shape", (), origin.words)
    return Plugin(name, origin, Theorem(undeclared, declaration))


def measure_of(name: str, found: Any, origin: Origin) -> Measure:
    """The measure, its package in the source; of what is none, one whose row says why."""
    if isinstance(found, Measure):
        declaration = replace(found.declaration, source=f"{origin.words}: {found.declaration.source}")
        return replace(found, declaration=declaration, name=name)

    def undeclared(subject: Subject) -> float:
        """What its row says."""
        raise Undefined(
            f"{origin.words} offers a {type(found).__name__} without a declaration: decorate the function with "
            "bounds.declare_measure(…)"
        )

    declaration = Declaration("offered without a declaration", "measure", (), origin.words)
    return Measure(undeclared, declaration, "unknown", "weights", "none", name)


def _guarded(plugin: Plugin) -> Any:
    call, origin = plugin.offered.call, plugin.origin

    @functools.wraps(call)
    def guarded(*args: Any, **options: Any) -> Bound:
        try:
            found = call(*args, **options)
        except (ValueError, NotCovered):
            raise
        except Exception as error:
            raise NotCovered(f"{origin.words} fails: {type(error).__name__}: {' '.join(str(error).split())}") from error
        wrong = wrong_result(found)
        if wrong:
            raise NotCovered(f"{origin.words} {wrong}")
        note = f"of {origin.words}"
        if not plugin.audited:
            note += f", {UNAUDITED}: run sparsebounds check-bound {plugin.name}"
            found = replace(found, guarantee=UNAUDITED)
        return replace(found, note="; ".join(part for part in (note, found.note) if part))

    return guarded


def wrong_result(found: object) -> str:
    """What is wrong with what a bound returned; empty where nothing is."""
    if not isinstance(found, Bound):
        return f"returned a {type(found).__name__}; needed a bounds.Bound"
    for name in ("value", "margin_error", "complexity", "confidence", "gamma", "delta"):
        number = getattr(found, name)
        if not isinstance(number, int | float) or type(number) is bool:
            return f"returned a Bound whose {name} is a {type(number).__name__}; needed a float"
    if any(type(getattr(found, name)) is not str for name in ("note", "guarantee")):
        return "returned a Bound whose note or guarantee is no text"
    parts = found.margin_error + found.complexity + found.confidence
    if found.covered and not math.isclose(found.value, parts, rel_tol=1e-6):
        return f"returned the value {found.value:g}, and its parts sum to {parts:g}"
    return ""


def cache_folder() -> Path:
    """The user's: $XDG_CACHE_HOME/sparsebounds, or ~/.cache/sparsebounds."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "sparsebounds"


def passed_entry(origin: Origin) -> dict[str, str]:
    """What is remembered of a bound that passed: another version of either package, or another file, is not it."""
    return {
        "package": origin.package,
        "version": origin.version,
        "sha256": origin.sha256,
        "sparsebounds": version("sparsebounds"),
    }


def read_passed() -> Mapping[str, Any]:
    """Name of a bound → what passed."""
    try:
        found = json.loads((cache_folder() / "audited.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def remember_passed(plugin: Plugin, passed: bool) -> None:
    """Keep that a bound passed, or forget that it did."""
    entries = {name: entry for name, entry in read_passed().items() if name != plugin.name}
    if passed:
        entries[plugin.name] = passed_entry(plugin.origin)
    folder = cache_folder()
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / f"audited.json.{os.getpid()}"
    part.write_text(json.dumps(entries, indent=2), encoding="utf-8")
    part.replace(folder / "audited.json")


def _origin(entry: EntryPoint, package: str) -> Origin:
    number = entry.dist.version if entry.dist is not None else "?"
    spec = importlib.util.find_spec(entry.module)
    place = Path(spec.origin) if spec is not None and spec.origin else None
    digest = hashlib.sha256(place.read_bytes()).hexdigest() if place is not None and place.is_file() else ""
    return Origin(package, number, digest)


def _left_out(entry: EntryPoint, package: str, why: str) -> None:
    warnings.warn(f"{entry.name} of {package} is left out: {why}", PluginWarning, stacklevel=2)
