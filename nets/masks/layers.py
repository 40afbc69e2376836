"""The layers of a model: its kernels, with the stacks of `nnx.vmap` and of scans taken apart."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from sparsebounds.nets.masks.kernel_paths import Given, check_known
from sparsebounds.nets.masks.layout import Layout, Layouts
from sparsebounds.nets.masks.trees import Tree, leaves, parameters, with_leaves


@dataclass(frozen=True)
class Layers:
    """Which layers a tree of parameters holds, and the way there and back.

    Args:
        layouts: of its kernels, by path.
        shapes: of the same.
    """

    layouts: Layouts
    shapes: Mapping[str, tuple[int, ...]]

    @classmethod
    def of(cls, tree: Any, layout: Given = None) -> "Layers":
        """The layers of a module, state, or dict of parameters or masks; arguments as for `nets.masks.layouts`.

        Raises:
            ValueError: as `nets.masks.kernels`, or there are none.

        Example:
            >>> layers = Layers.of({"dense": {"kernel": np.ones((3, 6, 6)), "bias": np.ones((3, 6))}})
            >>> list(layers.each)
            ['dense.kernel[0]', 'dense.kernel[1]', 'dense.kernel[2]']
        """
        layouts, found = check_known(tree, layout), leaves(parameters(tree))
        return cls(layouts, {path: tuple(np.shape(found[path])) for path in layouts})

    def names(self, path: str) -> list[str]:
        """The layers in one array: its path alone, or with an index for every layer of a stack."""
        sizes = [self.shapes[path][axis] for axis in self.layouts[path].along("stack")]
        return [f"{path}[{', '.join(map(str, index))}]" for index in np.ndindex(*sizes)] if sizes else [path]

    @property
    def each(self) -> dict[str, Layout]:
        """The layout of every layer by name."""
        return {name: layout.one() for path, layout in self.layouts.items() for name in self.names(path)}

    def parts(self, tree: Any) -> dict[str, Any]:
        """The array of every layer by name, of a tree with the same paths; works under tracing too."""
        arrays, found = leaves(parameters(tree)), {}
        for path in self.layouts:
            stack, order = self._order(path)
            array = arrays[path]
            if not stack:
                found[path] = array
                continue
            flat = array.transpose(order).reshape(-1, *(array.shape[axis] for axis in order[len(stack) :]))
            found |= {name: flat[index] for index, name in enumerate(self.names(path))}
        return found

    def whole(self, parts: Mapping[str, Any]) -> dict[str, Any]:
        """The inverse of `parts`: arrays by path, of NumPy or of JAX as the parts are."""
        found = {}
        for path, shape in self.shapes.items():
            stack, order = self._order(path)
            if not stack:
                found[path] = parts[path]
                continue
            rows = [parts[name] for name in self.names(path)]
            flat = jnp.stack(rows) if isinstance(rows[0], jax.Array) else np.stack(rows)
            found[path] = flat.reshape([shape[axis] for axis in order]).transpose(np.argsort(order))
        return found

    def masks(self, tree: Any, parts: Mapping[str, Any]) -> Tree:
        """A mask tree: `parts` at the kernels, all true elsewhere."""
        params = parameters(tree)
        full = {path: jnp.ones(np.shape(leaf), bool) for path, leaf in leaves(params).items()}
        return with_leaves(params, full | {path: jnp.asarray(mask) for path, mask in self.whole(parts).items()})

    def _order(self, path: str) -> tuple[tuple[int, ...], list[int]]:
        """The stacked axes, and all axes with these in front."""
        stack = self.layouts[path].along("stack")
        return stack, [*stack, *(axis for axis in range(len(self.shapes[path])) if axis not in stack)]
