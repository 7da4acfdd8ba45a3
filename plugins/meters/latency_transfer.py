"""What pieces take on a new device, from their times on another one and a few whole networks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_STIFFNESS = (1e-1, 1e-2)  # how closely operations may keep to the factor that they have in common
_LEAST = 0.1  # of the common factor that an operation's is


@dataclass(frozen=True)
class Fit:
    """Milliseconds here are ``constant`` + ``factors`` x the milliseconds there, by operation."""

    factors: Floats
    constant: float

    def __call__(self, times: Floats) -> Floats:
        """Milliseconds of networks, (networks,), from ``times`` there, (networks, operations)."""
        return self.constant + times @ self.factors


Fitting = Callable[[Floats, Floats], Fit]  # from times there and milliseconds here


def fit(times: Floats, measured: Floats) -> Fit:
    """The factor of each operation, by relative least squares.

    A handful of networks does not say what each operation takes. So the factors keep to a common
    one, as closely as makes the best predictions of networks that are left out, one at a time, or
    all is in proportion.
    Lee et al. 2021 (HELP) adapt a network's predictions to a device in the same situation, by
    meta-learning on many devices; a table of one other device is enough here, since it says what
    each piece takes there.

    Args:
        times: Milliseconds on the other device, (networks, operations); sums over pieces.
        measured: Milliseconds here, (networks,), at least 3.
    """
    ways: list[Fitting] = [in_proportion, *(partial(_fit, stiffness=one) for one in _STIFFNESS)]
    errors = [np.mean(errors_left_out(way, times, measured) ** 2) for way in ways]
    return ways[int(np.argmin(errors))](times, measured)


def in_proportion(times: Floats, measured: Floats) -> Fit:
    """The same with one factor for all, and no constant."""
    return Fit(np.full(times.shape[1], proportion(times.sum(axis=1), measured)), 0.0)


def line(totals: Floats, measured: Floats) -> tuple[float, float] | None:
    """The factor and the constant from ``totals`` to ``measured``, both (networks,), by relative
    least squares; None where some network would take less than nothing."""
    rows = np.stack([totals / measured, 1 / measured], axis=1)
    (factor, constant), *_ = np.linalg.lstsq(rows, np.ones(len(rows)), rcond=None)
    if factor <= 0 or constant + factor * totals.min() <= 0:
        return None
    return float(factor), float(constant)


def proportion(totals: Floats, measured: Floats) -> float:
    """The factor alone."""
    shares = totals / measured
    return float(shares.sum() / np.square(shares).sum())


def errors_left_out(fitting: Fitting, times: Floats, measured: Floats) -> Floats:
    """(predicted - measured) / measured of each network, by a ``fitting`` (`fit`, say) to all
    others."""
    errors = np.empty(len(measured))
    for one in range(len(measured)):
        rest = np.arange(len(measured)) != one
        found = fitting(times[rest], measured[rest])
        errors[one] = found(times[one : one + 1])[0] / measured[one] - 1
    return errors


def _fit(times: Floats, measured: Floats, stiffness: float) -> Fit:
    """Minimise the squares of the relative errors plus ``stiffness`` times those of the factors'
    relative distances from the common one."""
    found = line(times.sum(axis=1), measured)
    if found is None:
        return in_proportion(times, measured)
    common, _ = found
    operations = times.shape[1]
    shares = common * times / measured[:, None]
    rows = np.block(
        [
            [shares, 1 / measured[:, None]],
            [np.sqrt(stiffness) * np.eye(operations), np.zeros((operations, 1))],
        ]
    )
    wanted = np.concatenate([1 - shares.sum(axis=1), np.zeros(operations)])
    *apart, constant = np.linalg.lstsq(rows, wanted, rcond=None)[0]
    return Fit(common * np.maximum(1 + np.array(apart), _LEAST), float(constant))
