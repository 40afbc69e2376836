"""What a training run writes down: its loss, how long it took, how noisy its gradients were."""

from __future__ import annotations

from sparsebounds.bounds.measures.measure import Measure, declare_measure
from sparsebounds.bounds.measures.norms_and_margins import JIANG
from sparsebounds.bounds.measures.subject import Subject

LOGGED = {
    "training_loss": "the loss at the end of training",
    "epochs_to_stop": "epochs until the stopping criterion was met",
    "steps_to_ce_0.1": "steps until the cross entropy was 0.1",
    "steps_ce_0.1_to_0.01": "steps from a cross entropy of 0.1 to 0.01",
    "gradient_noise_early": "trace of the covariance of minibatch gradients after the first epoch",
    "gradient_noise_late": "trace of the covariance of minibatch gradients at the end",
}
"""Names that a training log should use; whatever else it holds becomes a row too."""


def logged(name: str, formula: str) -> Measure:
    """The measure that reads one quantity off the training log."""

    def measure(subject: Subject) -> float:
        return subject.logged(name)

    source = f"{JIANG}, from memory" if name in LOGGED else "the training log, as it was handed in"
    return declare_measure(formula=formula, source=source, needs="log", name=name)(measure)


MEASURES = tuple(logged(name, formula) for name, formula in LOGGED.items())
