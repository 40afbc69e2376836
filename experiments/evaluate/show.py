"""`sparsebounds evaluate` for people: the table, what δ means, and the verdict in one sentence at the end."""

import pandas as pd
from rich.console import Console

from sparsebounds.experiments.evaluate.options import EvaluateConfig
from sparsebounds.experiments.shared.tables import show_table, show_what_if
from sparsebounds.experiments.shared.verdict import sentence


def show_evaluation(
    console: Console, config: EvaluateConfig, frame: pd.DataFrame, changed: pd.DataFrame | None
) -> None:
    """All of it.

    Args:
        console: where to.
        config: what was asked for.
        frame: the table.
        changed: that of `--what-if`, where it was asked for.
    """
    show_table(console, frame, title=config.target)
    if changed is not None:
        show_what_if(console, changed)
    console.print(what_delta_means(config, frame))
    console.print(sentence(frame, config.delta, together=config.simultaneous))


def what_delta_means(config: EvaluateConfig, frame: pd.DataFrame) -> str:
    """A line below the table: of how many certificates together, or of which alone, δ speaks."""
    count = int(((frame["guarantee"] == "certificate") & frame["value"].notna()).sum())
    if config.simultaneous:
        return f"All {count} certificates together hold with probability 1 - {config.delta:g}."
    return (
        f"Each of the {count} certificates alone holds with probability 1 - {config.delta:g}; "
        "--simultaneous makes it all of them together."
    )
