"""How many bits describe a network: a prefix code for its non-zero weights, fixed before any data is seen.

What is fixed in advance is the architecture: which element reads which, where weights are shared, the activations.
Everything else is counted: positions of the zeros, number format, codebook and its size, and the form of every part.
Because all of it is in the code, it may be chosen by looking at the sample: pruning, number of bits, which layers to
quantise. Weights shared by the graph (a kernel, a bias per channel) are written once. An operation that the reader
does not know is written down with all its numbers, and so is a whole program of which there is no graph: then nothing
but the language is fixed in advance, and sizes, wiring and what is picked by slices are in the code too.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import ml_dtypes
import numpy as np
from jaxtyping import Float64, Int, Shaped
from scipy.special import gammaln

from sparsebounds.bounds.bound import NotCovered
from sparsebounds.bounds.graph.graph import Graph
from sparsebounds.bounds.graph.layers import Linear
from sparsebounds.bounds.graph.program import Program
from sparsebounds.bounds.graph.terms import Diagonal, Dot, Term
from sparsebounds.bounds.theorems.description.beyond_layers import flat_numbers, other_bits, other_parts, text_bits

LAYER_BITS = 8
"""Per layer, besides one bit per term: which of its optional parts are there, and its kind of activation."""
PART_BITS = 8
"""Per part: which values repeat, 2 bits; number format, 4; code of the values, 2. There are three of these."""
ESCAPE_BITS = 2
"""Of a bias whose zeros follow although those of weights are fixed: the code of the values, after a fourth word."""
FORMATS: tuple[tuple[str, int], ...] = (("bfloat16", 16), ("float16", 16), ("float32", 32), ("float64", 64))
_TYPES: tuple[type, ...] = (ml_dtypes.bfloat16, np.float16, np.float32, np.float64)
_WHOLE = tuple(f"{sign}int{width}" for width in (8, 16, 32, 64) for sign in ("u", ""))
PROBE = 1 << 16
EXACT = 1000
"""Up to here binomial coefficients are computed as integers."""
_ROUNDING = 64 * np.finfo(np.float64).eps


@dataclass(frozen=True)
class PartCode:
    """The code of one part of a layer: its weights, its bias, a scale."""

    name: str
    slots: int
    """Numbers that can be chosen independently."""
    nonzeros: int
    number: str
    """The smallest format that holds every value exactly."""
    form: str
    position_bits: int
    value_bits: int

    @property
    def bits(self) -> int:
        return PART_BITS + self.position_bits + self.value_bits


def graph_code(graph: Graph | Program, *, mask_fixed: bool = False) -> tuple[PartCode, ...]:
    """The code of every part of a network; the code length is `total_bits`.

    Args:
        graph: any network, or the program of one.
        mask_fixed: True if the positions of the zeros of weights were fixed before seeing the sample: they cost
            nothing. Those of biases do, which masks leave whole: that of a unit that never fires stays where it began.

    Returns:
        One code per part, in the order of the layers. Every value is reproduced exactly.

    Raises:
        ValueError: weights that are not finite.

    Example:
        >>> import jax.numpy as jnp
        >>> from sparsebounds import bounds
        >>> graph = bounds.read_graph(lambda x: x @ jnp.array([[1.0, 0.0], [0.0, 1.0]]), np.ones((1, 2)))
        >>> [(part.slots, part.nonzeros, part.position_bits, part.value_bits) for part in graph_code(graph)]
        [(4, 2, 6, 18)]
    """
    shifts = bias_names(graph) if mask_fixed else set()
    return tuple(part_code(n, slots, mask_fixed=mask_fixed, bias=n in shifts) for n, slots in parts(graph))


def total_bits(graph: Graph | Program, codes: tuple[PartCode, ...]) -> int:
    """Σ over parts, and `layer_bits`."""
    return sum(code.bits for code in codes) + layer_bits(graph)


def layer_bits(graph: Graph | Program) -> int:
    """A byte per layer and a bit per term: which bias and scales are there, and which activation.

    Of a program, and of an operation that the reader does not know: the text.

    Raises:
        NotCovered: a program that could not be written down.
    """
    if isinstance(graph, Program):
        if graph.text is None:
            raise NotCovered(f"the program could not be written down: {graph.reason}")
        return text_bits(graph.text)
    linear = sum(LAYER_BITS + len(layer.terms) for _, layer in graph.linear_layers())
    return linear + sum(other_bits(layer) for layer in graph.layers)


def parts(graph: Graph | Program) -> Iterator[tuple[str, Shaped[np.ndarray, " ..."]]]:
    """Name and independent numbers of every part: kernels, biases, scales, coefficients, slopes of leaky ReLU."""
    if isinstance(graph, Program):
        yield from ((name, flat_numbers(array)) for name, array in graph.numbers)
        return
    for layer in graph.layers:
        if not isinstance(layer, Linear):
            yield from other_parts(layer)
            continue
        shape = (layer.positions, layer.channels)
        for number, term in enumerate(layer.terms):
            values = _term_slots(term, shape)
            if values is not None:
                yield f"{layer.name} {type(term).__name__.lower()}{number or ''}", values
        if layer.bias is not None and layer.bias.any():
            yield f"{layer.name} bias", _unrepeated(layer.bias.reshape(shape))
        if layer.slope not in (0.0, 1.0):
            yield f"{layer.name} slope", np.array([layer.slope])


def bias_names(graph: Graph | Program) -> set[str]:
    """The parts that are biases; of a program, which says nothing of its arrays, those of fewer than two axes."""
    if isinstance(graph, Program):
        return {name for name, array in graph.numbers if array.ndim < 2}
    return {f"{layer.name} bias" for _, layer in graph.linear_layers() if layer.bias is not None}


def _term_slots(term: Term, shape: tuple[int, int]) -> Shaped[np.ndarray, " ..."] | None:
    if isinstance(term, Dot):
        same = len(term.weight) > 1 and bool((term.weight == term.weight[:1]).all())
        return term.weight[:1].ravel() if same else term.weight.ravel()
    if isinstance(term, Diagonal):
        return None if term.scale is None else _unrepeated(term.scale.reshape(shape))
    return _unrepeated(np.broadcast_to(term.coefficient, shape))


def _unrepeated(values: Shaped[np.ndarray, "positions channels"]) -> Shaped[np.ndarray, " ..."]:
    """(positions, channels) without repetition: one number, one per channel, one per position, or all."""
    forms = (values[:1, :1], values[:1], values[:, :1], values)
    return next(form.ravel() for form in forms if (values == form).all() or form is values)


def part_code(
    name: str, slots: Float64[np.ndarray, " ..."], *, mask_fixed: bool = False, bias: bool = False
) -> PartCode:
    """The shortest of three codes of one part: every value, a codebook with indices, a codebook with counts.

    Args:
        name: of the part.
        slots: its numbers.
        mask_fixed: whether its zeros cost nothing; of a bias they do, and nothing but a word where it has none.
        bias: whether it is one.
    """
    number, width = number_format(slots)
    held = slots[slots != 0]
    codes = {"each value": width * held.size}
    if _repeats(held):
        counts = np.unique(held, return_counts=True)[1]
        codes["codebook"] = codebook_bits(held.size, len(counts), width)
        codes["counted codebook"] = counted_bits(counts, width)
    form = min(codes, key=lambda key: codes[key])
    if not mask_fixed:
        positions = mask_bits(slots.size, held.size)
    else:
        positions = ESCAPE_BITS + mask_bits(slots.size, held.size) if bias and held.size < slots.size else 0
    return PartCode(name, int(slots.size), int(held.size), number, form, positions, codes[form])


def _repeats(values: Shaped[np.ndarray, " ..."]) -> bool:
    """Whether a codebook can pay: not where most of many values differ (to try would take the time of a sort)."""
    if values.size <= PROBE:
        return True
    return 2 * len(np.unique(values[:: values.size // PROBE + 1])) < PROBE


def number_format(values: Shaped[np.ndarray, " ..."]) -> tuple[str, int]:
    """The smallest number format that holds every value exactly, and its bits; whole numbers have their own.

    Example:
        >>> number_format(np.array([0.5])), number_format(np.array([1 / 3]))
        (('bfloat16', 16), ('float64', 64))
        >>> number_format(np.array([3, 70_000]))
        ('uint32', 32)
    """
    if values.dtype.kind in "biu":
        ends = int(values.min(initial=0)), int(values.max(initial=0))
        infos = [np.iinfo(kind) for kind in _WHOLE]
        return next((str(info.dtype), info.bits) for info in infos if info.min <= ends[0] and ends[1] <= info.max)
    if not np.isfinite(values).all():
        raise ValueError("weights that are NaN or infinite; needed finite ones: retrain or repair them")
    return next(named for named, kind in zip(FORMATS, _TYPES, strict=True) if _exact(values[:64], kind, values))


def _exact(first: Shaped[np.ndarray, " ..."], kind: type, values: Shaped[np.ndarray, " ..."]) -> bool:
    """Whether a format holds all values; the first few mostly say that it does not."""
    with np.errstate(over="ignore", under="ignore"):
        return all(bool((part.astype(kind).astype(np.float64) == part).all()) for part in (first, values))


def mask_bits(slots: int, nonzeros: int) -> int:
    """⌈log₂(p+1)⌉ + ⌈log₂ C(p,k)⌉: how many are not zero, and which.

    Example:
        >>> mask_bits(4, 2), mask_bits(7, 7)
        (6, 3)
    """
    return _ceil_log2(slots + 1) + ceil_log2_choose(slots, nonzeros)


def codebook_bits(count: int, distinct: int, width: int = 32) -> int:
    """6 + width·2^b + count·b with b = ⌈log₂ distinct⌉: b itself, the codewords, an index for each value.

    Example:
        >>> codebook_bits(1000, 8)
        3262
    """
    b = _ceil_log2(max(distinct, 1))
    return 6 + width * 2**b + count * b


def counted_bits(counts: Int[np.ndarray, " n"], width: int = 32) -> int:
    """Codewords, how often each occurs, and which of all such sequences it is: close to the entropy.

    ⌈log₂(k+1)⌉ + width·V + ⌈log₂ C(k−1, V−1)⌉ + ⌈log₂ k!/Π n_v!⌉ for V codewords used n_v times, Σ n_v = k.

    Example:
        >>> counted_bits(np.array([3, 1]), 16)  # 3 + 32 + ⌈log₂ 3⌉ + ⌈log₂ 4⌉
        39
    """
    total, distinct = int(np.sum(counts)), len(counts)
    if total == 0:
        return 0
    codewords = _ceil_log2(total + 1) + width * distinct
    return codewords + ceil_log2_choose(total - 1, distinct - 1) + ceil_log2_orders(np.asarray(counts), total)


def ceil_log2_choose(n: int, k: int) -> int:
    """⌈log₂ C(n,k)⌉; for large n one more where rounding leaves it open.

    Example:
        >>> ceil_log2_choose(4, 1), ceil_log2_choose(5, 2), ceil_log2_choose(431080, 4000)
        (2, 4, 32744)
    """
    if n <= EXACT:
        return _ceil_log2(math.comb(n, k))
    return ceil_log2_orders(np.array([k, n - k]), n)


def ceil_log2_orders(counts: Int[np.ndarray, " n"], total: int) -> int:
    """⌈log₂ total!/Π counts!⌉, never too small."""
    counts = counts[counts > 0]
    if len(counts) < 2:
        return 0
    if total <= EXACT:
        return _ceil_log2(math.factorial(total) // math.prod(map(math.factorial, counts.tolist())))
    whole = float(gammaln(total + 1.0))
    return math.ceil((whole - float(np.sum(gammaln(counts + 1.0))) + _ROUNDING * whole) / math.log(2))


def _ceil_log2(n: int) -> int:
    return (n - 1).bit_length()
