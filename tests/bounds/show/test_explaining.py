"""Explanations: the factors that are shown give the number again, whatever the bound and the network."""

import math
import types
from dataclasses import replace
from html.parser import HTMLParser

import jax
import jax.numpy as jnp
import pytest
from shown import found, measured

from sparsebounds import bounds

FIXED_GAMMA = {"gonon", "galanti_published"}
"""They take no "best"."""


@pytest.mark.parametrize("classes", [10, 2])
@pytest.mark.parametrize("activation", [jax.nn.relu, jnp.tanh])
@pytest.mark.parametrize("name", list(bounds.BOUNDS))
def test_the_factors_of_every_bound_give_it_again(name: str, activation, classes: int) -> None:
    for gamma in (0.5, None if name in FIXED_GAMMA else "best"):
        bound = found(name, gamma, classes, activation)
        if not bound.covered:
            assert bound.note
            continue
        explained = bounds.explain(bound)
        if activation is jnp.tanh and bounds.BOUNDS[name].declaration.guarantee != "certificate":
            continue  # a formula that was carried over to other activations
        assert explained.complete, [step for step in explained.steps if not step.symbols]
        assert math.isclose(bound.margin_error + bound.complexity + bound.confidence, bound.value, rel_tol=1e-9)


def test_most_rows_are_covered_by_these_networks() -> None:
    assert sum(found(name, 0.5).covered for name in bounds.BOUNDS) >= 23


@pytest.mark.parametrize("name", ["galanti", "golowich", "path_norm", "bartlett", "peeling", "occam", "pac_bayes"])
def test_a_number_that_its_factors_do_not_give_is_not_explained(name: str) -> None:
    bound = found(name, 0.5)
    for part in ("complexity", "confidence"):
        forged = replace(bound, **{part: 0.9 * getattr(bound, part)})
        explained = bounds.explain(forged)
        assert not explained.complete and "do not redo" in explained.text


def test_the_certificate_of_the_best_form_is_explained() -> None:
    graph, sample, *_ = measured(2)
    bound = bounds.peeling(graph, sample, delta=0.01, gamma="best")
    explained = bounds.explain(bound)
    assert explained.complete
    named = {step.name: step for step in explained.steps}
    paid = [step.value for name, step in named.items() if name.startswith("nats: ")]
    assert math.isclose(math.fsum(paid), named["nats paid for choices"].value)


def test_a_formula_is_shown_with_names_and_with_numbers() -> None:
    steps = {step.name: step for step in bounds.explain(found("golowich_sharp", 0.5)).steps}
    assert steps["c = scale/gamma"].symbols.endswith(" / γ") and steps["c = scale/gamma"].numbers.endswith(" / 0.5")
    assert steps["value"].symbols == "margin error + complexity + confidence"


def test_a_bound_of_another_package_is_explained_by_its_parts() -> None:
    alone = bounds.Bound(0.75, 0.25, 0.25, 0.25, 1.0, 0.1, "certificate", {"mine": 3.0}, "a paper")
    explained = bounds.explain(alone)
    assert not explained.complete and explained.steps[-1].numbers == "0.25 + 0.25 + 0.25"
    assert "mine" in explained.text


def test_a_row_that_is_not_covered_gives_its_reason() -> None:
    graph, sample, *_ = measured()
    explained = bounds.explain(bounds.neyshabur_two_layer(graph, sample, delta=0.1))
    refused = bounds.explain(bounds.held_out(graph, sample, delta=0.1))
    assert explained.steps and not refused.steps and "no held-out samples" in refused.text


def test_what_is_no_bound_is_refused() -> None:
    with pytest.raises(ValueError, match="came a SimpleNamespace; needed a Bound"):
        bounds.explain(types.SimpleNamespace(value=1.0))


class Cells(HTMLParser):
    """Counts tags and keeps the text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.texts: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list) -> None:
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def test_html_and_markdown_escape_what_users_name() -> None:
    terms = {"<script>alert(1)</script>": 1.0, "a|b": "c|d <b>"}
    bound = bounds.Bound(0.5, 0.5, 0.0, 0.0, 1.0, 0.1, "published", terms, "x & y", "<img src=x>")
    explained = bounds.explain(bound)
    seen = Cells(explained._repr_html_())
    assert not {"script", "img", "b"} & set(seen.tags) and "<script>alert(1)</script>" in seen.texts
    (row,) = [line for line in explained.markdown.splitlines() if line.startswith("| a")]
    assert row == r"| a\|b |  |  | c\|d <b> |"


@pytest.mark.parametrize(
    ("value", "guarantee", "said"),
    [
        (0.12345, "certificate", "With probability 99 % the error on new data is at most 12.4 %: informative."),
        (1.0, "certificate", "says nothing"),
        (0.3, "expectation", "On average"),
        (0.3, "published", "no guarantee"),
    ],
)
def test_the_verdict_is_a_sentence(value: float, guarantee, said: str) -> None:
    bound = bounds.Bound(value, value, 0.0, 0.0, 1.0, 0.01, guarantee)
    assert said in bounds.explain(bound).verdict
