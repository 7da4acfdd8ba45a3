"""The weights of ``keras.applications`` in our networks, layer by layer and by name."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cellwright.search_spaces.arguments import check_model
from cellwright.search_spaces.errors import WeightsMismatch
from cellwright.search_spaces.given_weights import give_weights
from cellwright.search_spaces.mnasnet.facts import FACTS, STANDARD

_BLOCK_LAYER = re.compile(r"block_(\d+)_(\d+)_(\w+)")
_CELL_LAYER = re.compile(r"cell_(\d+)_(normal|reduction)_(\w+)")
_SEPARABLE = re.compile(r"block_(\d)_(left|right)_sep_\dx\d_(\d)_(\w+)")
OUTPUTS = ("classes", "value")  # see `classifier.main_output`
SIDE = 64  # pixels a side of a network that is built for its weights alone


@dataclass(frozen=True)
class _Naming:
    """What ``keras.applications`` calls the layers of one of its families.

    Attributes:
        ends: Names of what stands before and after the blocks, by ours.
        parts: Names within a layer of a block, by ours.
        prefix: Begins the names of a layer, by the number of its block and of the layer in it, both
            from 1, and by how many layers come before it.
    """

    ends: Mapping[str, str]
    parts: Mapping[str, str]
    prefix: Callable[[int, int, int], str]


def _both(**names: str) -> dict[str, str]:
    """Names of convolutions and of their normalisations, from ``part="convolution bn"``."""
    pairs = {part: both.split() for part, both in names.items()}
    kinds = ("convolution", "normalisation")
    return {
        f"{part}_{kind}": name
        for part, both in pairs.items()
        for kind, name in zip(kinds, both, strict=True)
    }


def _output(name: str) -> dict[str, str]:
    return dict.fromkeys(OUTPUTS, name)


def _efficientnet(depthwise: str) -> _Naming:
    return _Naming(
        _both(stem="stem_conv stem_bn", head="top_conv top_bn") | _output("predictions"),
        _both(
            expand="expand_conv expand_bn",
            depthwise=f"{depthwise} bn",
            project="project_conv project_bn",
            convolution="project_conv project_bn",  # a fused block that expands nothing
        )
        | {"squeeze_reduce_convolution": "se_reduce", "squeeze_expand_convolution": "se_expand"},
        lambda block, layer, place: f"block{block}{chr(ord('a') + layer - 1)}_",
    )


_NAMINGS = {
    "MobileNetV2": _Naming(
        _both(stem="Conv1 bn_Conv1", head="Conv_1 Conv_1_bn") | _output("predictions"),
        _both(
            expand="expand expand_BN",
            depthwise="depthwise depthwise_BN",
            project="project project_BN",
        ),
        lambda block, layer, place: f"block_{place}_" if place else "expanded_conv_",
    ),
    "MobileNetV3": _Naming(
        _both(stem="conv conv_bn", head="conv_1 conv_1_bn")
        | {"features": "conv_2"}
        | _output("logits"),
        _both(
            expand="expand expand_bn",
            depthwise="depthwise depthwise_bn",
            project="project project_bn",
        )
        | {
            "squeeze_reduce_convolution": "squeeze_excite_conv",
            "squeeze_expand_convolution": "squeeze_excite_conv_1",
        },
        lambda block, layer, place: f"expanded_conv_{place}_" if place else "expanded_conv_",
    ),
    "EfficientNet": _efficientnet("dwconv"),
    "EfficientNetV2": _efficientnet("dwconv2"),
}


def load_applications_weights(model: Any, source: Any, *, without: Collection[str] = ()) -> None:
    """Give a network of ours the weights of the same one in ``keras.applications``.

    These are MobileNetV2 and V3, EfficientNet, EfficientNetV2 and NASNet-A. Nothing is downloaded,
    unless you have Keras do it: give ``keras.applications.EfficientNetB0(weights="imagenet")``, or
    the file that it keeps in ``~/.keras/models``. What images weights were trained on says
    `facts.FACTS`, and a network that is built with ``pixels=FACTS[name].pixels`` makes them of its
    pixels. Only EfficientNet-B0 to B7 keep means and variances of pixels of 0 to 1 as weights, and
    are given them, too.

    Args:
        model: A published genotype's ``keras.Model``, for any size of images.
        source: A ``keras.Model`` of ``keras.applications``, trained or not; or the path of a file
            of its weights (``.h5``, ``.weights.h5``) or of it as a whole (``.keras``), for a
            network of its published width.
        without: Names of layers of ``model`` that keep what they have: ``["classes"]`` for another
            number of classes.

    Raises:
        WeightsMismatch: If a layer has no counterpart, or one of another shape, each of which is
            named; nothing is changed then.
        OSError: If the file cannot be read.
    """
    check_model(model)
    layers = {layer.name: layer for layer in model.layers if _trained(layer)}
    if unknown := sorted(set(without) - layers.keys()):
        raise WeightsMismatch(
            f"without names layers that {model.name} does not have, or that have no weights: "
            f"{', '.join(unknown)}"
        )
    if isinstance(source, str | Path):
        source = _from_file(model, Path(source), bool({*OUTPUTS} & {*without}))
    check_model(source)
    theirs = {layer.name: layer for layer in source.layers if _trained(layer)}
    names = _names(layers, theirs)
    wrong, found = [], {}
    for name in layers:
        if name in without:
            continue
        twin = theirs.get(names[name])
        weights = None if twin is None else _fitting(layers[name], twin)
        if weights is None:
            shapes = " ".join(str(tuple(weight.shape)) for weight in layers[name].weights)
            has = "" if twin is None else f" with {' '.join(str(w.shape) for w in twin.weights)}"
            wrong.append(f"{name} {shapes} has no fitting {names[name]}{has}")
        else:
            found[name] = weights
    left = sorted(theirs.keys() - {names[name] for name in layers})
    wrong += [f"{name} of {source.name} has no counterpart" for name in left]
    if wrong:
        more = f", and {len(wrong) - 5} more" if len(wrong) > 5 else ""
        raise WeightsMismatch(
            f"the weights of {source.name} do not fit {model.name}: {'; '.join(wrong[:5])}{more}. "
            "Give the same network of keras.applications, of the same width, or name in without "
            "the layers that are to keep what they have"
        )
    for name, weights in found.items():
        give_weights(layers[name], weights)
    _give_pixels(model, source)


def _trained(layer: Any) -> bool:
    """Whether a layer has weights that were trained: what Normalization knows of pixels is not."""
    import keras

    return bool(layer.weights) and not isinstance(layer, keras.layers.Normalization)


def _give_pixels(model: Any, source: Any) -> None:
    """Means and variances of pixels, where both networks keep them as weights."""
    import keras

    mine, theirs = (
        next(
            (x for x in one.layers if isinstance(x, keras.layers.Normalization) and x.weights), None
        )
        for one in (model, source)
    )
    if mine is None or theirs is None:
        return
    mean, variance, count = theirs.get_weights()
    if np.allclose(mean, STANDARD.mean, atol=1e-3):
        # Those of ImageNet: Keras divides by the root of what it calls a variance, and, in a layer
        # of its own, by another root (keras-team/keras#16518).
        variance = np.square(STANDARD.deviation)
    give_weights(mine, [mean, variance, count])


def _fitting(layer: Any, twin: Any) -> list[Any] | None:
    """The weights of ``twin`` for ``layer``; a 1x1 convolution of one pixel is a dense layer."""
    weights = twin.get_weights()
    shapes = [tuple(weight.shape) for weight in layer.weights]
    if len(shapes[0]) == 2 and weights[0].shape[:2] == (1, 1):
        weights[0] = weights[0][0, 0]
    return weights if [weight.shape for weight in weights] == shapes else None


def _names(ours: Collection[str], theirs: Collection[str]) -> dict[str, str]:
    """What the family of ``theirs`` calls each of our layers; a family is known by its names."""
    candidates = (
        [_nasnet(ours)]
        if any(map(_CELL_LAYER.match, ours))
        else [_by(naming, ours) for naming in _NAMINGS.values()]
    )
    return max(candidates, key=lambda names: len(set(names.values()) & set(theirs)))


def _by(naming: _Naming, ours: Collection[str]) -> dict[str, str]:
    found = {name: match for name in ours if (match := _BLOCK_LAYER.fullmatch(name))}
    places = sorted({(int(match[1]), int(match[2])) for match in found.values()})
    names = {name: naming.ends.get(name, name) for name in ours}
    for name, match in found.items():
        block, layer = int(match[1]), int(match[2])
        prefix = naming.prefix(block, layer, places.index((block, layer)))
        names[name] = prefix + naming.parts.get(match[3], match[3])
    return names


def _nasnet(ours: Collection[str]) -> dict[str, str]:
    """The stem's two cells are ``stem_1`` and ``stem_2``; then normal cells are counted."""
    names = {name: name for name in ours} | {
        "stem_convolution": "stem_conv1",
        "stem_normalisation": "stem_bn1",
        **_output("predictions"),
    }
    cells = {name: match for name in ours if (match := _CELL_LAYER.fullmatch(name))}
    repeats = (max(int(match[1]) for match in cells.values()) - 4) // 3
    for name, match in cells.items():
        names[name] = _in_cell(_nasnet_cell(int(match[1]), repeats), match[2], match[3])
    return names


def _nasnet_cell(number: int, repeats: int) -> str:
    if number <= 2:
        return f"stem_{number}"
    number -= 3
    reduces = number in (repeats, 2 * repeats + 1)
    number -= number > 2 * repeats  # normal cells after the second reduction are numbered one lower
    return f"reduce_{number}" if reduces else str(number)


def _in_cell(cell: str, kind: str, part: str) -> str:
    inputs = {
        "before_even": "adjust_conv_1",
        "before_odd": "adjust_conv_2",
        "before_pointwise": "adjust_conv_projection",
        "before_normalisation": "adjust_bn",
        "current_pointwise": f"{kind}_conv_1",
        "current_normalisation": f"{kind}_bn_1",
    }
    if part in inputs:
        return f"{inputs[part]}_{cell}"
    found = _SEPARABLE.fullmatch(part)
    if not found:
        return part
    block, side, time, layer = found.groups()
    if (kind, block) == ("reduction", "5"):
        block = "4"  # Keras gives the fifth block's layers the fourth's number
    normalises = "_bn" if layer == "normalisation" else ""
    return f"separable_conv_{time}{normalises}_{kind}_{side}{block}_{cell}"


def _from_file(model: Any, path: Path, other_classes: bool) -> Any:
    """The network of ``keras.applications`` that ``model`` is, with the weights of a file."""
    from cellwright.search_spaces.keras_settings import channels_last

    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path} of weights")
    name, arguments = _application(model)
    tops: Sequence[dict[str, Any]] = [{"classes": model.output_shape[-1]}]
    if other_classes:
        tops = [{"classes": 1000}, {"include_top": False}]
    reasons = []
    for top in tops:
        with channels_last():
            import keras

            make = getattr(keras.applications, name)
            network = make(weights=None, input_shape=(SIDE, SIDE, 3), **arguments, **top)
        try:
            with warnings.catch_warnings():
                # Keras warns of each list in a network that a file does not know, hundreds of
                # times, and then fails all the same if a layer has got no weights.
                warnings.filterwarnings("ignore", "Skipping nested container")
                network.load_weights(path)
            return network
        except (ValueError, KeyError) as error:  # as Keras shows another number of layers, or shape
            reasons.append(str(error).strip().partition("\n")[0])
    raise WeightsMismatch(
        f"{path} does not hold the weights of keras.applications.{name} for {tops[0]['classes']} "
        f"classes: {reasons[0]}. Of another network, width or number of classes build that, with "
        "its weights, and give it in place of the file"
    )


def _application(model: Any) -> tuple[str, dict[str, Any]]:
    """The name in ``keras.applications`` of a published network, and arguments of its own."""
    features = model.layers[-1].weights[0].shape[0]
    name = {"nasnet-a 1056": "NASNetMobile", "nasnet-a 4032": "NASNetLarge"}.get(
        f"{model.name} {features}"
    )
    if name:
        return name, {}
    facts = FACTS.get(model.name)
    if facts is None or not facts.application:
        known = ", ".join(name for name, one in FACTS.items() if one.application)
        raise WeightsMismatch(
            f"whose weights a file holds is known by the name of the network, and {model.name!r} "
            f"is none of {known}. Give the keras.Model of keras.applications in place of the file"
        )
    return facts.application, {"minimalistic": True} if facts.minimalistic else {}
