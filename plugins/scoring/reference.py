"""Targets that are set by a known network, such as: as fast as MobileNetV2 on this machine."""

from __future__ import annotations

import ast
import difflib
import importlib.util
import inspect
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cellwright.plugins.meters import Meter
from cellwright.search_spaces import GENOTYPES, UnbuildableChild, load_genotype
from cellwright.search_spaces.network_file import read_network

_KNOWN = (
    f"give {', '.join(sorted(GENOTYPES))}, a .keras or a genotype's .json file, or a name of "
    "keras.applications such as MobileNetV2"
)


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


def check_reference(name: str) -> None:
    """Refuse a name that `reference_network` would not find, without importing Keras.

    Raises:
        ValueError: If there is no network, or no file, of that name.
        InvalidArchitecture: If a ``.json`` file holds no genotype.
    """
    if name.endswith((".keras", ".json")):
        if not Path(name).is_file():
            raise ValueError(f"there is no file {name}; {_KNOWN}")
        if name.endswith(".json"):
            load_genotype(name)
    elif name not in GENOTYPES:
        known = _applications()
        if known is not None and name not in known:
            raise _unknown(name, known)


def _applications() -> list[str] | None:
    """The names of ``keras.applications``, read off its source; None where that is not found."""
    keras = importlib.util.find_spec("keras")
    for place in keras.submodule_search_locations or () if keras else ():
        file = Path(place, "applications", "__init__.py")
        if not file.is_file():
            continue
        imported = [
            name.asname or name.name
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
            if isinstance(node, ast.ImportFrom)
            for name in node.names
        ]
        if networks := [name for name in imported if name[0].isupper()]:
            return networks
    return None


def _unknown(name: str, known: Sequence[str]) -> ValueError:
    near = difflib.get_close_matches(name, [*GENOTYPES, *known], n=1)
    return ValueError(
        f"no reference network is called {name!r}: {_KNOWN}"
        + (f". Did you mean {near[0]!r}?" if near else "")
    )


def reference_network(name: str, input_shape: Sequence[int], classes: int) -> Any:
    """The untrained network that ``name`` means; see `target_from`."""
    import keras

    from cellwright.search_spaces.keras_settings import channels_last

    if name.endswith(".keras"):
        return read_network(Path(name))
    if name in GENOTYPES or name.endswith(".json"):
        return load_genotype(name).build(tuple(input_shape), classes)
    make = getattr(keras.applications, name, None)
    if not inspect.isfunction(make):  # its modules bear names too
        raise _unknown(name, [one for one in dir(keras.applications) if one[0].isupper()])
    try:
        # An input of one's own may be smaller than the images that its weights were made for.
        with channels_last():
            image = keras.Input(tuple(input_shape))
            return make(weights=None, input_tensor=image, classes=classes)
    except (TypeError, ValueError) as error:
        reason = str(error).strip().splitlines()[0]
        raise UnbuildableChild(
            f"{name} cannot be built for images of {tuple(input_shape)}: {reason} Give a network "
            "that can, such as mnasnet-a1, or the target itself"
        ) from error
