"""Optuna's Gaussian process at its defaults; it needs PyTorch, which Optuna does not bring."""

from __future__ import annotations

from functools import partial

import torch  # noqa: F401  what is missing is found out here
from optuna.samplers import GPSampler

from benchmarks.peers.optuna_samplers import OptunaSearch

SEARCHES = {"optuna-gp": partial(OptunaSearch, GPSampler)}
