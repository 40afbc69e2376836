"""Makes the files of this folder: `python tests/data/onnx/export.py [FOLDER]`; needs PyTorch and onnxscript.

Every network is exported with a free number of inputs, by both exporters; those named `-folded` have batch norm folded
into the convolutions (what the exporters do by default), `lenet-one` is for one input at a time, `lenet-beside` has its
weights in a file beside it. `versions.json` says what made them.
"""

from __future__ import annotations

import contextlib
import io
import json
import sys
import warnings
from pathlib import Path

import numpy as np
import onnx
import onnxscript
import torch
from torch_networks import NETWORKS, trained

SCRIPT, DYNAMO = (13, 17, 20), (18, 20, 23)
"""Opsets of the exporter by TorchScript, and of the one by torch.export."""


def export(module: torch.nn.Module, shape: tuple[int, ...], path: Path, *, dynamo: bool, opset: int, plain: bool = True,
           free: bool = True, beside: bool = False) -> None:  # fmt: skip
    """One file.

    Args:
        plain: leave batch norm as it is.
        free: any number of inputs.
        beside: the weights in a file of their own.
    """
    example = torch.zeros(2 if free else 1, *shape)
    names = {"input_names": ["x"], "output_names": ["scores"], "opset_version": opset}
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if dynamo:
            batch = ({0: torch.export.Dim("batch")},) if free else None
            torch.onnx.export(module, (example,), path, dynamo=True, dynamic_shapes=batch, external_data=beside,
                              optimize=not plain, **names)  # fmt: skip
        else:
            axes = {"x": {0: "batch"}, "scores": {0: "batch"}} if free else None
            mode = torch.onnx.TrainingMode.PRESERVE if plain else torch.onnx.TrainingMode.EVAL
            torch.onnx.export(module, (example,), path, dynamo=False, dynamic_axes=axes, training=mode,
                              do_constant_folding=not plain, **names)  # fmt: skip


def main(folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    for name, (_, shape) in NETWORKS.items():
        module = trained(name)
        np.savez(folder / f"{name}.npz", **{key: value.numpy() for key, value in module.state_dict().items()})
        for dynamo, opsets in ((False, SCRIPT), (True, DYNAMO)):
            for opset in opsets:
                opset = max(opset, 14) if name == "vit" else opset  # the exporter has no rule for attention at 13
                kind = "dynamo" if dynamo else "script"
                export(module, shape, folder / f"{name}-{kind}-{opset}.onnx", dynamo=dynamo, opset=opset)
        if name in ("resnet", "mobilenet"):
            export(module, shape, folder / f"{name}-script-17-folded.onnx", dynamo=False, opset=17, plain=False)
            export(module, shape, folder / f"{name}-dynamo-18-folded.onnx", dynamo=True, opset=18, plain=False)
    lenet, shape = trained("lenet"), NETWORKS["lenet"][1]
    export(lenet, shape, folder / "lenet-one-dynamo-20.onnx", dynamo=True, opset=20, plain=False, free=False)
    export(lenet, shape, folder / "lenet-one-script-17.onnx", dynamo=False, opset=17, plain=False, free=False)
    export(lenet, shape, folder / "lenet-beside-dynamo-20.onnx", dynamo=True, opset=20, plain=False, beside=True)
    strip(folder)
    found = {"torch": torch.__version__, "onnx": onnx.__version__, "onnxscript": onnxscript.__version__}
    (folder / "versions.json").write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


def strip(folder: Path) -> None:
    """Take out of the files where on a disk the modules were written."""
    for path in folder.glob("*.onnx"):
        model = onnx.load(path, load_external_data=False)
        for node in [*model.graph.node, *(node for function in model.functions for node in function.node)]:
            node.doc_string = ""
            del node.metadata_props[:]
        for value in [*model.graph.value_info, *model.graph.input, *model.graph.output, *model.graph.initializer]:
            del value.metadata_props[:]
        del model.metadata_props[:], model.graph.metadata_props[:]
        onnx.save(model, path)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent)
