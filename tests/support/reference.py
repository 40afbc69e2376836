"""Literal NumPy float64 twins of what `bounds` computes, for inputs small enough to enumerate every path.

A network is a chain of dense matrices over flattened (position, channel) coordinates; nodes are lists of
coordinates, blocks are dictionaries, paths are walked one by one. Slow, to be read beside the theorem.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

CONSTANT = -1  # the node that carries 1, which biases read


@dataclass(frozen=True)
class Layer:
    """z = σ(matrix @ z_below + bias) on positions·channels coordinates; slope 0 is ReLU, 1 none.

    The last layer of a network has no activation, whatever its slope says.
    """

    matrix: np.ndarray
    bias: np.ndarray
    positions: int
    channels: int
    slope: float = 0.0


@dataclass(frozen=True)
class Net:
    """A chain of layers on positions·channels input coordinates; the last layer's rows are the scores."""

    positions: int
    channels: int
    layers: tuple[Layer, ...]

    @property
    def depth(self) -> int:
        return len(self.layers)


def layer(matrix, bias=None, positions=1, slope=0.0) -> Layer:
    matrix = np.asarray(matrix, dtype=np.float64)
    bias = np.zeros(len(matrix)) if bias is None else np.asarray(bias, dtype=np.float64)
    return Layer(matrix, bias, positions, len(matrix) // positions, slope)


def forward(net: Net, x: np.ndarray) -> np.ndarray:
    z = np.asarray(x, dtype=np.float64).reshape(len(x), -1)
    for current in net.layers[:-1]:
        t = z @ current.matrix.T + current.bias
        z = np.where(t > 0, t, current.slope * t)
    return z @ net.layers[-1].matrix.T + net.layers[-1].bias


# ---- dense matrices of the layers one meets ------------------------------------------------------


def same_padding(size: int, window: int, stride: int, dilation: int = 1) -> tuple[int, int]:
    total = max((-(-size // stride) - 1) * stride + (window - 1) * dilation + 1 - size, 0)
    return total // 2, total - total // 2


def convolution(kernel, size, *, stride=(1, 1), padding=((0, 0), (0, 0)), dilation=(1, 1), groups=1):
    """Dense matrix and output size of a convolution, kernel (kh, kw, in/groups, out), input (H, W)."""
    kernel = np.asarray(kernel, dtype=np.float64)
    kh, kw, per_group, out_channels = kernel.shape
    height, width = size
    out_size = tuple(
        (size[a] + sum(padding[a]) - (kernel.shape[a] - 1) * dilation[a] - 1) // stride[a] + 1 for a in (0, 1)
    )
    in_channels = per_group * groups
    matrix = np.zeros((out_size[0], out_size[1], out_channels, height, width, in_channels))
    for oy, ox, a, b in itertools.product(range(out_size[0]), range(out_size[1]), range(kh), range(kw)):
        iy = oy * stride[0] - padding[0][0] + a * dilation[0]
        ix = ox * stride[1] - padding[1][0] + b * dilation[1]
        if not (0 <= iy < height and 0 <= ix < width):
            continue
        for o in range(out_channels):
            first = (o // (out_channels // groups)) * per_group
            matrix[oy, ox, o, iy, ix, first : first + per_group] += kernel[a, b, :, o]
    return matrix.reshape(math.prod(out_size) * out_channels, height * width * in_channels), out_size


def locally_connected(kernels, size):
    """Dense matrix of an unshared 'convolution', stride 1, no padding: kernels (Ho, Wo, kh, kw, in, out)."""
    kernels = np.asarray(kernels, dtype=np.float64)
    ho, wo, kh, kw, cin, cout = kernels.shape
    matrix = np.zeros((ho, wo, cout, *size, cin))
    for oy, ox, a, b in itertools.product(range(ho), range(wo), range(kh), range(kw)):
        matrix[oy, ox, :, oy + a, ox + b, :] = kernels[oy, ox, a, b].T
    return matrix.reshape(ho * wo * cout, -1)


def predecessors(lists, weights, inputs):
    """Dense matrix of predecessor lists (nodes, d) with weights (nodes, d, in, out) on `inputs` nodes."""
    weights = np.asarray(weights, dtype=np.float64)
    nodes, degree, cin, cout = weights.shape
    matrix = np.zeros((nodes, cout, inputs, cin))
    for j, k in itertools.product(range(nodes), range(degree)):
        matrix[j, :, lists[j][k], :] += weights[j, k].T
    return matrix.reshape(nodes * cout, inputs * cin)


def average_pool(size, channels, window, stride):
    kernel = np.zeros((*window, 1, channels))
    kernel[:] = 1.0 / math.prod(window)
    return convolution(kernel, size, stride=stride, groups=channels)


# ---- nodes, blocks, paths ------------------------------------------------------------------------


def nodes(positions: int, channels: int, partition: str, group_size: int = 8) -> list[list[int]]:
    """The coordinates of every node: a position, a group of a position's channels, or one coordinate."""
    size = {"position": channels, "group": group_size, "scalar": 1}[partition]
    return [
        [p * channels + c for c in range(start, min(start + size, channels))]
        for p in range(positions)
        for start in range(0, channels, size)
    ]


def all_nodes(net: Net, partition: str, group_size: int = 8) -> list[list[list[int]]]:
    """Nodes of the input and of every layer; the scores of the last layer are one node each."""
    below = [nodes(net.positions, net.channels, partition, group_size)]
    below += [nodes(h.positions, h.channels, partition, group_size) for h in net.layers[:-1]]
    return [*below, [[r] for r in range(len(net.layers[-1].matrix))]]


def blocks(net: Net, partition: str, group_size: int = 8) -> dict[tuple[int, int], dict[int, np.ndarray]]:
    """(level, j) → {i: W^l_ji} with the all-zero blocks left out: the predecessors of j are the keys."""
    every, found = all_nodes(net, partition, group_size), {}
    for level, current in enumerate(net.layers, start=1):
        for j, rows in enumerate(every[level]):
            taps = {i: current.matrix[np.ix_(rows, columns)] for i, columns in enumerate(every[level - 1])}
            found[level, j] = {i: w for i, w in taps.items() if np.any(w != 0)}
    return found


def biases(net: Net, partition: str, group_size: int = 8) -> dict[tuple[int, int], np.ndarray]:
    every = all_nodes(net, partition, group_size)
    levels = range(1, net.depth + 1)
    return {(k, j): net.layers[k - 1].bias[rows] for k in levels for j, rows in enumerate(every[k])}


def pred_counts(net: Net, partition: str, group_size: int = 8) -> list[np.ndarray]:
    """|pred(l, j)| of the layers 1..L, biases not counted; here the scores follow the partition, as one position."""
    found, every = blocks(net, partition, group_size), all_nodes(net, partition, group_size)
    counts = [np.array([len(found[k, j]) for j in range(len(every[k]))]) for k in range(1, net.depth)]
    top = [
        len(set().union(*(found[net.depth, r] for r in rows)))
        for rows in nodes(1, len(every[net.depth]), partition, group_size)
    ]
    return [*counts, np.array(top)]


def has_bias(net: Net) -> bool:
    return any(np.any(h.bias != 0) for h in net.layers)


def frobenius(parts) -> float:
    return math.sqrt(sum(float(np.sum(np.square(part))) for part in parts))


@dataclass(frozen=True)
class Described:
    """Per node, with the constant as one more predecessor of the nodes of a network that has biases."""

    pred: dict[tuple[int, int], list[int]]
    norm: dict[tuple[int, int], float]
    energy: dict[int, float]
    m: int
    outputs: int
    depth: int
    nats: float

    def count(self, level: int, j: int) -> int:
        return len(self.pred[level, j])

    def biased(self, level: int) -> bool:
        return any(CONSTANT in pred for (k, _), pred in self.pred.items() if k == level)

    def largest(self, level: int) -> float:
        return max(norm for (k, _), norm in self.norm.items() if k == level)

    def log_paths(self) -> float:
        """log of 2^(Σ over activations of (1 − slope)/2) · Π_l max_j |pred(level, j)| · C."""
        degrees = [max(len(p) for (k, _), p in self.pred.items() if k == level) for level in range(1, self.depth + 1)]
        return self.nats + sum(math.log(d) for d in degrees) + math.log(self.outputs)

    def paths(self, level: int, j: int) -> Iterator[list[tuple[int, int]]]:
        """Every path into node j, from its start: [(0, j_0), …, (level, j)] or [(k, CONSTANT), …]."""
        if level == 0 or j == CONSTANT:
            yield [(level, j)]
            return
        for i in self.pred[level, j]:
            for path in self.paths(level - 1, i):
                yield [*path, (level, j)]

    def energy_of(self, start: tuple[int, int]) -> float:
        return float(self.m) if start[1] == CONSTANT else self.energy[start[1]]


def describe(net: Net, partition: str, energies, m, *, biased=None, group_size=8) -> Described:
    found, offset = blocks(net, partition, group_size), biases(net, partition, group_size)
    biased = has_bias(net) if biased is None else biased
    flat = np.asarray(energies, dtype=np.float64).reshape(-1)
    inputs = nodes(net.positions, net.channels, partition, group_size)
    pred, norm = {}, {}
    for key, taps in found.items():
        reads_constant = biased and np.any(net.layers[key[0] - 1].bias != 0)
        pred[key] = [*taps, CONSTANT] if reads_constant else list(taps)
        norm[key] = frobenius([*taps.values(), offset[key] if biased else 0.0])
    return Described(
        pred=pred,
        norm=norm,
        energy={i: float(flat[c].sum()) for i, c in enumerate(inputs)},
        m=m,
        outputs=len(net.layers[-1].matrix),
        depth=net.depth,
        nats=sum((1 - h.slope) / 2 * math.log(2) for h in net.layers[:-1]),
    )


# ---- the sound form ------------------------------------------------------------------------------


def outputs_walk(d: Described) -> Iterator[tuple[int, list[tuple[int, int]]]]:
    for r in range(d.outputs):
        for path in d.paths(d.depth, r):
            yield r, path


def shared_form(d: Described) -> dict[str, float]:
    """(Σ_r ‖w_r‖)·Π_l max_j ‖W^l_j‖ · (1 + √(2 logs)) · √(max over paths Π|pred|·Σ‖x‖²).

    With biases the layers are scaled to norm 1 from below: t_l = max_j ‖[W^l_j, b^l_j]‖ · max(t_{l-1}, 1).
    """
    scale = 1.0
    for level in range(1, d.depth):
        scale = d.largest(level) * (max(scale, 1.0) if d.biased(level) else scale)
    rows = sum(d.norm[d.depth, r] for r in range(d.outputs))
    data = 0.0
    for _, path in outputs_walk(d):
        counts = math.prod(d.count(level, j) for level, j in path[1:])
        data = max(data, counts * d.energy_of(path[0]))
    return _form(d, rows * (max(scale, 1.0) if d.biased(d.depth) else scale), math.sqrt(data))


def _form(d: Described, norm: float, data: float) -> dict[str, float]:
    logs = d.log_paths()
    return {"norm": norm, "data": data, "logs": logs, "complexity": norm * (1 + math.sqrt(2 * logs)) * data}


def node_form(net: Net, partition: str, energies, m, *, log_constant=0.0, group_size=8) -> dict[str, float]:
    """Σ_r g_r (1 + √(2 log Σ_r N_r)) √(largest energy read): gains g and paths N, zero blocks left out.

    g_e = Σ_i ‖w_{e,i}‖ + |b_e| over the input nodes i, above the first layer Σ_e' |w_{e,e'}| g_e' + |b_e|; N_j =
    2^{(1 − slope)/2} (Σ_i N_i + 1), N = 1 at the inputs. A network that carries h in place of the constant 1 has b/h.
    """
    every, found, h = all_nodes(net, partition, group_size), blocks(net, partition, group_size), math.exp(log_constant)
    flat = np.asarray(energies, dtype=np.float64).reshape(-1)
    count, energy = [1.0] * len(every[0]), [float(flat[c].sum()) for c in every[0]]
    gain = np.zeros(0)
    for level, current in enumerate(net.layers, start=1):
        reads_constant = bool(np.any(current.bias != 0))
        factor = 1.0 if level == net.depth else 2 ** ((1 - current.slope) / 2)
        counts, largest = [], []
        for j in range(len(every[level])):
            taps = found[level, j]
            counts.append(factor * (sum(count[i] for i in taps) + reads_constant))
            largest.append(max([energy[i] for i in taps] + [m * h**2] * reads_constant))
        if level == 1:
            rows = sum(np.linalg.norm(current.matrix[:, c], axis=1) for c in every[0])
        else:
            rows = np.abs(current.matrix) @ gain
        gain, count, energy = rows + np.abs(current.bias) / h, counts, largest
    norm, logs, data = float(gain.sum()), math.log(sum(count)), math.sqrt(max(energy))
    return {"norm": norm, "data": data, "logs": logs, "complexity": norm * (1 + math.sqrt(2 * logs)) * data}


GRID = 1.1


def union_point(c: float, delta: float) -> tuple[int, float, float]:
    """The smallest grid point 1.1^j ≥ c with its share δ/(2(|j|+1)(|j|+2)) of δ."""
    j = math.ceil(math.log(c) / math.log(GRID))
    while GRID ** (j - 1) >= c:
        j -= 1
    while GRID**j < c:
        j += 1
    return j, GRID**j, delta / (2 * (abs(j) + 1) * (abs(j) + 2))


def sound(form: dict[str, float], m: int, delta: float, gamma: float = 1.0, nats: float = 0.0) -> dict[str, float]:
    """Rounded-up complexity term with its factor 4/m, and the confidence term of the same grid point."""
    j, rounded, share = union_point(form["norm"] / gamma, delta)
    factor = (1 + math.sqrt(2 * form["logs"])) * form["data"]
    return {
        "j": j,
        "c_j": rounded,
        "complexity": 4 / m * rounded * factor,
        "confidence": 2 * math.sqrt((math.log(1 / share) + nats) / (2 * m)),
    }


# ---- the published form --------------------------------------------------------------------------


def rho(net: Net, partition: str, group_size: int = 8) -> float:
    """‖W^L‖_F · Π_{l<L} max_j ‖W^l_j‖_F, biases not counted."""
    d = describe(net, partition, np.zeros(net.positions * net.channels), 1, biased=False, group_size=group_size)
    return frobenius([net.layers[-1].matrix]) * math.prod(d.largest(level) for level in range(1, d.depth))


def published(net: Net, partition: str, energies, m, delta, *, gamma=1.0, version="neurips", group_size=8):
    """The printed expression: its complexity and its confidence term."""
    d = describe(net, partition, energies, m, biased=False, group_size=group_size)
    degrees = [max(len(p) for (k, _), p in d.pred.items() if k == level) for level in range(1, d.depth)] or [1]
    if version == "neurips":
        logs = d.depth * math.log(2) + sum(math.log(k) for k in degrees)
    else:
        logs = d.depth * math.log(2 * max(degrees))
    data = 0.0
    for j in range(len(all_nodes(net, partition, group_size)[d.depth - 1])):  # the last layer plays no part
        for path in d.paths(d.depth - 1, j):
            data = max(data, math.prod(d.count(level, i) for level, i in path[1:]) * d.energy_of(path[0]))
    size = rho(net, partition, group_size)
    big_lambda = (1 + math.sqrt(2 * (logs + math.log(d.outputs)))) * math.sqrt(data)
    return {
        "rho": size,
        "complexity": 2 * math.sqrt(2) * (size + 1) / (gamma * m) * big_lambda,
        "confidence": 3 * math.sqrt(math.log(2 * (size + 2) ** 2 / delta) / (2 * m)),
        "rademacher": size / m * big_lambda,
    }
