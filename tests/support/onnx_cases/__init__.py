"""A table of small cases, several for each operator of ONNX that is read."""

from onnx_cases import elementwise, linear, moves
from onnx_cases.case import Case, case

CASES = [*linear.CASES, *elementwise.CASES, *moves.CASES]

__all__ = ["Case", "case", "CASES"]
