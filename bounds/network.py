"""A network as its user hands it in: a function or a Flax NNX module, called without changing it."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from flax.errors import TraceContextError
from jax.extend.core import ClosedJaxpr, Literal, jaxpr_as_fun
from jax.sharding import NamedSharding, PartitionSpec

from sparsebounds.bounds.endings import stripped
from sparsebounds.bounds.handed_in import check_arrays, remedy
from sparsebounds.bounds.one_program import ProgramOfNetwork, shared
from sparsebounds.bounds.scopes import in_training, name_of, scoped
from sparsebounds.bounds.untouched import untouched

CHANGES = (
    "the function changes a module that it closes over, as nnx.jit and nnx.remat of functions of modules do; give the "
    "module itself, of which a copy is called, or call it without them, in evaluation mode: lambda x: model(x)"
)
"""What a user is told whose module cannot be traced from outside."""


class Network:
    """One pure call of whatever a user hands in, with its arrays beside it.

    An NNX module is split here, once: the weights are those of this moment. Every call merges a copy, so that what a
    module writes to itself (running statistics, counters, random keys) does not reach the user's. Modules that a
    function reaches in another way are put back after every call and every trace.

    A softmax, log-softmax or sigmoid at the very end is taken off (`bounds.endings`): whoever calls the network sees
    the scores below it. A network of one score d per input, (B,) or (B, 1), has the two scores (0, d).

    Args:
        f: function of one batched input, or a Flax NNX module.
        params: if given, f is a function of (params, x): a pytree of arrays.

    Raises:
        ValueError: it cannot be called, or is a class; parameters of an NNX module, which has its own.

    Example:
        >>> import jax.numpy as jnp
        >>> network = Network(nnx.Linear(3, 2, rngs=nnx.Rngs(0)))
        >>> network.names, network.compiled(jnp.ones((5, 3))).shape
        (('bias', 'kernel'), (5, 2))
    """

    arrays: tuple[Any, ...]
    """Those of a module or of `params`; what a function closes over is known only when it is traced."""
    names: tuple[str, ...]
    """Where each array stands in it, such as "conv.kernel"."""
    ends: tuple[str, ...] | None
    """The ends that were taken off, such as ("softmax",); None before the first trace."""
    training: tuple[tuple[str, str], ...]
    """Path and class of every layer of the module that is in training mode: dropout, normalisation by the batch."""

    module: bool
    """Whether it is an NNX module, with a stream of random keys perhaps."""

    def __init__(self, f: Any, params: Any = None) -> None:
        if isinstance(f, type):
            raise ValueError(
                f"the network is the class {f.__name__}; an instance is needed, with its weights, such as "
                f"{f.__name__}(rngs=nnx.Rngs(0)) after training"
            )
        if problem := remedy(f):
            raise ValueError(problem)
        if not callable(f):
            raise ValueError(f"the network is a {type(f).__name__}; a function of one batched input is needed")
        self._calls: dict[Any, Callable[[jax.Array], Any]] = {}
        self._programs: dict[Any, tuple[Callable[..., Any], Any, Any]] = {}
        self._change: Callable[[Any], Any] | None = None
        self._given = f
        self.arrays, self.names, self.ends = (), (), None
        self._run: Callable[[Any, Any], Any] = lambda _, x: f(x)
        self.training: tuple[tuple[str, str], ...] = ()
        self.module = isinstance(f, nnx.Module)
        if isinstance(f, nnx.Module):
            if params is not None:
                raise ValueError("params was given with an NNX module, which has parameters of its own; leave it out")
            definition, state = nnx.split(f)
            tree = self._keep(state)
            self.training = tuple(in_training(f))
            self._run = lambda arrays, x: scoped(_copied(definition, jax.tree.unflatten(tree, arrays)))(x)
        elif params is not None:
            tree = self._keep(params)
            self._run = lambda arrays, x: f(jax.tree.unflatten(tree, arrays), x)

    def _keep(self, tree: Any) -> Any:
        """Keep the arrays of a tree with their names; its structure."""
        entries, structure = jax.tree_util.tree_flatten_with_path(tree)
        check_arrays((name_of(path), leaf) for path, leaf in entries)
        self.arrays = tuple(_kept(leaf) for _, leaf in entries)
        self.names = tuple(name_of(path) for path, _ in entries)
        return structure

    @classmethod
    def of(cls, f: Any, params: Any = None) -> Network:
        """A network as it is, anything else as a new one."""
        return f if isinstance(f, cls) and params is None else cls(f, params)

    def with_arrays(self, change: Callable[[Any], Any]) -> Network:
        """The same network with other numbers: every array is changed, of a function without any those it closes over.

        Example:
            >>> network = Network(lambda x: x @ np.eye(2, dtype=np.float32))
            >>> network.with_arrays(lambda array: 3 * array)(jnp.ones((1, 2))).tolist()
            [[3.0, 3.0]]
        """
        other = copy.copy(self)
        other._calls = {}
        if self.arrays:
            other.arrays = tuple(change(array) for array in self.arrays)
        else:
            other._change = change
        if not self.arrays or [_kind(array) for array in self.arrays] != [_kind(array) for array in other.arrays]:
            other._programs = {}
        return other

    def __call__(self, x: Any) -> Any:
        """The scores, operation by operation, of an array of JAX: one of NumPy is none that a loop could index."""
        x = jnp.asarray(x)
        if self.ends is None:
            try:
                self.traced(x)
            except Exception:  # what cannot be traced has no program that could be cut
                self.ends = ()
        if not self.ends and self._change is None:
            with untouched(self._given):
                return two_scores(self._run(self.arrays, x), len(x))
        program, outputs = self.traced(x)
        leaves = jaxpr_as_fun(program)(*jax.tree.leaves(self.arrays), x)
        return jax.tree.unflatten(jax.tree.structure(outputs), leaves)

    def traced(self, x: Any) -> tuple[ClosedJaxpr, Any]:
        """The program up to the scores, a function of (*arrays, x) for inputs like x, and the shapes of what f returns.

        Raises:
            ValueError: the end of the network depends on the number of inputs.
        """
        program, outputs = self._below_its_end(x)
        rows, run = len(x), jaxpr_as_fun(program)
        if [out.shape for out in program.out_avals] in ([(rows,)], [(rows, 1)]):
            given = [jax.ShapeDtypeStruct(aval.shape, aval.dtype) for aval in program.in_avals]
            program = jax.make_jaxpr(lambda *values: two_scores(run(*values)[0], rows))(*given)
        return program, outputs

    def _below_its_end(self, x: Any) -> tuple[ClosedJaxpr, Any]:
        program, outputs = self._whole(x)
        if all(isinstance(out, Literal) for out in program.jaxpr.outvars):
            raise ValueError("it returns no array that depends on its inputs, did it forget to return the scores?")
        if self.ends == ():
            return program, outputs
        below, ends = stripped(program)
        if self.ends is None:
            # Of one input alone nobody can tell whether it is normalised along its classes or with the whole batch.
            confirmed = not ends or len(x) > 1 or stripped(self._whole(jnp.repeat(x, 2, axis=0))[0])[1] == ends
            self.ends = ends if confirmed else ()
            return (below if confirmed else program), outputs
        if ends != self.ends:
            raise ValueError(
                f"the network ends in {' and '.join(self.ends)} for some numbers of inputs and not for {len(x)}; "
                "needed one function of each input alone"
            )
        return below, outputs

    def _whole(self, x: Any) -> tuple[ClosedJaxpr, Any]:
        # A new function each time: of one that it knows, JAX gives the old trace, with the weights of that time.
        with untouched(self._given):
            program, outputs = jax.make_jaxpr(lambda arrays, x: self._run(arrays, x), return_shape=True)(self.arrays, x)
        if self._change is not None:
            program = ClosedJaxpr(program.jaxpr, [self._change(array) for array in program.consts])
        return program, outputs

    def compiled(self, x: jax.Array) -> Any:
        """The scores, compiled; where it cannot be compiled it is called plainly, so that its own errors surface.

        Raises:
            ValueError: a function that changes a module which it closes over.
        """
        shape = x.shape, x.dtype, frozenset(x.devices()), jax.config.values["jax_default_matmul_precision"]
        if shape not in self._calls:
            try:
                call = self._compile(x, shape)
                out = jax.block_until_ready(call(x))
            except TraceContextError as error:
                raise ValueError(CHANGES) from error
            except Exception:  # whatever stopped it, the plain call decides what the user is told
                call = self
            else:
                self._calls[shape] = call
                return out
            self._calls[shape] = call
        return self._calls[shape](x)

    def _compile(self, x: jax.Array, shape: Any) -> Callable[[jax.Array], Any]:
        """The program for inputs of this shape, traced once for all networks that differ in their arrays alone."""
        if shape not in self._programs:
            closed, outputs = self.traced(x)
            program = shared(ProgramOfNetwork(closed.jaxpr, _beside((closed.consts, self.arrays), x), x))
            self._programs[shape] = program.run, closed.consts, jax.tree.structure(outputs)
        run, constants, tree = self._programs[shape]
        weights = _beside((constants, self.arrays), x)
        return lambda x: jax.tree.unflatten(tree, run(weights, x))


def _kind(array: Any) -> tuple[Any, ...]:
    """What of an array is part of a program."""
    return np.shape(array), getattr(array, "dtype", type(array)), getattr(array, "weak_type", False)


def _beside(weights: Any, x: jax.Array) -> Any:
    """The weights on the device; on all of them where the inputs are shared out."""
    everywhere = NamedSharding(x.sharding.mesh, PartitionSpec()) if isinstance(x.sharding, NamedSharding) else None
    return jax.device_put(weights, everywhere)


def two_scores(out: Any, rows: int) -> Any:
    """(0, d) in place of one score d per input; anything else as it is.

    Example:
        >>> two_scores(jnp.array([3.0, -1.0]), 2).tolist()
        [[0.0, 3.0], [0.0, -1.0]]
    """
    if getattr(out, "shape", None) not in ((rows,), (rows, 1)):
        return out
    d = jnp.reshape(out, (rows,))
    return jnp.stack([jnp.zeros_like(d), d], axis=-1)


def _kept(leaf: Any) -> Any:
    """An array of NumPy can be written to in place: a copy of it. One of JAX cannot."""
    return leaf.copy() if isinstance(leaf, np.ndarray) else leaf


def _copied(definition: Any, state: Any) -> Any:
    """A module that shares nothing with the user's: neither arrays nor lists and dictionaries among its attributes."""
    try:
        definition = copy.deepcopy(definition)
    except Exception:  # an attribute that cannot be copied, such as an open file
        pass
    return nnx.merge(definition, jax.tree.map(_kept, state), copy=True)
