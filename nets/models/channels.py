"""Which parameters belong to an output channel, and who reads it: what it takes to remove one."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Channels:
    """The output channels of one layer.

    Args:
        layer: path of the layer, as in "block1.conv1".
        count: how many there are.
        own: parameters of the channels: the weights first, whose outputs they are, then gains and biases, which have
            them as last axis.
        reader: path of the weights that read these channels; "" where `skip` is given.
        axis: axis of the reader that runs over them.
        repeat: the axis has repeat · count entries, channels fastest (flattened positions).
        skip: why they cannot be removed, naming the skip; None where they can.
    """

    layer: str
    count: int
    own: tuple[str, ...]
    reader: str = ""
    axis: int = 0
    repeat: int = 1
    skip: str | None = None


def channels_of(model: Any) -> tuple[Channels, ...]:
    """The channels a network declares.

    Raises:
        ValueError: it declares none.
    """
    if not hasattr(model, "channels"):
        raise ValueError(
            f"{type(model).__name__} does not say which weights read which channels; "
            "give it a method channels() that returns nets.Channels"
        )
    return tuple(model.channels())


def removable(channels: Iterable[Channels]) -> tuple[Channels, ...]:
    """Those that no skip holds in place."""
    return tuple(group for group in channels if group.skip is None)
