"""A sparse one-hidden-layer teacher and a student that knows where its weights are: the model of Zhang et al. 2021.

y = (1/K) Σ_j ReLU(w*_jᵀx) + ξ with x ~ N(0, I_d), unit columns w*_j with r non-zeros each, and a student on a mask M
that minimises f(W) = (1/2N) Σ_n (ŷ_n − y_n)² by W⁺ = W − η M∘∇f(W) + β (W − W⁻).
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt
from jax import lax


class Task(NamedTuple):
    """One teacher, its sample and where the student starts.

    Args:
        x: (N, d) inputs.
        y: (N,) outputs.
        teacher: (d, K), unit columns.
        mask: (d, K) booleans, the weights the student may use.
        start: (d, K), at relative distance `distance` from the teacher on the teacher's own mask, cut to `mask`.
    """

    x: jax.Array
    y: jax.Array
    teacher: jax.Array
    mask: jax.Array
    start: jax.Array


class Sizes(NamedTuple):
    """Sizes of a task.

    Args:
        inputs: d.
        neurons: K.
        r: non-zero weights per neuron of the teacher, and per neuron of the student.
        samples: N.
    """

    inputs: int
    neurons: int
    r: int
    samples: int


def draw_task(key: jax.Array, sizes: Sizes, *, noise: float = 0.0, cut: int = 0, distance: float = 0.5) -> Task:
    """A random task: supports uniform, entries N(0, 1), columns scaled to length 1.

    Args:
        key: of everything random.
        sizes: d, K, r, N.
        noise: standard deviation of ξ.
        cut: of the r inputs of every teacher neuron so many are missing in the mask, replaced by wrong ones.
        distance: ‖start − teacher‖_F / ‖teacher‖_F where nothing is cut.

    Returns:
        The task.
    """
    inputs, neurons, r, samples = sizes
    k_order, k_weights, k_start, k_x, k_noise = jax.random.split(key, 5)
    # Every neuron's inputs in random order: the first r are the teacher's, the next `cut` the wrong ones.
    place = jnp.argsort(jax.random.uniform(k_order, (inputs, neurons)), axis=0)
    support, mask = place < r, (place >= cut) & (place < r + cut)
    teacher = jnp.where(support, jax.random.normal(k_weights, (inputs, neurons)), 0.0)
    teacher = teacher / jnp.linalg.norm(teacher, axis=0)
    away = jnp.where(support, jax.random.normal(k_start, (inputs, neurons)), 0.0)
    away = away * (distance * jnp.linalg.norm(teacher) / jnp.linalg.norm(away))
    x = jax.random.normal(k_x, (samples, inputs))
    y = jnp.mean(jax.nn.relu(x @ teacher), axis=1) + noise * jax.random.normal(k_noise, (samples,))
    return Task(x, y, teacher, mask, jnp.where(mask, teacher + away, 0.0))


def effective_sparsity(supports: npt.NDArray[np.bool_]) -> float:
    """r̃ = (1/8K⁴) (Σ_k Σ_j (1 + δ_jk) √(r_j + r_k))², δ_jk = 1 if the supports of j and k meet.

    Args:
        supports: (d, K) booleans.

    Returns:
        r̃; it is r where all neurons have r inputs and all supports meet.

    Example:
        >>> effective_sparsity(np.ones((7, 3), bool))
        7.0

    Source: Zhang et al., NeurIPS 2021, as recalled by others; not checked against the paper.
    """
    degrees = supports.sum(axis=0)
    meet = (supports.T.astype(int) @ supports.astype(int)) > 0
    total = np.sum((1 + meet) * np.sqrt(degrees[:, None] + degrees[None, :]))
    return float(round(total**2 / (8 * supports.shape[1] ** 4), 10))


def descend(task: Task, count: jax.Array, *, eta: float, beta: float, steps: int) -> jax.Array:
    """The student's weights after `steps` steps on the first `count` samples.

    Args:
        task: from `draw_task`.
        count: number of samples used, at most N; an array, so that one program serves all.
        eta, beta: step size and momentum.
        steps: how many.

    Returns:
        (d, K), zero outside the mask.
    """
    share = _share(task, count)
    first = (task.start, task.start)
    return lax.fori_loop(0, steps, lambda _, pair: _step(task, share, pair, eta, beta), first)[0]


def error_trace(task: Task, *, eta: float, beta: float, steps: int) -> jax.Array:
    """Relative errors (steps,) after every step, all samples used."""
    share = _share(task, jnp.asarray(len(task.y)))

    def one(pair: tuple[jax.Array, jax.Array], _: None) -> tuple[tuple[jax.Array, jax.Array], jax.Array]:
        pair = _step(task, share, pair, eta, beta)
        return pair, relative_error(task, pair[0])

    return lax.scan(one, (task.start, task.start), None, length=steps)[1]


def relative_error(task: Task, weights: jax.Array) -> jax.Array:
    """‖W − W*‖_F / ‖W*‖_F."""
    return jnp.linalg.norm(weights - task.teacher) / jnp.linalg.norm(task.teacher)


def _share(task: Task, count: jax.Array) -> jax.Array:
    """1/N for the samples that are used, 0 for the others."""
    used = jnp.arange(len(task.y)) < count
    return jnp.where(used, 1.0, 0.0) / count.astype(jnp.float32)


def _step(
    task: Task, share: jax.Array, pair: tuple[jax.Array, jax.Array], eta: float, beta: float
) -> tuple[jax.Array, jax.Array]:
    now, before = pair
    hidden = task.x @ now
    miss = (jnp.mean(jax.nn.relu(hidden), axis=1) - task.y) * share
    gradient = task.x.T @ jnp.where(hidden > 0, miss[:, None], 0.0) / now.shape[1]
    return jnp.where(task.mask, now - eta * gradient + beta * (now - before), 0.0), now
