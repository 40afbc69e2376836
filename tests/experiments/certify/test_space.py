"""The configuration space of `certify`: every field that shapes a class is priced, and nothing else is."""

import ast
import math
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest

from sparsebounds.bounds.margin.codes import Listed, Trees
from sparsebounds.experiments.certify import data, fit, forms, models
from sparsebounds.experiments.certify.certify import task_of
from sparsebounds.experiments.certify.forms import FORMS
from sparsebounds.experiments.certify.options import CertifyOptions
from sparsebounds.experiments.certify.space import FREE, STATEMENT, configuration, declared, space_of
from sparsebounds.experiments.certify.tasks import TASKS, Task, find_task
from sparsebounds.nets.data.filters import EdgeFilters

LINEAR, CONV, FILTERS, DIGITS = map(find_task, ("mnist10-linear", "mnist10-conv", "mnist10-filters", "digits-linear"))


def total(fields_) -> float:
    """Σ of the weights of all configurations; codes of numbers and trees sum to at most 1 by themselves."""
    product = 1.0
    for one in fields_:
        if isinstance(one.code, Listed):
            product *= math.fsum(math.exp(-one.code.nats(v)) * total(one.under(v)) for v in one.code.values)
    return product


@pytest.mark.parametrize("task", [DIGITS, LINEAR, find_task("mnist01")])
def test_weights_sum_to_at_most_1(task: Task) -> None:
    assert total(space_of(task).fields) <= 1 + 1e-12


def test_every_field_is_priced_by_name_or_says_why_not() -> None:
    named = {name.split(".")[0] for name in space_of(LINEAR).names}
    assert {field.name for field in fields(Task)} - FREE - STATEMENT == named - {"front_end", "form", "seed"}
    assert {f"filters.{field.name}" for field in fields(EdgeFilters)} <= {
        name.removesuffix(".count") for name in space_of(LINEAR).names
    }
    assert space_of(DIGITS).names <= space_of(LINEAR).names


@pytest.mark.parametrize("module", [data, fit, forms, models])
def test_no_number_that_shapes_a_class_stands_beside_the_task(module) -> None:
    tree = ast.parse(Path(module.__file__).read_text(encoding="utf-8"))
    numbers = [
        node
        for node in tree.body
        if isinstance(node, ast.Assign)
        and isinstance(node.value, ast.Constant)
        and not isinstance(node.value.value, str)
    ]
    assert not numbers


def test_what_only_trains_inside_a_class_leaves_the_class_alone() -> None:
    """The same boxes, clipping and energies for other steps, batches and pulls; other boxes for another seed."""
    task = replace(DIGITS, rehearsal_steps=(100, 100), steps=(20, 10))
    prepared = data.prepare(task, data.load(task, None))
    one, other, shaped = (
        fit.fit(t, "boxes", prepared, seed=seed, delta=0.01)
        for t, seed in ((task, 0), (replace(task, steps=(5, 5), batch_size=100, pull=3.0), 0), (task, 1))
    )
    np.testing.assert_array_equal(one.family.sides, other.family.sides)
    np.testing.assert_array_equal(one.energies.means, other.energies.means)
    assert one.bound.terms["nats: configuration"] == other.bound.terms["nats: configuration"]
    assert (one.family.sides != shaped.family.sides).any()
    more = shaped.bound.terms["nats: configuration"] - one.bound.terms["nats: configuration"]
    assert more == pytest.approx(math.log(3))  # seed 1 has weight 1/6, seed 0 has 1/2
    assert one.bound.value != other.bound.value


@pytest.mark.parametrize("name", TASKS)
@pytest.mark.parametrize("preset", ["quick", "cpu"])
def test_every_task_lies_in_its_space(name: str, preset: str) -> None:
    forms = ("boxes", "signed", "rehearsal") if TASKS[name].convs else tuple(FORMS)
    for form in forms:
        task = task_of(CertifyOptions(name, form, preset))
        found = configuration(task, form, 2**32 - 1)
        assert 0 < found.nats < 100 and found.space is space_of(TASKS[name])
        assert ("seed" in found.values) == (form != "uniform")


def test_prices_by_hand() -> None:
    rehearsal = [10, 10, 6, 10, 7, 2, 2]  # steps, steps, batch, rate, strength, no copies, seed 0
    linear = configuration(find_task("mnist01-linear"), "boxes", 0)
    assert linear.nats == pytest.approx(math.log(math.prod([6, 7, 4, 5, *rehearsal, 10])))
    ten = configuration(LINEAR, "boxes", 0)
    assert ten.nats - linear.nats == pytest.approx(math.log(2) + Trees(10).nats(LINEAR.tree))  # a tree was given
    assert Trees(10).nats(LINEAR.tree) == pytest.approx(math.log(math.factorial(18) / math.factorial(9)))
    filters = configuration(FILTERS, "boxes", 0)
    assert filters.nats - ten.nats == pytest.approx(math.log(3 * 5 * 11 * 4 * (3 * 14) * (3 * 14) * 3))
    uniform = configuration(find_task("mnist01-linear"), "uniform", 7)
    assert uniform.nats == pytest.approx(math.log(6 * 7 * 4 * 5 * 7 * 5 * 7))
    three = configuration(find_task("mnist01"), "signed", 0)  # 4 counts, alike, kernel 2 of 8, stride of 2, channels
    assert three.nats == pytest.approx(math.log(math.prod([6, 7, 4, 4, 2, 8, 2, 12, 4, *rehearsal, 100, 10, 11, 7])))
    around = configuration(LINEAR, "centred", 0)
    assert around.nats - ten.nats == pytest.approx(math.log(6))  # the list of widths
    boxes = configuration(replace(find_task("mnist01"), rehearsal_steps=(400, 200)), "boxes", 0)
    short = [3, 3, 2, 2, 2]  # steps, steps, strength, seed 0, starts
    assert boxes.nats == pytest.approx(math.log(math.prod([6, 7, 4, 3, 2, 3, 2, 3, 4, *short]))) and boxes.nats < 16


@pytest.mark.parametrize(
    ("task", "form", "message"),
    [
        (replace(LINEAR, strength=3.0), "boxes", r"strength=3.0 lies outside the space; needed one of 0.1"),
        (replace(LINEAR, left_out=2345), "boxes", "left_out=2345"),
        (replace(CONV, convs=((1, 1, 25),)), "signed", "convs.0.channels=25"),
        (replace(CONV, convs=((2, 3, 24),)), "signed", "convs.0.stride=3"),
        (replace(FILTERS, convs=((2, 2, 4),)), "signed", "convs.count=1.*does not exist"),
        (replace(LINEAR, tree=((0, 1), 2)), "boxes", "tree.given"),
        (replace(DIGITS, strength=1.0), "boxes", "strength=1.0"),
        (LINEAR, "other", "form='other'"),
        (replace(LINEAR, width=0.2), "centred", "width=0.2"),
        (CONV, "uniform", "form='uniform'"),
    ],
)
def test_what_lies_outside_is_refused(task: Task, form: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        configuration(task, form, 0)


def test_convolutions_that_differ_pay_for_each() -> None:
    alike, apart = (replace(find_task("mnist01"), convs=convs) for convs in (((2, 2, 4),) * 2, ((2, 2, 4), (2, 2, 8))))
    assert configuration(apart, "signed", 0).nats - configuration(alike, "signed", 0).nats == pytest.approx(
        math.log(8 * 2 * 12)
    )


def test_statements_have_spaces_of_their_own() -> None:
    shown = declared([LINEAR, FILTERS, find_task("mnist01"), find_task("mnist01-linear")])
    assert [name for name, _, _ in shown] == ["certify: mnist, all classes", "certify: mnist, classes 0, 1"]
    assert len({space.hash for space in (space_of(LINEAR), space_of(find_task("mnist01")), space_of(DIGITS))}) == 3
