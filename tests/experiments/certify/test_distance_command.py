"""`sparsebounds certify module.py:build`: somebody's own network, one command, one certificate."""

import json
import math
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from safetensors.numpy import load_file, save_file
from sklearn.datasets import load_digits

from sparsebounds import bounds
from sparsebounds.bounds.confidence.binomial import binomial_upper
from sparsebounds.experiments.certify.distance import run
from sparsebounds.experiments.certify.distance.tasks import NUMBERS, TASKS
from sparsebounds.experiments.certify.options import CertifyOptions
from sparsebounds.experiments.cli import main
from sparsebounds.experiments.shared.distance import fit, network, posterior
from sparsebounds.experiments.shared.distance.recipe import RECIPES, Recipe
from sparsebounds.experiments.shared.distance.space import PRESETS, configuration
from sparsebounds.experiments.shared.distance.split import read_ids, split
from sparsebounds.experiments.shared.distance.weights import load_weights, together
from sparsebounds.experiments.shared.problems import Problem
from sparsebounds.experiments.shared.user_model import Arrays

SHARES = fit.SHARES
FLAX = """
from flax import nnx

class Net(nnx.Module):
    def __init__(self, rngs):
        self.conv = nnx.Conv(1, 4, (3, 3), rngs=rngs)
        self.norm = nnx.BatchNorm(4, rngs=rngs)
        self.drop = nnx.Dropout(0.2, rngs=rngs)
        self.out = nnx.Linear(4 * 16, 10, rngs=rngs)

    def __call__(self, x):
        x = nnx.max_pool(nnx.gelu(self.norm(self.conv(x))), (2, 2), (2, 2))
        return self.out(self.drop(x.reshape(len(x), -1)))

def build(rngs):
    return Net(rngs)
"""
PLAIN = """
import jax.numpy as jnp

def build():
    return lambda p, x: x.reshape(len(x), -1) @ p["w"] + p["b"], {"w": jnp.zeros((64, 10)), "b": jnp.zeros(10)}

def odd(rngs):
    return 3

def fails(rngs):
    raise RuntimeError("no such layer")

def numpy_inside():
    import numpy as np
    f, params = build()
    return lambda p, x: f(p, np.asarray(x)), params

def half():
    f, params = build()
    return f, {name: leaf.astype(jnp.bfloat16) for name, leaf in params.items()}

def key():
    import jax
    f, params = build()
    return f, {**params, "key": jax.random.key(0)}

def narrow():
    f, params = build()
    return f, {**params, "w": jnp.zeros((63, 10))}
"""


@pytest.fixture(scope="module")
def digits(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("own")
    found = load_digits()
    x, y = (found.images[..., None] / 16).astype(np.float32), found.target
    order = np.random.default_rng(1).permutation(len(y))
    x, y = x[order], y[order]
    np.savez(folder / "digits.npz", x_train=x[:1437], y_train=y[:1437], x_test=x[1437:], y_test=y[1437:])
    np.savez(folder / "coins.npz", x=x, y=np.random.default_rng(2).integers(0, 10, len(y)))
    (folder / "flax_model.py").write_text(FLAX, encoding="utf-8")
    (folder / "plain_model.py").write_text(PLAIN, encoding="utf-8")
    return folder


def options(folder: Path, name: str = "plain_model.py:build", data: str = "digits.npz", **more) -> CertifyOptions:
    return CertifyOptions(target=f"{folder / name}", data=folder / data, preset="quick", **more)


@pytest.fixture(autouse=True)
def short(monkeypatch) -> None:
    monkeypatch.setitem(RECIPES, "quick", Recipe(1, 1, 1, (1, 1), (300, 150, 100, 200), (1.0,), 1))
    monkeypatch.setattr(fit, "SHARES", SHARES[:1])  # each takes a training of its own


def test_a_flax_model_is_certified_by_one_command(digits: Path, tmp_path: Path, capsys) -> None:
    command = ["certify", f"{digits}/flax_model.py:build", "--data", f"{digits}/digits.npz", "--preset", "quick"]
    with pytest.raises(SystemExit) as stop:
        main([*command, "--out", str(tmp_path), "--json"])
    found = json.loads(capsys.readouterr().out)
    assert stop.value.code == 0 and found.pop("command") == "certify" and found.pop("format") == 1
    assert found == json.loads((tmp_path / "certificate.json").read_text(encoding="utf-8"))
    assert found["guarantee"] == "certificate" and found["test_error"] < found["value"] < 0.6
    assert (found["m"], found["left_out"]["samples"]) == (719, 718)
    assert found["value"] > found["held_out"]["reference, frozen, on the certified samples"]["value"] - 0.02
    stored = load_file(tmp_path / "network.safetensors")
    assert {"conv.kernel", "norm.scale", "norm.mean", "norm.var", "out.bias"} <= stored.keys()
    assert np.abs(stored["norm.mean"]).max() > 0.01  # the statistics of the reference's training
    assert (tmp_path / "figure.png").stat().st_size > 5000


@pytest.fixture
def certified(digits: Path, tmp_path_factory, monkeypatch, found={}):  # noqa: B006
    """One run for all, in a recipe that is short, with all shares of the factor."""
    monkeypatch.setattr(fit, "SHARES", SHARES)
    if not found:
        folder = tmp_path_factory.mktemp("plain")
        found["run"] = run.run(options(digits), folder), folder
    return found["run"]


def test_a_factor_that_few_samples_settled_is_chosen_again_at_a_price(certified, digits: Path, tmp_path, monkeypatch):
    found, folder = certified
    shares = {one["factor"] for one in found["tried"]}
    assert shares == set(fit.SHARES)
    drawn = bounds.Draw.load(folder / "draw.npz")
    assert drawn.prior.factors == fit.SHARES and drawn.nats >= math.log(len(fit.SHARES))
    assert found["terms"]["log ratio of the draw"] == drawn.nats  # of a half-space: what is left after log 4 is its own
    monkeypatch.setattr(fit, "ENOUGH", 1)
    alone = run.run(options(digits), tmp_path)
    assert {one["factor"] for one in alone["tried"]} == {1.0}


def test_a_stranger_finds_the_same_value_in_the_files(digits: Path, certified) -> None:
    """From draw.npz, the data and the decoder: errors, log ratio, binomial tail, by hand."""
    found, folder = certified
    drawn = bounds.Draw.load(folder / "draw.npz")
    weights = load_file(folder / "network.safetensors")
    np.testing.assert_array_equal(weights["w"], drawn.params["w"])
    data = np.load(digits / "digits.npz")
    order = np.random.default_rng(0).permutation(1437)[718:]
    scores = data["x_train"][order].reshape(719, -1) @ weights["w"] + weights["b"]
    true = scores[np.arange(719), data["y_train"][order]]
    others = np.where(np.eye(10, dtype=bool)[data["y_train"][order]], -np.inf, scores).max(axis=1)
    errors = int((true <= others).sum())
    assert errors == found["errors"]
    paid = drawn.log_ratio + found["nats"]["configuration"]
    budget = min(b for b in (2.0, 5.0, 10.0, 20.0) if b >= paid)
    by_hand = binomial_upper(errors, 719, math.log(1e-3) - math.log(2) - math.log(4) - budget)
    assert found["terms"]["value, direct"] == pytest.approx(by_hand, rel=1e-9)
    assert found["value"] == min(found["terms"]["value, direct"], found["terms"]["value, excess"])


def test_a_second_draw_is_never_made_silently(digits: Path, certified) -> None:
    found, folder = certified
    with pytest.raises(Problem, match="holds a draw already"):
        run.run(options(digits), folder)
    again = run.run(options(digits, resume=True), folder)
    assert again["seed of the draw"] == found["seed of the draw"] and again["value"] == found["value"]


@pytest.mark.parametrize(
    ("name", "now"),
    [
        ("--layers", {"layers": "last"}),
        ("--tried", {"tried": 1}),
        ("--seed", {"seed": 1}),
        ("--delta", {"delta": 0.05}),
        ("--form", {"data_free": True}),
        ("samples left out", {"left_out": 0.4}),
        ("samples left out", {"data": "coins.npz"}),
        ("what f computes", {"name": "other_model.py:build"}),
    ],
)
def test_a_draw_is_certified_as_what_it_was_made_for(digits: Path, certified, name: str, now) -> None:
    """Another choice has another price: the draw of `--layers last` must not be certified at that of all."""
    (digits / "other_model.py").write_text(PLAIN.replace('+ p["b"]', '+ p["b"] ** 3'), encoding="utf-8")
    found, folder = certified
    with pytest.raises(Problem, match=f"was made with {name} = .*, now it is .*--tried {now.get('tried', 0) + 1}"):
        run.run(options(digits, resume=True, **now), folder)
    assert run.run(options(digits, resume=True), folder)["value"] == found["value"]
    kept = (folder / "draw.json").read_text(encoding="utf-8")
    (folder / "draw.json").unlink()
    with pytest.raises(Problem, match=r"draw\.json cannot be read"):
        run.run(options(digits, resume=True), folder)
    (folder / "draw.json").write_text(kept, encoding="utf-8")


def test_seeds_presets_and_earlier_certificates_are_paid(digits: Path, certified) -> None:
    """Whatever makes another reference or another draw could be chosen by its certificate."""
    found, _ = certified
    assert "certificate number 1 on these samples" in found["note"]
    given = {"network": 0, "form": "distance", "left_out": 0.5, "layers": "all"}
    first = configuration("S", **given).nats
    assert first == pytest.approx(2 * math.log(2))
    others = [configuration("S", **given, seed=seed, preset=preset) for seed in range(64) for preset in PRESETS]
    shares = [math.exp(-one.nats + math.log(2)) for one in others[1:]]  # without that of the first network
    assert sum(shares) + 0.5 <= 1.0 and len({one.nats for one in others}) > 5
    assert found["nats"]["configuration"] == pytest.approx(configuration("S", **given, preset="quick").nats)
    free = given | {"form": "data-free"}
    assert configuration("S", **free, seed=9).nats == configuration("S", **free).nats
    places = [task.number + NUMBERS * tried for task in TASKS.values() for tried in range(5)]
    assert len(set(places)) == len(places)


@pytest.mark.parametrize("joined", [False, True])
def test_statistics_of_all_samples_are_no_constants(digits: Path, tmp_path: Path, joined: bool) -> None:
    """Made of the whole file, they hardly show in the half that is certified."""
    with np.load(digits / "digits.npz") as file:
        data = dict(file)
    parts = ("x_train", "x_test") if joined else ("x_train",)
    whole = np.concatenate([data[part] for part in parts])
    middle, width = whole.mean(axis=0), whole.std(axis=0) + 1e-9
    data |= {part: ((data[part] - middle) / width).astype(np.float32) for part in ("x_train", "x_test")}
    np.savez(digits / f"own{joined}.npz", **data)
    found = run.run(options(digits, data=f"own{joined}.npz"), tmp_path)
    assert found["guarantee"] == "published" and "say --preprocessing stated" in found["note"]
    again = run.run(options(digits, data=f"own{joined}.npz", resume=True, preprocessing="stated"), tmp_path)
    assert again["guarantee"] == "certificate" and again["seed of the draw"] == found["seed of the draw"]


def test_an_interrupt_between_draw_and_certificate_keeps_the_draw(digits: Path, tmp_path: Path, monkeypatch) -> None:
    calls = []

    def interrupted(f, drawn, *rest, **more):
        calls.append(drawn)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(fit, "certified", interrupted)
        with pytest.raises(KeyboardInterrupt):
            run.run(options(digits), tmp_path)
    with pytest.raises(Problem, match="--resume"):
        run.run(options(digits), tmp_path)
    found = run.run(options(digits, resume=True), tmp_path)
    assert found["seed of the draw"] == f"{calls[0].seed:032x}" and found["guarantee"] == "certificate"


@pytest.mark.parametrize("form", [None, "data-free"])
def test_coin_flips_are_certified_as_coin_flips(digits: Path, tmp_path: Path, form) -> None:
    """Labels without any meaning: nine in ten new ones are missed by every network, whatever was trained."""
    found = run.run(options(digits, data="coins.npz", form=form), tmp_path)
    assert found["value"] > 0.9 and found["guarantee"] == "certificate" and found["test_error"] is None


@pytest.mark.parametrize("layers", ["last", "lora:2"])
def test_parts_that_move(digits: Path, tmp_path: Path, layers: str) -> None:
    (tmp_path / "two.py").write_text(
        "import jax, jax.numpy as jnp\n"
        "def build(rngs):\n"
        "    a = jax.random.normal(jax.random.key(0), (64, 24)) / 8\n"
        "    f = lambda p, x: jax.nn.relu(x.reshape(len(x), -1) @ p['a']) @ p['c']\n"
        "    return f, {'a': a, 'c': jnp.zeros((24, 10))}\n",
        encoding="utf-8",
    )
    found = run.run(
        CertifyOptions(target=f"{tmp_path}/two.py:build", data=digits / "digits.npz", preset="quick", layers=layers),
        tmp_path,
    )
    assert found["guarantee"] == "certificate" and found["test_error"] < found["value"] < 0.5
    handed_out = load_file(tmp_path / "network.safetensors")
    assert set(handed_out) == {"a", "c"}
    if layers == "lora:2":  # a stranger makes the network of its reference and the draw
        base, drawn = load_file(tmp_path / "reference.safetensors"), bounds.Draw.load(tmp_path / "draw.npz").params
        for number, name in enumerate(("a", "c")):
            step = drawn[str(number)]
            whole = base[name] + (step["step"] if "step" in step else step["down"] @ step["up"])
            np.testing.assert_allclose(handed_out[name], whole, rtol=1e-5, atol=1e-6)
    if layers == "last":
        assert {name for name, layer in found["terms"]["layers"].items() if layer["weights"]} == {"c"}


def test_a_given_reference(digits: Path, certified, tmp_path: Path) -> None:
    """Fine-tuning with a certificate: what the reference saw is left out, and that this was only said is said."""
    _, folder = certified
    ids = np.random.default_rng(0).permutation(1437)[:718]
    np.save(tmp_path / "saw.npy", ids)
    given = {"reference": folder / "network.safetensors", "reference_saw": str(tmp_path / "saw.npy")}
    found = run.run(options(digits, left_out=0.1, **given), tmp_path)
    assert found["m"] == 719 - 72 and found["left_out"]["samples"] == 718 + 72
    assert "declared" in found["note"]


def test_a_given_reference_with_batch_statistics(digits: Path, tmp_path: Path) -> None:
    built = network.load_network(f"{digits}/flax_model.py:build")
    arrays = {name: np.full(leaf.shape, 0.5, leaf.dtype) for name, leaf in together(built.params, built.frozen).items()}
    save_file(arrays, tmp_path / "given.safetensors")
    found = built.with_weights(tmp_path / "given.safetensors")
    assert float(found.frozen["norm"]["var"][0]) == 0.5 and float(found.params["conv"]["kernel"].min()) == 0.5


def test_a_reference_of_another_network_is_refused(digits: Path, tmp_path: Path) -> None:
    save_file({"w": np.zeros((64, 9), np.float32), "c": np.zeros(3, np.float32)}, tmp_path / "other.safetensors")
    given = {"reference": tmp_path / "other.safetensors", "reference_saw": "none"}
    message = r"b is missing; c is not in the network; w has shape \(64, 9\), not \(64, 10\)"
    with pytest.raises(Problem, match=message):
        run.run(options(digits, **given), tmp_path)


def test_a_training_of_ones_own(digits: Path, tmp_path: Path) -> None:
    own = network.load_network(f"{digits}/plain_model.py:build")
    seen = {}

    def train(f, params, x, y, key):
        seen["samples"], seen["scores"] = len(y), f(params, x[:2]).shape
        return {"w": jax.random.normal(key, (64, 10)), "b": jnp.zeros(10)}

    x, y = np.zeros((20, 8, 8, 1), np.float32), np.arange(20) % 10
    trained = fit._own_training(network.OwnNetwork("m.py:build", own.f, own.params, train), x, y, jax.random.key(0))
    assert trained["w"].shape == (64, 10) and seen == {"samples": 20, "scores": (2, 10)}
    odd = network.OwnNetwork("m.py:build", own.f, own.params, lambda f, p, x, y, key: {"w": p["w"]})
    with pytest.raises(Problem, match="another tree than it was given: b has shape none"):
        fit._own_training(odd, x, y, jax.random.key(0))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "say what to certify"),
        (["{}/plain_model.py:build"], "--data is missing"),
        (["{}/plain_model.py:build", "--task", "mnist10-cnn"], "and not both"),
        (["{}/plain_model.py:odd", "--data", "{}/digits.npz"], "built a int: it must build a Flax NNX module"),
        (["{}/plain_model.py:fails", "--data", "{}/digits.npz"], "fails to build: RuntimeError: no such layer"),
        (["{}/plain_model.py:nothing", "--data", "{}/digits.npz"], "has no function 'nothing'"),
        (["{}/plain_model.py:build", "--data", "{}/digits.npz", "--left-out", "0.47"], "choose one of 0.5, 0.4"),
        (["{}/plain_model.py:build", "--data", "{}/digits.npz", "--left-out", "2000"], "is certified"),
        (["{}/plain_model.py:build", "--data", "{}/digits.npz", "--layers", "lora:3"], "lora:1, lora:2"),
        (["{}/plain_model.py:build", "--data", "{}/digits.npz", "--data-free", "--left-out", "0.5"], "leaves nothing"),
        (["{}/plain_model.py:build", "--data", "{}/digits.npz", "--reference", "w.npz"], "what did w.npz see?"),
        (["{}/plain_model.py:build", "--data", "{}/digits.npz", "--form", "boxes"], "for built-in tasks"),
        (["{}/plain_model.py:build", "--data", "{}/digits.npz", "--tried", "-1"], "--tried -1"),
        (["{}/plain_model.py:build", "--data", "{}/digits.npz", "--form", "data-free", "--left-out", "0.5"], "nothing"),
        (["{}/plain_model.py:build", "--data", "{}/digits.npz", "--data-free", "--layers", "last"], "moves all layers"),
        (["{}/plain_model.py:build", "--data", "{}/digits.npz", "--data-free", "--form", "distance"], "contradict"),
        (["{}/plain_model.py:build", "--data", "{}/digits.npz", "--preprocessing", "own"], "preprocessing 'own'"),
        (["{}/plain_model.py:numpy_inside", "--data", "{}/digits.npz"], "jax.numpy in place of NumPy"),
        (
            ["{}/plain_model.py:half", "--data", "{}/digits.npz"],
            "is bfloat16, and all are trained and drawn in float32",
        ),
        (["{}/plain_model.py:key", "--data", "{}/digits.npz"], "a random key among them"),
        (["{}/plain_model.py:narrow", "--data", "{}/digits.npz"], "fails on inputs of shape (2, 8, 8, 1)"),
    ],
)
def test_bad_input_is_one_line(arguments, message: str, digits: Path, tmp_path: Path, capsys) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["certify", *(a.format(digits) for a in arguments), "--out", str(tmp_path / "out")])
    captured = capsys.readouterr()
    assert stop.value.code == 2 and captured.out == ""
    assert message in captured.err and captured.err.count("\n") == 1


X, Y = np.random.default_rng(0).normal(size=(40, 3)).astype(np.float32), np.arange(40) % 4


@pytest.mark.parametrize(
    ("x", "y", "says"),
    [
        (X, Y + 1, "no sample of class 0 is there, and labels reach 4: number the classes"),
        (X, np.where(Y == 2, 3, Y), "no sample of class 2 is there"),
        (X, Y + 0.5, "y is float64, from 0.5 to 3.5: it needs whole numbers"),
        (X, 2 * (Y > 1) - 1, "from -1 to 1: it needs whole numbers"),
        (X, Y + 2**32, "from 4294967296"),
        (X, np.where(Y == 3, 10**9, Y), "labels reach 1000000000, with 40 samples"),
        (X, Y.astype(str), "y is <U"),
        (X, np.eye(4)[Y], "it needs one label for each"),
        (X[:, 0], Y, "needs real numbers of shape"),
        (X.astype(str), Y, "it needs real numbers"),
        (np.where(np.arange(40) == 17, np.nan, X.T).T, Y, "in sample 17 that are not finite"),
    ],
)
def test_samples_that_are_none(x, y, says: str) -> None:
    with pytest.raises(Problem, match=says):
        split(Arrays(x, y), 0.5)


def test_whole_numbers_are_the_same_inputs_in_training_and_certificate() -> None:
    """x − 128 of uint8 would wrap around in one of them."""
    assert split(Arrays(np.arange(160, dtype=np.uint8).reshape(40, 4), Y), 0.5).x.dtype == np.float32


def test_budgets_and_the_length_of_a_step() -> None:
    assert posterior.displacement(10.0) == pytest.approx(4.14, abs=0.01)
    assert posterior.nearest_budgets(0.1, 1.4, 1) == [2.0]
    assert posterior.nearest_budgets(100.0, 1.4, 2) == [200.0, 500.0]


def test_ids_in_an_archive_and_weights_that_are_words(tmp_path: Path) -> None:
    np.savez(tmp_path / "ids.npz", ids=np.arange(3))
    with pytest.raises(Problem, match=r"is an \.npz archive: save the one array"):
        read_ids(str(tmp_path / "ids.npz"), 10)
    np.savez(tmp_path / "words.npz", w=np.array(["a", "b"]))
    with pytest.raises(Problem, match="w is <U1, not float"):
        load_weights(tmp_path / "words.npz", {"w": np.zeros(2, np.float32)})
