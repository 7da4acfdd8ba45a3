"""The networks of a MnasNet space as one network whose choices are inputs.

As in the "once for all" network (Cai et al. 2020, section 3.2), children share their layers as far
as they can: every layer is as wide as the widest choice makes it, has the largest kernel and
expansion, and, where any child has one, a squeeze-and-excitation. A child has the leading channels
(none is sorted, as they are there), the centre of a kernel (which is not transformed, as it is
there), and may go without the squeeze-and-excitation. Apart are only the weights of convolutions
of other types, whose layers are not the same.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
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
# What the network is told of each layer: which of the options, the pixels of its kernel, the
# channels that a squeeze-and-excitation would weigh, those that it squeezes them to (0 for none),
# those that the layer returns, and which skip. A layer that the child does not have is told 0s
# beside the option.
_OPTION, _KERNEL, _WEIGHED, _SQUEEZED, _OUTPUTS, _SKIP = range(6)
_TOLD = 6
_SKIPS = ("none", "identity", "pool")


@dataclass(frozen=True)
class _Place:
    """A layer that at least one child has.

    Attributes:
        name: Prefix of its layers' names.
        stride: 1 or 2.
        inputs, outputs: Channels of the widest child.
        may_be_absent: Whether children may have none: all but the first of a block, so that they
            are alike and traced once.
    """

    name: str
    stride: int
    inputs: int
    outputs: int
    may_be_absent: bool


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
        kinds: Blocks of every convolution (``"conv"``, ``"depthwise"`` or ``"mbconv"``), kernel,
            expansion and squeeze that a layer can have.
        input_shape: (height, width, channels).
        classes: At least 2; None for a number.
        stem_stride: Of the first convolution.
    """
    widest = [genotype([min(n, count - 1) for count in choices]) for n in range(max(choices))]
    ends, activation = widest[0], widest[0].activation
    places, largest = _places(widest), _largest(kinds)
    convolutions = [block.convolution for block in largest]

    def forward(way: Pass, given: Tensor, images: Tensor) -> Tensor:
        x = way.fixed(
            "stem",
            lambda at, x: normal_convolution(x, ends.stem, 3, stem_stride, at, activation),
            images,
        )
        for number, place in enumerate(places):
            first = _TOLD * number
            told = [given[first + part] for part in range(_TOLD)]
            x = _layer(way, place, largest, first, told, x)

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
            for layer in range(1, _layers(widest, number) + 1):
                if layer > block.layers:
                    told += [len(largest), *[0] * (_TOLD - 1)]
                    continue
                option = convolutions.index(block.convolution)
                told += [option, *_told(block, inputs, block.stride if layer == 1 else 1)]
                inputs = block.filters
        return np.array(told, np.int32)

    decisions = _TOLD * len(places)
    return SharedNetwork(forward, decisions, input_shape, Context("", None), resolve=resolve)


def _told(block: MnasBlock, inputs: int, stride: int) -> tuple[int, ...]:
    """What the network is told of a child's layer, but for the option."""
    plain = block.convolution == "conv"
    weighed = block.filters if plain else expanded(inputs, block.expansion)
    to = squeezed(block.squeeze_kind, block.squeeze, inputs, weighed)
    skip = _SKIPS.index(skip_of(block.skip, inputs, block.filters, stride))
    return block.kernel, weighed, to, block.filters, skip


def _largest(kinds: Sequence[MnasBlock]) -> list[MnasBlock]:
    """For each convolution the block of the largest kernel, expansion and squeeze."""
    found = []
    for convolution in dict.fromkeys(block.convolution for block in kinds):
        alike = [block for block in kinds if block.convolution == convolution]
        found.append(
            replace(
                alike[0],
                kernel=max(block.kernel for block in alike),
                expansion=max(block.expansion for block in alike),
                squeeze=max(block.squeeze for block in alike),
            )
        )
    return found


def _layers(widest: Sequence[MnasNetGenotype], number: int) -> int:
    """How many layers the longest child has in block ``number``, from 1."""
    return max(one.blocks[number - 1].layers for one in widest)


def _places(widest: Sequence[MnasNetGenotype]) -> list[_Place]:
    found, inputs = [], widest[0].stem
    for number, block in enumerate(widest[0].blocks, start=1):
        filters = max(one.blocks[number - 1].filters for one in widest)
        for layer in range(1, _layers(widest, number) + 1):
            stride = block.stride if layer == 1 else 1
            name = f"block_{number}_{layer}"
            found.append(_Place(name, stride, inputs, filters, layer > 1))
            inputs = filters
    return found


def _layer(
    way: Pass,
    place: _Place,
    largest: Sequence[MnasBlock],
    decision: int,
    told: Sequence[Tensor],
    inputs: Tensor,
) -> Tensor:
    """What `layers.build_layer` makes of a child's part of the channels; nothing where the child
    has no such layer."""
    counts = keras.ops.stack([told[part] for part in (_WEIGHED, _SQUEEZED, _OUTPUTS)])
    counts = keras.ops.ones_like(inputs[:, 0, 0, :1]) * keras.ops.cast(counts, "float32")
    options: Options = [
        (place.name, [partial(_convolved, block=block, place=place)]) for block in largest
    ]
    if place.may_be_absent:
        options = [*options, (place.name, [_passed])]
    key = (place.stride, place.inputs, place.outputs, place.may_be_absent)
    x = way.chosen(
        place.name,
        decision + _OPTION,
        told[_OPTION],
        options,
        key,
        inputs,
        counts,
        kernel=told[_KERNEL],
    )
    skips: Options = [(place.name, [partial(_skipped, skip, place)]) for skip in _SKIPS]
    name = f"{place.name}_skip"
    return way.chosen(name, decision + _SKIP, told[_SKIP], skips, ("skip", *key), x, inputs)


def _passed(at: Context, x: Tensor, counts: Tensor) -> Tensor:
    return x


def _skipped(skip: str, place: _Place, at: Context, x: Tensor, inputs: Tensor) -> Tensor:
    """The output of a layer, with what its skip adds."""
    if skip == "none" or (skip == "identity" and place.stride != 1):
        return x
    if skip == "pool":
        inputs = average(inputs, 3, place.stride, f"{at.prefix}_pool")
    width = min(place.inputs, place.outputs)  # a skip needs as many channels in and out
    return x + keras.ops.pad(inputs[..., :width], [(0, 0)] * 3 + [(0, place.outputs - width)])


def _convolved(at: Context, x: Tensor, counts: Tensor, block: MnasBlock, place: _Place) -> Tensor:
    """A layer without its skip, (batch, height, width, inputs) -> (..., outputs).

    Args:
        at: Where.
        x: What it reads; channels beyond those of the child are 0.
        counts: (batch, 3): the child's channels; see `_WEIGHED`, `_SQUEEZED` and `_OUTPUTS`.
        block: Its convolution, and the largest kernel, expansion and squeeze.
        place: Its stride, and its channels in the widest child.
    """
    act, outputs = block.activation, place.outputs
    weighed, to, after = counts[:, :1], counts[:, 1:2], counts[:, 2:]
    if block.convolution == "conv":
        x = normal_convolution(
            x, outputs, block.kernel, place.stride, at.inside("convolution"), act
        )
        return _squeezed(_first(x, after), to, block, place, at.inside("squeeze"))
    wide = expanded(place.inputs, block.expansion)
    if block.expansion > 1:
        x = _first(normal_convolution(x, wide, 1, 1, at.inside("expand"), act), weighed)
    x = depthwise(x, block.kernel, place.stride, at.inside("depthwise"), act)
    x = _squeezed(_first(x, weighed), to, block, place, at.inside("squeeze"))
    return _first(project(x, outputs, at.inside("project")), after)


def _squeezed(x: Tensor, to: Tensor, block: MnasBlock, place: _Place, at: Context) -> Tensor:
    """`layers.squeeze_and_excite` of the child's part of the channels, the others of which are 0.

    Args:
        x: (batch, height, width, channels).
        to: (batch, 1): channels to which the child squeezes them; 0 leaves ``x`` as it is.
        block: Its largest squeeze.
        place: Its channels in the widest child.
        at: Where.
    """
    if not block.squeeze:
        return x
    kind = SQUEEZES[block.squeeze_kind]
    most = squeezed(block.squeeze_kind, block.squeeze, place.inputs, x.shape[-1])
    pool = keras.layers.GlobalAveragePooling2D(keepdims=True, name=f"{at.prefix}_pool")
    weights = activate(with_bias(pool(x), most, at.inside("reduce")), kind.activation, at)
    weights = with_bias(_first(weights, to), x.shape[-1], at.inside("expand"))
    weights = activate(weights, kind.gate, at)  # (batch, 1, 1, channels)
    return x * keras.ops.where(to[:, None, None, :] > 0, weights, 1.0)


def _first(x: Tensor, count: Tensor) -> Tensor:
    """``x``, (batch, height, width, channels), with 0 in all but the first ``count``, (batch, 1),
    channels."""
    channels = keras.ops.arange(x.shape[-1], dtype="float32")
    return x * keras.ops.cast(keras.ops.less(channels, count), "float32")[:, None, None, :]
