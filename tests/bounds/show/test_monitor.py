"""`bounds.monitor`: numbers of the library's own functions, never more than its share, never the end of a training."""

import csv
import math
import re
import warnings
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pandas as pd
import pytest
from flax import nnx
from hypothesis import given
from hypothesis import strategies as st
from shown import trained

from sparsebounds import bounds
from sparsebounds.bounds.show.monitoring.logs import COLUMNS
from sparsebounds.bounds.show.monitoring.thinning import FIRST, ROOM, Thinning


class Clock:
    """Seconds that pass when they are told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@given(
    st.lists(st.tuples(st.floats(0, 50), st.floats(0, 30)), max_size=80),
    st.sampled_from([0.005, 0.01, 0.1, 1.0]),
)
def test_looks_that_cost_what_is_expected_stay_within_the_share(times: list[tuple[float, float]], share: float) -> None:
    clock = Clock()
    thinning = Thinning(share, clock)
    last = FIRST / ROOM
    for training, wish in times:
        clock.now += training
        if thinning.due:
            with thinning.looking():
                clock.now += min(wish, ROOM * last)
                last = min(wish, ROOM * last)
            assert thinning.spent <= share * clock.now * (1 + 1e-9)


def test_a_look_that_cost_too_much_is_paid_back_before_the_next() -> None:
    clock = Clock()
    thinning = Thinning(0.01, clock)
    clock.now = 199.9
    assert not thinning.due
    clock.now = 200.0
    assert thinning.due
    with pytest.raises(KeyError), thinning.looking():  # a look that fails has cost its time too
        clock.now += 10.0
        raise KeyError
    assert (thinning.looks, thinning.spent) == (1, 10.0)
    for clock.now in (300.0, 1000.0, 2249.0):
        assert not thinning.due
    clock.now = 2250.0
    assert thinning.due


@pytest.fixture(scope="module")
def digits():
    f, x, y, *_ = trained()
    return f, x, y


def test_a_row_is_what_the_library_says_of_these_samples(digits) -> None:
    f, x, y = digits
    watch = bounds.monitor(x, y, ["galanti", "l2", "golowich"], samples=300, delta=0.01, options={"gamma": 0.5})
    assert not watch(f, 1) and watch.passed_over == 1 and watch.frame().empty
    assert watch(f, 7, now=True) and watch.looks == 1
    rows = watch.frame().set_index("name")
    which = np.sort(np.random.default_rng(0).choice(len(x), 300, replace=False))
    graph, sample = bounds.read_graph(f, x[:2]), bounds.Sample.measure(f, x[which], y[which])
    for name in ("galanti", "golowich"):
        exact = bounds.BOUNDS[name](graph, sample, delta=0.01, gamma=0.5)
        assert rows["value"][name] == exact.value and exact.guarantee == "certificate"
        capacity = bounds.BOUNDS[name].capacity(graph, sample, delta=0.01, gamma=0.5)
        assert rows["capacity"][name] == capacity > 1
        assert rows["note"][name].startswith("one look of many, at some of the samples: no certificate")
    measured = bounds.measures(f, x[which], y[which], names=["l2"])
    assert rows["value"]["l2"] == measured["value"][0] and math.isnan(rows["capacity"]["l2"])
    assert set(rows["guarantee"]) == {"measure"} and set(rows["m"]) == {300} and set(rows["step"]) == {7}


def test_the_same_samples_in_every_look(digits) -> None:
    f, x, y = digits
    watch = bounds.monitor(x, y, ["galanti"], samples=200, seed=3, options={"gamma": 3.0})
    for step in range(2):
        watch(f, step, now=True)
    assert watch.frame()["value"].nunique() == 1 and watch.looks == 2
    other = bounds.monitor(x, y, ["galanti"], samples=200, seed=4, options={"gamma": 3.0})
    other(f, 0, now=True)
    assert other.rows[0]["value"] != watch.rows[0]["value"], "other margins"
    every = bounds.monitor(x, y, ["galanti"], samples=None)
    every(f, 0, now=True)
    assert every.rows[0]["m"] == len(x)


def test_distances_from_a_reference(digits) -> None:
    f, x, y = digits
    start = bounds.read_graph(lambda x: 2 * f(x), x[:2])
    watch = bounds.monitor(x, y, ["l2_dist", "bartlett"], samples=100, reference=start)
    watch(f, 0, now=True)
    assert watch.frame()["value"].notna().all()


def test_in_an_optax_loop_with_a_file(digits, tmp_path: Path) -> None:
    _, x, y = digits
    params = {"w": jnp.zeros((64, 10)), "b": jnp.zeros(10)}
    network = lambda p, x: x.reshape(len(x), -1) @ p["w"] + p["b"]  # noqa: E731
    optimiser = optax.sgd(0.1)
    state = optimiser.init(params)
    labels = jnp.asarray(y)

    @jax.jit
    def update(params, state, x):
        loss = lambda p: optax.softmax_cross_entropy_with_integer_labels(network(p, x), labels).mean()  # noqa: E731
        changes, state = optimiser.update(jax.grad(loss)(params), state)
        return optax.apply_updates(params, changes), state

    path = tmp_path / "log.csv"
    seen: list[dict] = []
    watch = bounds.monitor(x, y, ["golowich", "l2"], samples=100, share=1.0, to=[path, seen.append])
    for epoch in range(3):
        params, state = update(params, state, x)
        watch(network, epoch, params=params, now=True)
    watch = bounds.monitor(x, y, ["golowich"], samples=100, to=path)  # a run that goes on
    watch(network, 3, params=params, now=True)
    rows = pd.read_csv(path)
    assert rows["step"].tolist() == [0, 0, 1, 1, 2, 2, 3] and tuple(rows.columns) == COLUMNS
    sizes = rows[rows["name"] == "l2"]["value"]
    assert sizes.is_monotonic_increasing and sizes.nunique() == 3, "the weights of that moment"
    assert [row["value"] for row in seen] == rows["value"].tolist()[:6]
    assert path.read_text().count("step,") == 1


def test_an_nnx_module_is_not_changed_and_training_mode_is_said(digits) -> None:
    _, x, y = digits
    model = nnx.Sequential(
        lambda x: x.reshape(len(x), -1), nnx.Linear(64, 10, rngs=nnx.Rngs(0)), nnx.Dropout(0.5, rngs=nnx.Rngs(1))
    )
    watch = bounds.monitor(x, y, ["golowich"], samples=100)
    before = jax.tree.map(np.asarray, jax.tree.leaves(nnx.state(model, nnx.Param)))
    model.train()
    with pytest.warns(UserWarning, match=r"bounds\.monitor: .*training mode"):
        watch(model, 0, now=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # said once
        watch(model, 1, now=True)
        model.eval()
        watch(model, 2, now=True)
    rows = watch.frame()
    assert rows["value"].isna().tolist() == [True, True, False] and "training mode" in rows["note"][1]
    after = jax.tree.leaves(nnx.state(model, nnx.Param))
    assert all(np.array_equal(a, b) for a, b in zip(before, after, strict=True))


class Board:
    def __init__(self) -> None:
        self.said: list[tuple[str, float, int]] = []

    def add_scalar(self, tag: str, value: float, step: int) -> None:
        self.said.append((tag, value, step))


class FlaxBoard(Board):
    add_scalar = None

    def scalar(self, tag: str, value: float, step: int) -> None:
        self.said.append((tag, value, step))


@pytest.mark.parametrize("kind", [Board, FlaxBoard])
def test_a_writer_of_tensorboard(digits, kind: type[Board]) -> None:
    f, x, y = digits
    board = kind()
    watch = bounds.monitor(x, y, ["golowich", "held_out", "l2"], samples=100, to=board)
    watch(f, 5, now=True)
    values = watch.frame().set_index("name")
    assert board.said == [
        ("value/golowich", values["value"]["golowich"], 5),
        ("capacity/golowich", values["capacity"]["golowich"], 5),
        ("value/l2", values["value"]["l2"], 5),
    ], "held_out has no number"


def test_what_goes_wrong_never_ends_a_training(digits) -> None:
    f, x, y = digits

    def full(row: dict) -> None:
        raise OSError("no space left")

    def broken(x: object) -> object:
        raise RuntimeError("shapes do not fit")

    watch = bounds.monitor(x, y, ["golowich", "l2"], samples=100, to=full)
    with pytest.warns(UserWarning, match="a writer failed: OSError: no space left"):
        assert watch(f, 0, now=True)
    with pytest.warns(UserWarning, match="shapes do not fit"):
        assert watch(broken, 1, now=True)
    gone = jnp.eye(64, 10)
    gone.delete()  # donated to the next step
    with pytest.warns(UserWarning, match="deleted"):
        assert watch(lambda p, x: x.reshape(len(x), -1) @ p, 1, params=gone, now=True)
    rows = watch.frame()
    assert (
        rows["value"].isna().tolist() == [False, False, True, True, True, True]
        and "shapes do not fit" in rows["note"][3]
    )
    weights = np.full((64, 10), np.nan, np.float32)
    with pytest.warns(UserWarning):
        watch(lambda x: x.reshape(len(x), -1) @ weights, 2, now=True)
    assert watch.frame()["value"].isna().tolist()[6:] == [True, True]


@pytest.mark.parametrize(
    ("names", "options", "message"),
    [
        ("galanti", {}, r"a list of names is needed: \['galanti'\]"),
        (["galant"], {}, "unknown name 'galant'; the bounds are peeling"),
        ([], {}, "no name came"),
        (["l2"], {"share": 0.0}, "share is 0.0; needed"),
        (["l2"], {"share": 1.5}, "share is 1.5; needed"),
        (["l2"], {"samples": 1}, "samples is 1; needed how many"),
        (["l2"], {"delta": 1.5}, "delta"),
        (["galanti"], {"options": {"gama": 1.0}}, "no bound takes the option 'gama'"),
        (["l2"], {"to": 3}, "to has a int; needed the path"),
        (["l2"], {"to": "/no/such/folder/log.csv"}, "cannot write /no/such/folder/log.csv"),
    ],
)
def test_mistakes_are_said_before_the_loop(digits, names, options, message) -> None:
    with pytest.raises(ValueError, match=message):
        bounds.monitor(digits[1], digits[2], names, **options)


def test_a_file_of_something_else_is_left_alone(digits, tmp_path: Path) -> None:
    path = tmp_path / "thesis.csv"
    path.write_text("chapter,words\n1,5000\n")
    with pytest.raises(ValueError, match="is no log of a monitor"):
        bounds.monitor(digits[1], digits[2], ["l2"], to=path)
    assert path.read_text() == "chapter,words\n1,5000\n"


def test_notes_with_commas_and_quotes_stay_in_their_cell(digits, tmp_path: Path) -> None:
    def broken(x: object) -> object:
        raise RuntimeError('a, "b", c')

    path = tmp_path / "log.csv"
    watch = bounds.monitor(digits[1], digits[2], ["l2"], to=path)
    with pytest.warns(UserWarning):
        watch(broken, 0, now=True)
    with path.open(newline="") as file:
        (row,) = csv.DictReader(file)
    assert 'a, "b", c; needed' in row["note"] and row["m"] == "512"


def test_calls_that_are_passed_over_cost_next_to_nothing(digits) -> None:
    watch = bounds.monitor(digits[1], digits[2], ["l2"])
    for step in range(2000):
        watch(digits[0], step)
    assert watch.looks == 0 and watch.share == 0 and watch.passed_over == 2000
    assert re.fullmatch(r"<Monitor: 0 looks in 0 % of \d s, 2000 calls passed over, m = 512>", repr(watch))
