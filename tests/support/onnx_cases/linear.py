"""Convolutions, products, pools and normalisation."""

import numpy as np

from onnx_cases.case import case, numbers, scalar

SAME = ("SAME_UPPER", "SAME_LOWER", "VALID")
IMAGE = (2, 4, 7, 6)
POSITIVE = np.abs(numbers((4,), 9)) + np.float32(0.5)

CONVOLUTIONS = [
    case("Conv", IMAGE, (3, 4, 3, 2)),
    case("Conv", IMAGE, (3, 4, 3, 3), (3,), pads=[1, 0, 2, 1], strides=[2, 3]),
    case("Conv", IMAGE, (6, 2, 3, 3), (6,), group=2, pads=[1, 1, 1, 1]),
    case("Conv", IMAGE, (8, 1, 3, 3), group=4, dilations=[2, 1], kernel_shape=[3, 3]),
    *(case("Conv", IMAGE, (3, 4, 3, 2), auto_pad=pad, strides=[2, 1]) for pad in SAME),
    case("Conv", IMAGE, (3, 4, 2, 2), auto_pad="SAME_UPPER", strides=[3, 3]),
    case("Conv", (2, 4, 9), (3, 4, 3), (3,), dilations=[2], pads=[1, 2]),
    case("Conv", (2, 2, 5, 4, 6), (3, 2, 2, 3, 3), (3,), pads=[1, 0, 1, 0, 1, 2], strides=[1, 2, 2]),
    case("ConvTranspose", IMAGE, (4, 3, 3, 2)),
    case("ConvTranspose", IMAGE, (4, 3, 3, 3), (3,), strides=[2, 3], pads=[1, 0, 2, 1], output_padding=[1, 2]),
    case("ConvTranspose", IMAGE, (4, 2, 3, 3), (4,), group=2, strides=[2, 2], dilations=[1, 2]),
    *(case("ConvTranspose", IMAGE, (4, 3, 3, 3), auto_pad=pad, strides=[2, 2]) for pad in SAME),
    case("ConvTranspose", IMAGE, (4, 3, 3, 3), strides=[2, 2], output_shape=[14, 12]),
    case("ConvTranspose", IMAGE, (4, 3, 3, 3), strides=[2, 2], output_shape=[14, 12], auto_pad="SAME_UPPER"),
    case("ConvTranspose", IMAGE, (4, 3, 3, 3), strides=[2, 3], output_shape=[16, 19], output_padding=[1, 1]),
    case("ConvTranspose", (2, 4, 5), (4, 2, 3), (2,), strides=[2], output_padding=[1]),
    case("ConvTranspose", (2, 2, 3, 3, 2), (2, 2, 2, 2, 2), strides=[2, 1, 2]),
]
PRODUCTS = [
    case("Gemm", (2, 5), (5, 3)),
    case("Gemm", (2, 5), (3, 5), (3,), transB=1, alpha=0.5, beta=2.0),
    case("Gemm", (5, 2), (5, 3), (2, 1), transA=1),
    case("Gemm", (2, 5), (5, 3), scalar(0.7), beta=0.3),
    case("MatMul", (2, 5), (5, 3)),
    case("MatMul", (2, 5), (5,)),
    case("MatMul", (2, 4, 5), (5, 3)),
    case("MatMul", (3, 4), (2, 4, 5), at=1),
    case("Gemm", (2, 5), (3, 5), at=1, transB=1),
    case("MatMul", (2, 1, 4, 5), (3, 5, 2)),
    case("MatMul", (2, 4, 5), (1, 5, 3)),
    case("MatMul", (5, 5), (2, 5, 3)),
    case("Einsum", (2, 4, 5), (5, 3), equation="bij,jk->bik"),
    case("Einsum", (2, 4, 5), (4, 3), equation="b i j , i k -> b j k"),
    case("Einsum", (2, 3, 4, 5), (1, 3, 6, 5), equation="...id,...jd->...ij"),
    case("Einsum", (2, 4, 4), equation="bii->bi"),
]
POOLS = [
    case(op, IMAGE, kernel_shape=[3, 2], **more)
    for op in ("MaxPool", "AveragePool")
    for more in (
        {},
        {"strides": [2, 2], "pads": [1, 0, 1, 1]},
        {"strides": [2, 2], "pads": [1, 1, 1, 1], "ceil_mode": 1},
        {"strides": [3, 3], "ceil_mode": 1},
        {"strides": [2, 2], "auto_pad": "SAME_UPPER"},
        {"strides": [2, 2], "auto_pad": "SAME_LOWER"},
        {"strides": [2, 2], "auto_pad": "VALID"},
        {"strides": [2, 2], "auto_pad": "VALID", "ceil_mode": 1},
        {"dilations": [2, 3]},
        {"dilations": [2, 1], "pads": [1, 1, 1, 1], "strides": [2, 2], "ceil_mode": 1},
    )
] + [
    *(case("AveragePool", IMAGE, kernel_shape=[3, 3], pads=[1, 1, 1, 1], strides=[2, 2], count_include_pad=1, **more)
      for more in ({}, {"ceil_mode": 1})),
    case("AveragePool", IMAGE, kernel_shape=[3, 3], auto_pad="SAME_UPPER", strides=[2, 2], count_include_pad=1),
    case("AveragePool", IMAGE, kernel_shape=[2, 2], strides=[3, 3], ceil_mode=1, count_include_pad=1),
    case("MaxPool", (2, 3, 9), kernel_shape=[4], strides=[3], ceil_mode=1),
    case("AveragePool", (2, 3, 9), kernel_shape=[4], strides=[3], ceil_mode=1, opset=13),
    case("MaxPool", (2, 2, 5, 4, 6), kernel_shape=[2, 2, 3], strides=[2, 1, 2]),
    case("AveragePool", (2, 2, 5, 4, 6), kernel_shape=[2, 2, 3], pads=[1, 0, 1, 0, 1, 1]),
    *(case(op, shape) for op in ("GlobalAveragePool", "GlobalMaxPool")
      for shape in (IMAGE, (2, 3, 5), (2, 2, 3, 2, 2))),
]  # fmt: skip
NORMS = [
    case("BatchNormalization", IMAGE, (4,), (4,), (4,), POSITIVE, epsilon=1e-3),
    case("BatchNormalization", (2, 4), (4,), (4,), (4,), POSITIVE),
    case("BatchNormalization", (2, 4, 5), (4,), (4,), (4,), POSITIVE, opset=13),
    case("LayerNormalization", (2, 3, 4), (4,), (4,), epsilon=1e-3),
    case("LayerNormalization", (2, 3, 4), (4,)),
    case("LayerNormalization", (2, 3, 4), (3, 4), (3, 4), axis=1),
    case("LayerNormalization", (2, 3, 4), (3, 4), axis=-2, opset=17),
    case("InstanceNormalization", IMAGE, (4,), (4,), epsilon=1e-3),
    case("InstanceNormalization", (2, 4, 5), (4,), (4,)),
    case("GroupNormalization", IMAGE, (4,), (4,), num_groups=2, opset=21),
    case("GroupNormalization", IMAGE, (2,), (2,), num_groups=2, opset=18, epsilon=1e-3),
    case("RMSNormalization", (2, 3, 4), (4,), opset=23),
    case("RMSNormalization", (2, 3, 4), (3, 4), axis=1, epsilon=1e-3, opset=23),
    *(case(op, (2, 3, 4), opset=opset, **axis) for op in ("Softmax", "LogSoftmax") for opset in (13, 20)
      for axis in ({}, {"axis": 1}, {"axis": -2})),
]  # fmt: skip
CASES = CONVOLUTIONS + PRODUCTS + POOLS + NORMS
