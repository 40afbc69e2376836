"""What the formulas of `published` read: numbers of the images and numbers of the network."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

MEAN, STD = 0.1307, 0.3081  # the authors' MNIST constants
# A pixel is one byte, so its square is one of 256 numbers: raw in [0, 1], rounded to float32, and normalised.
_RAW_SQUARES = (np.arange(256, dtype=np.float32) / np.float32(255)) ** 2
_SQUARES = ((np.arange(256) / 255 - MEAN) / STD) ** 2

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class ImageNumbers:
    """What the five formulas read from the images.

    Args:
        pixel_energy: max over pixels of Σ_i x_ij², raw x in [0, 1], summed in float32 image after image.
        total_norm: √Σ_i ‖x_i‖², x normalised.
        largest_norm: max_i ‖x_i‖, x normalised.
    """

    pixel_energy: float
    total_norm: float
    largest_norm: float


@dataclass(frozen=True)
class NetNumbers:
    """What the five formulas read from the network; one entry per layer, the dense layer last.

    Args:
        frobenius: ‖w_l‖_F.
        spectral: s_l, the largest singular value of the kernel reshaped to (out, in·kh·kw): not that of the
            convolution.
        two_one: ‖w_l‖_{2,1}, ℓ2 over the input channels (dense layer: over its inputs), summed over the rest.
        parameters: trainable numbers: weights, one bias per output, one gain per convolution.
        degrees: kh·kw of each convolution.
        shapes: (channels, height, width) of the input and of every convolution's output.
        classes: number of scores.
    """

    frobenius: tuple[float, ...]
    spectral: tuple[float, ...]
    two_one: tuple[float, ...]
    parameters: tuple[int, ...]
    degrees: tuple[int, ...]
    shapes: tuple[tuple[int, int, int], ...]
    classes: int

    @property
    def depth(self) -> int:
        """Number of weight layers, the dense one included."""
        return len(self.spectral)


def measure_images(images: npt.NDArray[np.uint8]) -> ImageNumbers:
    """The numbers of the images, in one pass.

    Args:
        images: uint8 (m, height, width), m ≥ 1, values 0..255 as published.

    Raises:
        ValueError: another type or shape.

    Example:
        >>> measure_images(np.full((4, 1, 1), 255, np.uint8)).pixel_energy
        4.0
    """
    images = np.asarray(images)
    if images.dtype != np.uint8 or images.ndim != 3 or not images.size:
        raise ValueError(
            f"images are {images.dtype} of shape {images.shape}; need raw uint8 images of shape "
            "(m, height, width), at least one"
        )
    energies = np.zeros(images.shape[1:], np.float32)
    squares = np.empty(len(images))
    for index, image in enumerate(images):
        energies += _RAW_SQUARES[image]
        squares[index] = _SQUARES[image].sum()
    return ImageNumbers(
        pixel_energy=float(energies.max()),
        total_norm=math.sqrt(math.fsum(squares)),
        largest_norm=math.sqrt(squares.max()),
    )


def measure_network(kernels: Sequence[Any], dense: Any, height: int, width: int) -> NetNumbers:
    """The numbers of a network of stride-1 convolutions without padding and one dense layer.

    Args:
        kernels: HWIO arrays (kh, kw, in, out), first to last; the first reads one channel.
        dense: (features, classes), one row per output of the last convolution, in HWC order.
        height, width: of an image, in pixels.

    Raises:
        ValueError: no convolution, shapes that do not follow from one another, a weight that is not finite.

    Example:
        >>> net = measure_network([np.ones((2, 2, 1, 3))], np.ones((12, 5)), 3, 3)
        >>> net.shapes, net.parameters, round(net.two_one[0], 9)
        (((1, 3, 3), (3, 2, 2)), (16, 65), 12.0)
    """
    if hasattr(kernels, "shape") or not len(kernels):
        came = f"one array of shape {kernels.shape}" if hasattr(kernels, "shape") else "an empty list"
        raise ValueError(f"kernels is {came}; need a list of HWIO arrays, one per convolution, at least one")
    arrays = [_weights(f"kernel {index}", kernel, 4) for index, kernel in enumerate(kernels, start=1)]
    head = _weights("dense", dense, 2)
    shapes = _shapes(arrays, (1, height, width))
    if head.shape[0] != math.prod(shapes[-1]):
        channels, rows, columns = shapes[-1]
        raise ValueError(
            f"dense has {head.shape[0]} rows; need {rows}·{columns}·{channels} = {math.prod(shapes[-1])}, "
            "one for every output of the last convolution"
        )
    matrices = [kernel.reshape(-1, kernel.shape[-1]) for kernel in arrays] + [head]
    return NetNumbers(
        frobenius=tuple(float(np.linalg.norm(matrix)) for matrix in matrices),
        spectral=tuple(_largest_singular_value(matrix) for matrix in matrices),
        two_one=tuple(float(np.linalg.norm(array, axis=-2).sum()) for array in [*arrays, head]),
        parameters=(*(kernel.size + kernel.shape[-1] + 1 for kernel in arrays), head.size + head.shape[1]),
        degrees=tuple(kernel.shape[0] * kernel.shape[1] for kernel in arrays),
        shapes=shapes,
        classes=head.shape[1],
    )


def _weights(name: str, array: Any, axes: int) -> Floats:
    weights = np.asarray(array)
    if weights.ndim != axes or not weights.size:
        wanted = "(kh, kw, in, out)" if axes == 4 else "(features, classes)"
        raise ValueError(f"{name} has shape {weights.shape}; need {wanted}, every axis at least 1")
    if weights.dtype.kind not in "iuf" and weights.dtype.name != "bfloat16":
        raise ValueError(f"{name} holds {weights.dtype}; need real numbers")
    weights = weights.astype(np.float64)
    if not np.isfinite(weights).all():
        raise ValueError(f"{name} holds NaN or inf; every weight must be finite")
    return weights


def _shapes(kernels: list[Floats], shape: tuple[int, int, int]) -> tuple[tuple[int, int, int], ...]:
    shapes = [shape]
    for index, kernel in enumerate(kernels, start=1):
        channels, height, width = shapes[-1]
        rows, columns, n_in, n_out = kernel.shape
        if n_in != channels:
            raise ValueError(f"kernel {index} reads {n_in} channels; need {channels}, what comes before it has")
        if rows > height or columns > width:
            raise ValueError(f"kernel {index} is {rows}×{columns}; need at most {height}×{width}, the map it reads")
        shapes.append((n_out, height - rows + 1, width - columns + 1))
    return tuple(shapes)


def _largest_singular_value(matrix: Floats) -> float:
    """Through the smaller Gram matrix: exact to rounding for the largest value, and quick for a wide layer."""
    scale = float(np.abs(matrix).max())
    if scale == 0:
        return 0.0
    matrix = matrix / scale
    gram = matrix @ matrix.T if matrix.shape[0] < matrix.shape[1] else matrix.T @ matrix
    return scale * math.sqrt(np.linalg.eigvalsh(gram)[-1])
