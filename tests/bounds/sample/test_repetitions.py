"""Copies: what a discrete space explains, what passes for coincidence, and samples that must not meet."""

import math

import numpy as np
import pytest

from sparsebounds import bounds
from sparsebounds.bounds.sample.fingerprinting import fingerprints
from sparsebounds.bounds.sample.front_end import FrontEnd
from sparsebounds.bounds.sample.margins import Margins
from sparsebounds.bounds.sample.overlap import more_than_chance, overlap
from sparsebounds.bounds.sample.repetitions import input_space, repeats
from sparsebounds.bounds.theorems.held_out import held_out
from sparsebounds.nets.data.datasets import load

RNG = np.random.default_rng(0)
X = RNG.normal(size=(2000, 3)).astype(np.float32)
Y = np.arange(2000) % 2
W = RNG.normal(size=(3, 2)).astype(np.float32)


def f(x):
    return x @ W


def rows(x, y=None, f=f, **options):
    y = np.arange(len(x)) % 2 if y is None else y
    return bounds.table(f, x, y, names=["galanti", "occam", "peeling", "galanti_published"], **options)


# ---- the space of inputs ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("x", "space"),
    [
        (np.eye(2)[[0, 1] * 5], 4.0),
        (np.arange(6.0)[:, None], 6.0),
        (np.array([[0.0], [2.0], [5.0]]), 6.0),  # gaps 2 and 3: the step is 1
        (np.arange(256, dtype=np.uint8)[:, None], 256.0),
        ((np.arange(256, dtype=np.float32)[:, None] / 255 - np.float32(0.1307)) / np.float32(0.3081), 256.0),
        (np.arange(65536.0)[:, None], 65536.0),
        (np.arange(65537.0)[:, None], math.inf),
        (np.ones((5, 3)), 1.0),
        (np.array([[0.0], [1.0], [math.pi]]), math.inf),
        (np.array([[0.0], [1.0], [1000.0]]), math.inf),  # three numbers lie on some lattice by chance
        (RNG.normal(size=(50, 1)), math.inf),
        (np.stack([np.arange(6.0), RNG.normal(size=6)], axis=1), math.inf),
        (RNG.integers(0, 2, (5000, 20)), 2.0**20),
        (RNG.integers(0, 2, (5000, 65)), math.inf),  # more than 2^64
        (RNG.integers(0, 2, (5000, 4, 5, 1)), 2.0**20),
    ],
)
def test_how_many_inputs_the_lattice_has(x, space):
    assert input_space(x) == space
    assert input_space(x[RNG.permutation(len(x))]) == space


def test_a_value_seen_late_counts():
    """A lattice found on a part of the sample would be too small a space."""
    x = np.zeros((10_000, 1))
    x[1::2] = 1.0
    assert input_space(x) == 2.0
    x[9_999] = 0.5
    assert input_space(x) == 3.0
    x[9_999] = 0.4321
    assert input_space(x) == math.inf


# ---- repetitions -----------------------------------------------------------------------------


def test_repeated_samples_are_no_certificate():
    again = rows(np.tile(X[:200], (1000, 1)), batch_size=20_000).set_index("bound")
    assert set(again.guarantee) == {"published"}
    assert again.note.str.startswith(
        "no certificate: 199800 of 200000 samples repeat an earlier input; if you made them"
    ).all()
    once = rows(X)
    assert once.guarantee.tolist() == ["certificate"] * 3 + ["published"] and not once.note[:3].any()


def test_the_remedies_work():
    x = np.tile(X[:200], (10, 1))
    stated = rows(x, repetitions="natural")
    assert stated.guarantee.tolist() == ["certificate"] * 3 + ["published"]
    assert "natural, as stated" in stated.note[0]
    _, first = np.unique(fingerprints(x), return_index=True)
    assert rows(x[np.sort(first)]).guarantee[0] == "certificate"
    with pytest.raises(ValueError, match="repetitions is 'few'; it is one of 'counted', 'natural'"):
        rows(x, repetitions="few")


@pytest.mark.parametrize(("copies", "certified"), [(0, True), (1, True), (2, True), (3, False), (1000, False)])
def test_one_in_a_thousand_passes_for_coincidence(copies, certified):
    x = np.concatenate([X[: 2000 - copies], X[:copies]])
    found = rows(x).iloc[0]
    assert (found.guarantee == "certificate") is certified
    assert found.note.startswith("no certificate" if not certified else f"{copies} of 2000" if copies else "")


def test_in_few_samples_no_copy_passes():
    assert rows(np.concatenate([X[:19], X[:1]])).guarantee[0] == "published"
    assert rows(X[:20]).guarantee[0] == "certificate"


def test_other_labels_do_not_hide_a_copy():
    x = np.concatenate([X[:1000], X[:1000]])
    assert rows(x, np.repeat([0, 1], 1000)).guarantee[0] == "published"


def test_a_discrete_space_explains_repetitions():
    x = RNG.integers(0, 2, (2000, 3)).astype(np.float32)
    found = rows(x).iloc[0]
    assert found.guarantee == "certificate" and "the inputs span only 8 values" in found.note
    wide = RNG.integers(0, 2, (2000, 40)).astype(np.float32)
    wide[1000:] = wide[:1000]
    assert rows(wide, f=lambda x: x[:, :3] @ W).guarantee[0] == "published"


def test_behind_a_front_end_the_inputs_before_it_count():
    """A front end of two values does not explain copies of real inputs."""
    front = FrontEnd(lambda x: (x[:, :1] > 0).astype(np.float32))
    x = np.tile(X[:200], (10, 1))
    g = lambda v: v @ W[:1]  # noqa: E731
    for inputs, excluded in ((X, False), (x, True)):
        sample = bounds.Sample.measure(g, front.receive(inputs), Y)
        assert sample.copies.excluded is excluded
        assert sample.input_space == math.inf == front.receive(inputs).then(lambda v: 2 * v).input_space


def test_certificates_and_files_know_it_too(tmp_path):
    x = np.tile(X[:200], (10, 1))
    assert bounds.certificate(f, x, Y).guarantee == "published"
    assert bounds.certificate(f, x, Y, repetitions="natural").guarantee == "certificate"
    for repetitions in ("counted", "natural"):
        bounds.Sample.measure(f, x, Y, repetitions=repetitions).save(tmp_path / "s.npz")
        loaded = bounds.Sample.load(tmp_path / "s.npz")
        assert loaded.repetitions == repetitions and loaded.input_space == math.inf
        assert loaded.copies.excluded is (repetitions == "counted") and loaded.copies.number == 1800


# ---- overlap ---------------------------------------------------------------------------------


def test_test_samples_that_were_trained_on_are_no_certificate():
    known = np.asarray(f(X)).argmax(axis=1)
    for x, y, shared in ((X, known, 2000), (np.concatenate([X[:3], -X[3:]]), known, 3)):
        found = bounds.table(f, X, known, x, y, names=["held_out"]).iloc[0]
        assert found.guarantee == "published"
        assert found.note.startswith(f"no certificate: {shared} of 2000 samples have an input of the training sample")
    apart = bounds.table(f, X, known, -X, known, names=["held_out"]).iloc[0]
    assert apart.guarantee == "certificate" and apart.note.startswith("for orientation")


def test_coincidences_count_as_errors():
    fresh = RNG.normal(size=(2000, 3)).astype(np.float32)
    x = np.concatenate([X[:2], fresh[2:]])
    known = np.asarray(f(x)).argmax(axis=1)
    found = bounds.table(f, X, known, x, known, names=["held_out"]).iloc[0]
    assert found.guarantee == "certificate" and found.margin_error == 2 / 2000 and found.test_error == 0
    assert "2 of 2000 samples have an input of the training sample: taken for coincidence" in found.note
    stated = bounds.table(f, X, known, x, known, names=["held_out"], repetitions="natural").iloc[0]
    assert stated.margin_error == 0 and stated.guarantee == "certificate"
    twice = np.concatenate([fresh[:1999], fresh[:1]])
    again = bounds.table(f, X, known, twice, np.asarray(f(twice)).argmax(axis=1), names=["held_out"]).iloc[0]
    assert again.margin_error == 1 / 2000 and again.guarantee == "certificate"


def test_repeated_test_samples_are_no_certificate():
    x, y = np.tile(-X[:200], (10, 1)), np.tile(np.asarray(f(-X[:200])).argmax(axis=1), 10)
    found = bounds.table(f, X, Y, x, y, names=["held_out"]).iloc[0]
    assert found.guarantee == "published" and "1800 of 2000 samples repeat an earlier input" in found.note


def test_a_discrete_space_explains_an_overlap():
    x = np.eye(3, dtype=np.float32)[np.arange(300) % 3]
    found = bounds.table(f, x[:200], Y[:200], x[200:], Y[200:300], names=["held_out"]).iloc[0]
    assert found.guarantee == "certificate" and "span only 8 values" in found.note


def test_without_fingerprints_it_is_said():
    graph, sample = bounds.read_graph(f, X[:2]), bounds.Sample.measure(f, X, Y)
    unknown = held_out(graph, sample, delta=0.1, test=Margins(np.ones(100)))
    assert unknown.guarantee == "published" and "was not checked" in unknown.note
    assert (
        "no certificate: samples without fingerprints, whose copies cannot be seen, and without probes" in unknown.note
    )
    numbers = held_out(graph, sample, delta=0.1, test=Margins(np.ones(100), fingerprints(-X[:100])))
    assert numbers.guarantee == "published" and "without probes, whose network cannot be checked" in numbers.note
    known = held_out(graph, sample, delta=0.1, test=Margins.measure(f, -X[:100], Y[:100]))
    assert known.guarantee == "certificate" and "was not checked" not in known.note
    with pytest.raises(ValueError, match="needed one per sample"):
        Margins(np.ones(3), fingerprints(X[:2]))


# What is moved is the same for a network: by the last bit, by a scale, by a shift, by another type.
CHANGED = {
    "the last bit": lambda x: np.nextafter(x, np.float32(9)),
    "half precision": lambda x: x.astype(np.float16).astype(np.float32),
    "scaled": lambda x: x * np.float32(1.5),
    "shifted and scaled": lambda x: (x - np.float32(0.1307)) / np.float32(0.3081),
    "grey levels": lambda x: np.float32(255) * x,
}


@pytest.mark.parametrize("name", CHANGED)
@pytest.mark.parametrize("part", [1.0, 0.1])
def test_near_copies_of_the_training_sample_are_found(name, part):
    x, fresh = (np.random.default_rng(seed).uniform(size=(1000, 40)).astype(np.float32) for seed in (1, 2))
    w = RNG.normal(size=(40, 2)).astype(np.float32)
    test = np.concatenate([CHANGED[name](x[: int(part * 1000)]), fresh[int(part * 1000) :]])
    found = bounds.table(lambda x: x @ w, x, np.arange(1000) % 2, test, np.arange(1000) % 2, names=["held_out"]).iloc[0]
    assert found.guarantee == "published" and "and repeats within either do not explain it" in found.note
    honest = CHANGED[name](fresh)
    apart = bounds.table(lambda x: x @ w, x, np.arange(1000) % 2, honest, np.arange(1000) % 2, names=["held_out"])
    assert apart.guarantee[0] == "certificate"


def test_behind_a_front_end_the_route_does_not_matter():
    front = FrontEnd(lambda x: 2 * x)
    g = lambda v: v @ W  # noqa: E731
    graph, sample = bounds.read_graph(g, X[:2]), bounds.Sample.measure(g, front.receive(X), Y)
    for inputs in (front.receive(X[:1000]), front.receive(X[:1000]).values, front.outputs(X[:1000])):
        for measure in (Margins.measure, bounds.Sample.measure):
            assert held_out(graph, sample, delta=0.1, test=measure(g, inputs, Y[:1000])).guarantee == "published"
    fresh = front.receive(RNG.normal(size=(1000, 3)).astype(np.float32))
    assert held_out(graph, sample, delta=0.1, test=Margins.measure(g, fresh, Y[:1000])).guarantee == "certificate"


def test_a_small_space_does_not_explain_a_test_set_that_is_the_training_set():
    """65536 inputs are possible, 400 different ones were drawn: that all 400 come again is no accident."""
    x = np.unique(np.random.default_rng(0).integers(0, 2, (400, 16)).astype(np.float32), axis=0)
    w, y = RNG.normal(size=(16, 2)).astype(np.float32), np.arange(len(x)) % 2
    for stated in ("counted", "natural"):
        found = bounds.table(lambda x: x @ w, x, y, x, y, names=["held_out"], repetitions=stated).iloc[0]
        assert found.guarantee == "published" and "repeats within either do not explain it" in found.note
    fresh = np.random.default_rng(1).integers(0, 2, (400, 16)).astype(np.float32)
    apart = bounds.table(lambda x: x @ w, x, y, fresh, np.arange(400) % 2, names=["held_out"]).iloc[0]
    assert apart.guarantee == "certificate" and "span only 65536 values" in apart.note
    tiled = bounds.Sample.measure(lambda x: x @ w, np.tile(x, (20, 1)), np.tile(y, 20))
    assert tiled.copies.excluded  # 7600 copies, of a uniform draw 470
    assert not bounds.Sample.measure(lambda x: x @ w, fresh, np.arange(400) % 2).copies.excluded


def test_what_the_distribution_repeats_is_no_overlap():
    """Four in ten inputs are one empty record: test samples repeat it as often as training samples do."""
    rng = np.random.default_rng(3)
    draw = lambda n: np.where(rng.random((n, 1)) < 0.4, 0, rng.normal(size=(n, 3))).astype(np.float32)  # noqa: E731
    x, test = draw(2000), draw(2000)
    found = bounds.table(f, x, Y, test, Y, names=["held_out"], repetitions="natural").iloc[0]
    assert found.guarantee == "certificate"
    half = np.concatenate([test[:1800], x[:200]])  # and 200 that were trained on
    assert bounds.table(f, x, Y, half, Y, names=["held_out"], repetitions="natural").guarantee[0] == "published"


def test_how_often_honest_samples_are_refused():
    """At most once in a thousand; here never in 200, whatever the distribution repeats."""
    rng = np.random.default_rng(0)
    for kinds in (3, 50, 1000, 10**6):
        for _ in range(50):
            both = rng.integers(0, kinds, 600).astype(np.uint64)
            assert not more_than_chance(both[:200], both[200:])


def test_overlap_by_hand():
    marks = np.array([3, 3, 4, 5], dtype=np.uint64)
    one, two = Margins(np.ones(4), marks), Margins(np.ones(2), np.array([3, 9], dtype=np.uint64))
    assert (overlap(one, two).number, overlap(two, one).number) == (2, 1)
    assert repeats(marks).tolist() == [False, True, False, False] and len(repeats(None)) == 0


# ---- the committed data ----------------------------------------------------------------------


def test_digits_have_no_copies():
    data = load("digits")
    marks = fingerprints(np.concatenate([data.x_train, data.x_test]))
    assert len(np.unique(marks)) == len(marks) and input_space(data.x_train) == math.inf


def test_mnist_has_no_copies_and_no_overlap(mnist_dir):
    data = load("mnist", mnist_dir.parent)
    marks = [fingerprints(x) for x in (data.x_train, data.x_test)]
    assert len(np.unique(np.concatenate(marks))) == 70_000
