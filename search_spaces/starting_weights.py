"""The weights of a trained network, with which networks begin that differ from it by little."""

from __future__ import annotations

import functools
import logging
from pathlib import Path
from typing import Any

from cellwright.search_spaces.applications import OUTPUTS, SIDE, load_applications_weights
from cellwright.search_spaces.errors import WeightsMismatch
from cellwright.search_spaces.network_file import read_network

_log = logging.getLogger(__name__)


def begin_with(model: Any, genotype: Any, weights: str | Path) -> list[str]:
    """Give ``model`` the weights of another network, layer by layer, by name and shape.

    So a network of which one block was changed keeps the weights of all others, and of that block
    what still fits. A block with other filters also changes the first layer that reads it.

    Args:
        model: A ``keras.Model`` that was built from a genotype.
        genotype: What the weights are of, with ``build``.
        weights: A file of them: ``.keras``, as `export_keras` and ``cellwright train`` write it, or
            what `load_applications_weights` reads.

    Returns:
        Names of the layers that keep their fresh weights, which are logged too.

    Raises:
        WeightsMismatch: If the file holds no weights of ``genotype``.
        CorruptedState: If it is damaged.
        OSError: If it cannot be read.
    """
    path = Path(weights)
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path} of weights")
    known = _weights_of(genotype, path, path.stat().st_mtime_ns)
    fresh, layers = [], [layer for layer in model.layers if layer.weights]
    for layer in layers:
        found = known.get(layer.name)
        if found and [array.shape for array in found] == [tuple(w.shape) for w in layer.weights]:
            layer.set_weights(found)
        else:
            fresh.append(layer.name)
    _log.info(
        "%d of %d layers begin with the weights of %s; fresh: %s",
        *(len(layers) - len(fresh), len(layers), path, ", ".join(fresh) or "none"),
    )
    return fresh


@functools.lru_cache(maxsize=1)  # a search builds many children around one network
def _weights_of(genotype: Any, path: Path, written: int) -> dict[str, list[Any]]:
    """The weights of all layers by name; ``written`` is when the file was changed."""
    source: Any = read_network(path) if path.suffix == ".keras" else path
    if isinstance(source, Path) or not _is_ours(source):
        model = genotype.build((SIDE, SIDE, 3), 1000, seed=0)
        load_applications_weights(model, source)
        return {layer.name: layer.get_weights() for layer in model.layers if layer.weights}
    known = {layer.name: layer.get_weights() for layer in source.layers if layer.weights}
    network = genotype.build((SIDE, SIDE, 3), 2, seed=0)
    wanted = {layer.name for layer in network.layers if layer.weights}
    if others := sorted((wanted ^ known.keys()) - {*OUTPUTS}):
        raise WeightsMismatch(
            f"{path} holds the weights of another network than {genotype.name or 'the one'} that "
            f"is searched around: only one of them has {', '.join(others[:5])}"
            + (f" and {len(others) - 5} more layers" if len(others) > 5 else "")
        )
    return known


def _is_ours(network: Any) -> bool:
    return any(layer.name == "stem_convolution" for layer in network.layers)
