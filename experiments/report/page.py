"""What `sparsebounds report --html` shows: a section for each trained network, one for each that was drawn."""

from sparsebounds.bounds.evidence import Evidence
from sparsebounds.experiments.report.certified import BOUND
from sparsebounds.experiments.report.follow import Followed
from sparsebounds.experiments.report.report import Report
from sparsebounds.experiments.shared.snapshot import Form

DECLARED = ("delta", "repetitions")


def sections(report: Report) -> dict[str, Evidence]:
    """Name of a section → what stands behind its bounds, as `bounds.page` takes it.

    A certificate by distance is not of the trained network but of one of its architecture, drawn near a reference: a
    section of its own, before that network's.
    """
    said = {name: report.config["options"][name] for name in DECLARED}
    said["preprocessing"] = report.config["data"]["preprocessing"]
    found: dict[str, Evidence] = {}
    for followed in report.networks:
        name = followed.network.name
        if name in report.certified:
            found[f"{name}, drawn near a reference"] = Evidence({BOUND: report.certified[name]}, said=said)
        found[name] = _trained(followed, said)
    return found


def _trained(followed: Followed, said: dict[str, object]) -> Evidence:
    final = followed.final
    fixed = dict.fromkeys(("mask_fixed", "selections_fixed"), followed.network.mask_fixed)
    rows = {_name(form): bound for form, bound in final.found.items()}
    return Evidence(rows, final.graph, final.sample, final.test, final.inputs, said | fixed)


def _name(form: Form) -> str:
    return form.bound if form.nodes in ("position", "best") else f"{form.bound} ({form.nodes})"
