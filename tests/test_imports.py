"""Who may import whom: the table of the rooms, and what holds in all of them, from the source text alone."""

from collections.abc import Callable
from functools import partial

import pytest
from import_rules import (
    circles,
    crossed_packages,
    faces_from_inside,
    lazy_imports,
    mere_re_exports,
    modules_named_like_public,
    not_absolute,
    not_there,
    private_names,
    wrong_rooms,
)
from source_tree import PACKAGES, Tree, read_tree

# Room → what it may import beside its own files. Below `theorems`, and wherever else a row names a folder inside a
# room, the inner folder is a room of its own.
UNDER_THEOREMS = "margin norms confidence sample graph arguments.py bound.py unrounded.py"
THEOREM = f"{UNDER_THEOREMS} theorems/chains theorems/passes"
BOUNDS = {
    # ground
    "verdicts.py": "",
    "printed.py": "",
    "notebook.py": "",
    "bound_table.py": "printed.py",
    "plain.py": "",
    "unrounded.py": "",
    "arguments.py": "",
    "bound.py": "arguments.py notebook.py plain.py printed.py unrounded.py verdicts.py",
    "plugins.py": "bound.py measures",
    "confidence": "",
    "graph": "plain.py",
    "endings": "",
    "untouched.py": "",
    "handed_in.py": "",
    "scopes.py": "",
    "one_program.py": "",
    "network.py": "endings untouched.py handed_in.py one_program.py scopes.py",
    # the network and the data
    "sample": "bound.py notebook.py plain.py printed.py graph network.py endings",
    "norms": "graph",
    "reader": "graph network.py sample",
    # from a complexity to a bound
    "margin": "bound.py unrounded.py graph sample",
    "theorems/passes": "graph norms",
    "theorems/chains": f"{UNDER_THEOREMS} theorems/passes",
    "theorems/rademacher": THEOREM,
    "theorems/covering": THEOREM,
    "theorems/description": THEOREM,
    "theorems/pac_bayes.py": THEOREM,
    "theorems/held_out.py": THEOREM,
    "theorems/__init__.py": "theorems",
    "moments": "margin confidence sample graph bound.py",
    "certificates": "moments margin confidence sample reader graph arguments.py bound.py",
    "certificates/distance": "confidence arguments.py bound.py sample",
    "measures": "theorems/passes norms sample graph bound.py",
    "quantising.py": "theorems reader confidence sample graph network.py bound.py",
    "evidence.py": "sample graph bound.py",
    # all of them by name
    "registry.py": "plugins.py theorems moments measures certificates sample graph bound.py",
    "picked.py": "registry.py",
    "tables.py": "arguments.py table_arguments.py bound_table.py evidence.py margins_alike.py registry.py "
    "quantising.py theorems moments measures certificates reader norms sample graph network.py bound.py",
    "table_arguments.py": "margins_alike.py registry.py sample bound.py",
    "margins_alike.py": "arguments.py bound.py sample",
    "measuring.py": "registry.py measures reader sample graph network.py bound.py",
    "comparing.py": "tables.py measuring.py reader sample network.py",
    "what_if.py": "arguments.py registry.py theorems moments measures certificates reader norms sample graph "
    "network.py bound.py",
    "linear_maps.py": "reader norms graph",
    "show": "arguments.py picked.py printed.py evidence.py registry.py tables.py table_arguments.py measuring.py "
    "verdicts.py theorems margin confidence measures reader sample norms graph network.py bound.py",
    "__init__.py": "linear_maps.py quantising.py what_if.py comparing.py measuring.py tables.py registry.py "
    "certificates measures moments theorems margin reader sample norms graph network.py bound.py show",
    "audit": "*",
}
NETS = {
    "checks.py": "",
    "losses.py": "",
    "data": "",
    "onnx": "",
    "checkpoints": "",
    "connectivity": "checks.py losses.py",
    "models": "connectivity checks.py losses.py",
    "masks": "models connectivity checks.py losses.py",
    "prune": "masks models connectivity checks.py losses.py",
    "grow": "masks models connectivity checks.py losses.py",
    "topology": "masks models connectivity checks.py losses.py",
    "training": "data masks models grow losses.py checks.py",
    "certify": "models losses.py",
    "certify/distance": "data training certify models losses.py checks.py",
    "__init__.py": "*",
}
STUDY = "shared reproduce/registry.py"
EXPERIMENTS = {
    "shared": "",
    "reproduce/registry.py": "shared",
    "evaluate": STUDY,
    "report": STUDY,
    "certify": STUDY,
    "audit.py": STUDY,
    "check_bound.py": STUDY,
    "listing.py": f"{STUDY} support.py",
    "support.py": "",
    "sweep": "shared evaluate",
    "correlate": "shared evaluate",
    "reproduce/*": STUDY,  # any other folder: a room of its own
    "reproduce/certificates": f"{STUDY} certify",
    "reproduce/distance": f"{STUDY} certify",
    "reproduce/run.py": "shared reproduce",  # where the experiments are listed
    "reproduce/__init__.py": "",
    "many.py": "shared sweep correlate",
    "cli.py": "*",
    "__init__.py": "",
}
ROOMS = {"bounds": BOUNDS, "nets": NETS, "experiments": EXPERIMENTS}
LAZY = {
    "experiments/cli.py": "*",  # `--help` answers at once
    "experiments/many.py": "*",
    "nets/data/hub.py": "datasets",  # the extra [hub]
    "bounds/measures/spectra.py": "powerlaw",  # the extra [spectra]
    "nets/data/sources.py": "sklearn.datasets",  # the extra [report]
    "nets/onnx/packages.py": "onnx, onnx.inliner, onnx.reference, onnxruntime, torch",  # the extra [onnx], and PyTorch
    "bounds/show/plot/axes.py": "matplotlib",  # the extra [report]
    "bounds/show/pages/writing.py": "jinja2, markupsafe, vl_convert, sparsebounds.bounds.show.pages",  # [page]
}

# `bounds.measures(…)` is called, its folder never: files in it are imported by their own names, and the face has the
# function, whatever was imported first.
ONE_NAME = {"bounds/measures"}

# Violations that wait for the change that ends them. Empty when it is done.
KNOWN: set[str] = set()

TREE = read_tree(*PACKAGES)
OUTSIDE = read_tree("tests", "benchmarks")
RULES: dict[str, Callable[[Tree], list[str]]] = {
    "packages": crossed_packages,
    **{f"rooms of {package}": partial(wrong_rooms, package=package, rooms=ROOMS[package]) for package in PACKAGES},
    "absolute": not_absolute,
    "there": not_there,
    "faces": faces_from_inside,
    "lazy": partial(lazy_imports, allowed=LAZY),
    "circles": circles,
    "private": private_names,
    "names": partial(modules_named_like_public, allowed=ONE_NAME),
    "re-exports": mere_re_exports,
}


@pytest.mark.parametrize("rule", RULES)
def test_the_packages_obey(rule: str) -> None:
    assert sorted(set(RULES[rule](TREE)) - KNOWN) == []


def test_what_is_mended_is_no_longer_listed() -> None:
    assert sorted(KNOWN - {line for rule in RULES.values() for line in rule(TREE | OUTSIDE)}) == []


@pytest.mark.parametrize("rule", ["absolute", "private"])
def test_tests_and_benchmarks_obey(rule: str) -> None:
    assert sorted(set(RULES[rule](OUTSIDE)) - KNOWN) == []


def test_what_the_table_allows_stands_in_the_table() -> None:
    for rooms in ROOMS.values():
        listed = {entry for row in rooms.values() for entry in row.split() if entry != "*"}
        folders = {room.partition("/")[0] for room in rooms}
        assert sorted(listed - set(rooms) - folders) == []


G, T = "bounds/graph/graph.py", "bounds/graph/terms.py"
PLANTED: list[tuple[str, dict[str, str], str]] = [
    ("packages", {"bounds/bound.py": "from sparsebounds import nets", "nets/__init__.py": ""}, "bounds/bound.py"),
    ("packages", {"nets/losses.py": "import sparsebounds.experiments", "experiments/__init__.py": ""}, "nets/losses"),
    ("rooms of bounds", {T: "from sparsebounds.bounds.bound import Bound", "bounds/bound.py": ""}, f"{T} imports"),
    ("rooms of bounds", {"bounds/norms/path.py": "from sparsebounds.bounds import reader",
                         "bounds/reader/__init__.py": ""}, "bounds/norms/path.py imports bounds/reader/__init__.py"),
    ("rooms of bounds", {"bounds/theorems/covering/graf.py": "import sparsebounds.bounds.theorems.rademacher.gonon",
                         "bounds/theorems/rademacher/gonon.py": ""}, "bounds/theorems/covering/graf.py"),
    ("rooms of bounds", {"bounds/certificates/distance/gauss.py": "import sparsebounds.bounds.graph.terms", T: ""},
     "bounds/certificates/distance/gauss.py"),
    ("rooms of bounds", {"bounds/new/thing.py": ""}, "stands in no room"),
    ("rooms of nets", {"nets/prune/best.py": "from sparsebounds.nets.grow.ranks import rank", "nets/grow/ranks.py": ""},
     "nets/prune/best.py"),
    ("rooms of experiments", {"experiments/reproduce/lottery/study.py": "import sparsebounds.experiments.certify.fit",
                              "experiments/certify/fit.py": ""}, "experiments/reproduce/lottery/study.py"),
    ("rooms of experiments", {"experiments/reproduce/a/study.py": "from sparsebounds.experiments.reproduce.b import c",
                              "experiments/reproduce/b/c.py": ""}, "experiments/reproduce/a/study.py"),
    ("absolute", {T: "from . import graph"}, "imports ."),
    ("absolute", {T: "from .graph import Graph"}, "imports .graph"),
    ("absolute", {T: "import bounds.graph as g"}, "imports bounds.graph"),
    ("absolute", {T: "def f():\n    from nets import data"}, "imports nets"),
    ("absolute", {T: "from importlib import import_module\nimport_module('nets.data')"}, "imports nets.data"),
    ("absolute", {T: "if True:\n    from tests import conftest"}, "imports tests"),
    ("there", {T: "from sparsebounds.bounds.graf import Graph"}, "imports sparsebounds.bounds.graf"),
    ("faces", {T: "from sparsebounds.bounds import Graph", "bounds/__init__.py": ""}, "the face bounds/__init__.py"),
    ("faces", {T: "from sparsebounds.bounds.graph import Graph", "bounds/graph/__init__.py": ""}, "the face"),
    ("lazy", {T: "class A:\n    def f(self):\n        import numpy"}, "imports numpy"),
    ("lazy", {T: "from importlib import import_module as i\nimport importlib\nm = importlib.import_module('numpy')"},
     "imports numpy"),
    ("lazy", {"nets/data/hub.py": "def f():\n    import scipy"}, "imports scipy"),
    ("circles", {T: "from sparsebounds.bounds.graph.graph import Graph", G: "import sparsebounds.bounds.graph.terms"},
     f"a circle: {G}, {T}"),
    ("circles", {T: "if TYPE_CHECKING:\n    from sparsebounds.bounds.graph import graph",
                 G: "def f():\n    from sparsebounds.bounds.graph.terms import Taps"}, "a circle"),
    ("circles", {T: "import sparsebounds.bounds.graph.terms"}, "imports itself"),
    ("private", {T: "from sparsebounds.bounds.graph.graph import _hidden", G: ""}, "imports _hidden"),
    ("private", {T: "from sparsebounds.bounds.graph import graph as g\ng._hidden()", G: ""}, "reads g._hidden"),
    ("names", {"nets/prune/__init__.py": "from sparsebounds.nets.prune.chance import erk\n__all__ = ['erk']",
               "nets/prune/erk.py": ""}, "nets/prune/erk.py"),
    ("names", {"nets/__init__.py": "def prune(): ...", "nets/prune/erk.py": ""}, "nets/prune"),
    ("re-exports", {T: '"""Terms."""\nfrom sparsebounds.bounds.graph.graph import A\n__all__ = ["A"]', G: ""}, T),
    ("re-exports", {T: "from sparsebounds.bounds.graph import graph\nA = graph.A", G: ""}, T),
]  # fmt: skip


@pytest.mark.parametrize(("rule", "tree", "named"), PLANTED)
def test_a_planted_violation_is_seen(rule: str, tree: dict[str, str], named: str) -> None:
    assert any(named in line for line in RULES[rule](tree))


@pytest.mark.parametrize("rule", RULES)
def test_what_is_allowed_passes(rule: str) -> None:
    tree = {
        "bounds/__init__.py": "from sparsebounds.bounds.graph import Graph\nfrom sparsebounds.bounds import graph",
        "bounds/graph/__init__.py": "from sparsebounds.bounds.graph.graph import Graph\n__all__ = ['Graph']",
        G: "from sparsebounds.bounds.graph.terms import Taps\nclass Graph: ...\nGraph.__doc__",
        T: "import numpy as np\nTaps = np.ndarray",
        "bounds/norms/path.py": "from sparsebounds.bounds.graph import Graph\nnorm = Graph",
        "bounds/audit/run.py": "from sparsebounds.bounds.norms.path import norm\nx = norm",
        "nets/__init__.py": "from sparsebounds.nets import data\n__all__ = ['data']",
        "nets/data/__init__.py": "",
        "nets/data/hub.py": "def f():\n    import datasets",
        "experiments/cli.py": "def f():\n    from sparsebounds import bounds, nets",
    }
    if rule == "re-exports":  # two of the files above are that short
        tree |= {file: text + "\ndef f(): ..." for file, text in tree.items()}
    assert RULES[rule](tree) == []
