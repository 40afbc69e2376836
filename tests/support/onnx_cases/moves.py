"""Operators that move numbers."""

from itertools import product

import numpy as np

from onnx_cases.case import case, scalar, whole

IMAGE = (2, 4, 5, 6)
TOKENS = np.array([[0, 2, 1], [3, 1, 1]], np.int64)
INDEX = np.array([[0, 2], [-1, 1]], np.int64)
EMPTY = np.zeros(0, np.float32)

SHAPES = [
    *(case("Reshape", (2, 3, 4), whole(*to))
      for to in ((2, 12), (0, -1), (-1, 4), (0, 2, 2, 3), (0, 0, 2, -1), (4, 6))),
    case("Reshape", (2, 3, 4), whole(2, -1), allowzero=1),
    case("Reshape", np.zeros((2, 0, 3), np.float32), whole(2, 3, 0), allowzero=1),
    *(case("Flatten", (2, 3, 4, 5), axis=axis) for axis in (0, 1, 2, 4, -1, -4)), case("Flatten", (2, 3, 4)),
    case("Transpose", (2, 3, 4)), case("Transpose", (2, 3, 4), perm=[0, 2, 1]),
    case("Squeeze", (2, 1, 3, 1), whole(1)), case("Squeeze", (2, 1, 3, 1), whole(-1, 1)), case("Squeeze", (2, 1, 3, 1)),
    *(case("Unsqueeze", (2, 3), whole(*axes)) for axes in ((1,), (-1, 1), (3, 0))),
    case("Expand", (2, 1, 4), whole(2, 3, 4)), case("Expand", (2, 3, 4), whole(1, 1)),
    case("Expand", (2, 1), whole(3, 1, 4)),
    case("Tile", (2, 3), whole(1, 2)), case("Tile", (2, 3, 1), whole(2, 1, 4)),
    *(case("Concat", (2, 3, 4), (2, 3, 4), (2, 3, 4), axis=axis) for axis in (1, -1, 0)),
    case("Shape", (2, 3, 4)), case("Shape", (2, 3, 4), start=1), case("Shape", (2, 3, 4), start=-2, end=-1),
    case("Size", (2, 3, 4)),
]  # fmt: skip
PICKS = [
    case("Slice", (2, 7, 6), whole(1), whole(4), whole(1)),
    case("Slice", (2, 7, 6), whole(0, 1, 2), whole(2, 6, 5)),
    case("Slice", (2, 7, 6), whole(-5, 1), whole(-1, 99), whole(-1, 1), whole(2, 3)),
    case("Slice", (2, 7, 6), whole(-1), whole(-99), whole(1), whole(-1)),
    case("Slice", (2, 7, 6), whole(5, -2), whole(0, -6), whole(1, 2), whole(-2, -1)),
    case("Slice", (2, 7, 6), whole(99), whole(1), whole(1), whole(-3)),
    case("Slice", (2, 7, 6), whole(-99), whole(np.iinfo(np.int64).max), whole(2)),
    case("Slice", (2, 7, 6), whole(-99), whole(-99), whole(1), whole(-1)),
    case("Slice", (2, 7, 6), whole(5), whole(2), whole(1)),
    *(case("Split", (2, 6, 3), whole(*sizes), outputs=len(sizes), axis=axis)
      for sizes, axis in (((2, 4), 1), ((1, 2, 3), -2), ((1, 1), 0), ((0, 6), 1))),
    case("Split", (2, 6), outputs=3, axis=1, opset=13),
    case("Split", (2, 6), outputs=3, axis=1, num_outputs=3, opset=18),
    case("Split", (2, 7), outputs=3, axis=-1, num_outputs=3, opset=18),
    case("Gather", (2, 4, 3), INDEX, axis=1), case("Gather", (2, 4, 3), whole(1, -1), axis=-1),
    case("Gather", (2, 4, 3), np.array(-1, np.int64), axis=1), case("Gather", (2, 4, 3), np.array([1], np.int32)),
    case("Gather", (4, 5), TOKENS, at=1), case("Gather", (3, 4), TOKENS, at=1, axis=1),
    case("GatherElements", (2, 4), np.array([[0, -1, 2], [1, 1, 0]], np.int64), axis=1),
    case("GatherElements", (3, 2), INDEX, axis=0),
    *(case("Trilu", (2, 4, 5), k, upper=upper) for upper in (0, 1) for k in (None, np.array(1, np.int64))),
    case("Trilu", (2, 4, 5), np.array(-2, np.int64)),
]  # fmt: skip
PADS = [
    *(case("Pad", IMAGE, whole(0, 0, 1, 2, 0, 0, 2, 1), mode=mode) for mode in ("constant", "reflect", "edge", "wrap")),
    case("Pad", IMAGE, whole(0, 0, 1, 2, 0, 0, 2, 1), scalar(0.7)),
    case("Pad", IMAGE, whole(1, 2), scalar(-1), whole(-1)),
    case("Pad", IMAGE, whole(1, 2, 0, 1), None, whole(3, 1), mode="edge"),
    case("Pad", IMAGE, whole(0, 0, -1, 1, 0, 0, 0, -2)),
    *(
        case("Pad", IMAGE, whole(0, 0, *pads), mode=mode)
        for mode in ("constant", "reflect", "edge")
        for pads in ((-1, 1, 0, 0, 0, -2), (-1, 2, 0, 0, 2, -2))
    ),
    case("Pad", IMAGE, whole(0, 0, 1, 0, 0, 0, 0, 1), scalar(1), opset=13),
]
COORDINATES = ("asymmetric", "half_pixel", "align_corners", "pytorch_half_pixel")
NEAREST = ("round_prefer_floor", "round_prefer_ceil", "floor", "ceil")
RESIZED = [
    *(case("Resize", IMAGE, EMPTY, np.array([1, 1, *scales], np.float32), mode="nearest",
           coordinate_transformation_mode=how, nearest_mode=rounding)
      for how, rounding, scales in product(COORDINATES, NEAREST, ((2, 2), (0.6, 1.7), (1.4, 0.7)))),
    *(case("Resize", IMAGE, None, None, whole(2, 4, *size), mode="nearest", coordinate_transformation_mode=how)
      for how, size in product(COORDINATES, ((10, 12), (7, 4), (1, 1)))),
    case("Resize", IMAGE, None, np.array([2, 3], np.float32), mode="nearest", axes=[2, 3]),
    case("Resize", IMAGE, None, np.array([1, 1, 2, 2], np.float32), mode="nearest", opset=13),
    case("DepthToSpace", (2, 8, 2, 3), blocksize=2), case("DepthToSpace", (2, 8, 2, 3), blocksize=2, mode="CRD"),
    case("SpaceToDepth", (2, 2, 4, 6), blocksize=2),
]  # fmt: skip
CASES = SHAPES + PICKS + PADS + RESIZED
