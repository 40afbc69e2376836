"""A program as text from which it can be rebuilt: operations, sizes, literal numbers, wiring; its arrays apart.

Whoever has the text and the arrays, and the same JAX, has the function. Nothing else may enter its values: an object
whose inside cannot be written down, such as a Python callback, is refused.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np
from jax.extend.core import ClosedJaxpr, Jaxpr, JaxprEqn, Literal, Var

from sparsebounds.bounds.reader.values import ReadError

WITHOUT_EFFECT = frozenset(
    "name in_shardings out_shardings in_layouts out_layouts donated_invars ctx_mesh keep_unused inline policy "
    "compiler_options_kvs jvp_jaxpr_fun jvp_jaxpr_thunk fwd_jaxpr_thunk fwd bwd symbolic_zeros out_trees sharding "
    "out_sharding prevent_cse differentiated debug_info".split()
)
"""Parameters of operations on which the values do not depend: names, derivatives, places."""
FOREIGN = ("callback", "ffi_call", "custom_call", "infeed")
"""Parts of the names of operations that run what is no program of JAX."""


class Written:
    """What has been written so far, and the arrays on the way, each once.

    Example:
        >>> import jax, jax.numpy as jnp
        >>> written = Written()
        >>> print(written.program(jax.make_jaxpr(lambda x: jnp.array([2.0, 3.0]) * jnp.tanh(x) + 0.5)(jnp.ones(2))))
        <BLANKLINE>
        float32[2],float32[2]
        tanh[accuracy=None]1
        mul[out_dtype=None]3 1
        add[]1 0.5:float32
        1
        >>> [array.shape for array in written.arrays]
        [(2,)]
    """

    def __init__(self) -> None:
        self.arrays: list[np.ndarray] = []
        self.sources: list[Any] = []
        self._seen: dict[int, int] = {}

    def program(self, closed: ClosedJaxpr, given: Sequence[Any] = ()) -> str:
        """The text of what a program's outputs depend on; arrays that are given, then constants, are kept.

        Args:
            closed: the program; its first inputs are those that are given.
            given: arrays.
        """
        jaxpr = closed.jaxpr
        eqns, read = live(jaxpr)
        known = [*zip(jaxpr.invars, given, strict=False), *zip(jaxpr.constvars, closed.consts, strict=True)]
        known = [(var, value) for var, value in known if var in read]
        order = [self.array(value) for _, value in known]
        shared = "" if order == list(range(len(order))) else " ".join(map(str, order))
        inputs = [*(var for var, _ in known), *jaxpr.invars[len(given) :]]
        return f"{shared}\n{self.body(inputs, eqns, jaxpr.outvars)}"

    def array(self, array: Any) -> int:
        """The number of an array; the same object has one."""
        if id(array) not in self._seen:
            self._seen[id(array)] = len(self.arrays)
            self.sources.append(array)
            self.arrays.append(as_numbers(array))
        return self._seen[id(array)]

    def constant(self, array: Any) -> str:
        """A reference to an array, with its type and shape."""
        number = self.array(array)
        return f"@{number}:{self.arrays[number].dtype}{self.arrays[number].shape}"

    def body(self, inputs: Sequence[Var], eqns: Sequence[JaxprEqn], outputs: Sequence[Any]) -> str:
        """Sizes of what comes in, an operation a line, what goes out; a variable is named by how long ago it came."""
        place: dict[Var, int] = {}
        for var in inputs:
            place[var] = len(place)
        lines = [",".join(_kind(var) for var in place)]
        for eqn in eqns:
            lines.append(f"{self.operation(eqn)}{self._names(eqn.invars, place)}")
            for var in eqn.outvars:
                place[var] = len(place)
        return "\n".join([*lines, self._names(outputs, place)])

    def operation(self, eqn: JaxprEqn) -> str:
        """Name and parameters of an operation.

        Raises:
            ReadError: what it does cannot be written down.
        """
        name = eqn.primitive.name
        if any(part in name for part in FOREIGN):
            raise ReadError(f"'{name}' runs code that is no program of JAX; needed jax.numpy in its place")
        shown = (f"{key}={self._shown(v, name)}" for key, v in sorted(eqn.params.items()) if key not in WITHOUT_EFFECT)
        return f"{name}[{','.join(shown)}]"

    def _inner(self, jaxpr: Jaxpr) -> str:
        return self.body([*jaxpr.constvars, *jaxpr.invars], jaxpr.eqns, jaxpr.outvars)

    def _names(self, atoms: Sequence[Any], place: dict[Var, int]) -> str:
        return " ".join(_literal(a) if isinstance(a, Literal) else str(len(place) - place[a]) for a in atoms)

    def _shown(self, value: Any, name: str) -> str:
        if value is None or isinstance(value, bool | int | float | str):
            return repr(value)
        if isinstance(value, ClosedJaxpr):
            return f"{{{','.join(str(self.array(c)) for c in value.consts)};{self._inner(value.jaxpr)}}}"
        if isinstance(value, Jaxpr):
            return f"{{{self._inner(value)}}}"
        if isinstance(value, tuple | list):
            return f"({','.join(self._shown(v, name) for v in value)})"
        if isinstance(value, dict):
            return self._shown(tuple(value.items()), name)
        if isinstance(value, np.ndarray | jax.Array):
            return self.constant(value)
        if isinstance(value, enum.Enum):
            return value.name
        if isinstance(value, np.dtype | np.generic) or (isinstance(value, type) and issubclass(value, np.generic)):
            return str(value)
        raise ReadError(f"'{name}' holds a {type(value).__name__}, whose inside cannot be seen")


def live(jaxpr: Jaxpr) -> tuple[list[JaxprEqn], set[Var]]:
    """The operations that the outputs depend on, in order, and all variables that these read."""
    wanted = {v for v in jaxpr.outvars if not isinstance(v, Literal)}
    kept: list[JaxprEqn] = []
    for eqn in reversed(jaxpr.eqns):
        if wanted.intersection(eqn.outvars):
            kept.append(eqn)
            wanted |= {v for v in eqn.invars if not isinstance(v, Literal)}
    return kept[::-1], wanted


def as_numbers(array: Any) -> np.ndarray:
    """Any array of a program as real or whole numbers of NumPy: random keys by their data, small floats in float64."""
    if isinstance(array, jax.Array) and jax.dtypes.issubdtype(array.dtype, jax.dtypes.prng_key):
        array = jax.random.key_data(array)
    found = np.asarray(array)
    if found.dtype.kind == "c":
        return np.stack([found.real, found.imag])
    if found.dtype.kind in "fiub":
        return found
    return found.astype(np.float64 if jax.dtypes.issubdtype(found.dtype, np.floating) else np.int64)


def _kind(var: Var) -> str:
    aval: Any = var.aval
    return f"{aval.dtype}[{','.join(map(str, aval.shape))}]"


def _literal(literal: Literal) -> str:
    value: Any = literal.val
    return f"{np.asarray(value).item()!r}:{np.asarray(value).dtype}"
