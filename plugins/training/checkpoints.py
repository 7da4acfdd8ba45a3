"""The state of a child's training on disk, so that another process can continue it."""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cellwright.plugins.checked import as_kind
from cellwright.plugins.files import atomic_path, atomic_write_bytes, read_npz
from cellwright.plugins.interrupts import must_write
from cellwright.search_spaces import ChildFailed, CorruptedState

History = dict[str, list[float]]
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Checkpoint:
    """One child's weights, optimizer state and metrics by epoch, in a ``.npz`` file.

    Training that is interrupted and restored gives bit for bit what it would have given without
    interruption, if the backend's operations are deterministic: the state of every random generator
    in the network is kept too, which Keras's own ``.weights.h5`` leaves out.
    """

    path: Path

    def save(self, model: Any, history: Mapping[str, list[float]]) -> None:
        """Write the state of a compiled ``model``, and its metrics by epoch.

        Raises:
            CannotWrite: If the disk is full, say.
        """
        values: dict[str, Any] = {str(i): np.asarray(v) for i, v in enumerate(_variables(model))}
        with must_write(self.path):
            self._save(history, values)

    def _save(self, history: Mapping[str, list[float]], values: dict[str, Any]) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write_bytes(self.path) as file:
            np.savez(file, history=np.array(json.dumps(history)), **values)

    def history(self) -> History:
        """The metrics by epoch of what is kept; empty if nothing is."""
        read = self._read()
        return {} if read is None else read[0]

    def begin_at(self, other: Checkpoint) -> int:
        """Copy the state of ``other``, if it has a file; return how many epochs are in this one."""
        if self.path != other.path and other.path.exists():
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with atomic_path(self.path) as beside:
                shutil.copyfile(other.path, beside)
        read = self._read()
        return 0 if read is None else epochs_of(read[0])

    def go_on_from(self, other: Checkpoint) -> None:
        """Begin with the state of ``other``, unless there is a state here already.

        Raises:
            ChildFailed: If there is none there either.
        """
        if self._read() is not None:
            return
        if other._read() is None:
            raise ChildFailed(
                f"{other.path} does not hold the weights that this child goes on from: the trial "
                "that trained them kept them elsewhere, or they were deleted"
            )
        self.begin_at(other)

    def restore(self, model: Any, most: int) -> History:
        """Bring a compiled ``model`` to the state that `save` wrote.

        The model keeps its learning rate. It is not changed at all if there is no file, if the file
        cannot be read, or if it holds more than ``most`` epochs.

        Returns:
            The metrics by epoch; empty if nothing was restored.

        Raises:
            ChildFailed: If the file holds another network's state.
        """
        read = self._read()
        if read is None or epochs_of(read[0]) > most:
            return {}
        history, values = read
        variables = _variables(model)
        if [tuple(v.shape) for v in variables] != [value.shape for value in values]:
            raise ChildFailed(
                f"{self.path} holds the state of another network; delete it, and this child is "
                "trained from the beginning"
            )
        for variable, value in zip(variables, values, strict=True):
            variable.assign(value)
        return history

    def _read(self) -> tuple[History, list[Any]] | None:
        try:
            arrays = read_npz(self.path)
            noted = json.loads(str(arrays.pop("history")))
            history = as_kind(noted, dict[str, list[float]], self.path, "Delete it")
            return history, [arrays[str(i)] for i in range(len(arrays))]
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, RecursionError, CorruptedState) as error:
            _log.warning("%s cannot be read (%s): its child is trained afresh", self.path, error)
            return None


def checkpoint_of(folder: str | Path, *identity: Any) -> Checkpoint:
    """The checkpoint in ``folder`` that belongs to ``identity``."""
    text = json.dumps(identity, sort_keys=True, default=repr)
    return Checkpoint(Path(folder) / f"{hashlib.sha256(text.encode()).hexdigest()[:24]}.npz")


def descended(folder: str | Path, state: str, after: str, *shared: Any) -> Checkpoint:
    """The checkpoint of one state of a population, ready to be trained on.

    Args:
        folder: Of all its states.
        state: The name of this one.
        after: The name of the one that it goes on from; ``""`` for a new child.
        shared: What all children of the folder have in common.

    Raises:
        ChildFailed: If the state that it goes on from is not there.
    """
    own = checkpoint_of(folder, state, *shared)
    if after:
        own.go_on_from(checkpoint_of(folder, after, *shared))
    return own


def joined(before: Mapping[str, list[float]], after: Mapping[str, list[float]]) -> History:
    """Join the metrics by epoch of a training and its continuation."""
    return {name: [*before.get(name, []), *after.get(name, [])] for name in {**before, **after}}


def epochs_of(history: Mapping[str, list[float]]) -> int:
    """Number of epochs in ``history``."""
    return max((len(values) for values in history.values()), default=0)


def _variables(model: Any) -> list[Any]:
    optimizer = model.optimizer
    inner = getattr(optimizer, "inner_optimizer", optimizer)  # of one that scales the loss
    rates = [getattr(each, "_learning_rate", None) for each in (optimizer, inner)]
    kept = [v for v in optimizer.variables if all(v is not rate for rate in rates)]
    return [*model.variables, *kept]
