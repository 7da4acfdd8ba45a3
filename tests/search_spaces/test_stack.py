"""The drawn skeleton and blocks are those of the network, and nothing hides anything else."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox

from cellwright.search_spaces import (
    MnasBlock,
    MnasNetGenotype,
    MnasNetSpace,
    NASNetSpace,
    Skeleton,
    load_genotype,
)
from cellwright.search_spaces.stack import BOX, WIDTH, Part, draw_stack

pytest.importorskip("keras")

TINY = load_genotype("nasnet-a")


def rows(figure: Figure) -> list[list[str]]:
    """What stands at each height of the page, from the bottom, from left to right."""
    at: dict[float, list[tuple[float, str]]] = {}
    for text in figure.axes[0].texts:
        x, y = text.get_position()
        height = min(at, key=lambda known: abs(known - y), default=y)
        at.setdefault(height if abs(height - y) < 0.06 else y, []).append((x, text.get_text()))
    return [[words for _, words in sorted(at[height])] for height in sorted(at)]


def check_page(figure: Figure) -> None:
    """Everything is on the page, no text overlaps another, labels are within their boxes."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    inches = figure.dpi_scale_trans.inverted()
    extents = [
        (text.get_text(), text.get_window_extent(canvas.get_renderer()).transformed(inches))
        for text in figure.axes[0].texts
    ]
    width, height = figure.get_size_inches()
    for words, extent in extents:
        assert 0 < extent.x0 < extent.x1 < width, words
        assert 0 < extent.y0 < extent.y1 < height, words
    for (a, first), (b, second) in itertools.combinations(extents, 2):
        assert not overlap(first, second), f"{a!r} and {b!r} overlap"
    left, right = (WIDTH - BOX[0]) / 2, (WIDTH + BOX[0]) / 2
    for patch in figure.axes[0].patches:
        if (patch.get_gid() or "").startswith("part-"):
            bottom, top = patch.get_bbox().y0, patch.get_bbox().y1
            for words, extent in extents:
                if overlap(Bbox.from_extents(left, bottom, right, top), extent):
                    assert left < extent.x0 < extent.x1 < right, f"{words!r} leaves its box"


def overlap(a: Bbox, b: Bbox) -> bool:
    return bool((a.min < b.max).all() and (b.min < a.max).all())


def test_all_three_convolutions_of_a_stem_are_drawn():
    """Liu et al. 2019, appendix A.3.2; here N = 1, F = 4."""
    genotype = load_genotype("darts-v2")
    model = genotype.build((64, 64, 3), 7, Skeleton.darts_imagenet(1, 4, reductions=1))
    drawn = rows(genotype.figures(model)["skeleton"])
    assert drawn[1:8] == [
        ["64 × 64 × 3"],
        ["convolution 3x3, stride 2"],
        ["32 × 32 × 2"],
        ["convolution 3x3, stride 2"],
        ["16 × 16 × 4"],
        ["convolution 3x3, stride 2"],
        ["8 × 8 × 4"],
    ]


def test_the_skeleton_is_that_of_the_paper():
    """Zoph et al. 2018, figure 2, on the right; here N = 2, F = 8, the first group alone."""
    model = TINY.build((64, 64, 3), 7, Skeleton.imagenet(2, 8, reductions=0))
    figure = TINY.figures(model)["skeleton"]
    check_page(figure)
    assert rows(figure) == [
        ["image"],
        ["64 × 64 × 3"],
        ["convolution 3x3, stride 2"],
        ["31 × 31 × 32"],
        ["cells 1 and 2", "reduction cell", "× 2"],
        ["8 × 8 × 16"],
        ["cells 3 and 4", "normal cell", "× 2"],
        ["8 × 8 × 48"],
        ["global average pooling"],
        ["48"],
        ["7 classes", "softmax"],
        ["nasnet-a: skeleton"],
    ]


@pytest.mark.parametrize(
    ("skeleton", "cells"),
    [
        (Skeleton.book(1, 2, reductions=0), ["normal"]),
        (
            Skeleton.cifar(2, 2, reductions=1, auxiliary=True, drop_path_keep=0.5, dropout=0.1),
            ["normal", "reduction", "normal"],
        ),
    ],
)
def test_every_skeleton_is_drawn(skeleton, cells):
    figure = TINY.figures(TINY.build((16, 16, 1), 3, skeleton))["skeleton"]
    check_page(figure)
    words = [word for row in rows(figure) for word in row]
    found = [word.removesuffix(" cell") for word in words if word.endswith(" cell")]
    assert found == cells
    assert ("convolution 3x3" in words) == (skeleton.kind == "cifar")
    assert words.count("× 2") == (2 if skeleton.repeats == 2 else 0)


def test_mnasnet_a1_is_that_of_the_paper():
    """Tan et al. 2019, figure 7, for an image of 32 pixels in place of 224."""
    a1 = load_genotype("mnasnet-a1")
    figure = a1.figures(a1.build((32, 32, 3), 1000))["blocks"]
    check_page(figure)
    found = rows(figure)
    assert [row for row in found if "block" in row[0]] == [
        ["block 1, stride 1, no skip", "SepConv (k3x3)"],
        ["block 2, stride 2", "MBConv6 (k3x3)", "× 2"],
        ["block 3, stride 2", "MBConv3 (k5x5), SE", "× 3"],
        ["block 4, stride 2", "MBConv6 (k3x3)", "× 4"],
        ["block 5, stride 1", "MBConv6 (k3x3), SE", "× 2"],
        ["block 6, stride 2", "MBConv6 (k5x5), SE", "× 3"],
        ["block 7, stride 1", "MBConv6 (k3x3)"],
    ]
    outputs = [row[0] for row in found if "×" in row[0]]
    assert outputs[:4] == ["32 × 32 × 3", "16 × 16 × 32", "16 × 16 × 16", "8 × 8 × 24"]
    assert found[-2:] == [["1000 classes", "softmax"], ["mnasnet-a1"]]


def test_spaces_draw_without_a_model():
    space = MnasNetSpace()
    for seed in range(2):
        figures = space.figures(space.sample(np.random.default_rng(seed)))
        assert list(figures) == ["blocks"]
        check_page(figures["blocks"])
        words = [word for row in rows(figures["blocks"]) for word in row]
        assert "1280 filters" in words
        assert words[-1] == "blocks"
    wide = MnasBlock("mbconv", 1024, 12, kernel=7, stride=2, expansion=12, squeeze=0.5, skip="pool")
    check_page(MnasNetGenotype((wide,), name="a network").figures()["blocks"])
    fused = MnasBlock("fused", 8, 12, 3, 2, 11.75, 0.5, "pool", "hard_swish")
    check_page(MnasNetGenotype((fused,), activation="relu6", features=8).figures()["blocks"])
    cells = NASNetSpace()
    genotype = cells.genotype(cells.sample(np.random.default_rng(0)))
    assert list(genotype.figures()) == ["normal cell", "reduction cell"]
    named = replace(genotype, name="found").figures()["normal cell"]
    assert "found: normal cell" in [text.get_text() for text in named.axes[0].texts]


def test_a_long_title_is_broken_and_a_dollar_is_a_dollar():
    figure = draw_stack([Part("$a$", aside="$x_{"), Part("b")], title="a long title $5 " * 12)
    check_page(figure)
    assert {patch.get_gid() for patch in figure.axes[0].patches} >= {"part-1", "part-2", "edge-1"}
