"""What a pass over the data hands on of consecutive samples."""

from __future__ import annotations

from dataclasses import dataclass

import jax
import numpy as np
from jaxtyping import Float, Float64


@dataclass(frozen=True)
class Batch:
    """Consecutive samples: where they stand, what the network receives, that and its scores in float64."""

    where: slice
    inputs: jax.Array
    values: Float[np.ndarray, "B ..."]
    scores: Float64[np.ndarray, "B C"]
