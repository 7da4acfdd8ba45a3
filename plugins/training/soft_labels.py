"""Labels of a training as shares of the classes, as label smoothing makes them."""

from __future__ import annotations

from typing import Any

import numpy as np


def as_shares(labels: Any, classes: int, smoothing: float = 0.0) -> Any:
    """Labels as one share of each class, which Keras's ``categorical_crossentropy`` takes.

    Args:
        labels: Class numbers, (number,) or (number, 1); or shares, (number, classes).
        classes: Number of classes, at least 2.
        smoothing: Share of each label that all classes get alike, its own class included
            (Szegedy et al. 2016, section 7).

    Returns:
        float32 of shape (number, classes), whose rows add up to 1.
    """
    labels = np.asarray(labels)
    if labels.ndim == 2 and labels.shape[1] == classes:
        shares = labels.astype(np.float32)
    else:
        shares = np.zeros((len(labels), classes), np.float32)
        shares[np.arange(len(labels)), labels.reshape(-1).astype(np.int64)] = 1
    if not smoothing:
        return shares
    return shares * np.float32(1 - smoothing) + np.float32(smoothing / classes)
