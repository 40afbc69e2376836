"""Prefix codes and configuration spaces: Kraft, prices by hand, what is refused, a hash that does not move."""

import itertools
import math
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from sparsebounds import bounds
from sparsebounds.bounds.margin.classes import choice_prices
from sparsebounds.bounds.margin.codes import Listed, Seeds, Trees, WholeNumbers, canonical
from sparsebounds.bounds.margin.space import ConfigurationSpace, Field

FILTERS = Field("filters", Listed((4, 8, 16)))
EDGES = Field("front end", Listed(("pixels", "edges")), {"edges": (FILTERS, Field("blur", Listed((0.5, 1.0))))})
SPACE = ConfigurationSpace("front ends", 1, (EDGES, Field("seed", WholeNumbers())))
HASH = "e34a2be7cc00f93a"


def weight(code, value) -> float:
    return math.exp(-code.nats(value))


def every(fields, values):
    """All configurations of fields whose codes are lists."""
    if not fields:
        yield values
        return
    first, *rest = fields
    for value in first.code.values:
        yield from every([*first.under(value), *rest], {**values, first.name: value})


# ---- codes ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", [WholeNumbers(), WholeNumbers(3), Seeds()])
def test_weights_of_numbers_sum_to_at_most_1(code) -> None:
    total = math.fsum(weight(code, n) for n in range(getattr(code, "first", 0), 2**16))
    assert 0.94 < total <= 1.0  # all numbers of at most 16 bits: the sum of Seeds is 1 − 1/18


def test_the_number_codes_by_hand() -> None:
    assert weight(WholeNumbers(), 0) == pytest.approx(1 / 2) and weight(WholeNumbers(2), 4) == pytest.approx(1 / 12)
    assert [round(1 / weight(Seeds(), n)) for n in (0, 1, 2, 3, 4, 7, 8)] == [2, 6, 24, 24, 80, 80, 240]
    each_length = [math.fsum(weight(Seeds(), n) for n in range(2 ** (b - 1), 2**b)) for b in range(1, 12)]
    assert each_length == pytest.approx([1 / ((b + 1) * (b + 2)) for b in range(1, 12)])


@pytest.mark.parametrize("classes", [2, 3, 4])
def test_every_ordered_tree_has_its_share(classes) -> None:
    def trees(leaves):
        if len(leaves) == 1:
            yield leaves[0]
        for k in range(1, len(leaves)):
            for left in itertools.combinations(leaves, k):
                right = tuple(leaf for leaf in leaves if leaf not in left)
                yield from itertools.product(trees(left), trees(right))

    code = Trees(classes)
    assert math.fsum(weight(code, tree) for tree in trees(tuple(range(classes)))) == pytest.approx(1.0)


@pytest.mark.parametrize("tree", [(0, (1, 1)), (0, 1), ((0, 1), 3), (0, 1, 2), 0, "(0, (1, 2))", (0, (1, True)), None])
def test_what_is_no_tree_has_no_weight(tree) -> None:
    assert Trees(3).nats(tree) is None


def test_a_list_tells_numbers_words_and_truth_apart() -> None:
    code = Listed((1, 2.5, "a", True, None, (1, 2)))
    for value in (1, 1.0, np.float64(2.5), np.int64(1), "a", True, None, [1, 2]):
        assert code.nats(value) == pytest.approx(math.log(6))
    for value in (2, "1", False, (2, 1), math.nan, np.float32(0.98), object()):
        assert code.nats(value) is None
    for values in ((), (1, 1.0), (math.nan,), ({},)):
        with pytest.raises(ValueError):
            Listed(values)
    assert WholeNumbers().nats(True) is None and WholeNumbers().nats("1") is None and Seeds().nats(-1) is None
    with pytest.raises(ValueError, match="in a configuration"):
        canonical({1, 2})


# ---- spaces --------------------------------------------------------------------------------------


def test_weights_of_all_configurations_sum_to_1() -> None:
    lists = ConfigurationSpace("lists", 1, (EDGES, Field("seed", Listed((0, 1, 2)))))
    found = [lists.configuration(values) for values in every(lists.fields, {})]
    assert len(found) == (1 + 3 * 2) * 3
    assert math.fsum(math.exp(-one.nats) for one in found) == pytest.approx(1.0)
    assert found[0].nats == pytest.approx(math.log(2) + math.log(3))  # pixels: no field below is paid


def test_a_price_is_the_sum_along_the_path() -> None:
    found = SPACE.configuration({"seed": 2, "blur": 1, "filters": 8, "front end": "edges"})
    assert [paid.field for paid in found.path] == ["front end", "filters", "blur", "seed"]
    assert found.nats == pytest.approx(math.log(2 * 3 * 2 * 12))
    assert found.terms["configuration"]["filters"] == {"value": 8, "nats": pytest.approx(math.log(3))}


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"front end": "edges", "filters": 5, "blur": 1.0, "seed": 0}, "filters=5 lies outside.*one of 4, 8, 16"),
        ({"front end": "edges", "filters": 4, "seed": 0}, "the field blur is missing; needed one of 0.5, 1.0"),
        ({"front end": "pixels", "filters": 4, "seed": 0}, "filters=4 was given, a field that does not exist"),
        ({"front end": "pixels", "seed": -1}, "seed=-1 lies outside.*a whole number of at least 0"),
        ({"front end": "pixels", "seed": 0, "width": 3}, "width=3 was given"),
        ({}, "front end is missing"),
    ],
)
def test_what_lies_outside_is_refused(values, message) -> None:
    with pytest.raises(ValueError, match=message):
        SPACE.configuration(values)


def test_a_price_cannot_be_written_by_hand() -> None:
    with pytest.raises(ValueError, match="outside"):
        bounds.Configuration(SPACE, {"front end": "anything", "seed": 0})
    with pytest.raises(TypeError):
        bounds.Configuration(SPACE, {"front end": "pixels", "seed": 0}, ())  # type: ignore[call-arg]


@pytest.mark.parametrize("nats", [-1.0, math.nan, math.inf])
def test_a_code_of_ones_own_cannot_lower_a_price(nats) -> None:
    class Given(Listed):
        def nats(self, value):
            return nats

    space = ConfigurationSpace("widths", 1, (Field("width", Given((1, 2))),))
    with pytest.raises(ValueError, match="needed log\\(1/weight\\), not negative"):
        space.configuration({"width": 1})


def test_one_path_has_no_name_twice() -> None:
    low = Field("a", Listed((1,)))
    for fields in ((low, low), (Field("a", Listed((1,)), {1: (low,)}),), (Field("b", Listed((1,)), {1: (low,)}), low)):
        with pytest.raises(ValueError, match="two fields of one configuration are called a"):
            ConfigurationSpace("twice", 1, fields)
    apart = Field("b", Listed((1, 2)), {1: (low,), 2: (low,)})  # never on one path
    assert ConfigurationSpace("apart", 1, (apart,)).names == {"a", "b"}
    with pytest.raises(ValueError, match="which is not one of 1"):
        Field("b", Listed((1,)), {2: (low,)})


def test_the_hash_is_of_what_was_declared() -> None:
    assert SPACE.hash == HASH
    wider = replace(FILTERS, code=Listed((4, 8, 16, 32)))
    others = [
        replace(SPACE, name="other"),
        replace(SPACE, version=2),
        replace(SPACE, fields=(EDGES, Field("seed", WholeNumbers(1)))),
        replace(SPACE, fields=(EDGES, Field("seed", Seeds()))),
        replace(SPACE, fields=(replace(EDGES, below={"edges": (wider,)}), SPACE.fields[1])),
        replace(SPACE, fields=(*SPACE.fields, Field("width", Listed((1,))))),
    ]
    assert len({SPACE.hash, *(other.hash for other in others)}) == 7


def test_the_hash_is_the_same_in_every_process() -> None:
    code = f"""
from sparsebounds.bounds.margin.codes import *
from sparsebounds.bounds.margin.space import *
FILTERS = {FILTERS!r}
print(ConfigurationSpace("front ends", 1, {SPACE.fields!r}).hash)
"""
    found = {
        subprocess.run(
            [sys.executable, "-c", code], env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path)},
            capture_output=True, text=True, check=True,
        ).stdout.strip()
        for seed in ("1", "2")
    }  # fmt: skip
    assert found == {HASH}


# ---- in a certificate ----------------------------------------------------------------------------


def test_a_configuration_is_paid_where_counts_are() -> None:
    """log 2 for one option of two, as a count and as a code: the same certificate, and both grow with the price."""
    rng = np.random.default_rng(0)
    x = rng.uniform(size=(2000, 2)).astype(np.float32)
    y = (x[:, 0] > x[:, 1]).astype(np.int64)
    half = ConfigurationSpace("half", 3, (Field("option", Listed(("a", "b"))),)).configuration({"option": "b"})
    many = ConfigurationSpace("many", 1, (Field("n", Seeds()),)).configuration({"n": 2**2000})
    count, code, dear = (
        bounds.certificate(lambda x: x @ np.array([[-1, 1], [1, -1]], np.float32), x, y, pixel_range=(0, 1), choices=c)
        for c in ({"option": 2}, half, many)
    )
    assert code.value == pytest.approx(count.value, abs=1e-12) and dear.value > code.value + 0.5
    assert code.terms["nats: configuration"] == pytest.approx(math.log(2))
    assert (code.terms["configuration space"], code.terms["configuration space: version"]) == ("half", 3)
    assert code.terms["configuration space: hash"] == half.space.hash
    assert dear.complexity > code.complexity and math.isfinite(
        dear.value
    )  # e^−1400 is no float: the energies pay in logs
    assert choice_prices(None).nats == 0.0 and choice_prices({"list": 6}).nats == pytest.approx(math.log(6))
