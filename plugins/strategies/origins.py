"""Where the results that a policy learns from come from: its own draws, or elsewhere.

A record does not say which policy drew a trial. But a draw follows from the policy and from uniform
numbers that the trial's own number fixes: whoever has both can see whether they lead to an
architecture.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from cellwright.plugins.strategies.arrays import Array, Indices, Mask

_MOST = 3.0  # times that a result counts


class Batch(NamedTuple):
    """Results that a policy is improved by.

    Attributes:
        numbers: Of the trials, (batch,).
        actions: (batch, decisions).
        active: Which decisions to learn from (`SearchSpace.active`), (batch, decisions).
        log_now: Log-probability of each decision under the present policy, (batch, decisions).
        log_drawn: The same where the decision was drawn: under the policy that drew it, or among
            equally probable choices.
        own: Whether a policy drew it that is known, (batch,).
    """

    numbers: Indices
    actions: Indices
    active: Mask
    log_now: Array
    log_drawn: Array
    own: Mask


def are_drawn(log_p: Array, draws: Array, actions: Indices, active: Mask) -> Mask:
    """Whether a policy draws architectures from uniform numbers, as `Controller.sample` does.

    Args:
        log_p: Of every choice of the policy, (batch, decisions, choices).
        draws: Uniform numbers, several tries for each architecture, (batch, tries, decisions).
        actions: The architectures, (batch, decisions).
        active: Decisions that count, (batch, decisions).

    Returns:
        Whether one of the tries leads to all active decisions, (batch,).
    """
    below = np.exp(log_p).cumsum(axis=2)
    below[..., -1] = np.inf
    below = np.concatenate([np.zeros_like(below[..., :1]), below], axis=2)
    low, high = (taken(below, actions + k)[:, None] for k in (0, 1))
    within = (low <= draws) & (draws < high)
    lead_there: Mask = np.all(within | ~active[:, None], axis=2)
    return np.asarray(np.any(lead_there, axis=1))


def taken(values: Array, actions: Indices) -> Array:
    """Entries of (batch, decisions, choices) at the actions taken: (batch, decisions)."""
    return np.take_along_axis(values, actions[..., None], axis=2)[..., 0]


def truncated_ratio(batch: Batch) -> Array:
    """What each result counts as one of the present policy, from 0 to 3, (batch,).

    That is the importance weight pi(architecture) / q(architecture) for the q that drew it. It is
    truncated (Ionides 2008), because over fifty decisions it has no bound, and a few results would
    outweigh all others.
    """
    gained = np.where(batch.active, batch.log_now - batch.log_drawn, 0.0).sum(axis=1)
    return np.asarray(np.exp(np.minimum(gained, math.log(_MOST))))
