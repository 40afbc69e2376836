"""A number that is never below the largest eigenvalue of any of many positive semidefinite matrices.

An eigenvalue routine or Lanczos proposes λ; a Cholesky factorisation of λI − G proves it: it exists only where
λI − G is positive definite. The proof costs a twentieth of an eigenvalue decomposition, so that all frequencies of a
convolution but the few that raise λ cost a factorisation each.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from jaxtyping import Float64, Inexact
from scipy.linalg import lapack
from scipy.sparse.linalg import ArpackError, eigsh

EPS = float(np.finfo(np.float64).eps)
MARGIN = 1e-9
"""λ is proposed this much above the eigenvalue that was found."""
TINY = 1e-280
"""Entries up to this size are bounded by it: what is computed from them underflows."""
SMALL = 64
"""Matrices up to this size are decomposed by LAPACK, larger ones searched by Lanczos."""


def largest_eigenvalue_upper(batches: Iterable[Inexact[np.ndarray, "matrices n n"]]) -> float:
    """λ ≥ λ_max(G) for every matrix G of every batch.

    λ is above the largest eigenvalue by a factor of at most about 1 + 1e-9, and rounding: a factorisation that
    succeeds in floating point proves λ_min(λI − G) ≥ −4(n + 2) ε tr(λI − G) (Rump 2006), which is added.

    Args:
        batches: arrays (matrices, n, n), Hermitian and positive semidefinite.

    Returns:
        Not below the largest eigenvalue of any matrix as given; 0 if all are zero.

    Example:
        >>> round(largest_eigenvalue_upper([np.array([[[2.0, 1.0], [1.0, 2.0]], [[5.0, 0.0], [0.0, 1.0]]])]), 6)
        5.0

    Source: S. M. Rump, Verification of positive definiteness, BIT 46 (2006).
    """
    found, n = 0.0, 1
    for grams in batches:
        n = max(n, grams.shape[1])
        largest = np.abs(grams).max(axis=(1, 2), initial=0.0)
        if ((largest > 0) & (largest <= TINY)).any():
            found = max(found, n * TINY)
        seen = largest > TINY
        found = _raised(found, grams if seen.all() else grams[seen])
    return found * (1 + 4 * (n + 2) * n * EPS)


def _raised(found: float, grams: Inexact[np.ndarray, "matrices n n"]) -> float:
    """`found`, or as much more as these matrices need."""
    if not len(grams):
        return found
    if grams.shape[1] <= SMALL:
        if found > 0 and _all_above(found, grams):
            return found
        return _proved(max(found, float(np.linalg.eigvalsh(grams)[:, -1].max())), grams)
    for gram in grams:
        if not (found > 0 and _above(found, gram)):
            found = _proved(max(found, _proposal(gram)), gram[None])
    return found


def _proved(value: float, grams: Inexact[np.ndarray, "matrices n n"]) -> float:
    """`value`, raised until the factorisation succeeds."""
    margin = MARGIN
    while not _all_above(value * (1 + margin), grams):
        margin *= 4
    return value * (1 + margin)


def _all_above(value: float, grams: Inexact[np.ndarray, "matrices n n"]) -> bool:
    """Whether value·I − G has a Cholesky factor for every G."""
    if len(grams) == 1:
        return _above(value, grams[0])
    try:
        np.linalg.cholesky(value * np.eye(grams.shape[-1]) - grams)
    except np.linalg.LinAlgError:
        return False
    return True


def _above(value: float, gram: Inexact[np.ndarray, "n n"]) -> bool:
    """Whether value·I − G has a Cholesky factor; in place, because the copies cost as much as the factor."""
    difference = -gram
    difference[np.diag_indices(len(gram))] += value
    factor = lapack.zpotrf if np.iscomplexobj(gram) else lapack.dpotrf
    # The transpose is the matrix's own conjugate, in the memory order that LAPACK wants.
    return int(factor(difference.T, lower=1, clean=0, overwrite_a=1)[1]) == 0


def _proposal(gram: Inexact[np.ndarray, "n n"]) -> float:
    """The largest eigenvalue, nearly; where Lanczos gives up, LAPACK decides."""
    start = np.random.default_rng(0).normal(size=len(gram)).astype(gram.dtype)
    try:
        return float(eigsh(gram, k=1, v0=start, return_eigenvectors=False)[0].real)
    except ArpackError:
        return float(np.linalg.eigvalsh(gram)[-1])


def gram_iteration_upper(batches: Iterable[Inexact[np.ndarray, "matrices n n"]], steps: int = 6) -> float:
    """λ ≥ λ_max(G) for every G, by squaring: λ_max(G) ≤ ‖G^(2^t)‖_F^(2^−t).

    Every step rescales to Frobenius norm 1 and keeps the logarithm, so nothing overflows. At most n^(2^−t−1) above the
    truth: 4 % for n = 200 and six steps. One matrix product per matrix and step.

    Args:
        batches: arrays (matrices, n, n), Hermitian and positive semidefinite.
        steps: t.

    Returns:
        Not below the largest eigenvalue of any matrix as given; 0 if all are zero.

    Example:
        >>> exact = np.diag([3.0, 1.0])[None]
        >>> 3.0 <= gram_iteration_upper([exact]) < 3.0001
        True

    Source: Delattre, Barthélemy, Araujo, Allauzen, Efficient bound of Lipschitz constant for convolutional layers by
    Gram iteration, ICML 2023; rounding: every product errs by at most 4 n^1.5 ε relative in the Frobenius norm.
    """
    best, n = -np.inf, 1
    for grams in batches:
        n = max(n, grams.shape[1])
        logs, weight = np.zeros(len(grams)), 1.0
        for _ in range(steps):
            grams, step_logs = _normalised(grams)
            logs, weight = logs + weight * step_logs, weight / 2
            grams = grams @ grams.conj().transpose(0, 2, 1)
        best = max(best, float(np.max(logs + weight * _normalised(grams)[1], initial=-np.inf)))
    return float(np.exp(best)) * (1 + 16 * n**1.5 * EPS + 64 * EPS) if best > -np.inf else 0.0


def _normalised(
    grams: Inexact[np.ndarray, "matrices n n"],
) -> tuple[Inexact[np.ndarray, "matrices n n"], Float64[np.ndarray, " matrices"]]:
    """Matrices of Frobenius norm 1 and the logarithms of the norms they had; zero matrices stay."""
    norms = np.sqrt(np.square(np.abs(grams)).sum(axis=(1, 2)))
    safe = np.where(norms > 0, norms, 1.0)
    return grams / safe[:, None, None], np.where(norms > 0, np.log(safe), -np.inf)
