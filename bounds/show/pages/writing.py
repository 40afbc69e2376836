"""One HTML file that needs no network: content, charts and styles put into the template, every text escaped."""

from __future__ import annotations

import base64
import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from sparsebounds.bounds.bound import Bound, NotCovered
from sparsebounds.bounds.evidence import Evidence, evidence_of
from sparsebounds.bounds.graph.graph import Graph
from sparsebounds.bounds.printed import nearest, readable, upwards
from sparsebounds.bounds.show.explaining import explain
from sparsebounds.bounds.show.layers import HeatMap, energy_maps, shrinking_gains
from sparsebounds.bounds.show.pages import facts

FOLDER = Path(__file__).parent
MOST_MAPS = 16
"""So many layers have a heat map."""
MOST_LAYERS = 60
"""So many layers are drawn; the table of a deeper network says the rest."""


def page(
    shown: Any,
    path: str | os.PathLike[str] | None = None,
    *,
    title: str = "Generalization bounds",
) -> str:
    """One self-contained HTML file: verdict, table, every bound factor by factor, layers, energies, what was assumed.

    It opens without a network connection, in light and dark, on a phone, and prints.

    Args:
        shown: the table that `bounds.table` returned, as it is (a copy or a selection has lost what stands behind it);
            or one Bound; or several of these by name, one section each.
        path: a file to write; None: only return the text.
        title: of the page.

    Returns:
        The HTML.

    Raises:
        ModuleNotFoundError: the extra [page] is not installed.
        ValueError: a table without what stands behind it.

    Example:
        >>> from sparsebounds import bounds
        >>> text = page(bounds.golowich(graph, sample, delta=0.001), title="A linear network")
        >>> text.startswith("<!doctype html>"), "With probability 99.9 % the network errs on at most 51.7 %" in text
        (True, True)
    """
    try:
        import vl_convert
        from jinja2 import Environment, FileSystemLoader, StrictUndefined
        from markupsafe import Markup, escape

        from sparsebounds.bounds.show.pages import charts
    except ModuleNotFoundError as missing:
        raise ModuleNotFoundError(
            f"a page needs {missing.name}, which is not installed: pip install 'sparsebounds[page]'",
            name=missing.name,
        ) from missing
    given = shown if isinstance(shown, Mapping) else {"": shown}
    subjects = [_Subject(name, _evidence(one), charts) for name, one in given.items()]
    environment = Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["breakable"] = lambda text: Markup("_<wbr>").join(escape(text).split("_"))
    scripts = {
        "vega": vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;"),
        "own": (FOLDER / "page.js").read_text(encoding="utf-8"),
    }
    text = environment.get_template("page.html").render(
        title=title,
        subjects=[subject.content() for subject in subjects],
        yours=facts.YOURS,
        style=(FOLDER / "page.css").read_text(encoding="utf-8"),
        scripts={name: _closed(script) for name, script in scripts.items()},
        hashes=[_hash(_closed(script)) for script in scripts.values()],
    )
    if path is not None:
        Path(path).write_text(text, encoding="utf-8", newline="\n")
    return text


def _evidence(shown: Any) -> Evidence:
    if isinstance(shown, Evidence):
        return shown
    if isinstance(shown, Bound):
        return Evidence({"bound": shown}, said={"delta": shown.delta})
    if isinstance(shown, pd.DataFrame):
        found = evidence_of(shown)
        if found is not None:
            return found
        raise ValueError(
            "this table has lost what stands behind it, as copies and selections do; give the very table that "
            "bounds.table returned, and choose rows by names=[…]"
        )
    raise ValueError(f"came a {type(shown).__name__}; needed a table of bounds.table, a Bound, or several by name")


@dataclass
class _Subject:
    """One network of a page."""

    name: str
    evidence: Evidence
    charts: Any

    def content(self) -> dict[str, Any]:
        """All that the template shows of it."""
        found = self.evidence.bounds
        certified = facts.certificates(found)
        return {
            "name": self.name,
            "id": f"n{hashlib.sha256(self.name.encode()).hexdigest()[:8]}",
            "verdict": facts.verdict(found),
            "numbers": facts.numbers(self.evidence),
            "notices": self.evidence.notices,
            "rows": [self._row(name, bound) for name, bound in _ordered(found)],
            "outside": [(name, bound.note or "not covered") for name, bound in found.items() if not bound.covered],
            "explained": [(name, explain(bound)) for name, bound in _ordered(found)],
            "values_chart": self._specification(self.charts.values_chart(found)),
            "parts": self._specification(self.charts.parts_chart(dict(list(certified.items())[:6]))),
            "margins": self._margins(certified),
            **self._layers(),
            "assumptions": facts.assumptions(found),
            "declared": facts.declared(self.evidence),
            "prints": facts.fingerprints(self.evidence),
        }

    @staticmethod
    def _row(name: str, bound: Bound) -> dict[str, str]:
        return {
            "name": name,
            "value": upwards(bound.value),
            "word": facts.verdict_word(bound),
            "guarantee": bound.guarantee,
            "margin": upwards(bound.margin_error),
            "complexity": upwards(bound.complexity),
            "confidence": upwards(bound.confidence),
            "gamma": readable(bound.gamma) if bound.gamma else "–",
            "note": bound.note,
        }

    def _margins(self, certified: Mapping[str, Bound]) -> dict[str, str] | None:
        sample = self.evidence.sample
        if sample is None:
            return None
        most = float(sample.margins.max())  # a ramp that ends far to the right of all margins is a flat line
        name, gamma = next(((name, b.gamma) for name, b in certified.items() if 0 < b.gamma <= most), ("", 0.0))
        specification = self._specification(self.charts.margins_chart(sample, gamma))
        return {"specification": specification, "bound": name, "gamma": nearest(gamma)}

    def _layers(self) -> dict[str, Any]:
        graph, sample, inputs = self.evidence.graph, self.evidence.sample, self.evidence.inputs
        if not isinstance(graph, Graph):
            return {"layers": [], "maps": [], "gains": None, "gains_reason": getattr(graph, "reason", "")}
        rows = graph.summary().to_dict(orient="records")
        most = max(row["nodes"] for row in rows)
        layers = [{**row, "pred": row["|pred|"], "share": _share(row["nodes"], most)} for row in rows]
        maps = [] if inputs is None else energy_maps(graph, inputs)[:MOST_MAPS]
        gains, reason = None, ""
        try:
            if sample is not None:
                gains = self._specification(self.charts.gains_chart(shrinking_gains(graph, sample)))
        except (NotCovered, ValueError) as error:
            reason = str(error)
        return {
            "layers": layers[:MOST_LAYERS],
            "further": max(0, len(layers) - MOST_LAYERS),
            "maps": [(heat, self._heat(heat)) for heat in maps],
            "gains": gains,
            "gains_reason": reason,
        }

    def _heat(self, heat: HeatMap) -> str:
        return self._specification(self.charts.heat_chart(heat))

    @staticmethod
    def _specification(chart: dict[str, Any]) -> str:
        """JSON that may stand inside a script element."""
        return json.dumps(chart, ensure_ascii=False, allow_nan=False).replace("<", "\\u003c")


def _ordered(found: Mapping[str, Bound]) -> list[tuple[str, Bound]]:
    """Certificates first, the smallest first, then what is no certificate; those without a number are left out."""
    covered = [(name, bound) for name, bound in found.items() if bound.covered]
    return sorted(covered, key=lambda item: (item[1].guarantee != "certificate", item[1].value))


def _share(nodes: int, most: int) -> int:
    """Width of a layer's bar in percent, by the logarithm of its nodes."""
    return round(12 + 88 * (nodes.bit_length() / most.bit_length()))


def _closed(script: str) -> str:
    """A script that cannot end the element it stands in."""
    return script.replace("</script", "<\\/script").replace("<!--", "<\\!--")


def _hash(script: str) -> str:
    """As a content security policy names it."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"
