"""The symbol of a convolution: one small matrix per frequency; their largest singular value bounds the operator.

On a torus Π Z_M a convolution of stride s is, after the polyphase step (the s phases of a site become channels), a
circular convolution of stride 1 on Π Z_(M/s), and the Fourier transform makes it block diagonal, with the blocks
K̂(ω) = Σ_t K_t e^{iωt}.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np
from jaxtyping import Complex, Float64, Inexact, Int, Int64
from threadpoolctl import ThreadpoolController  # type: ignore[import-untyped]

from sparsebounds.bounds.norms.eigenvalue import EPS, gram_iteration_upper, largest_eigenvalue_upper
from sparsebounds.bounds.norms.lattice import Lattice

BYTES = 1 << 26
"""Memory of one batch of frequencies."""
THREADED = 768
"""For matrices below this size a second BLAS thread costs more than it brings, a great deal more on a busy machine."""


@dataclass(frozen=True)
class Symbol:
    """K̂(ω) = Σ_t kernel[:, t] e^{i ω·tap_t}, for several kernels with the same taps."""

    kernel: Float64[np.ndarray, "kernels taps inputs outputs"]
    """The inputs count the phases of a stride."""
    taps: Int64[np.ndarray, "taps axes"]
    grid: tuple[int, ...]
    """Number of frequencies per axis."""

    def frequencies(self) -> Int64[np.ndarray, "n axes"]:
        """One of each pair ω, −ω (K̂(−ω) is the conjugate), and 0 along axes where all taps agree: int64 (n, axes)."""
        grid = tuple(1 if (self.taps[:, a] == self.taps[0, a]).all() else size for a, size in enumerate(self.grid)) or (
            1,
        )
        points = np.stack(np.unravel_index(np.arange(np.prod(grid)), grid), axis=1)
        opposite = np.ravel_multi_index(tuple((-points % np.array(grid)).T), grid)
        return points[np.arange(len(points)) <= opposite]

    def largest_square_upper(self, method: str = "cholesky") -> float:
        """Not below σ_max(K̂_b(ω))² for every kernel b and every frequency of the grid.

        The slack covers the rounding of the Gram matrices: each entry is a sum of (inputs + taps²) products, so the
        error is at most that many ε times (Σ_t |K_t|)ᵀ(Σ_t |K_t|), whose norm is at most taps · ‖K‖²_F.
        """
        upper = largest_eigenvalue_upper if method == "cholesky" else gram_iteration_upper
        taps, inputs = self.kernel.shape[1:3]
        fro2 = max((float(np.vdot(one, one)) for one in self.kernel), default=0.0)  # a wide layer is not copied
        slack = 4 * EPS * (max(inputs, self.kernel.shape[3]) + taps**2 + 64) * taps * fro2
        few = min(inputs, self.kernel.shape[3]) < THREADED
        with _threads().limit(limits=1 if few else None):
            return upper(self._grams()) + slack

    def _grams(self) -> Iterator[Inexact[np.ndarray, "matrices n n"]]:
        """K̂*K̂ or K̂K̂*, the smaller, in batches (matrices, n, n)."""
        kernel = self.kernel if self.kernel.shape[2] >= self.kernel.shape[3] else self.kernel.transpose(0, 1, 3, 2)
        frequencies = self.frequencies()
        taps, n = self.kernel.shape[1], kernel.shape[3]
        if taps == 1:  # no frequencies: all kernels at once
            step = max(1, BYTES // (16 * max(n * n, kernel.shape[2] * n)))
            for start in range(0, len(kernel), step):
                part = kernel[start : start + step, 0]
                yield part.transpose(0, 2, 1) @ part
            return
        by_lags = taps * taps <= 8 * len(frequencies)
        for one in kernel:
            yield from self._by_lags(one, frequencies) if by_lags else self._direct(one, frequencies)

    def phases(
        self, frequencies: Int[np.ndarray, "frequencies axes"], taps: Int[np.ndarray, "taps axes"]
    ) -> Complex[np.ndarray, "frequencies taps"]:
        """e^{i ω·t}, (frequencies, taps); the turns are reduced in integers, so the angle is exact to rounding."""
        turns = (frequencies[:, None] * taps[None]) % np.array(self.grid)
        return np.exp(2j * np.pi * (turns / np.array(self.grid)).sum(axis=2))

    def _direct(
        self, kernel: Float64[np.ndarray, "taps inputs n"], frequencies: Int[np.ndarray, "frequencies axes"]
    ) -> Iterator[Complex[np.ndarray, "matrices n n"]]:
        taps, inputs, n = kernel.shape
        step = max(1, BYTES // (16 * inputs * n))
        for start in range(0, len(frequencies), step):
            phases = self.phases(frequencies[start : start + step], self.taps)
            hat = (phases @ kernel.reshape(taps, -1)).reshape(-1, inputs, n)
            yield hat.conj().transpose(0, 2, 1) @ hat

    def _by_lags(
        self, kernel: Float64[np.ndarray, "taps inputs n"], frequencies: Int[np.ndarray, "frequencies axes"]
    ) -> Iterator[Complex[np.ndarray, "matrices n n"]]:
        """K̂*K̂ = Σ_t K_tᵀK_t + Σ_{t<u} P e^{iωδ} + Pᵀ e^{−iωδ}, P = K_tᵀK_u, δ = tap_u − tap_t.

        So no matrix product per frequency: real parts are Σ_δ cos ωδ (P + Pᵀ), imaginary parts Σ_δ sin ωδ (P − Pᵀ),
        and one real product writes both, interleaved.
        """
        taps, _, n = kernel.shape
        first, second = np.triu_indices(taps, k=1)
        lags, which = np.unique(
            (self.taps[second] - self.taps[first]) % np.array(self.grid), axis=0, return_inverse=True
        )
        table = np.zeros((1 + 2 * len(lags), n, n, 2))
        table[0, :, :, 0] = sum(k.T @ k for k in kernel)
        for t, u, lag in zip(first, second, np.ravel(which), strict=True):
            product = kernel[t].T @ kernel[u]
            table[1 + lag, :, :, 0] += product + product.T
            table[1 + len(lags) + lag, :, :, 1] += product - product.T
        step = max(1, BYTES // (16 * n * n))
        for start in range(0, len(frequencies), step):
            phases = self.phases(frequencies[start : start + step], lags)
            factors = np.concatenate([np.ones((len(phases), 1)), phases.real, phases.imag], axis=1)
            yield (factors @ table.reshape(len(table), -1)).view(np.complex128).reshape(-1, n, n)


@cache
def _threads() -> ThreadpoolController:
    return ThreadpoolController()


@dataclass(frozen=True)
class Places:
    """Where the columns of a map with a lattice stand in its symbol; phases of the stride become inputs."""

    columns: Int64[np.ndarray, " n"]
    tap: Int64[np.ndarray, " n"]
    phase: Int64[np.ndarray, " n"]
    taps: Int64[np.ndarray, "taps axes"]
    phases: int
    grid: tuple[int, ...]


def places(lattice: Lattice) -> Places:
    """Of every column that some row applies. Columns that stand in one place add up."""
    stride, modulus = np.array(lattice.stride), np.array(lattice.modulus)
    offset = lattice.offset[lattice.used]
    coarse, tap = np.unique(offset // stride % (modulus // stride), axis=0, return_inverse=True)
    phases, phase = np.unique(offset % stride, axis=0, return_inverse=True)
    grid = tuple(int(m) for m in modulus // stride)
    return Places(np.flatnonzero(lattice.used), np.ravel(tap), np.ravel(phase), coarse, len(phases), grid)


def symbol(lattice: Lattice, weight: Float64[np.ndarray, "kernels K N"]) -> Symbol:
    """The symbol of maps with this lattice and weights (kernels, K, N)."""
    at = places(lattice)
    kernel = np.zeros((len(weight), len(at.taps), at.phases, weight.shape[2]))
    for column, t, p in zip(at.columns, at.tap, at.phase, strict=True):
        kernel[:, t, p] += weight[:, column]
    return Symbol(kernel, at.taps, at.grid)
