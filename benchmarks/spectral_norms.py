"""Spectral norms of convolutions: ours from above and below, the unrolled matrix, and two public implementations.

Command:    python benchmarks/spectral_norms.py
Takes:      about a minute on two cores
Expected:   see README.md
Shrink it:  --size 8

Columns are ratios to the largest singular value of the operator, found by Lanczos on the layer itself, in float32, and
processor seconds of our upper bound. PyTorch's `spectral_norm` is power iteration on the kernel as a matrix
(out, in · window); orthogonium's `conv_singular_values_numpy` is the norm of the circular convolution of stride 1.
Those that are not installed are left out, and named.
"""

import argparse
import time
from collections.abc import Callable
from typing import Any

CASES = (
    ("3×3, same", (3, 3, 16, 32), {"padding": "SAME"}),
    ("3×3, valid", (3, 3, 16, 32), {"padding": "VALID"}),
    ("3×3, circular", (3, 3, 16, 32), {"padding": "CIRCULAR"}),
    ("3×3, stride 2", (3, 3, 16, 32), {"padding": "SAME", "strides": 2}),
    ("5×5, same", (5, 5, 8, 8), {"padding": "SAME"}),
    ("3×3, dilation 2", (3, 3, 16, 16), {"padding": "SAME", "kernel_dilation": 2}),
    ("3×3, 4 groups", (3, 3, 4, 16), {"padding": "SAME", "feature_group_count": 4}),
    ("depthwise", (3, 3, 1, 32), {"padding": "SAME", "feature_group_count": 32}),
)


def others() -> dict[str, Callable[[Any, int], float]]:
    """What is installed: name → function of a kernel (*window, in, out) and the size of the image."""
    import numpy as np

    found: dict[str, Callable[[Any, int], float]] = {}
    try:
        import torch
        from torch.nn.utils.parametrizations import spectral_norm

        def by_torch(kernel: Any, _: int) -> float:
            weight = torch.tensor(np.ascontiguousarray(kernel.transpose(3, 2, 0, 1)))
            layer = torch.nn.Conv2d(weight.shape[1], weight.shape[0], kernel.shape[:2], bias=False)
            layer.weight.data = weight
            layer = spectral_norm(layer, n_power_iterations=50)
            ratio = layer.parametrizations.weight.original.norm() / layer.weight.norm()
            return float(ratio)

        found["PyTorch"] = by_torch
    except ImportError:
        print("PyTorch is not installed: pip install -e '.[bench]'")
    try:
        from orthogonium.layers.conv.AOC.fast_block_ortho_conv import conv_singular_values_numpy

        found["orthogonium"] = lambda kernel, size: float(
            conv_singular_values_numpy(kernel.transpose(3, 2, 0, 1), (size, size)).max()
        )
    except ImportError:
        print("orthogonium is not installed: pip install orthogonium")
    return found


def true_norm(layer: Any, shape: tuple[int, ...]) -> float:
    """The largest singular value of the operator, without its matrix."""
    import jax
    import jax.numpy as jnp
    import numpy as np
    from scipy.sparse.linalg import LinearOperator, svds

    apply = lambda x: layer(x[None])[0]  # noqa: E731
    out = jax.eval_shape(apply, jax.ShapeDtypeStruct(shape, jnp.float32)).shape
    forward = jax.jit(lambda x: apply(x.reshape(shape)).ravel())
    back = jax.jit(lambda y: jax.vjp(apply, jnp.zeros(shape))[1](y.reshape(out))[0].ravel())
    operator = LinearOperator(
        (int(np.prod(out)), int(np.prod(shape))),
        matvec=lambda x: np.asarray(forward(jnp.asarray(x.ravel(), jnp.float32)), np.float64),
        rmatvec=lambda y: np.asarray(back(jnp.asarray(y.ravel(), jnp.float32)), np.float64),
        dtype=np.float64,
    )
    return float(svds(operator, k=1, tol=1e-3, return_singular_vectors=False, random_state=0)[0])


def main() -> None:
    """One line for each convolution."""
    import jax.numpy as jnp
    import numpy as np
    from flax import nnx

    from sparsebounds import bounds
    from sparsebounds.bounds.norms import gram_upper

    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--size", type=int, default=16, help="sites per axis of the image")
    options = parser.parse_args()
    public, rng = others(), np.random.default_rng(0)
    print(f"{'convolution':<16} {'upper':>8} {'lower':>8} {'Gram':>8} {'seconds':>8}", *(f"{n:>12}" for n in public))
    for name, kernel_shape, settings in CASES:
        groups = settings.get("feature_group_count", 1)
        inputs = kernel_shape[2] * groups
        layer = nnx.Conv(inputs, kernel_shape[3], kernel_shape[:2], use_bias=False, rngs=nnx.Rngs(0), **settings)
        kernel = rng.normal(size=kernel_shape).astype(np.float32)
        layer.kernel[...] = jnp.asarray(kernel)
        shape = (options.size, options.size, inputs)
        start = time.process_time()
        found = bounds.spectral_norm(layer, shape)
        spent, true = time.process_time() - start, true_norm(layer, shape)
        form = gram_upper(
            jnp.asarray(kernel),
            shape[:2],
            stride=settings.get("strides", 1),
            padding=settings["padding"],
            dilation=settings.get("kernel_dilation", 1),
            groups=groups,
        )
        ratios = [found.upper / true, found.lower / true, float(form) / true]
        print(f"{name:<16}", *(f"{r:8.4f}" for r in ratios), f"{spent:8.2f}", end=" ")
        print(*(f"{norm(kernel, options.size) / true:12.4f}" for norm in public.values()), flush=True)


if __name__ == "__main__":
    main()
