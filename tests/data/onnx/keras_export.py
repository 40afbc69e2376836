"""Makes the files of Keras 3 on JAX, through jax2onnx: `python tests/data/onnx/keras_export.py [FOLDER]`.

Their weights are beside them as .npz, `keras_versions.json` says what made them. Keras has channels last, and so do
these files. A max pooling would be one over four axes there, which onnxruntime does not run: strides are in its place.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

os.environ["KERAS_BACKEND"] = "jax"
import jax
import jax2onnx
import keras
import numpy as np
import onnx

OPSET = 21
NETWORKS = {
    "conv_keras": ((12, 12, 3), [
        keras.layers.Conv2D(4, 3, strides=2, activation="relu"), keras.layers.Conv2D(8, 3, activation="relu"),
        keras.layers.Flatten(), keras.layers.Dense(4),
    ]),
    "gelu_mlp_keras": ((20,), [
        keras.layers.Dense(16, activation="gelu"), keras.layers.Dropout(0.1),
        keras.layers.Dense(16, activation="gelu"), keras.layers.Dense(4),
    ]),
}  # fmt: skip


def main(folder: Path) -> None:
    for name, (shape, layers) in NETWORKS.items():
        keras.utils.set_random_seed(0)
        model = keras.Sequential([keras.Input(shape), *layers])
        values = {f"{i}.{w.name}": np.asarray(w) for i, layer in enumerate(model.layers) for w in layer.weights}
        np.savez(folder / f"{name}.npz", **values)
        f = jax.jit(lambda x, model=model: model(x, training=False))
        made = jax2onnx.to_onnx(f, [("B", *shape)], model_name=name, opset=OPSET)
        onnx.save(made, folder / f"{name}-jax2onnx-{OPSET}.onnx")
    found = {package.__name__: package.__version__ for package in (jax, keras, onnx)}
    found["jax2onnx"] = getattr(jax2onnx, "__version__", "0.17.1")
    (folder / "keras_versions.json").write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent)
