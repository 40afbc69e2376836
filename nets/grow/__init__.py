"""Dynamic sparse training: masks that change while a network trains. `METHODS` is what experiments loop over.

    history = nets.train(net, data, config, masks=nets.prune.erk(net, 0.1), growth=nets.grow.RigL(every=100, until=900))
    history.masks                                              # where it ended

or, in a loop of your own, `tx = nets.grow.RigL(...).around(optax.sgd(0.1), masks)`.
"""

from dataclasses import dataclass

from sparsebounds.nets.grow.channel_scores import SCORES
from sparsebounds.nets.grow.chase import Chase
from sparsebounds.nets.grow.gradual import Gradual
from sparsebounds.nets.grow.local_rules import SET, RigL
from sparsebounds.nets.grow.transform import Rule, SparseState

__all__ = ["METHODS", "Method", "SET", "RigL", "Chase", "Gradual", "Rule", "SCORES", "SparseState"]


@dataclass(frozen=True)
class Method:
    """One way to change masks, called with the rule's settings: method(every=…, until=…, …) -> Rule.

    Args:
        name: in `METHODS`.
        summary: one line.
        source: the paper.
        rule: the class.
    """

    name: str
    summary: str
    source: str
    rule: type[Rule]

    def __call__(self, *, every: int, until: int, seed: int = 0, **settings: float | int | str) -> Rule:
        return self.rule(every=every, until=until, seed=seed, **settings)


METHODS: dict[str, Method] = {
    method.name: method
    for method in (
        Method("gradual", "smallest |w| go step by step along a cubic", "Zhu, Gupta, 2017", Gradual),
        Method("set", "smallest |w| go, random weights come", "Mocanu et al., 2018", SET),
        Method("rigl", "smallest |w| go, largest gradients come", "Evci et al., ICML 2020", RigL),
        Method("chase", "thresholds over all layers; sparse channels are removed", "Yin et al., NeurIPS 2023", Chase),
    )
}
