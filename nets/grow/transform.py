"""An optax optimiser whose mask changes on the way: the state carries masks, step and key."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import lax

from sparsebounds.nets import masks as masking
from sparsebounds.nets.checks import check_sizes
from sparsebounds.nets.grow.alive import with_channels
from sparsebounds.nets.grow.memory import check_memory, remembered
from sparsebounds.nets.grow.schedule import Plan
from sparsebounds.nets.masks.channel_axes import check_channels
from sparsebounds.nets.masks.layout import Layouts
from sparsebounds.nets.models.channels import Channels, channels_of, removable

Tree = Any
Leaves = dict[str, jax.Array]


class SparseState(NamedTuple):
    """All that changes from step to step.

    Args:
        inner: state of the optimiser inside.
        masks: nested dict of booleans, one per parameter.
        alive: per removable layer, which of its channels are there; empty for rules that remove none.
        step: updates done.
        key: raw PRNG key data; the draws of a step depend on it and the step alone.
    """

    inner: Any
    masks: Tree
    alive: dict[str, jax.Array]
    step: jax.Array
    key: jax.Array


class View(NamedTuple):
    """What a rule sees when the mask is to change; weights by layer, without biases and gains.

    Args:
        masks: as they are.
        size: |kernel| of every weight, as the layers apply it.
        gradient: |∂L/∂kernel|, also of inactive weights.
        allowed: weights between channels that are there.
        numbers: the plan's values at this step.
        key: of this step.
        layouts: of the layers.
    """

    masks: Leaves
    size: Leaves
    gradient: Leaves
    allowed: Leaves
    numbers: dict[str, jax.Array]
    key: jax.Array
    layouts: Layouts


class Change(NamedTuple):
    """What a rule makes of the weights.

    Args:
        masks: as they are from now on.
        stay: of these, which keep their value and what the optimiser remembers of them; the others start at zero.
    """

    masks: Leaves
    stay: Leaves


@dataclass(frozen=True)
class Rule(ABC):
    """How a mask changes during training; `nets.train(..., growth=rule)` or `rule.around(tx, masks)` uses it.

    Args:
        every: ΔT, steps between two changes.
        until: the last step at which the mask may change.
        seed: of the draws.
    """

    every: int = 100
    until: int = 1000
    seed: int = 0

    @abstractmethod
    def plan(self, masks: dict[str, np.ndarray], channels: tuple[Channels, ...]) -> Plan:
        """When the mask changes, and the numbers each change needs. Raises ValueError for settings out of range."""

    @abstractmethod
    def change(self, view: View) -> Change:
        """The new masks of the weights, and which of them go on as they are."""

    def uses_channels(self) -> bool:
        """Whether channels are removed, so that the network must say which weights read them."""
        return False

    def remove(self, view: View, alive: dict[str, jax.Array], channels: tuple[Channels, ...]) -> dict[str, jax.Array]:
        """Which channels are there after this step."""
        return alive

    def identity(self) -> dict[str, Any]:
        """Name and settings in JSON's types: what a checkpoint must agree with."""
        return {"rule": type(self).__name__, **asdict(self)}

    def around(
        self, tx: optax.GradientTransformation, masks: Tree, model: Any = None, *, layout: masking.Given = None
    ) -> optax.GradientTransformation:
        """The optimiser `tx` on weights whose mask changes by this rule.

        At a step where the mask changes there is no step of `tx`, as in RigL: dropped weights become zero, new
        ones start there, and what `tx` remembers of either is set to zero. At other steps gradients and
        updates outside the mask are zero. `update` wants the gradient of all weights, and the parameters.

        Args:
            tx: any optax optimiser.
            masks: at the start; parameters must be zero outside (`nets.masks.apply`).
            model: the network, for rules that remove channels, and where masks alone do not tell what is a kernel.
            layout: what the axes of parameters are that do not say so themselves, as for `nets.masks.layouts`.

        Raises:
            ValueError: settings out of range, or masks with nothing left to grow, or a network that does not
                declare its channels, or a kernel whose axes are not known. On `init`: weights outside the masks that
                are not zero, an optimiser whose memory is not one array for every parameter.
        """
        check_sizes(every=self.every, until=self.until)
        if self.uses_channels() and model is None:
            raise ValueError(f"{type(self).__name__} removes channels; give the network too: around(tx, masks, model)")
        channels = removable(channels_of(model)) if self.uses_channels() else ()
        masks = jax.tree.map(jnp.asarray, masking.parameters(masks))
        described = masks if model is None else model
        masking.check_stored(described, layout)
        normed = masking.Normed.of(described, layout)
        layers = masking.Layers.of(described, layout)
        shapes = {path: leaf.shape for path, leaf in masking.leaves(masks).items()}
        check_channels(channels, masking.layouts(described, layout), shapes)
        weights = {name: np.asarray(leaf) for name, leaf in layers.parts(masks).items()}
        plan = self.plan(weights, channels)
        return _transformation(self, optax.with_extra_args_support(tx), masks, layers, channels, plan, normed)


def _transformation(
    rule: Rule, tx: Any, start: Tree, layers: masking.Layers, channels: tuple[Channels, ...],
    plan: Plan, normed: masking.Normed,
) -> optax.GradientTransformationExtraArgs:  # fmt: skip
    due = jnp.asarray(plan.due)
    numbers = {name: jnp.asarray(values) for name, values in plan.values.items()}

    def init(params: Tree) -> SparseState:
        masking.check_zeros(params, start)
        params = masking.parameters(params)
        check_memory(type(rule).__name__, tx, params)
        alive = {group.layer: jnp.ones(group.count, bool) for group in channels}
        key = jax.random.key_data(jax.random.key(rule.seed))
        return SparseState(tx.init(params), start, alive, jnp.zeros((), jnp.int32), key)

    def ordinary(gradient: Tree, state: SparseState, params: Tree, more: Tree) -> tuple[Tree, SparseState]:
        updates, inner = tx.update(masking.zeroed(gradient, state.masks), state.inner, params, **more)
        return masking.to_zero(updates, params, state.masks), state._replace(inner=inner)

    def changing(gradient: Tree, state: SparseState, params: Tree, _: Tree) -> tuple[Tree, SparseState]:
        at = jnp.minimum(state.step, len(due) - 1)
        key = jax.random.fold_in(jax.random.wrap_key_data(state.key), state.step)
        now = {name: values[at] for name, values in numbers.items()}
        view = _view(gradient, state.masks, params, now, key, layers, normed)
        alive = rule.remove(view, state.alive, channels)
        everywhere = with_channels(state.masks, alive, channels, layers.layouts)
        possible = with_channels(jax.tree.map(jnp.ones_like, state.masks), alive, channels, layers.layouts)
        view = view._replace(masks=layers.parts(everywhere), allowed=layers.parts(possible))
        masks, stay = (masking.with_leaves(everywhere, layers.whole(parts)) for parts in rule.change(view))
        inner = remembered(tx, state.inner, stay)
        updates = masking.to_zero(jax.tree.map(jnp.zeros_like, params), params, stay)
        return updates, state._replace(inner=inner, masks=masks, alive=alive)

    def update(gradient: Tree, state: SparseState, params: Tree = None, **more: Any) -> tuple[Tree, SparseState]:
        if params is None:
            raise ValueError("no parameters were given; call update(gradient, state, params): masks change by weights")
        state = state._replace(step=state.step + 1)
        here = due[jnp.minimum(state.step, len(due) - 1)] & (state.step < len(due))
        given = masking.parameters(gradient), state, masking.parameters(params)
        # Both branches give numbers of one kind: an optimiser may keep or return others than the parameters are.
        kinds = jax.eval_shape(ordinary, *given, more)
        updates, state = lax.cond(here, _as(kinds, changing), ordinary, *given, more)
        return masking.like(updates, gradient), state

    return optax.GradientTransformationExtraArgs(init, update)


def _as(kinds: Any, branch: Callable[..., Any]) -> Callable[..., Any]:
    """The same function with results of these kinds of numbers."""
    return lambda *given: jax.tree.map(lambda leaf, kind: leaf.astype(kind.dtype), branch(*given), kinds)


def _view(
    gradient: Tree, masks: Tree, params: Tree, numbers: dict[str, jax.Array], key: jax.Array, layers: masking.Layers,
    normed: masking.Normed,
) -> View:  # fmt: skip
    size = jax.tree.map(jnp.abs, normed.applied(params))
    by_kernel = jax.tree.map(jnp.abs, normed.gradient_of_kernels(params, gradient))
    kept = layers.parts(masks)
    return View(kept, layers.parts(size), layers.parts(by_kernel), kept, numbers, key, layers.each)
