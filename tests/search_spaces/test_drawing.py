"""The drawn cell is the given cell, and nothing in the picture hides anything else."""

import hashlib
import io
import itertools
import os
import re
import subprocess
import sys
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch, PathPatch
from matplotlib.transforms import Bbox

from cellwright.search_spaces import Block, Cell, NASNetSpace
from cellwright.search_spaces.nasnet.drawing import FAMILIES, draw_cell, family_of
from cellwright.search_spaces.nasnet.layout import used_states

OPERATIONS = (
    *("identity", "conv_1x3_3x1", "conv_1x7_7x1", "dil_3x3", "avg_3x3", "max_3x3", "max_5x5"),
    *("max_7x7", "conv_1x1", "conv_3x3", "sep_3x3", "sep_5x5", "sep_7x7"),
)


def make(operations: str, inputs: str, concatenation: tuple[int, ...] = ()) -> Cell:
    names, states = operations.split(), [int(state) for state in inputs.split()]
    halves = zip(states[::2], states[1::2], names[::2], names[1::2], strict=True)
    return Cell(tuple(Block(*half) for half in halves), concatenation)


def book_cell(seed: int, blocks: int = 5) -> Cell:
    space = NASNetSpace(blocks=blocks)
    return space.genotype(space.sample(np.random.default_rng(seed))).normal


def hierarchical_cell(seed: int) -> Cell:
    """1 to 8 blocks that read anything before them; any states concatenated, or the unused."""
    rng = np.random.default_rng(seed)
    blocks = tuple(
        Block(
            *(int(state) for state in rng.integers(k + 2, size=2)),
            *(str(name) for name in rng.choice(OPERATIONS, size=2)),
            str(rng.choice(["add", "concat"])),
        )
        for k in range(1 + seed % 8)
    )
    some = rng.choice(len(blocks) + 2, size=rng.integers(1, len(blocks) + 3), replace=False)
    return Cell(blocks, () if rng.random() < 0.4 else tuple(int(state) for state in some))


PUBLISHED = {
    "NASNet-A normal": make(
        "sep_5x5 sep_3x3 sep_5x5 sep_3x3 avg_3x3 identity avg_3x3 avg_3x3 sep_3x3 identity",
        "0 1 1 1 0 1 1 1 0 0",
        (1, 2, 3, 4, 5, 6),
    ),
    "NASNet-A reduction": make(
        "sep_5x5 sep_7x7 max_3x3 sep_7x7 avg_3x3 sep_5x5 identity avg_3x3 sep_3x3 max_3x3",
        "0 1 0 1 0 1 3 2 2 0",
        (3, 4, 5, 6),
    ),
    "AmoebaNet-A normal": make(
        "avg_3x3 max_3x3 sep_3x3 identity identity avg_3x3 sep_3x3 sep_5x5 avg_3x3 sep_3x3",
        "0 0 1 1 0 1 0 2 5 0",
        (1, 3, 4, 6),
    ),
    "AmoebaNet-A reduction": make(
        "sep_3x3 avg_3x3 max_3x3 sep_7x7 max_3x3 max_3x3 sep_3x3 conv_1x7_7x1 avg_3x3 sep_7x7",
        "1 0 0 2 1 0 4 0 1 0",
        (2, 3, 4, 5, 6),
    ),
}
CELLS = {
    **PUBLISHED,
    **{f"book {seed}": book_cell(seed) for seed in range(6)},
    **{f"book, {blocks} blocks": book_cell(9, blocks) for blocks in (1, 2, 3, 8)},
    **{f"hierarchical {seed}": hierarchical_cell(seed) for seed in range(32)},
    "chain": Cell(tuple(Block(k + 1, k, "sep_3x3", "identity") for k in range(8))),
    "unused block read by another": make("identity " * 6, "0 0 2 2 1 1", (4,)),
    "long names": make("a_very_long_operation_indeed mystery squeeze_and_excitation x", "0 1 1 2"),
}
FURTHER = {f"hierarchical {seed}" for seed in range(16, 32)}  # two of each size come before
each_cell = pytest.mark.parametrize(
    "cell",
    [
        pytest.param(cell, id=name, marks=[pytest.mark.slow] if name in FURTHER else [])
        for name, cell in CELLS.items()
    ],
)


def boxes(figure: Figure) -> dict[str, Bbox]:
    """Every box by its gid, in inches."""
    patches = [p for p in figure.axes[0].patches if isinstance(p, FancyBboxPatch)]
    found = {p.get_gid(): Bbox.from_bounds(*p.get_bbox().bounds) for p in patches}
    assert len(found) == len(patches)
    return found


def edges(figure: Figure) -> dict[str, np.ndarray]:
    """Every edge by its gid: points along it, closely, in inches."""
    patches = [p for p in figure.axes[0].patches if isinstance(p, PathPatch)]
    found = {p.get_gid(): p.get_path() for p in patches}
    assert len(found) == len(patches)
    return {
        gid: np.concatenate([curve(np.linspace(0, 1, 60)) for curve, _ in path.iter_bezier()])
        for gid, path in found.items()
    }


def texts(figure: Figure) -> list[tuple[str, Bbox]]:
    """Every piece of text, the legend's too, with its extent in inches."""
    canvas = FigureCanvasAgg(figure)
    figure.draw_without_rendering()
    artists = [*figure.axes[0].texts, *figure.axes[0].get_legend().get_texts()]
    return [
        (text.get_text(), text.get_window_extent(canvas.get_renderer()).transformed(
            figure.dpi_scale_trans.inverted()
        ))
        for text in artists
    ]  # fmt: skip


def inside(box: Bbox, points: np.ndarray, margin: float) -> bool:
    """Whether any point is within the box by more than the margin."""
    low, high = box.min + margin, box.max - margin
    return bool(((points > low) & (points < high)).all(axis=1).any())


def overlap(a: Bbox, b: Bbox) -> bool:
    return bool((a.min < b.max).all() and (b.min < a.max).all())


def holds(outer: Bbox, inner: Bbox) -> bool:
    return bool((outer.min <= inner.min).all() and (inner.max <= outer.max).all())


@cache
def drawn_parts(cell: Cell) -> tuple[Figure, dict[str, Bbox], list[tuple[str, Bbox]]]:
    figure = draw_cell(cell, title="a cell")
    return figure, boxes(figure), texts(figure)


@each_cell
def test_every_part_of_the_cell_is_drawn(cell: Cell) -> None:
    _, found, words = drawn_parts(cell)
    numbers = range(1, len(cell.blocks) + 1)
    assert sorted(found) == sorted(
        ["input-0", "input-1", "output"]
        + [f"{part}-{k}" for k in numbers for part in ("block", "combination")]
        + [f"operation-{k}-{half}" for k in numbers for half in (1, 2)]
    )

    def inscription(gid: str) -> list[str]:
        return [text for text, extent in words if holds(found[gid], extent)]

    for number, block in enumerate(cell.blocks, start=1):
        for half, name in ((1, block.operation_1), (2, block.operation_2)):
            (label,) = inscription(f"operation-{number}-{half}")
            assert label.split() == name.split("_")
        assert inscription(f"combination-{number}") == [block.combination]
        captions = [f"block {number}"]
        if number + 1 not in used_states(cell):
            captions.append("unused")
        assert set(captions) <= set(inscription(f"block-{number}"))
        assert ("unused" in captions) == ("unused" in inscription(f"block-{number}"))
    assert inscription("output") == ["concatenation", "output of the cell"]
    assert inscription("input-0")[0] == "current input"
    assert inscription("input-1")[0] == "input from the cell before"
    assert "a cell" in [text for text, _ in words]


@each_cell
def test_edges_lead_from_each_state_to_what_reads_it(cell: Cell) -> None:
    figure, found, _ = drawn_parts(cell)
    drawn = edges(figure)

    def source(state: int, point: np.ndarray) -> bool:
        """Whether a line that starts at the point comes from the state, over passing lines."""
        box = found[f"input-{state}" if state < 2 else f"combination-{state - 1}"]
        if np.allclose(point, (box.x0 + box.width / 2, box.y1)):
            return True
        passing = [p for gid, p in drawn.items() if gid.startswith(f"edge-{state}-past-")]
        return any(np.allclose(p[-1], point) and source(state, p[0]) for p in passing)

    for number, block in enumerate(cell.blocks, start=1):
        node = found[f"combination-{number}"]
        for half, state in ((1, block.input_1), (2, block.input_2)):
            name = f"operation-{number}-{half}"
            line = drawn.pop(f"edge-{state}-to-{name}")
            box = found[name]
            assert np.allclose(line[-1], (box.x0 + box.width / 2, box.y0))
            assert source(state, line[0])
            up = drawn.pop(f"edge-{name}-to-combination")
            assert np.allclose(up[0], (box.x0 + box.width / 2, box.y1))
            assert node.x0 < up[-1][0] < node.x1
            assert up[-1][1] == pytest.approx(node.y0)
    collected = {gid: line for gid, line in drawn.items() if gid.endswith("to-output")}
    assert set(collected) == {f"edge-{state}-to-output" for state in cell.concatenation}
    output = found["output"]
    for gid, line in collected.items():
        assert source(int(gid.split("-")[1]), line[0])
        assert output.x0 < line[-1][0] < output.x1
        assert line[-1][1] == pytest.approx(output.y0)
    assert all("-past-" in gid for gid in drawn.keys() - collected.keys())


@each_cell
def test_nothing_overlaps_and_all_is_on_the_page(cell: Cell) -> None:
    figure, found, words = drawn_parts(cell)
    drawn = edges(figure)
    frames = {gid: box for gid, box in found.items() if gid.startswith("block-")}
    nodes = {gid: box for gid, box in found.items() if gid not in frames}
    for group in (frames, nodes):
        for (a, first), (b, second) in itertools.combinations(group.items(), 2):
            assert not overlap(first, second), f"{a} and {b} overlap"
    for gid, frame in frames.items():
        number = gid.removeprefix("block-")
        own = {f"combination-{number}", f"operation-{number}-1", f"operation-{number}-2"}
        for other, node in nodes.items():
            assert holds(frame, node) if other in own else not overlap(frame, node)
    for (a, first), (b, second) in itertools.combinations(words, 2):
        assert not overlap(first, second), f"the texts {a!r} and {b!r} overlap"
    for (text, extent), (gid, node) in itertools.product(words, nodes.items()):
        assert holds(node, extent) or not overlap(node, extent), f"{text!r} runs into {gid}"
    page = Bbox.from_bounds(0, 0, *figure.get_size_inches())
    assert all(holds(page, box) for box in [*found.values(), *(extent for _, extent in words)])
    for gid, line in drawn.items():
        assert line.min() > 0
        assert line[:, 0].max() < page.x1
        for node, box in nodes.items():
            assert not inside(box, line, 1e-6), f"{gid} runs through {node}"
        for text, extent in words:
            assert not inside(extent, line, 0), f"{gid} runs through the text {text!r}"
        related = re.findall(r"operation-(\d+)", gid)
        if re.match(r"edge-\d", gid):
            related.append(str(int(gid.split("-")[1]) - 1))
        for frame, box in frames.items():
            near = frame.removeprefix("block-") in related
            assert near or not inside(box, line, -0.05), f"{gid} runs through {frame}"


@pytest.mark.parametrize(
    ("inputs", "concatenation", "unused"),
    [
        ("0 1 0 1", (2, 3), set()),
        ("0 1 2 2 1 1", (4,), {"input-0", "block-1", "block-2"}),
        ("0 1 0 2 1 1", (3,), {"block-3"}),
        ("0 1 2 0 1 3", (4,), set()),
        ("0 0 0 0", (), {"input-1"}),
        ("1 1 1 1", (0, 2), {"block-2"}),
    ],
)
def test_what_reaches_nothing_is_pale(
    inputs: str, concatenation: tuple[int, ...], unused: set[str]
) -> None:
    cell = make("identity " * len(inputs.split()), inputs, concatenation)
    patches = draw_cell(cell, title="").axes[0].patches
    pale = {patch.get_gid() for patch in patches if patch.get_alpha() < 1}
    assert {gid for gid in pale if re.match("input|block", gid or "")} == unused
    for number in range(1, len(cell.blocks) + 1):
        parts = {f"combination-{number}", f"operation-{number}-1", f"operation-{number}-2"}
        assert parts & pale == (parts if f"block-{number}" in unused else set())


def test_pictures_are_as_wide_as_promised() -> None:
    for cell in (*PUBLISHED.values(), book_cell(0), hierarchical_cell(7)):
        figure = draw_cell(cell, title="")
        assert figure.get_size_inches()[0] * figure.dpi == pytest.approx(1600)
    assert draw_cell(book_cell(0, blocks=12), title="").get_size_inches()[0] * 150 > 1600


@pytest.mark.parametrize("first", [0, 1])
def test_blocks_stand_in_their_order_whichever_input_they_read(first: int) -> None:
    """Blocks 1 and 2 read one input, block 3 the other: it is drawn on the side of block 3."""
    inputs = " ".join(map(str, [first] * 4 + [1 - first] * 2))
    _, boxes, _ = drawn_parts(make("identity " * 6, inputs))
    blocks = [boxes[f"block-{number}"].x0 for number in (1, 2, 3)]
    assert blocks == sorted(blocks)
    assert boxes[f"input-{first}"].x0 < boxes[f"input-{1 - first}"].x0


def test_passing_lines_are_shared() -> None:
    """State 0 passes the first layer once, whatever it is read for above."""
    cell = make("identity " * 6, "0 0 2 0 2 0", (0, 3, 4))
    assert (
        len([gid for gid in edges(draw_cell(cell, title="")) if "edge-0-past-layer-1" in gid]) == 1
    )


@pytest.mark.parametrize(
    ("operation", "family"),
    [
        *(("sep_3x3", "separable"), ("dil_sep_3x3", "separable"), ("avg_3x3", "pooling")),
        *(("max_7x7", "pooling"), ("average_pool", "pooling"), ("identity", "identity")),
        *(("skip_connect", "identity"), ("conv_1x1", "convolution"), ("1x7_7x1", "convolution")),
        *(("dil_3x3", "convolution"), ("mystery", "other"), ("", "other")),
    ],
)
def test_families(operation: str, family: str) -> None:
    assert family_of(operation) == family


def test_the_legend_names_the_families_in_the_picture() -> None:
    figure = draw_cell(make("sep_3x3 identity mystery identity", "0 1 0 1"), title="")
    legend = figure.axes[0].get_legend()
    assert [text.get_text() for text in legend.get_texts()] == ["separable", "identity", "other"]
    fills = [patch.get_facecolor() for patch in legend.get_patches()]
    drawn = {p.get_gid(): p.get_facecolor() for p in figure.axes[0].patches}
    assert fills == [drawn[f"operation-{gid}"] for gid in ("1-1", "1-2", "2-1")]
    assert len(set(FAMILIES.values())) == len(FAMILIES)


def test_a_dollar_in_a_title_is_a_dollar() -> None:
    figure = draw_cell(make("a$b_ identity", "0 1"), title="$5 and $x_{")
    assert "$5 and $x_{" in [text for text, _ in texts(figure)]


def test_a_long_title_is_broken_into_lines() -> None:
    title = "a cell that was found after a long search " * 5
    figure = draw_cell(book_cell(0), title=title)
    heading, extent = next((t, e) for t, e in texts(figure) if t.startswith("a cell"))
    assert heading.split() == title.split()
    assert heading.count("\n") >= 1
    assert holds(Bbox.from_bounds(0, 0, *figure.get_size_inches()), extent)


def test_the_same_cell_gives_the_same_picture_in_another_process_without_pyplot() -> None:
    cell = PUBLISHED["AmoebaNet-A reduction"]
    script = f"""
import hashlib, sys
from cellwright.search_spaces import Block, Cell
from cellwright.search_spaces.nasnet.drawing import draw_cell
figure = draw_cell({cell!r}, title="a cell")
figure.canvas.draw()
figure.savefig(sys.stdout.buffer, format="raw")
assert "matplotlib.pyplot" not in sys.modules
"""
    environment = os.environ | {"PYTHONHASHSEED": "1"}
    other = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, check=True, env=environment
    )
    buffer = io.BytesIO()
    draw_cell(cell, title="a cell").savefig(buffer, format="raw")
    assert len(buffer.getvalue()) > 1_000_000
    digests = {hashlib.sha256(data).hexdigest() for data in (other.stdout, buffer.getvalue())}
    assert len(digests) == 1


@pytest.mark.parametrize("cell", [*PUBLISHED.values(), *map(book_cell, range(6))])
def test_the_convolutions_that_repair_are_drawn_where_something_is_concatenated(cell: Cell) -> None:
    cell = Cell(
        tuple(replace(b, combination=("add", "concat")[k % 2]) for k, b in enumerate(cell.blocks)),
        cell.concatenation,
    )
    figure = draw_cell(cell, title="a cell", repair=True)
    found, words = boxes(figure), texts(figure)

    def inscription(gid: str) -> list[str]:
        return [text for text, extent in words if holds(found[gid], extent)]

    for number, block in enumerate(cell.blocks, start=1):
        wanted = "concat, 1x1" if block.combination == "concat" else "add"
        assert inscription(f"combination-{number}") == [wanted]
        assert holds(found[f"block-{number}"], found[f"combination-{number}"])
    assert inscription("output") == ["concatenation, 1x1", "output of the cell"]
    alone = draw_cell(book_cell(0, blocks=1), title="", repair=True)
    assert "concatenation" in [text for text, _ in texts(alone)]


def test_the_space_draws_both_cells() -> None:
    space = NASNetSpace()
    figures = space.figures(space.sample(np.random.default_rng(0)))
    assert list(figures) == ["normal cell", "reduction cell"]
    for name, figure in figures.items():
        words = [text for text, _ in texts(figure)]
        assert name in words
        assert "concatenation, 1x1" in words
    wide = NASNetSpace.wide()
    for figure in wide.figures(wide.sample(np.random.default_rng(0))).values():
        assert "concatenation" in [text for text, _ in texts(figure)]
