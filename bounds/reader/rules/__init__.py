"""What the reader does at each primitive of JAX."""

from __future__ import annotations

from sparsebounds.bounds.reader.rules import elementwise as elementwise_rules
from sparsebounds.bounds.reader.rules import linear as linear_rules
from sparsebounds.bounds.reader.rules import pooling as window_rules
from sparsebounds.bounds.reader.rules import scattering as scattering_rules
from sparsebounds.bounds.reader.rules import structure as structure_rules

RULES = structure_rules.RULES | elementwise_rules.RULES | linear_rules.RULES | window_rules.RULES
RULES |= scattering_rules.RULES
"""Primitive → rule. What is not in this table is refused."""
