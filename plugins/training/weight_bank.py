"""One-shot weights: a bank from which children start and to which they return their weights."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cellwright.plugins.files import atomic_write_bytes, read_npz
from cellwright.plugins.interrupts import must_write
from cellwright.search_spaces.arguments import check_number, check_path
from cellwright.search_spaces.given_weights import give_weights

Array = NDArray[Any]
_log = logging.getLogger(__name__)


class WeightBank:
    """Weights of layers by key, one ``.npz`` file each, in a folder that processes may share.

    A child's layers start from the weights with which layers of the same key ended in earlier
    children, so it needs fewer epochs; but its score then depends on what was trained before. The
    space says which layers share a key (`SearchSpace.shared_weights`).

    A file is replaced in one step: a reader finds either the old weights or the new ones, and if
    two processes write the same key, the last one wins.

    Args:
        folder: Folder of the bank, created if it does not exist.
        megabytes: Size of the folder, above 0, beyond which the files written longest ago are
            deleted.

    Raises:
        ValueError: If ``megabytes`` is not above 0.
    """

    def __init__(self, folder: str | Path, *, megabytes: float = 1000) -> None:
        check_path("folder", folder)
        check_number("megabytes", megabytes, above=0)
        self.folder, self.megabytes = Path(folder), megabytes

    def start(self, model: Any, keys: Mapping[str, str]) -> list[str]:
        """Give layers of a ``keras.Model`` the weights of their keys.

        Args:
            model: A model that is built but not trained.
            keys: Keys by layer name. Layers without a key, or whose weights are not in the bank or
                have another shape there, keep their fresh weights.

        Returns:
            Names of the layers that were given weights.
        """
        started = []
        for name, key in keys.items():
            layer, found = model.get_layer(name), self.read(key)
            shapes = [tuple(weight.shape) for weight in layer.weights]
            if found is not None and [array.shape for array in found] == shapes:
                give_weights(layer, found)
                started.append(name)
        return started

    def keep(self, model: Any, keys: Mapping[str, str]) -> None:
        """Put the weights of a trained model's layers into the bank.

        If several layers share a key, the weights of the last one are kept.
        """
        for name, key in keys.items():
            self.write(key, model.get_layer(name).get_weights())
        self._tidy()

    def read(self, key: str) -> list[Array] | None:
        """The weights of ``key``, or None if there are none that can be read."""
        path = self._path(key)
        try:
            arrays = read_npz(path)
            return [arrays[str(number)] for number in range(len(arrays))]
        except FileNotFoundError:
            return None
        except (ValueError, KeyError) as error:
            _log.warning("%s cannot be read (%s): layers begin with fresh weights", path, error)
            return None

    def write(self, key: str, weights: Sequence[Array]) -> None:
        """Replace the weights of ``key``."""
        path = self._path(key)
        path.parent.mkdir(parents=True, exist_ok=True)
        arrays: dict[str, Any] = {str(number): array for number, array in enumerate(weights)}
        with must_write(path), atomic_write_bytes(path) as file:
            np.savez(file, **arrays)

    def _path(self, key: str) -> Path:
        return self.folder / f"{hashlib.sha256(key.encode()).hexdigest()[:24]}.npz"

    def _tidy(self) -> None:
        """Delete the oldest files until the folder is no larger than allowed."""
        found = []
        for path in self.folder.glob("[!.]*.npz"):
            try:
                state = path.stat()
            except FileNotFoundError:  # another process deleted it
                continue
            found.append((state.st_mtime_ns, state.st_size, path))
        size = sum(size for _, size, _ in found)
        for _, smaller, path in sorted(found):
            if size <= self.megabytes * 1e6:
                break
            path.unlink(missing_ok=True)
            size -= smaller
