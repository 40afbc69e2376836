"""Figure 1 as the authors' figure evaluates it: reference networks, numbers worked by hand, slips one by one."""

import ast
import json
import math
from pathlib import Path

import numpy as np
import pytest
from flax import nnx
from hypothesis import given, settings
from hypothesis import strategies as st
from published_values import MNIST, NAMES, STARTS

from sparsebounds import bounds, nets
from sparsebounds.experiments.reproduce.conv import published, published_inputs
from sparsebounds.experiments.reproduce.conv.published import (
    figure1_bounds,
    figure1_from_numbers,
    measure_images,
    measure_network,
)
from sparsebounds.experiments.reproduce.conv.published_inputs import ImageNumbers, NetNumbers
from sparsebounds.nets.data.datasets import read_idx

DATA = Path(__file__).resolve().parents[2] / "data"
SIMPLE = ImageNumbers(pixel_energy=9.0, total_norm=5.0, largest_norm=1.0)
SIZES = st.integers(1, 4)


@pytest.fixture(scope="session")
def mnist_images(mnist_dir):
    name = "train-images-idx3-ubyte"
    return read_idx(next(path for path in (mnist_dir / name, mnist_dir / f"{name}.gz") if path.exists()))


def reference(name):
    """Kernels, dense and expected values of a reference network."""
    with np.load(DATA / f"figure1_{name}.npz") as arrays:
        kernels = [arrays[key] for key in sorted(arrays.files) if key.startswith("conv")]
        return kernels, arrays["dense"], json.loads((DATA / f"figure1_{name}.json").read_text())["values"]


def network(seed=0, depth=2, side=2, width=3, classes=4, size=6, scale=1.0):
    """Random kernels and dense layer for size × size images."""
    rng = np.random.default_rng(seed)
    channels = [1] + [width] * depth
    kernels = [scale * rng.normal(size=(side, side, *channels[layer : layer + 2])) for layer in range(depth)]
    rows = size - depth * (side - 1)
    return kernels, scale * rng.normal(size=(rows * rows * width, classes))


def ones():
    """A 2×2 convolution of ones on 2×2 images and a dense layer (3, 4).

    ‖w‖_F = 2, 5; s = 2, 5; ‖w‖_{2,1} = 4 (four taps of one channel), 3 + 4 = 7; 4+1+1 = 6 and 2+2 = 4 parameters.
    """
    return measure_network([np.ones((2, 2, 1, 1))], np.array([[3.0, 4.0]]), 2, 2)


# Reference networks


@pytest.mark.parametrize("name", ["conv3_8", "conv4_12"])
def test_reference_networks(name):
    kernels, dense, expected = reference(name)
    net = measure_network(kernels, dense, 28, 28)
    assert math.prod(net.frobenius) == pytest.approx(expected["rho"], rel=1e-6)
    values = figure1_from_numbers(net, MNIST)
    assert tuple(values) == NAMES
    assert values == pytest.approx({key: expected[key] for key in NAMES}, rel=1e-6)


def test_numbers_of_full_mnist(mnist_images):
    assert measure_images(mnist_images) == MNIST


def test_reference_network_from_the_images(mnist_images):
    kernels, dense, expected = reference("conv3_8")
    assert figure1_bounds(kernels, dense, mnist_images) == pytest.approx(
        {key: expected[key] for key in NAMES}, rel=1e-6
    )


@pytest.mark.parametrize("width", [200, 600, pytest.param(1000, marks=pytest.mark.slow)])
def test_start_of_the_curves(width):
    """log₂ of the five values at PyTorch's default initialisation, which depend on the width alone."""
    model = nets.ConvNet(3, width, init="torch", rngs=nnx.Rngs(0))
    kernels = [np.asarray(conv.kernel()) for conv in model.convolutions()]
    net = measure_network(kernels, np.asarray(model.dense.kernel[...]), 28, 28)
    values = figure1_from_numbers(net, MNIST)
    assert np.log2([values[name] for name in NAMES]) == pytest.approx(STARTS[width], abs=0.1)


# The images


def test_numbers_of_three_images_by_hand():
    images = np.zeros((3, 1, 2), np.uint8)
    images[0, 0, 0] = images[1, 0, 0] = 255
    images[2, 0, 1] = 51  # 0.2
    black, white, grey = -0.1307 / 0.3081, 0.8693 / 0.3081, 0.0693 / 0.3081
    numbers = measure_images(images)
    assert numbers.pixel_energy == 2.0
    assert numbers.largest_norm == pytest.approx(math.hypot(black, white), rel=1e-14)
    assert numbers.total_norm == pytest.approx(math.sqrt(2 * white**2 + 3 * black**2 + grey**2), rel=1e-14)


def test_pixel_energy_is_a_float32_sum_in_order():
    """Steps of 1.5e-5 onto a float32 sum near 300 are rounded, one by one; added first, they are not."""
    white, faint = np.full((300, 1, 1), 255, np.uint8), np.ones((300, 1, 1), np.uint8)
    last, first = (measure_images(np.concatenate(pair)) for pair in ((white, faint), (faint, white)))
    assert last.pixel_energy != first.pixel_energy
    sums = np.cumsum(np.concatenate([np.ones(300), np.full(300, np.float32(1 / 255) ** 2)]), dtype=np.float32)
    assert last.pixel_energy == sums[-1]


# The network


def test_numbers_of_a_network_by_hand():
    kernel = np.zeros((1, 2, 1, 2))
    kernel[0, :, 0, 0] = 3, 4  # rows (3, 4) and (0, 12) of the reshaped kernel
    kernel[0, :, 0, 1] = 0, 12
    second = np.zeros((2, 1, 2, 1))
    second[:, :, :, 0] = [[[3, 4]], [[0, 2]]]  # one output: ℓ2 over its two input channels is 5, then 2
    net = measure_network([kernel, second], np.array([[1.0, 2.0, 2.0]] * 2), 3, 2)
    assert net.shapes == ((1, 3, 2), (2, 3, 1), (1, 2, 1))
    assert net.frobenius == pytest.approx((13, math.sqrt(29), math.sqrt(18)))
    gram_trace, gram_det = 25 + 144, 25 * 144 - 48**2
    first = math.sqrt((gram_trace + math.sqrt(gram_trace**2 - 4 * gram_det)) / 2)
    assert net.spectral == pytest.approx((first, math.sqrt(29), math.sqrt(18)))
    assert net.two_one == pytest.approx((3 + 4 + 12, 5 + 2, math.sqrt(2) * 5))
    assert net.parameters == (4 + 2 + 1, 4 + 1 + 1, 6 + 3)
    assert (net.degrees, net.classes, net.depth) == ((2, 2), 3, 3)


@given(seed=st.integers(0, 99), side=SIZES, width=SIZES, classes=SIZES, exponent=st.integers(-200, 200))
@settings(max_examples=30, deadline=None)
def test_spectral_norm_is_the_singular_value(seed, side, width, classes, exponent):
    kernels, dense = network(seed, 2, side, width, classes, 9, scale=2.0**exponent)
    matrices = [kernel.transpose(3, 2, 0, 1).reshape(width, -1) for kernel in kernels] + [dense.T]
    exact = [np.linalg.svd(matrix, compute_uv=False)[0] for matrix in matrices]
    assert measure_network(kernels, dense, 9, 9).spectral == pytest.approx(exact, rel=1e-12, abs=0)


# Numbers by hand: every factor of `ones` and `SIMPLE` stands in the text above. n = 100, δ = 0.02.


def hand(name):
    return figure1_from_numbers(ones(), SIMPLE, 100, 0.02)[name]


def test_paper_by_hand():
    """ρ = 10, two layers, one of degree 4, two classes, √(4 · 9) = 6; log(2 · 12² / 0.02) = log 14400."""
    main = 11 / 100 * 2 * math.sqrt(2) * (1 + math.sqrt(2 * (2 * math.log(8) + math.log(2)))) * 6
    assert hand("paper") == pytest.approx(main + 3 * math.sqrt(math.log(14400) / 200), rel=1e-12)


def test_golowich_by_hand():
    """ρ = 10 (the map is 1×1), √Σ‖x‖² = 5; L log 2 + log C = 3 log 2."""
    main = 11 / 100 * 2 * math.sqrt(2) * (1 + math.sqrt(6 * math.log(2))) * 5
    assert hand("golowich") == pytest.approx(main + 3 * math.sqrt(math.log(14400) / 200), rel=1e-12)


def test_golowich_counts_the_positions_of_every_map():
    """Maps of 4×3 and 3×2 positions after two 2×2 convolutions of one channel: ρ grows by √12 · √6."""
    net = measure_network([np.full((2, 2, 1, 1), 0.5)] * 2, np.eye(6, 1), 5, 4)
    rho = math.sqrt(72)
    main = (rho + 1) / 100 * 2 * math.sqrt(2) * (1 + math.sqrt(6 * math.log(2))) * 5
    value = figure1_from_numbers(net, SIMPLE, 100, 0.02)["golowich"]
    assert value == pytest.approx(main + 3 * math.sqrt(math.log(100 * (rho + 2) ** 2) / 200), rel=1e-12)


def test_paper_takes_the_largest_degree_in_the_logarithm():
    """Degrees 9 and 1: 3 log(2 · 9) in the logarithm, √(9 · 1 · 9) = 9 outside; ρ = 3."""
    net = measure_network([np.ones((3, 3, 1, 1)), np.ones((1, 1, 1, 1))], np.eye(1, 1), 3, 3)
    main = 4 / 100 * 2 * math.sqrt(2) * (1 + math.sqrt(2 * 3 * math.log(18))) * 9
    value = figure1_from_numbers(net, SIMPLE, 100, 0.02)["paper"]
    assert value == pytest.approx(main + 3 * math.sqrt(math.log(2500) / 200), rel=1e-12)


def test_ledent_by_hand():
    """L = 2, X = 1, widened s: 2.5, 5.5. R = (2 terms with a_L + ½ = 7.5: 7.5·5.5, 7.5·2.5) · 2 · 2.

    Γ: the convolution reads 1 channel × 2 rows: 2·(4+½) = 9, × 5.5 = 49.5; the dense layer 7.5 × 2.5 = 18.75 stays
    below; × (X+1) = 99. W = 4, the input. The last root: log(2)/100 + (4/2+2) + (7/2+2).
    """
    radius = (41.25 ** (2 / 3) + 18.75 ** (2 / 3)) ** 1.5 * 4
    main = 153.6 * radius * math.sqrt(math.log2(32 * 99 * 10000 + 7 * 4 * 100)) * math.log(100)
    small = 0.08 + 3 * math.sqrt(math.log(100) / 100) + math.sqrt(math.log(2) / 100)
    last = 3 * math.sqrt(math.log(2) / 100 + 9.5)
    assert hand("ledent") == pytest.approx(main + small + last, rel=1e-12)


def test_long_sedghi_by_hand():
    """L (Π s)^{1/L} = 2 √10, W = 6 + 4 = 10."""
    assert hand("long_sedghi") == pytest.approx(2 + math.sqrt(math.log(50) / 100), rel=1e-12)


def test_graf_by_hand():
    """W = 6; 4 X Π s a_l / s_l = 40 · 4/2 = 80 and 40 · 7/5 = 56."""
    total = (80 ** (2 / 3) + 56 ** (2 / 3)) ** 1.5
    main = 24 * math.log(100) * math.log(12) * total / 10
    assert hand("graf") == pytest.approx(3 * math.sqrt(math.log(100) / 200) + 0.08 + main, rel=1e-12)


# Ledent's Γ


def gamma_in_place(net):
    """The running maximum as an array that is changed in place once it is the product itself."""
    depth, gamma = net.depth, np.array(0.0)
    outputs = [channels * rows for channels, rows, _ in net.shapes[:-1]] + [1]
    for i in range(depth):
        product = np.array(outputs[i] * (net.two_one[i] + 1 / depth))
        for j in range(depth):
            if j != i:
                product *= net.spectral[j] + 1 / depth
            if product > gamma:
                gamma = product
    return float(gamma)


def plain(two_one, spectral):
    """A network of 1×1 maps of one channel with these norms."""
    depth = len(spectral)
    return NetNumbers(spectral, spectral, two_one, (1,) * depth, (1,) * (depth - 1), ((1, 1, 1),) * depth, 2)


def test_gamma_falls_below_what_it_was():
    """L = 3, widened s = 2, 1, 1/3. First product 3 · 1 · 1/3 = 1. The second, 1.2 · 2 = 2.4, exceeds it and ends at
    2.4 / 3 = 0.8, which is Γ from then on. The third, 1/3 · 2 · 1, stays below."""
    net = plain((3 - 1 / 3, 1.2 - 1 / 3, 0.0), (2 - 1 / 3, 1 - 1 / 3, 0.0))
    assert published._ledent_gamma(net) == pytest.approx(0.8, rel=1e-12)
    assert gamma_in_place(net) == pytest.approx(0.8, rel=1e-12)


NORMS = st.floats(0.0, 4.0)


@given(st.lists(st.tuples(NORMS, NORMS), min_size=2, max_size=9))
@settings(max_examples=300, deadline=None)
def test_gamma_is_changed_in_place(norms):
    two_one, spectral = zip(*norms, strict=True)
    net = plain(two_one, spectral)
    assert published._ledent_gamma(net) == pytest.approx(gamma_in_place(net), rel=1e-12)


# Invariances


@given(depth=st.integers(1, 8), width=SIZES, classes=st.integers(1, 12), side=st.integers(1, 3), m=SIZES)
@settings(max_examples=25, deadline=None)
def test_invariances(depth, width, classes, side, m):
    """Order of each layer's outputs and of the dense rows, signs, type of the arrays: nothing changes."""
    size = depth * (side - 1) + 3
    kernels, dense = network(7, depth, side, width, classes, size)
    rng = np.random.default_rng(depth)
    images = rng.integers(0, 256, (m, size, size), dtype=np.uint8)
    values = figure1_bounds(kernels, dense, images)
    assert all(0 < value < math.inf for value in values.values())
    changed = [kernel[..., rng.permutation(width)] for kernel in kernels]
    changed[0] = -changed[0].astype(np.longdouble)
    dense = dense[rng.permutation(len(dense))][:, rng.permutation(classes)]
    assert figure1_bounds(tuple(changed), -dense, images) == pytest.approx(values, rel=1e-9)


def test_what_each_formula_reads():
    """More samples shrink every value but the root outside 1/n; layers rescaled against each other keep three."""
    kernels, dense = network()
    base = figure1_from_numbers(measure_network(kernels, dense, 6, 6), MNIST)
    scaled = [kernels[0] * 4, kernels[1] / 4]
    moved = figure1_from_numbers(measure_network(scaled, dense, 6, 6), MNIST)
    for name in ("paper", "golowich", "long_sedghi", "graf"):
        assert moved[name] == pytest.approx(base[name], rel=1e-12)
    assert moved["ledent"] != pytest.approx(base["ledent"], rel=1e-3)
    more = figure1_from_numbers(measure_network(kernels, dense, 6, 6), MNIST, samples=500000)
    assert all(more[name] < base[name] for name in NAMES)
    surer = figure1_from_numbers(measure_network(kernels, dense, 6, 6), MNIST, delta=1e-6)
    assert all(surer[name] > base[name] for name in NAMES)


def test_samples_are_not_the_number_of_images():
    kernels, dense = network()
    images = np.random.default_rng(0).integers(0, 256, (5, 6, 6), dtype=np.uint8)
    assert figure1_bounds(kernels, dense, images) == figure1_bounds(kernels, dense, images, samples=50000, delta=1e-3)
    assert figure1_bounds(kernels, dense, images, samples=5) != figure1_bounds(kernels, dense, images)


# What does not fit


def test_a_layer_of_zeros_has_no_graf():
    kernels, dense = network()
    values = figure1_from_numbers(measure_network([kernels[0], kernels[1] * 0], dense, 6, 6), MNIST)
    assert math.isnan(values.pop("graf"))
    assert all(math.isfinite(value) for value in values.values())


def test_norms_beyond_float64_are_inf():
    kernels, dense = network(scale=1e150)
    values = figure1_from_numbers(measure_network(kernels, dense, 6, 6), MNIST)
    assert set(values.values()) == {math.inf}


IMAGES = np.zeros((2, 6, 6), np.uint8)
KERNELS, DENSE = network()


@pytest.mark.parametrize(
    ("kernels", "dense", "images", "options", "text"),
    [
        ([], DENSE, IMAGES, {}, "kernels is an empty list; need a list of HWIO arrays"),
        (KERNELS[0], DENSE, IMAGES, {}, r"kernels is one array of shape \(2, 2, 1, 3\); need a list"),
        ([KERNELS[0], KERNELS[1][0]], DENSE, IMAGES, {}, r"kernel 2 has shape \(2, 3, 3\); need \(kh, kw, in, out\)"),
        ([KERNELS[1]], DENSE, IMAGES, {}, "kernel 1 reads 3 channels; need 1"),
        ([KERNELS[0], KERNELS[0]], DENSE, IMAGES, {}, "kernel 2 reads 1 channels; need 3"),
        ([np.ones((7, 2, 1, 3))], DENSE, IMAGES, {}, "kernel 1 is 7×2; need at most 6×6"),
        ([KERNELS[0][..., :0]], DENSE, IMAGES, {}, "kernel 1 has shape .* every axis at least 1"),
        ([KERNELS[0] * np.nan, KERNELS[1]], DENSE, IMAGES, {}, "kernel 1 holds NaN or inf"),
        ([KERNELS[0] * 1j, KERNELS[1]], DENSE, IMAGES, {}, "kernel 1 holds complex128; need real numbers"),
        (KERNELS, DENSE[:-1], IMAGES, {}, "dense has 47 rows; need 4·4·3 = 48"),
        (KERNELS, DENSE.T, IMAGES, {}, "dense has 4 rows; need 4·4·3 = 48"),
        (KERNELS, DENSE[:, 0], IMAGES, {}, r"dense has shape \(48,\); need \(features, classes\)"),
        (KERNELS, DENSE + np.inf, IMAGES, {}, "dense holds NaN or inf"),
        (KERNELS, DENSE, IMAGES / 255, {}, r"images are float64 of shape \(2, 6, 6\); need raw uint8"),
        (KERNELS, DENSE, IMAGES[..., None], {}, r"images are uint8 of shape \(2, 6, 6, 1\); need raw uint8"),
        (KERNELS, DENSE, IMAGES[:0], {}, "at least one"),
        (KERNELS, DENSE, IMAGES, {"samples": 0}, "samples is 0; need a whole number of at least 1"),
        (KERNELS, DENSE, IMAGES, {"samples": 0.5}, "samples is 0.5; need a whole number"),
        (KERNELS, DENSE, IMAGES, {"delta": 0.0}, "delta is 0.0; need a probability strictly between 0 and 1"),
        (KERNELS, DENSE, IMAGES, {"delta": math.nan}, "delta is nan"),
    ],
)
def test_errors_say_what_came_and_what_is_needed(kernels, dense, images, options, text):
    with pytest.raises(ValueError, match=text) as error:
        figure1_bounds(kernels, dense, images, **options)
    assert "\n" not in str(error.value)


def test_stands_apart_from_bounds():
    """The formulas with slips and the theorems never import each other."""
    for module in (published, published_inputs):
        assert not {name for name in _imports(Path(module.__file__)) if name.startswith("sparsebounds.bounds")}
    for path in (Path(bounds.__file__).parent).rglob("*.py"):
        assert not {name for name in _imports(path) if "published" in name}


def _imports(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""
