"""Dense matrices of layers and convolutions, unrolled literally: what the norms are checked against."""

from __future__ import annotations

import itertools
import math
from functools import cache

import networks
import numpy as np

from sparsebounds import bounds
from sparsebounds.bounds.graph.graph import Graph
from sparsebounds.bounds.graph.layers import Layer, Linear, MaxPool
from sparsebounds.bounds.graph.terms import Diagonal, Pool

ZOO = sorted(networks.NETWORKS)


@cache
def graph(name: str) -> Graph:
    net = networks.network(name)
    return bounds.read_graph(net.f, net.x[:2])


def linear_layers(g: Graph) -> list[int]:
    return [i for i, layer in enumerate(g.layers) if isinstance(layer, Linear)]


def matrix(g: Graph, index: int) -> np.ndarray:
    """The matrix of a linear layer: (elements of the layer, elements of the graph)."""
    layer = g.layers[index]
    assert isinstance(layer, Linear)
    out = np.zeros((layer.size, int(g.offsets[-1])))
    for target, sources, weights in entries(layer):
        np.add.at(out[target], sources, weights)
    return out


def entries(layer: Layer):
    """(element of the layer, elements that it reads, weights), row by row and term by term; a max pool has ones."""
    if isinstance(layer, MaxPool):
        yield from _pooled(layer, np.ones(1))
    for term in getattr(layer, "terms", ()):
        if isinstance(term, Diagonal):
            scale = np.ones(layer.size) if term.scale is None else term.scale
            yield from ((i, *_present(term.elements[i : i + 1], scale[i : i + 1])) for i in range(layer.size))
        elif isinstance(term, Pool):
            yield from _pooled(layer, term.coefficient, term.taps)
        else:
            b_count, f_count, _ = term.taps.shape
            n = term.weight.shape[2]
            place = np.arange(layer.size) if term.order is None else term.order
            for b, f, o in itertools.product(range(b_count), range(f_count), range(n)):
                yield place[(b * f_count + f) * n + o], *_present(term.taps.rows(b, f, f + 1)[0], term.weight[b, :, o])


def _pooled(layer, coefficient, taps=None):
    rows = (taps or layer.taps).rows(0).reshape(layer.positions, -1, layer.channels)
    coefficient = np.broadcast_to(coefficient, (layer.positions, layer.channels))
    for f, c in itertools.product(range(layer.positions), range(layer.channels)):
        yield f * layer.channels + c, *_present(rows[f, :, c], np.full(rows.shape[1], coefficient[f, c]))


def _present(sources, weights):
    return sources[sources >= 0], weights[sources >= 0]


def spectral(a: np.ndarray) -> float:
    return float(np.linalg.norm(a, 2)) if a.size else 0.0


def convolution(kernel, size, stride, padding, dilation, groups) -> np.ndarray:
    """Any number of axes; padding a list of (before, after), or None for a circle with ceil(size/stride) outputs."""
    window, (per_group, outputs) = kernel.shape[:-2], kernel.shape[-2:]
    if padding is None:
        out = [-(-n // s) for n, s in zip(size, stride, strict=True)]
    else:
        out = [
            (n + sum(p) - (k - 1) * d - 1) // s + 1
            for n, p, k, d, s in zip(size, padding, window, dilation, stride, strict=True)
        ]
    a = np.zeros((*out, outputs, *size, per_group * groups))
    for position in itertools.product(*map(range, out)):
        for tap in itertools.product(*map(range, window)):
            site = [p * s + t * d for p, s, t, d in zip(position, stride, tap, dilation, strict=True)]
            if padding is None:
                site = [x % n for x, n in zip(site, size, strict=True)]
            else:
                site = [x - p[0] for x, p in zip(site, padding, strict=True)]
                if not all(0 <= x < n for x, n in zip(site, size, strict=True)):
                    continue
            for o in range(outputs):
                first = o // (outputs // groups) * per_group
                a[(*position, o, *site, slice(first, first + per_group))] += kernel[(*tap, slice(None), o)]
    return a.reshape(math.prod(out) * outputs, -1)
