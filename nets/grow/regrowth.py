"""What becomes of a weight that is dropped: whether it may grow back at the same step, and with which value."""

import jax

DROPPED = ("return", "restart", "stay_out")
"""May grow back and keeps its value; may grow back and starts at zero; may not grow at that step."""


def check_dropped(dropped: str) -> None:
    """One of `DROPPED`, or a ValueError."""
    if dropped not in DROPPED:
        raise ValueError(f"dropped is {dropped!r}; choose from {', '.join(DROPPED)}")


def candidates(kept: jax.Array, before: jax.Array, dropped: str) -> jax.Array:
    """Which weights may grow: all that were not kept, or only those that were not active before the step.

    Example:
        >>> import jax.numpy as jnp
        >>> kept, before = jnp.array([True, False, False]), jnp.array([True, True, False])
        >>> candidates(kept, before, "return").tolist(), candidates(kept, before, "stay_out").tolist()
        ([False, True, True], [False, False, True])
    """
    return ~(before if dropped == "stay_out" else kept)


def staying(kept: jax.Array, grown: jax.Array, before: jax.Array, dropped: str) -> jax.Array:
    """Which weights keep their value and what the optimiser remembers of them.

    Example:
        >>> import jax.numpy as jnp
        >>> kept, grown, before = (jnp.array(m, bool) for m in ([1, 0, 0], [0, 1, 1], [1, 1, 0]))
        >>> staying(kept, grown, before, "return").tolist(), staying(kept, grown, before, "restart").tolist()
        ([True, True, False], [True, False, False])
    """
    return kept | (grown & before) if dropped == "return" else kept
