"""The cover pass: how large each layer's values are, and how much a perturbation of them moves the scores.

Vertices are the layers of the graph. Sizes walk forward from the inputs, B_v and χ_v. Multipliers walk backward from
the scores: λ = 1 there, λ_v = Σ over the layers w that read v of ℓ_{v→w} λ_w. Then adding δ_n to the values at v, all
that lies above it in the class, moves the scores by at most λ_v ‖δ_n‖₂: the arguments of each layer change one at a
time, each change is a perturbation of that layer's value, and every state on the way stays within the sizes, which hold
for all weights of the class.
"""

from __future__ import annotations

import math

from sparsebounds.bounds.theorems.passes.fixed import Fixed
from sparsebounds.bounds.theorems.passes.rules import RULES
from sparsebounds.bounds.theorems.passes.sizes import Size, log_sum


def forward(fixed: Fixed, inputs: Size, m: int) -> tuple[Size, ...]:
    """The size of every layer's values.

    Args:
        fixed: the class.
        inputs: of the data: ‖X‖_F, max_n ‖x_n‖₂ and the largest |coordinate|, their logarithms.
        m: samples; 1 for the size at any one input.

    Returns:
        One per layer, the input's first.

    Example:
        >>> from sparsebounds.bounds.theorems.passes.maps import learned_terms
        >>> one = Fixed(graph, {place: math.log(2.0) for place in learned_terms(graph)}, {})
        >>> [round(math.exp(size.total), 6) for size in forward(one, Size(0.0, 0.0, 0.0), 1)]
        [1.0, 2.0, 4.0]
    """
    sizes = [inputs]
    for i, layer in fixed.graph.computed():
        sizes.append(RULES[type(layer)].size(fixed, i, sizes, m))
    return tuple(sizes)


def backward(fixed: Fixed, sizes: tuple[Size, ...]) -> tuple[float, ...]:
    """log λ of every layer: how much the scores move in ℓ2, at most, for a perturbation of norm 1 of its values.

    Args:
        fixed: the class.
        sizes: what `forward` says of it.

    Returns:
        One per layer; −inf for a layer that no score depends on.

    Example:
        >>> from sparsebounds.bounds.theorems.passes.maps import learned_terms
        >>> one = Fixed(graph, {place: math.log(2.0) for place in learned_terms(graph)}, {})
        >>> [round(math.exp(found), 6) for found in backward(one, forward(one, Size(0.0, 0.0, 0.0), 1))]
        [4.0, 2.0, 1.0]
    """
    last = len(fixed.graph.layers) - 1
    found = [-math.inf] * last + [0.0]
    for i, layer in reversed(list(fixed.graph.computed())):
        for v, ell in RULES[type(layer)].arguments(fixed, i, sizes):
            found[v] = log_sum([found[v], ell + found[i]])
    return tuple(found)
