"""The networks of a MnasNet space as one network whose choices are inputs.

Every layer is as wide as the widest choice makes it, and channels beyond those of a child are set
to 0 after each step, so that a child's layers have the leading channels of the shared ones (as in
Cai et al. 2020, section 3.2, though no channel is sorted).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import keras
import numpy as np
from numpy.typing import NDArray

from cellwright.search_spaces.classifier import main_output
from cellwright.search_spaces.context import Context, Tensor
from cellwright.search_spaces.mnasnet.block import MnasBlock
from cellwright.search_spaces.mnasnet.families import SQUEEZES, expanded, skip_of, squeezed
from cellwright.search_spaces.mnasnet.genotype import MnasNetGenotype
from cellwright.search_spaces.mnasnet.layers import (
    activate,
    dense,
    depthwise,
    normal_convolution,
    project,
    with_bias,
)
from cellwright.search_spaces.pooling import average
from cellwright.search_spaces.shared_network import Options, Pass, SharedNetwork

Genotype = Callable[[Sequence[int]], MnasNetGenotype]
# What the network is told of each layer: which of the options, the channels that it reads and
# returns, and which skip.
_OPTION, _INPUTS, _OUTPUTS, _SKIP = range(4)
_SKIPS = ("none", "identity", "pool")


@dataclass(frozen=True)
class _Place:
    """A layer that at least one child has.

    Attributes:
        name: Prefix of its layers' names.
        stride: 1 or 2.
        inputs, outputs: Channels of the widest child.
    """

    name: str
    stride: int
    inputs: int
    outputs: int


def shared_network(
    genotype: Genotype,
    choices: Sequence[int],
    kinds: Sequence[MnasBlock],
    input_shape: Sequence[int],
    classes: int | None,
    stem_stride: int,
) -> SharedNetwork:
    """All children of a space as one network; see `SharedNetwork`.

    Dropout and drop-connect are left out.

    Args:
        genotype: Gives the blocks of a child, from its choices.
        choices: How many choices each decision has.
        kinds: Blocks that differ in their convolution, kernel, expansion and squeeze, each of which
            stands for an option of every layer.
        input_shape: (height, width, channels).
        classes: At least 2; None for a number.
        stem_stride: Of the first convolution.
    """
    widest = [genotype([min(n, count - 1) for count in choices]) for n in range(max(choices))]
    ends, activation = widest[0], widest[0].activation
    places = _places(widest)
    known = [_kind(block) for block in kinds]

    def forward(way: Pass, given: Tensor, images: Tensor) -> Tensor:
        x = way.fixed(
            "stem",
            lambda at, x: normal_convolution(x, ends.stem, 3, stem_stride, at, activation),
            images,
        )
        for number, place in enumerate(places):
            told = [given[4 * number + part] for part in range(4)]
            x = _layer(way, place, kinds, 4 * number, told, x)

        def head(at: Context, x: Tensor) -> Tensor:
            x = normal_convolution(x, ends.head, 1, 1, at.inside("head"), activation)
            x = keras.layers.GlobalAveragePooling2D(name="pool")(x)  # (batch, head)
            x = dense(x, ends.features, at.inside("features"), activation)
            return main_output(x, classes, at)

        return way.fixed("", head, x)

    def resolve(child: NDArray[np.int32]) -> NDArray[np.int32]:
        found = genotype(child.tolist())
        inputs, told = found.stem, []
        for number, block in enumerate(found.blocks, start=1):
            option = known.index(_kind(block))
            for layer in range(1, _layers(widest, number) + 1):
                if layer > block.layers:
                    told += [len(kinds), inputs, inputs, 0]
                    continue
                stride = block.stride if layer == 1 else 1
                skip = skip_of(block.skip, inputs, block.filters, stride)
                told += [option, inputs, block.filters, _SKIPS.index(skip)]
                inputs = block.filters
        return np.array(told, np.int32)

    return SharedNetwork(forward, 4 * len(places), input_shape, Context("", None), resolve=resolve)


def _kind(block: MnasBlock) -> tuple[str, int, float, float]:
    return block.convolution, block.kernel, block.expansion, block.squeeze


def _layers(widest: Sequence[MnasNetGenotype], number: int) -> int:
    """How many layers the longest child has in block ``number``, from 1."""
    return max(one.blocks[number - 1].layers for one in widest)


def _places(widest: Sequence[MnasNetGenotype]) -> list[_Place]:
    found, inputs = [], widest[0].stem
    for number, block in enumerate(widest[0].blocks, start=1):
        filters = max(one.blocks[number - 1].filters for one in widest)
        for layer in range(1, _layers(widest, number) + 1):
            stride = block.stride if layer == 1 else 1
            found.append(_Place(f"block_{number}_{layer}", stride, inputs, filters))
            inputs = filters
    return found


def _layer(
    way: Pass,
    place: _Place,
    kinds: Sequence[MnasBlock],
    decision: int,
    told: Sequence[Tensor],
    inputs: Tensor,
) -> Tensor:
    """What `layers.build_layer` makes of a child's part of the channels; nothing where the child
    has no such layer."""
    counts = keras.ops.stack([told[_INPUTS], told[_OUTPUTS]])
    counts = keras.ops.ones_like(inputs[:, 0, 0, :1]) * keras.ops.cast(counts, "float32")
    options: Options = [
        (place.name, [partial(_convolved, block=block, place=place)]) for block in kinds
    ]
    if _may_be_absent(place):
        options = [*options, (place.name, [partial(_passed, place=place)])]
    key = (place.stride, place.inputs, place.outputs, _may_be_absent(place))
    x = way.chosen(place.name, decision, told[_OPTION], options, key, inputs, counts)
    skip = told[_SKIP]
    width = min(place.inputs, place.outputs)  # a skip needs as many channels in and out
    pooled = way.fixed(
        f"{place.name}_pool", lambda at, x: average(x, 3, place.stride, at.prefix), inputs
    )
    for name, read in (("identity", inputs), ("pool", pooled)):
        if name == "pool" or place.stride == 1:
            chosen = keras.ops.cast(skip == _SKIPS.index(name), "float32")
            added = keras.ops.pad(read[..., :width], [(0, 0)] * 3 + [(0, place.outputs - width)])
            x = x + chosen * added
    return x


def _may_be_absent(place: _Place) -> bool:
    return not place.name.endswith("_1")


def _passed(at: Context, x: Tensor, counts: Tensor, place: _Place) -> Tensor:
    return x


def _convolved(at: Context, x: Tensor, counts: Tensor, block: MnasBlock, place: _Place) -> Tensor:
    """A layer without its skip, (batch, height, width, inputs) -> (..., outputs).

    Args:
        at: Where.
        x: What it reads; channels beyond those of the child are 0.
        counts: (batch, 2): the child's channels before and after it.
        block: Its convolution, kernel, expansion and squeeze.
        place: Its stride, and its channels in the widest child.
    """
    act, outputs = block.activation, place.outputs
    inside, after = counts[:, :1], counts[:, 1:]
    if block.convolution == "conv":
        x = normal_convolution(
            x, outputs, block.kernel, place.stride, at.inside("convolution"), act
        )
        x = _first(x, after)
        x = _squeezed(x, inside, after, block, place, at.inside("squeeze"))
        return _first(x, after)
    wide = expanded(place.inputs, block.expansion)
    mine = inside * block.expansion
    if block.expansion > 1:
        x = _first(normal_convolution(x, wide, 1, 1, at.inside("expand"), act), mine)
    x = _first(depthwise(x, block.kernel, place.stride, at.inside("depthwise"), act), mine)
    x = _first(_squeezed(x, inside, mine, block, place, at.inside("squeeze")), mine)
    return _first(project(x, outputs, at.inside("project")), after)


def _squeezed(
    x: Tensor, inside: Tensor, weighed: Tensor, block: MnasBlock, place: _Place, at: Context
) -> Tensor:
    """`layers.squeeze_and_excite` of the child's part of the channels."""
    if not block.squeeze:
        return x
    kind = SQUEEZES[block.squeeze_kind]
    to = squeezed(block.squeeze_kind, block.squeeze, place.inputs, x.shape[-1])
    mine = keras.ops.maximum(keras.ops.floor(inside * block.squeeze), 1.0)
    pool = keras.layers.GlobalAveragePooling2D(keepdims=True, name=f"{at.prefix}_pool")
    weights = activate(with_bias(pool(x), to, at.inside("reduce")), kind.activation, at)
    weights = with_bias(_first(weights, mine), x.shape[-1], at.inside("expand"))
    return x * activate(weights, kind.gate, at)


def _first(x: Tensor, count: Tensor) -> Tensor:
    """``x``, (batch, height, width, channels), with 0 in all but the first ``count``, (batch, 1),
    channels."""
    channels = keras.ops.arange(x.shape[-1], dtype="float32")
    return x * keras.ops.cast(keras.ops.less(channels, count), "float32")[:, None, None, :]
