"""Targets that are set by a known network, such as: as fast as MobileNetV2 on this machine."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cellwright.plugins.meters import Meter
from cellwright.search_spaces import GENOTYPES, UnbuildableChild, load_genotype


def target_from(
    model: Any, meter: Meter, *, input_shape: Sequence[int] = (), classes: int = 10
) -> float:
    """What ``meter`` measures for a reference network, as the target of a reward or a limit.

    Two lines make a search for children that are as fast as a known network::

        meter = KerasLatency()
        target = target_from("mnasnet-a1", meter, input_shape=data.input_shape, classes=10)
        Evaluation(space, data, reward=MnasNetReward.hard(target), meter=meter)

    Args:
        model: A published genotype's name (``"mnasnet-a1"``), the path of a genotype (``.json``) or
            of a network (``.keras``), the name of one of ``keras.applications``
            (``"MobileNetV2"``, built without its weights), or a ``keras.Model``.
        meter: The one that measures the children.
        input_shape: (height, width, channels) of the images that are searched on. A ``.keras`` file
            and a ``keras.Model`` keep their own.
        classes: Number of classes in the data.

    Returns:
        The metric in its unit: milliseconds for a latency.

    Raises:
        ValueError: If there is no network of that name.
        UnbuildableChild: If it cannot be built for such images.
    """
    network = reference_network(model, input_shape, classes) if isinstance(model, str) else model
    return meter(network).value


def reference_network(name: str, input_shape: Sequence[int], classes: int) -> Any:
    """The untrained network that ``name`` means; see `target_from`."""
    import keras

    if name.endswith(".keras"):
        return keras.models.load_model(Path(name), compile=False)
    if name in GENOTYPES or name.endswith(".json"):
        return load_genotype(name).build(tuple(input_shape), classes)
    make = getattr(keras.applications, name, None)
    if not inspect.isfunction(make):  # its modules bear names too
        raise ValueError(
            f"no reference network is called {name!r}: give {', '.join(sorted(GENOTYPES))}, a "
            ".keras or a genotype's .json file, or a name of keras.applications such as MobileNetV2"
        )
    try:
        # An input of one's own may be smaller than the images that its weights were made for.
        image = keras.Input(tuple(input_shape))
        return make(weights=None, input_tensor=image, classes=classes)
    except (TypeError, ValueError) as error:
        reason = str(error).strip().splitlines()[0]
        raise UnbuildableChild(
            f"{name} cannot be built for images of {tuple(input_shape)}: {reason} Give a network "
            "that can, such as mnasnet-a1, or the target itself"
        ) from error
