"""The weights of a trained network, with which networks begin that differ from it by little."""

from __future__ import annotations

import functools
import logging
from pathlib import Path
from typing import Any, NamedTuple

from cellwright.search_spaces.applications import OUTPUTS, SIDE, load_applications_weights
from cellwright.search_spaces.errors import WeightsMismatch
from cellwright.search_spaces.given_weights import give_weights
from cellwright.search_spaces.mnasnet.facts import FACTS, Pixels
from cellwright.search_spaces.mnasnet.families import FAMILIES
from cellwright.search_spaces.mnasnet.genotype import MnasNetGenotype
from cellwright.search_spaces.network_file import read_network

_log = logging.getLogger(__name__)


class _Known(NamedTuple):
    """What is in a file: weights of layers by name, and what pixels they were trained on."""

    weights: dict[str, list[Any]]
    pixels: Pixels | None


def pixels_of(genotype: MnasNetGenotype, weights: str | Path) -> Pixels | None:
    """What a network must make of pixels of 0 to 1, for the weights of a file to do what they did.

    Args:
        genotype: What the weights are of.
        weights: See `begin_with`.

    Returns:
        None where pixels stay as they are, or where the weights say it themselves, as those of
        EfficientNet-B0 to B7 do.

    Raises:
        As `begin_with`.
    """
    return _known_of(genotype, weights).pixels


def begin_with(model: Any, genotype: MnasNetGenotype, weights: str | Path) -> list[str]:
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
    known = _known_of(genotype, weights).weights
    fresh, layers = [], [layer for layer in model.layers if layer.weights]
    for layer in layers:
        found = known.get(layer.name)
        if found and [array.shape for array in found] == [tuple(w.shape) for w in layer.weights]:
            give_weights(layer, found)
        else:
            fresh.append(layer.name)
    _log.info(
        "%d of %d layers begin with the weights of %s; fresh: %s",
        *(len(layers) - len(fresh), len(layers), weights, ", ".join(fresh) or "none"),
    )
    return fresh


def _known_of(genotype: MnasNetGenotype, weights: str | Path) -> _Known:
    path = Path(weights)
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path} of weights")
    return _read(genotype, path, path.stat().st_mtime_ns)


@functools.lru_cache(maxsize=1)  # a search builds many children around one network
def _read(genotype: MnasNetGenotype, path: Path, written: int) -> _Known:
    """``written`` is when the file was changed."""
    facts = FACTS.get(genotype.name)
    pixels = None
    if facts and facts.pixels and not FAMILIES[genotype.family].normalises:
        pixels = facts.pixels.with_white(1)
    source: Any = read_network(path) if path.suffix == ".keras" else path
    if isinstance(source, Path) or not _is_ours(source):
        model = genotype.build((SIDE, SIDE, 3), 1000, seed=0)
        try:
            load_applications_weights(model, source)
        except WeightsMismatch:  # perhaps of a network without its classifier
            end = {"features", *OUTPUTS} & {layer.name for layer in model.layers}
            load_applications_weights(model, source, without=end)
        weights = {layer.name: layer.get_weights() for layer in model.layers if layer.weights}
        return _Known(weights, pixels)
    known = {layer.name: layer.get_weights() for layer in source.layers if layer.weights}
    network = genotype.build((SIDE, SIDE, 3), 2, seed=0)
    wanted = {layer.name for layer in network.layers if layer.weights}
    if others := sorted((wanted ^ known.keys()) - {*OUTPUTS}):
        raise WeightsMismatch(
            f"{path} holds the weights of another network than {genotype.name or 'the one'} that "
            f"is searched around: only one of them has {', '.join(others[:5])}"
            + (f" and {len(others) - 5} more layers" if len(others) > 5 else "")
        )
    prepares = any(layer.name == "pixels_rescaling" for layer in source.layers)
    return _Known(known, pixels if prepares else None)


def _is_ours(network: Any) -> bool:
    return any(layer.name == "stem_convolution" for layer in network.layers)
