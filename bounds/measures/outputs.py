"""What the scores on the training sample say, and how many parameters there are."""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import Float64
from scipy.special import log_softmax

from sparsebounds.bounds.measures.measure import declare_measure
from sparsebounds.bounds.measures.norms_and_margins import JIANG, NITARSHAN
from sparsebounds.bounds.measures.subject import Subject


def _log_shares(subject: Subject) -> Float64[np.ndarray, "m C"]:
    return log_softmax(subject.scores, axis=1)


@declare_measure(formula="ω, the weights without biases", source=f"{JIANG}, eq. 20; {NITARSHAN}", needs="weights",
                 rescale="root")  # fmt: skip
def params(subject: Subject) -> float:
    """The number of weights, zeros among them; shared ones once."""
    return float(sum(one.size for one in subject.weights))


@declare_measure(formula="ω d log ω, d layers: the shape, no constants", needs="weights", rescale="root",
                 source=f"{JIANG}, eq. 19, from memory: the constants are left out")  # fmt: skip
def vc_dim(subject: Subject) -> float:
    """How the VC bound of ReLU networks grows: weights times layers times a logarithm."""
    omega = sum(one.size for one in subject.weights)
    return omega * len(subject.weights) * math.log(max(omega, 1))


@declare_measure(formula="non-zero weights", source="this library", needs="weights", rescale="root")
def nonzeros(subject: Subject) -> float:
    """The number of weights that are not 0: what `params` does not see of a sparse network."""
    return float(sum(np.count_nonzero(one.matrix) for one in subject.weights))


@declare_measure(formula="mean cross entropy", source=f"{JIANG}, from memory", needs="outputs")
def cross_entropy(subject: Subject) -> float:
    """−mean log softmax of the label's score, in nats."""
    return -float(_log_shares(subject)[np.arange(subject.m), subject.y].mean())


@declare_measure(formula="mean Σ p log p, p = softmax of the scores", source=f"{JIANG}, from memory", needs="outputs")
def neg_entropy(subject: Subject) -> float:
    """−mean entropy of the outputs, in nats."""
    logs = _log_shares(subject)
    return float((np.exp(logs) * logs).sum(axis=1).mean())


@declare_measure(formula="1/γ²", source=f"{JIANG}, eq. 22; {NITARSHAN}", needs="outputs", rescale="root")
def inverse_margin(subject: Subject) -> float:
    """1/γ², γ = |the ⌊m/10⌋-th smallest margin|."""
    return 1 / subject.gamma**2


@declare_measure(formula="share of margins ≤ 0", source="elementary", needs="outputs")
def train_error(subject: Subject) -> float:
    """The error on the training sample."""
    return float(np.mean(subject.margins <= 0))


MEASURES = (params, vc_dim, nonzeros, cross_entropy, neg_entropy, inverse_margin, train_error)
