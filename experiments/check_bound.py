"""Is a bound of another package fit to be shown: what every bound owes, the audit, and what the audit would miss.

    sparsebounds check-bound NAME

A bound that passes loses the word "unaudited" in tables, on this version of both packages, for this user. A pass is no
proof: the audit searches on small networks, and a mistake smaller than its slack passes unseen.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from rich.console import Console

from sparsebounds import bounds
from sparsebounds.bounds.audit.contract import Finding, check_contract
from sparsebounds.bounds.audit.overall import Closest, audit, closest
from sparsebounds.bounds.plugins import remember_passed
from sparsebounds.bounds.registry import PLUGINS
from sparsebounds.experiments.shared.problems import Problem, unknown
from sparsebounds.experiments.shared.tables import grid, number


@dataclass(frozen=True)
class Checked:
    """What came of a check."""

    name: str
    package: str
    contract: list[Finding]
    audited: list[Closest]
    certificate: bool
    """Whether the bound declares one, which the audit must have tried."""

    @property
    def passed(self) -> bool:
        """Everything is kept, nothing is violated, and a certificate was tried."""
        kept = not any(found.problem for found in self.contract)
        return kept and not any(found.failed for found in self.audited) and bool(self.audited or not self.certificate)


def check_bound(name: str, *, tell: Callable[[str], None] = lambda text: None) -> Checked:
    """Check one bound; the result of one of another package is remembered.

    Args:
        name: a key of `bounds.BOUNDS`.
        tell: called with what is done next.

    Raises:
        Problem: no bound of this name, or a folder that cannot be written.
    """
    if name not in bounds.BOUNDS:
        raise unknown("bound", name, bounds.BOUNDS)
    plugin = PLUGINS.get(name)
    theorem = bounds.BOUNDS[name] if plugin is None else plugin.offered
    tell(f"{name}: what every bound owes")
    contract = check_contract(theorem)
    found: list[Closest] = []
    if not any(one.problem for one in contract):
        tell(f"{name}: audit")
        found = closest(audit(name, theorem))
    declared = theorem.declaration.guarantee == "certificate"
    package = "sparsebounds" if plugin is None else plugin.origin.words
    checked = Checked(name, package, contract, found, declared)
    if plugin is not None:
        try:
            remember_passed(plugin, checked.passed)
        except OSError as error:
            raise Problem(f"cannot remember the result ({error}): set XDG_CACHE_HOME to a folder of yours") from error
    return checked


def document(checked: Checked) -> dict[str, Any]:
    """The check as JSON."""
    return {
        "bound": checked.name,
        "package": checked.package,
        "passed": checked.passed,
        "owes": [{"what": found.what, "problem": found.problem} for found in checked.contract],
        "audit": [
            {
                "statement": c.statement,
                "case": c.row.case,
                "ratio": c.row.ratio,
                "violated": c.failed,
                "caught": c.caught,
            }
            for c in checked.audited
        ],
    }


def show(console: Console, checked: Checked) -> None:
    """The check for people."""
    cells = [(found.what, found.problem or "yes") for found in checked.contract]
    console.print(
        grid(f"{checked.name}, of {checked.package}: what every bound owes", ("", "kept"), cells, left=2, gap=2)
    )
    rows = [
        (c.statement, c.row.case, number(c.row.ratio), "VIOLATED" if c.failed else "holds") for c in checked.audited
    ]
    if rows:
        console.print(grid("Audit", ("statement", "closest case", "ratio", "verdict"), rows, left=2, gap=2))
    for hint in hints(checked):
        console.print(f"hint: {hint}")
    passed = "passed" if checked.passed else "not passed"
    console.print(f"{passed}: {_what_now(checked)}")


def hints(checked: Checked) -> list[str]:
    """What the audit would not have seen: broken twins inside its slack, or nothing tried at all."""
    found = [
        f"the mistake “{name}” would have passed this audit (its slack is {slack:.3g}): "
        "work a small network by hand, and compare every factor"
        for closest_case in checked.audited
        for name, slack in closest_case.inside
    ]
    if not checked.audited and not any(one.problem for one in checked.contract):
        found.append("the audit has no network for it: it tries certificates of linear networks on one-hot inputs")
    return found


def _what_now(checked: Checked) -> str:
    if checked.name not in PLUGINS:
        return "it is one of sparsebounds' own"
    if checked.passed:
        return f"tables show what it declares, until {checked.package} or sparsebounds changes"
    return "tables go on to call it unaudited"
