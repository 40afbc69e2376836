"""What a program does with its values: uses them whole, only moves parts of them on, or nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jax.extend.core import ClosedJaxpr, Jaxpr, JaxprEqn, Literal

SLICES = "slice dynamic_slice gather split unstack".split()
MOVES = [*SLICES, *"reshape transpose squeeze expand_dims broadcast_in_dim rev tile copy copy_p copy_to_host".split()]
CALLS = "jit pjit closed_call core_call custom_jvp_call custom_vjp_call remat remat2 checkpoint".split()
SAME = "stop_gradient optimization_barrier name sharding_constraint pvary".split()

Use = bool | None
"""True: computed with, every part of it. False: only slices of it are. None: nothing is."""


def inner_program(eqn: JaxprEqn) -> Jaxpr | ClosedJaxpr:
    """The program that an operation of `CALLS` runs."""
    return next(eqn.params[key] for key in ("jaxpr", "call_jaxpr", "fun_jaxpr") if key in eqn.params)


def uses(program: Jaxpr, outs: Sequence[Use]) -> dict[Any, Use]:
    """How the values of a program are used.

    Args:
        program: read from its end.
        outs: what becomes of what it returns.

    Returns:
        Variable → use; those that nothing is done with are not in it.
    """
    found: dict[Any, Use] = {}

    def use(atom: Any, how: Use) -> None:
        if how is not None and not isinstance(atom, Literal):
            found[atom] = bool(found.get(atom)) or how

    for atom, how in zip(program.outvars, outs, strict=True):
        use(atom, how)
    for eqn in reversed(program.eqns):
        after = [found.get(out) for out in eqn.outvars]
        if all(how is None for how in after):
            continue
        name = eqn.primitive.name
        if name in CALLS:
            inner = inner_program(eqn)
            inner = inner.jaxpr if isinstance(inner, ClosedJaxpr) else inner
            inside = uses(inner, after)
            for atom, var in zip(eqn.invars, inner.invars, strict=True):
                use(atom, inside.get(var))
            continue
        whole = name not in SLICES and (any(after) or name not in (*MOVES, *SAME))
        for atom in eqn.invars:
            use(atom, whole)
    return found
