"""The kernels that layers apply, where they are not the arrays they keep: weight normalisation, g·v/‖v‖.

v has a scale of its own that means nothing; scores of single weights are those of the kernel. Which arrays are such v
and g a module says: `layouts()` gives {"v": "in out", "g": "norm of v"}, `layout=` the same by path.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from sparsebounds.nets.masks.kernel_paths import Given, layouts
from sparsebounds.nets.masks.layout import Layout
from sparsebounds.nets.masks.owners import wrappers
from sparsebounds.nets.masks.trees import leaves, parameters, with_leaves
from sparsebounds.nets.models import weight_norm

Tree = Any
_WRAPPERS: tuple[type, ...] = (nnx.SpectralNorm, nnx.WeightNorm)
_LINEN = re.compile(r"([^.]+/[^./]+)/scale$")


@dataclass(frozen=True)
class Normed:
    """Which arrays of a tree are v and g of weight-normalised layers, and the way there and back.

    Args:
        gains: path of v → path of g.
        stacks: path of v → how many axes in front are stacks.
    """

    gains: Mapping[str, str]
    stacks: Mapping[str, int]

    @classmethod
    def of(cls, tree: Any, layout: Given = None) -> "Normed":
        """The weight-normalised layers of a module, state or dict; arguments as for `nets.masks.layouts`.

        Raises:
            ValueError: v beside g in a tree whose modules are not known, a g without its v or of another shape than
                its outputs'; the message names the path.

        Example:
            >>> net = {"v": jnp.array([[3.0], [4.0]]), "g": jnp.array(10.0)}
            >>> Normed.of(net, {"g": "norm of v"}).applied(net)["v"].ravel().tolist()
            [6.0, 8.0]
        """
        found, shapes = layouts(tree, layout), _shapes(tree)
        gains = {}
        for path, own in found.items():
            if own.norm_of:
                scope = path.rpartition(".")[0]
                kernel = f"{scope}.{own.norm_of}" if scope else own.norm_of
                _check(path, kernel, found, shapes)
                gains[kernel] = path
        return cls(gains, {path: len(found[path].along("stack")) for path in gains})

    def applied(self, params: Tree) -> Tree:
        """Parameters with every v replaced by the kernel g·v/‖v‖."""
        return self._changed(params, lambda v, g, stacks: (weight_norm.kernel(v, g, stacks), g))

    def undone(self, kernels: Tree) -> Tree:
        """Parameters that make every layer apply exactly its v: the gains become the norms, also in derivatives.

        The gradient of a function of `undone(kernels)` is that of the kernels themselves.

        Example:
            >>> net = {"v": jnp.array([[6.0], [8.0]]), "g": jnp.array(0.0)}
            >>> Normed.of(net, {"g": "norm of v"}).undone(net)["g"].item()
            10.0
        """
        return self._changed(kernels, lambda v, g, stacks: (v, weight_norm.norm(v, g, stacks)))

    def gradient_of_kernels(self, params: Tree, gradient: Tree) -> Tree:
        """The gradient by entries of the kernel, from that by v, at entries where v is zero.

        There ∂L/∂v = g/‖v‖ · ∂L/∂kernel; where g is zero, nothing is known and 0 is returned.
        """
        here, slopes, found = leaves(params), leaves(gradient), {}
        for path, gain in self.gains.items():
            v, g, stacks = here[path], here[gain], self.stacks[path]
            usable = g != 0
            one = jnp.where(usable, g, jnp.ones_like(g))
            factor = jnp.where(usable, weight_norm.norm(v, g, stacks) / one, jnp.zeros_like(g))
            found[path] = slopes[path] * weight_norm.spread(factor, v, stacks)
        return with_leaves(gradient, found)

    def _changed(self, tree: Tree, change: Callable[[Any, Any, int], tuple[Any, Any]]) -> Tree:
        here, found = leaves(tree), {}
        for path, gain in self.gains.items():
            found[path], found[gain] = change(here[path], here[gain], self.stacks[path])
        return with_leaves(tree, found)


def applied(model: Any, layout: Given = None) -> Tree:
    """The parameters of a model with the kernels that its layers apply in place of v.

    Example:
        >>> applied({"v": np.array([[3.0], [4.0]]), "g": np.array(10.0)}, {"g": "norm of v"})["v"].ravel().tolist()
        [6.0, 8.0]
    """
    return Normed.of(model, layout).applied(jax.tree.map(jnp.asarray, parameters(model)))


def check_stored(tree: Any, layout: Given = None) -> None:
    """No kernel is normalised by a module around its layer, so that what is stored is what is applied.

    Args:
        tree, layout: as for `nets.masks.layouts`; a module in either place is looked through, and of Linen's trees
            the names that its WeightNorm gives (`Dense_0/kernel/scale`).

    Raises:
        ValueError: one is; the message names its path.

    Example:
        >>> check_stored({"WeightNorm_0": {"Dense_0/kernel/scale": np.ones(2)}})      # doctest: +ELLIPSIS
        Traceback (most recent call last):
            ...
        ValueError: Dense_0/kernel is normalised by a WeightNorm of Linen around its layer, so that stored weights ...
    """
    found, arrays = layouts(tree, layout), leaves(parameters(tree))
    for module in (tree, layout):
        for path, wrapper in wrappers(module, _WRAPPERS).items() if isinstance(module, nnx.Module) else ():
            # nnx.WeightNorm takes the arrays that its filter names, nnx.SpectralNorm all of two axes and more.
            takes = getattr(wrapper, "variable_filter", None)
            if path in found and found[path].kind == "kernel" and (not takes or takes(path.split("."), arrays[path])):
                raise ValueError(_normalised(path, f"the nnx.{type(wrapper).__name__}"))
    for path in found:
        if match := _LINEN.search(path):
            raise ValueError(_normalised(match[1], "a WeightNorm of Linen"))


def _normalised(path: str, wrapper: str) -> str:
    return (
        f"{path} is normalised by {wrapper} around its layer, so that stored weights do not compare; put the kernel "
        f"that is applied in its place, and the layer in place of {wrapper.replace('a ', 'the ', 1)}"
    )


def _shapes(tree: Any) -> dict[str, tuple[int, ...]]:
    return {path: tuple(np.shape(leaf)) for path, leaf in leaves(parameters(tree)).items()}


def _check(gain: str, kernel: str, found: Mapping[str, Layout], shapes: Mapping[str, tuple[int, ...]]) -> None:
    """g has one value for a layer, or one per output."""
    if found[gain].reason:
        raise ValueError(
            f"{gain}: {found[gain].reason}; give the nnx.Module that owns it (beside a tree: layout=model), or "
            f"layout={{'{kernel}': '…', '{gain}': 'norm of v'}}, or 'gain' for it"
        )
    if found.get(kernel, Layout("unknown")).kind != "kernel":
        raise ValueError(f"{gain} is said to be the norm of {kernel}, which is no kernel")
    axes, shape = found[kernel].axes, shapes[kernel]
    count = axes.count("stack")
    if axes != ("stack",) * count + tuple(axis for axis in axes if axis not in ("stack", "out")) + ("out",):
        raise ValueError(f"{kernel} has axes {' '.join(axes)}; weight normalisation is read where stacks come first "
                         "and the outputs last")  # fmt: skip
    if shapes[gain] not in (shape[:count], (*shape[:count], shape[-1])):
        raise ValueError(f"{gain} has shape {shapes[gain]}, its kernel {kernel} {shape}; need one value for a layer, "
                         "or one per output")  # fmt: skip
