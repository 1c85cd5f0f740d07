"""The one integer that travels with a training row: its item, and what kind of row it is.

Sentence-transformers tokenizes every column of a training set but one, ``label``. So everything that the loss needs to
know beside the texts is packed into that integer: two low bits say what kind of row it is, the rest is the item.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray

    Integers = TypeVar("Integers", int, NDArray[np.int64], torch.Tensor)
    Truths = int | bool | NDArray[np.bool_] | torch.Tensor

_CROSS_LINGUAL = 1
_PARALLEL = 2
_FLAG_BITS = 2


def encode_label(item: Integers, cross_lingual: Truths, *, parallel: bool = False) -> Integers:
    """The label of a row, or of many.

    Args:
        item: Items in [0, 2**61), int64; rows with the same item are never negatives of each other.
        cross_lingual: Whether query and passage are in different languages; 0 or 1, or bool, of the shape of ``item``.
        parallel: Whether the row's last two columns are the same item in other languages, ``query_parallel`` and
            ``passage_parallel``.

    Returns:
        Integers of the shape of ``item``.
    """
    return (item << _FLAG_BITS) | (_PARALLEL * parallel) | (_CROSS_LINGUAL * cross_lingual)  # type: ignore[return-value]


def label_item(label: Integers) -> Integers:
    """The items of labels, in the labels' shape."""
    return label >> _FLAG_BITS


def label_cross_lingual(label: Integers) -> Integers:
    """1 where query and passage are in different languages, else 0; in the labels' shape."""
    return label & _CROSS_LINGUAL


def label_parallel(label: Integers) -> Integers:
    """1 where the row has columns with the same item in other languages, else 0; in the labels' shape."""
    return (label & _PARALLEL) >> 1
