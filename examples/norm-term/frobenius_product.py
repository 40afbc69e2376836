"""A norm term from outside: the product of the layers' Frobenius norms, a factor 2 for every activation."""

from sparsebounds import bounds
from sparsebounds.bounds.margin.classes import ClassSize
from sparsebounds.bounds.margin.conclude import conclude
from sparsebounds.bounds.margin.contraction import contracted
from sparsebounds.bounds.theorems.chains import level_norms, plain


@bounds.declare(
    summary="product of Frobenius norms, 2 per activation, summed over the classes",
    guarantee="certificate",
    assumes=plain.ASSUMES,
    source="Golowich, Rakhlin, Shamir, COLT 2018, Lemma 1",
)
def frobenius_product(graph, sample, *, delta, gamma=1.0):
    """E sup Σ_i Σ_r ξ_ir f_r(x_i) ≤ max_r ‖w_r‖ Π_{l<L} ‖A_l‖_F · C 2^{L−1} ‖X‖_F, and the margin step from there.

    Example:
        >>> frobenius_product(graph, sample, delta=0.001).guarantee
        'certificate'

    Source: Golowich, Rakhlin, Shamir, COLT 2018: E sup_A ‖Σ_i ξ_i σ(A h_i)‖ ≤ 2 R E ‖Σ_i ξ_i h_i‖ over ‖A‖_F ≤ R.
    """
    outputs, payment = contracted(graph, delta, gamma)  # two classes: the one difference of scores
    levels = plain.read_levels(outputs)  # refuses what is no chain, and says which layer
    norms = level_norms.frobenius_norms(outputs, levels)
    data = plain.read_data(levels, sample.energies, sample.m)
    activations = sum(level.activated for level in levels)
    unit = outputs.classes * 2.0**activations * data.frobenius
    terms = {"||A_l||_F": norms.shown(levels), "activations": activations, "||X||_F": data.frobenius}
    size = ClassSize(norms.product(float(norms.rows.max())), unit, terms=terms)
    return conclude(frobenius_product, [size], graph, sample, payment)
