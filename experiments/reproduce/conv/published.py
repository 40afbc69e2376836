"""The five curves of Figure 1 exactly as the authors' figure evaluates them, slips included.

For redrawing the published picture and for nothing else: no number here is a guarantee. The same theorems
without the slips are in `bounds`. Margin γ = 1 throughout; no bias enters a norm.

Source: Galanti, Xu, Galanti, Poggio, NeurIPS 2023, Figure 1, and the authors' released code.
"""

import math
import operator
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from sparsebounds.experiments.reproduce.conv.published_inputs import (
    ImageNumbers,
    NetNumbers,
    measure_images,
    measure_network,
)

__all__ = ["figure1_bounds", "figure1_from_numbers", "measure_images", "measure_network"]


def figure1_bounds(
    kernels: Sequence[Any],
    dense: Any,
    images: npt.NDArray[np.uint8],
    samples: int = 50000,
    delta: float = 1e-3,
) -> dict[str, float]:
    """The five values of the authors' figure for one network.

    A layer of zeros makes `graf` NaN (it divides by the layer's norm); norms beyond float64 give inf.

    Args:
        kernels: HWIO arrays of stride-1 convolutions without padding, first to last.
        dense: (features, classes), rows in HWC order.
        images: raw uint8 (m, height, width); the figure takes all 60000 MNIST training images.
        samples: n of the formulas. Slip: the figure says 50000, whatever m is.
        delta: probability of failure δ, strictly between 0 and 1.

    Returns:
        paper, golowich, ledent, long_sedghi, graf: neither upper nor lower bounds of anything.

    Raises:
        ValueError: shapes that do not fit, weights that are not finite, samples below 1, δ outside (0, 1).

    Example:
        >>> image = np.full((1, 2, 2), 255, np.uint8)
        >>> values = figure1_bounds([np.ones((2, 2, 1, 1))], np.ones((1, 2)), image, samples=100)
        >>> {name: round(value, 3) for name, value in values.items()}
        {'paper': 1.587, 'golowich': 2.553, 'ledent': 733036.712, 'long_sedghi': 1.326, 'graf': 8424.985}

    Source: Galanti, Xu, Galanti, Poggio, NeurIPS 2023, Figure 1.
    """
    numbers = measure_images(images)
    height, width = np.shape(images)[1:]
    return figure1_from_numbers(measure_network(kernels, dense, height, width), numbers, samples, delta)


def figure1_from_numbers(
    net: NetNumbers, images: ImageNumbers, samples: int = 50000, delta: float = 1e-3
) -> dict[str, float]:
    """As `figure1_bounds`, for a curve over many checkpoints: the images are measured once.

    Args:
        net: from `measure_network`.
        images: from `measure_images`.
        samples, delta: as in `figure1_bounds`.

    Raises:
        ValueError: samples below 1, δ outside (0, 1).

    Example:
        >>> net = measure_network([np.zeros((2, 2, 1, 1))], np.ones((1, 2)), 2, 2)
        >>> figure1_from_numbers(net, ImageNumbers(1.0, 1.0, 1.0))["graf"]
        nan
    """
    try:
        n = operator.index(samples)
    except TypeError:
        raise ValueError(f"samples is {samples!r}; need a whole number of at least 1") from None
    if n < 1:
        raise ValueError(f"samples is {n}; need a whole number of at least 1")
    if not 0 < delta < 1:
        raise ValueError(f"delta is {delta}; need a probability strictly between 0 and 1")
    return {
        "paper": _paper(net, images, n, delta),
        "golowich": _golowich(net, images, n, delta),
        "ledent": _ledent(net, images, n, delta),
        "long_sedghi": _long_sedghi(net, n, delta),
        "graf": _graf(net, images, n, delta),
    }


def _paper(net: NetNumbers, images: ImageNumbers, n: int, delta: float) -> float:
    """Galanti et al. 2023, first version.

    (ρ+1)/n · 2√2 (1 + √(2(L log(2d) + log C))) √(Π_conv d_l · max_j Σ_i x_ij²) + 3√(log(2(ρ+2)²/δ)/2n),
    with ρ = Π ‖w_l‖_F, d_l = kh·kw and d = max d_l.
    """
    # Slips: raw pixels where the network reads normalised ones; the dense layer's fan-in is in neither product nor d.
    rho = math.prod(net.frobenius)
    energy = math.prod(net.degrees) * images.pixel_energy
    logs = net.depth * math.log(2 * max(net.degrees)) + math.log(net.classes)
    return _frobenius_bound(rho, logs, math.sqrt(energy), n, delta)


def _golowich(net: NetNumbers, images: ImageNumbers, n: int, delta: float) -> float:
    """Golowich et al. 2018 for the unrolled network.

    (ρ+1)/n · 2√2 (1 + √(2(L log 2 + log C))) √(Σ ‖x_i‖²) + 3√(log(2(ρ+2)²/δ)/2n),
    with ρ = Π ‖w_l‖_F · Π_conv √(h_out w_out).
    """
    # Slip: the rival is given normalised pixels, the paper's own bound raw ones, 2.8 times smaller on MNIST.
    rho = math.prod(net.frobenius) * math.prod(math.sqrt(rows * columns) for _, rows, columns in net.shapes[1:])
    logs = net.depth * math.log(2) + math.log(net.classes)
    return _frobenius_bound(rho, logs, images.total_norm, n, delta)


def _frobenius_bound(rho: float, logs: float, data: float, n: int, delta: float) -> float:
    main = (rho + 1) / n * 2**1.5 * (1 + math.sqrt(2 * logs)) * data
    return main + 3 * math.sqrt((math.log(2 / delta) + 2 * math.log(rho + 2)) / (2 * n))


def _ledent(net: NetNumbers, images: ImageNumbers, n: int, delta: float) -> float:
    """Ledent et al. 2021, with radii widened by 1/L.

    8/n + 3√(log(2/δ)/n) + √(log 2/n) + 1536/√n · R √(log₂(32Γn² + 7Wn)) log n
    + 3√(log(1+X)/n + Σ_l (a_l/L + 2)), with X = max ‖x_i‖, a_l = ‖w_l‖_{2,1},
    W the largest map, the input included, Γ from `_ledent_gamma`, and
    R = (Σ_i ((a_L + 1/L) Π_{j≠i} (s_j + 1/L))^{2/3})^{3/2} (X+1) L.
    """
    # Slips: every term of R has the dense layer's a_L (a shadowed loop variable), so kernel sizes drop out too; Γ,
    # see `_ledent_gamma`; s_j of reshaped kernels; Σ_l stands outside the 1/n of the last root.
    depth, size = net.depth, max(math.prod(shape) for shape in net.shapes)
    wide = [s + 1 / depth for s in net.spectral]
    head = net.two_one[-1] + 1 / depth
    terms = ((head * math.prod(wide[:i] + wide[i + 1 :])) ** (2 / 3) for i in range(depth))
    radius = _power(sum(terms), 1.5) * (images.largest_norm + 1) * depth
    scale = 32 * _ledent_gamma(net) * (images.largest_norm + 1) * n**2 + 7 * size * n
    tail = math.log(1 + images.largest_norm) / n + sum(a / depth + 2 for a in net.two_one)
    return (
        8 / n
        + 3 * math.sqrt(math.log(2 / delta) / n)
        + math.sqrt(math.log(2) / n)
        + 1536 / math.sqrt(n) * radius * math.sqrt(math.log2(scale)) * math.log(n)
        + 3 * math.sqrt(tail)
    )


def _ledent_gamma(net: NetNumbers) -> float:
    """Γ without its factor X+1, meant as max_i O_i (a_i + 1/L) Π_{j≠i} (s_j + 1/L).

    O_i = channels · height of what convolution i reads, 1 for the dense layer.
    """
    # Slips: the maximum is compared after every factor, and a partial product that exceeds it *is* the maximum from
    # there on, changed in place by the factors that follow, even to below what it was; O_i lacks the map's width.
    depth, gamma = net.depth, 0.0
    outputs = [channels * rows for channels, rows, _ in net.shapes[:-1]] + [1]
    for i in range(depth):
        product, is_maximum = outputs[i] * (net.two_one[i] + 1 / depth), False
        for j in range(depth):
            if j != i:
                product *= net.spectral[j] + 1 / depth
            is_maximum = is_maximum or product > gamma
        gamma = product if is_maximum else gamma
    return gamma


def _long_sedghi(net: NetNumbers, n: int, delta: float) -> float:
    """Long and Sedghi 2020, as L (Π s_l)^{1/L} √(W/n) + √(log(1/δ)/n), W all trainable numbers."""
    # Slips: a norm where the theorem has a distance from the start, its constant set to 1, s_l of reshaped kernels.
    mean = _power(math.prod(net.spectral), 1 / net.depth)
    return net.depth * mean * math.sqrt(sum(net.parameters) / n) + math.sqrt(math.log(1 / delta) / n)


def _graf(net: NetNumbers, images: ImageNumbers, n: int, delta: float) -> float:
    """Graf et al. 2022, norms.

    3√(log(2/δ)/2n) + 8/n + 24 log n · log(2W) (Σ_l (4 X Π s · a_l/s_l)^{2/3})^{3/2} / √n,
    with X = max ‖x_i‖, a_l = ‖w_l‖_{2,1} and W the trainable numbers of the largest layer.
    """
    # Slips: log(2W) outside the root it belongs under, X for the root mean square norm, s_l of reshaped kernels, a norm
    # where the theorem has a distance from the start, log n for the harmonic number, no rounding up under the sum.
    if 0.0 in net.spectral:
        return math.nan  # 0/0 as the figure has it
    product = 4 * images.largest_norm * math.prod(net.spectral)
    total = sum((product * a / s) ** (2 / 3) for a, s in zip(net.two_one, net.spectral, strict=True))
    main = 24 * math.log(n) * math.log(2 * max(net.parameters)) * _power(total, 1.5) / math.sqrt(n)
    return 3 * math.sqrt(math.log(2 / delta) / (2 * n)) + 8 / n + main


def _power(base: float, exponent: float) -> float:
    """base^exponent, inf where Python would raise."""
    try:
        return base**exponent
    except OverflowError:
        return math.inf
