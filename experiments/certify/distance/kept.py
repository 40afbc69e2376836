"""The one draw of a run: on disk before anybody has seen what it is worth, with all that it was made for."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sparsebounds import bounds
from sparsebounds.experiments.certify.options import CertifyOptions
from sparsebounds.experiments.shared.distance.network import OwnNetwork
from sparsebounds.experiments.shared.distance.split import Split
from sparsebounds.experiments.shared.distance.weights import digest
from sparsebounds.experiments.shared.files import to_json, write_files
from sparsebounds.experiments.shared.problems import Problem, one_line
from sparsebounds.nets.data.datasets import fingerprint

DRAW, DECLARED = "draw.npz", "draw.json"


def declared(options: CertifyOptions, form: str, network: OwnNetwork, found: Split) -> dict[str, Any]:
    """What a draw is made for, in JSON's types: another one of these makes another certificate, with its own price.

    Raises:
        Problem: as `OwnNetwork.program`.
    """
    return {
        "--form": form,
        "--layers": options.layers,
        "--preset": options.preset,
        "--seed": options.seed,
        "--tried": options.tried,
        "--delta": options.delta,
        "samples left out": fingerprint(*found.part(found.left_out)),
        "certified samples": fingerprint(*found.part(found.certified)),
        "what f computes": network.program(found.x),
        "--reference": None if options.reference is None else digest(network.params),
    }


@dataclass(frozen=True, eq=False)
class Kept:
    """The draw in a folder.

    Args:
        folder: of the run.
        about: from `declared`.
    """

    folder: Path
    about: dict[str, Any]

    def check(self, *, resume: bool) -> None:
        """Before any work: is there a draw, and is this the run that made it?

        Raises:
            Problem: a draw that is not to be certified, or one of another run: its price was another one.
        """
        if not (self.folder / DRAW).exists():
            return
        anew = f"another --out with --tried {self.about['--tried'] + 1} draws anew and pays for it"
        if not resume:
            raise Problem(
                f"{self.folder} holds a draw already: a second one has to be paid for (best of two); --resume "
                f"certifies the first, {anew}"
            )
        try:
            before = json.loads((self.folder / DECLARED).read_text(encoding="utf-8"))
            odd = next((name for name, now in self.about.items() if before.get(name) != now), None)
        except (OSError, ValueError, AttributeError) as error:
            raise Problem(
                f"{self.folder / DECLARED} cannot be read ({one_line(error)}), which says what the draw there was made "
                f"for: {anew}"
            ) from error
        if odd is not None:
            raise Problem(
                f"the draw in {self.folder} was made with {odd} = {before.get(odd)}, now it is {self.about[odd]}: give "
                f"--resume the options and files of that run; {anew}"
            )

    def keep(self, drawn: bounds.Draw) -> bounds.Draw:
        """This draw, stored; or the one that an interrupted run has stored."""
        place = self.folder / DRAW
        if place.exists():
            return bounds.Draw.load(place, like=drawn.prior.reference)
        write_files(self.folder, {DECLARED: to_json(self.about)})
        drawn.save(place)
        return drawn
