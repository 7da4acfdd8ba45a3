"""What MnasNet and the networks after it do differently, as data.

MobileNetV2 (Sandler et al. 2018), MnasNet (Tan et al. 2019), MobileNetV3 (Howard et al. 2019),
EfficientNet (Tan and Le 2019) and EfficientNetV2 (Tan and Le 2021) are all made of the same blocks.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

ACTIVATIONS = ("relu", "relu6", "hard_swish", "swish")


@dataclass(frozen=True)
class Squeeze:
    """A kind of squeeze-and-excitation: convolution, activation, convolution, gate.

    Attributes:
        activation: Between its two convolutions.
        gate: What makes weights of 0 to 1 of the second one's output.
        of_expanded: Whether it is squeezed to a share of the channels that it weighs, rounded to a
            multiple of 8; otherwise to a share of those that the layer reads, rounded down.
    """

    activation: str
    gate: str
    of_expanded: bool = False


SQUEEZES = {
    "mnasnet": Squeeze("relu", "sigmoid"),
    "mobilenet-v3": Squeeze("relu", "hard_sigmoid", of_expanded=True),
    "efficientnet": Squeeze("swish", "sigmoid"),
}


@dataclass(frozen=True)
class Family:
    """How networks of a family become wider, and how fast they forget in training.

    What is before and after the blocks grows with the width multiplier ``"always"``, only
    ``"above 1"``, ``"never"``, or as the last block's filters do (``"as blocks"``).

    Attributes:
        stem: When the stem's channels grow.
        head: When the head's channels grow.
        features: When those of the layer after the pool grow, where there is one.
        keeps: Whether filters are rounded up where more than a tenth would be lost.
        momentum: Momentum of the batch normalisations; their epsilon is 0.001 in all families.
        normalises: Whether networks begin with a layer that normalises pixels by means and
            variances of its own, as in ``keras.applications``; it changes nothing until these are
            given.
    """

    stem: str = "always"
    head: str = "always"
    features: str = "above 1"
    keeps: bool = True
    momentum: float = 0.99
    normalises: bool = False


# Rules and momenta of keras.applications; MnasNet's are those of its authors' code.
FAMILIES = {
    "mnasnet": Family(head="never"),
    "mobilenet-v2": Family(head="above 1", momentum=0.999),
    "mobilenet-v3": Family(stem="never", head="as blocks", momentum=0.999),
    "efficientnet": Family(normalises=True),
    "efficientnet-v2": Family(keeps=False, momentum=0.9),
}


def rounded(wanted: float, keeps: bool = True) -> int:
    """A number of channels as a multiple of 8 that is at least 8.

    What would lose more than a tenth is rounded up, unless ``keeps`` is False.
    """
    nearest = max(8, int(wanted + 4) // 8 * 8)
    return nearest + 8 if keeps and nearest < 0.9 * wanted else nearest


def scaled(filters: int, width: float, keeps: bool = True) -> int:
    """``filters`` times ``width``, `rounded`. A width of 1 changes nothing."""
    return filters if width == 1 else rounded(filters * width, keeps)


def deeper(layers: int, depth: float) -> int:
    """``layers`` times ``depth``, rounded up (Tan and Le 2019)."""
    return math.ceil(layers * depth)


def expanded(channels: int, expansion: float) -> int:
    """``channels`` times ``expansion``; with a fraction it is `rounded`, as in MobileNetV3."""
    wide = channels * expansion
    return int(wide) if expansion == int(expansion) else rounded(wide)


def squeezed(kind: str, share: float, inputs: int, weighed: int) -> int:
    """Channels to which a squeeze-and-excitation squeezes; 0 where the share is 0.

    Args:
        kind: One of `SQUEEZES`.
        share: Of which channels, the kind says.
        inputs: Channels that the layer reads.
        weighed: Channels that are weighed.
    """
    if not share:
        return 0
    if SQUEEZES[kind].of_expanded:
        return rounded(weighed * share)
    return max(1, int(inputs * share))


def skip_of(skip: str, inputs: int, filters: int, stride: int) -> str:
    """What ``skip`` comes to in a layer from ``inputs`` to ``filters`` channels."""
    fits = inputs == filters and (skip == "pool" or stride == 1)
    return skip if fits else "none"
