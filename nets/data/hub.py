"""Data sets over the network, through the `datasets` package (extra `hub`)."""

import importlib.util

import numpy as np

from sparsebounds.nets.data.formats import DataError, Images, Labels

# The column names the hub's mirrors of these sets use.
_IMAGE_COLUMNS = ("image", "img")
_CONFIGS = {"ufldl-stanford/svhn": "cropped_digits"}


def hub_installed() -> bool:
    """Whether the `datasets` package can be imported."""
    return importlib.util.find_spec("datasets") is not None


def from_hub(hub_name: str, part: str) -> tuple[Images, Labels]:
    """Images and labels of one split of a data set on the hub.

    Args:
        hub_name: owner/name.
        part: "train" or "test".

    Returns:
        uint8 images (n, height, width, channels) and int32 labels (n,).

    Raises:
        DataError: no connection, or no image and label columns.
    """
    import datasets

    try:
        table = datasets.load_dataset(hub_name, _CONFIGS.get(hub_name), split=part)
    except Exception as error:  # the package raises many types for one thing: it could not be had
        said = " ".join(str(error).split())
        raise DataError(
            f"cannot fetch {hub_name} ({said}); check the connection, or give the published files with --data-dir"
        ) from error
    column = next((name for name in _IMAGE_COLUMNS if name in table.column_names), None)
    if column is None or "label" not in table.column_names:
        raise DataError(
            f"{hub_name} has columns {table.column_names}; need an image and a label column: "
            "give the published files with --data-dir"
        )
    images = np.stack([np.asarray(image, np.uint8) for image in table[column]])
    return (images if images.ndim == 4 else images[..., None]), np.asarray(table["label"], np.int32)
