"""A MnasNet as a picture, in the manner of its paper (Tan et al. 2019, figure 7)."""

from __future__ import annotations

from typing import Any

from matplotlib.figure import Figure

from cellwright.search_spaces.layer_table import by_part, layer_table
from cellwright.search_spaces.mnasnet.block import MnasBlock, in_words
from cellwright.search_spaces.mnasnet.genotype import MnasNetGenotype
from cellwright.search_spaces.stack import Part, draw_stack, output_part, shape_text

# Paul Tol's light scheme: what a layer is, an inverted bottleneck by its expansion.
COLOURS = {
    "conv": "#EE8866",
    "depthwise": "#EEDD88",
    "mbconv": "#77AADD",
    "fused": "#FFAABB",
}
WIDE = "#99DDFF"  # an inverted bottleneck of expansion 6 or more
_SKIPS = {"identity": "", "pool": ", pooled skip", "none": ", no skip"}


def draw_blocks(genotype: MnasNetGenotype, model: Any = None, *, title: str = "MnasNet") -> Figure:
    """Draw the blocks, each with its kind of layer, kernel, how many layers, and output shape.

    ``MBConv6 (k3x3), SE`` is an inverted bottleneck of expansion 6 and kernel 3x3 with
    squeeze-and-excitation; ``SepConv`` a depthwise and a pointwise convolution; ``FusedMBConv4`` a
    full convolution in place of the first two. An activation is named that is not ReLU.

    Args:
        genotype: What to draw.
        model: What was built from it, whose shapes are written; without it only filters are.
        title: Stands above the stack.

    Returns:
        See `stack.draw_stack`.
    """
    rows = {} if model is None else {row.name: row for row in by_part(layer_table(model))}
    shapes = {name: shape_text(row.shape) for name, row in rows.items()}
    outputs = shapes or _filters(genotype)
    parts = [
        Part("image", output=outputs["image"]),
        Part(f"Conv (k3x3){_suffix(genotype.activation)}", COLOURS["conv"], output=outputs["stem"]),
    ]
    for number, block in enumerate(genotype.blocks, start=1):
        wide = block.convolution == "mbconv" and block.expansion >= 6
        colour = WIDE if wide else COLOURS[block.convolution]
        aside = f"block {number}, stride {block.stride}{_SKIPS[block.skip]}"
        parts.append(Part(_label(block), colour, block.layers, aside, outputs[f"block_{number}"]))
    parts += [
        Part(f"Conv (k1x1){_suffix(genotype.activation)}", COLOURS["conv"], output=outputs["head"]),
        Part("global average pooling", "#DDDDDD", output=outputs["pool"]),
    ]
    if genotype.features:
        label = f"dense{_suffix(genotype.activation)}"
        parts.append(Part(label, COLOURS["conv"], output=outputs["features"]))
    parts.append(output_part(rows))
    return draw_stack(parts, title=title)


def _filters(genotype: MnasNetGenotype) -> dict[str, str]:
    """What is known of the outputs before anything is built."""
    blocks = {f"block_{k}": block.filters for k, block in enumerate(genotype.blocks, start=1)}
    filters = {"stem": genotype.stem, **blocks, "head": genotype.head}
    known = {part: f"{n} filters" for part, n in filters.items()}
    return {"image": "", "pool": "", "features": f"{genotype.features} features"} | known


def _label(block: MnasBlock) -> str:
    name = {
        "conv": "Conv",
        "depthwise": "SepConv",
        "mbconv": f"MBConv{block.expansion:.3g}",
        "fused": f"FusedMBConv{block.expansion:.3g}",
    }
    squeeze = ", SE" if block.squeeze else ""
    kernel = f"(k{block.kernel}x{block.kernel})"
    return f"{name[block.convolution]} {kernel}{squeeze}{_suffix(block.activation)}"


def _suffix(activation: str) -> str:
    short = {"relu": "", "hard_swish": ", h-swish"}  # as MobileNetV3's paper writes it
    return short.get(activation, f", {in_words(activation)}")
