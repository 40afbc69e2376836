"""Activations, arithmetic, reductions and attention."""

import numpy as np

from onnx_cases.case import case, numbers, scalar, whole

WIDE = numbers((2, 3, 4), 7) * 3
BETWEEN = np.tanh(numbers((2, 3, 4), 8))
ABOVE = np.abs(WIDE) + np.float32(0.1)
MASK = numbers((4, 5), 5) > -0.5
ADDED = np.where(MASK, np.float32(0), np.float32(-1e4))
HEADS = ((2, 3, 4, 6), (2, 3, 5, 6), (2, 3, 5, 2))

ACTIVATIONS = [
    *(case(op, WIDE) for op in (
        "Relu", "LeakyRelu", "Elu", "Celu", "Selu", "ThresholdedRelu", "Sigmoid", "HardSigmoid", "HardSwish", "Mish",
        "Softplus", "Softsign", "Gelu", "Tanh", "Erf", "Exp", "Abs", "Neg", "Sin", "Cos", "Floor", "Ceil", "Sign",
        "Identity",
    )),
    *(case(op, ABOVE) for op in ("Log", "Sqrt", "Reciprocal")),
    case("Atan", BETWEEN),
    case("LeakyRelu", WIDE, alpha=0.2), case("Elu", WIDE, alpha=0.5), case("Celu", WIDE, alpha=0.5),
    case("Selu", WIDE, alpha=1.2, gamma=0.9), case("ThresholdedRelu", WIDE, alpha=0.3),
    case("HardSigmoid", WIDE, alpha=0.3, beta=0.4), case("Gelu", WIDE, approximate="tanh"),
    case("PRelu", WIDE, (4,)), case("PRelu", WIDE, (3, 1)), case("PRelu", WIDE, (1,)),
    case("PRelu", (2, 3, 4, 4), (3, 1, 1), opset=13),
    case("Clip", WIDE, scalar(-1), scalar(2)), case("Clip", WIDE, None, scalar(2)), case("Clip", WIDE, scalar(0)),
    case("Clip", WIDE), case("Clip", WIDE, scalar(0), scalar(6), opset=13),
    case("Dropout", WIDE), case("Dropout", WIDE, scalar(0.5), np.array(False)),
]  # fmt: skip
ARITHMETIC = [
    *(case(op, WIDE, other) for op in ("Add", "Sub", "Mul") for other in ((4,), (3, 1), (1, 3, 4), (1, 1))),
    case("Div", WIDE, ABOVE[:1]),
    *(case(op, (4,), ABOVE, at=1) for op in ("Sub", "Div")), case("Pow", scalar(2), WIDE, at=1),
    *(case("Pow", ABOVE, exponent) for exponent in (
        scalar(2), scalar(0.5), scalar(3), scalar(-1), scalar(1.7), whole(2), ABOVE[0, 0],
    )),
    *(case(op, WIDE, (4,), (3, 1)) for op in ("Sum", "Max", "Min", "Mean")),
    case("Max", WIDE), case("Min", WIDE, (1,)),
    *(case(op, WIDE, (4,)) for op in ("Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual")),
    *(case(op, WIDE > 0, numbers((4,)) > 0) for op in ("And", "Or", "Xor")),
    case("Not", WIDE > 0),
    case("Where", WIDE > 0, (3, 4), (4,)), case("Where", WIDE[0] > 0, WIDE, scalar(-1), at=1),
    *(case("Cast", WIDE, to=to) for to in (1, 9, 11)),
    case("Cast", whole(3, -4), to=1), case("Cast", WIDE > 0, to=1), case("Cast", WIDE > 0, to=7),
    case("CastLike", WIDE > 0, scalar(1)),
    case("Div", whole(7, -7), whole(2, 2)), case("Add", whole(7, -7), whole(2, 2)),
]  # fmt: skip
REDUCED = ("ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceL1", "ReduceL2", "ReduceSumSquare",
           "ReduceLogSumExp")  # fmt: skip
REDUCTIONS = [
    *(case(op, WIDE, whole(1), opset=18) for op in REDUCED),
    *(case(op, WIDE, whole(-1, 1), keepdims=0, opset=18) for op in REDUCED),
    *(case(op, WIDE, axes=[1, -1], opset=13) for op in REDUCED if op != "ReduceSum"),
    *(case(op, WIDE, axes=[2], keepdims=0, opset=17) for op in REDUCED if op != "ReduceSum"),
    *(case(op, WIDE, opset=18) for op in REDUCED),
    *(case(op, WIDE, opset=18, noop_with_empty_axes=1) for op in ("ReduceMean", "ReduceSum")),
    *(case(op, WIDE, np.zeros(0, np.int64), opset=18, noop_with_empty_axes=1) for op in ("ReduceMean", "ReduceSum")),
    *(case(op, WIDE, np.zeros(0, np.int64), opset=18, keepdims=0) for op in ("ReduceMean", "ReduceSum")),
    case("ReduceSum", WIDE, whole(1), opset=13),
    case("ReduceLogSum", ABOVE, whole(1)),
]
ATTENTION = [
    case("Attention", *HEADS, opset=23),
    case("Attention", *HEADS, opset=23, scale=0.3),
    case("Attention", *HEADS, opset=23, is_causal=1),
    case("Attention", *HEADS, MASK, opset=23),
    case("Attention", *HEADS, ADDED, opset=23),
    case("Attention", *HEADS, np.broadcast_to(ADDED, (2, 3, 4, 5)), opset=23),
    case("Attention", (2, 6, 4, 6), (2, 3, 5, 6), (2, 3, 5, 2), opset=23),
    case("Attention", (2, 4, 6), (2, 5, 6), (2, 5, 9), opset=23, q_num_heads=3, kv_num_heads=3),
    case("Attention", (2, 4, 12), (2, 5, 6), (2, 5, 6), opset=23, q_num_heads=4, kv_num_heads=2, is_causal=1),
]
CASES = ACTIVATIONS + ARITHMETIC + REDUCTIONS + ATTENTION
