"""Try to break the bounds: search small networks for a violation of what each theorem says about its class.

    rows = audit("golowich", preset="quick")
    max(row.ratio for row in rows)        # closest to 1 that the search came; above 1 the bound is none

Three kinds of statements in `theorems`: `statements` (E sup of signed sums of scores, at fixed norms), `losses` (the
same for ramp losses, against a whole row of the table), `simulate` (how often a certificate fails on a distribution
known exactly). A bound that is not listed in one of them is still simulated. The library's own theorems have more, in
`moments` (Theorem 1 rule by rule and on random graphs, Theorems 2 and 3) and `certificates` (classes of fixed signs,
boxes, and a searcher who looks at the sample after every configuration). `slips` attacks the labels: honest slips, made
as a user makes them and with the check disarmed.
"""

from sparsebounds.bounds.audit.overall import Closest, audit, closest, plan
from sparsebounds.bounds.audit.run import ERRORS, TOLERANCE, Row

__all__ = ["ERRORS", "TOLERANCE", "Closest", "Row", "audit", "closest", "plan"]
