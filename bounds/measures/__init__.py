"""Quantities of the literature that are no bounds: norms, margins, sharpness, spectra, what a training log says."""

from sparsebounds.bounds.measures.collection import MEASURES
from sparsebounds.bounds.measures.measure import Measure, declare_measure
from sparsebounds.bounds.measures.subject import Subject, Undefined

__all__ = ["MEASURES", "Measure", "Subject", "Undefined", "declare_measure"]
