"""Pieces of a network, told from its parameters, beside the network that is built of them."""

from collections import Counter

import numpy as np
import pytest

from cellwright.search_spaces import (
    AroundSpace,
    Decision,
    EdgeCellSpace,
    InvalidArchitecture,
    MnasNetSpace,
    NASNetSpace,
    SearchSpace,
    Skeleton,
    multiply_adds,
    register_operation,
)
from cellwright.search_spaces.export import inference_model
from cellwright.search_spaces.pieces import Piece, PieceGraph

SHAPE = (19, 16, 3)  # odd and even, so that strides round up
# Small children of every kind of skeleton, and every way in which cells are joined.
CASES = {
    "book": (NASNetSpace(blocks=2), SHAPE, {"filters": 4}),
    "book, wide": (NASNetSpace.wide(blocks=2), SHAPE, {"filters": 4}),
    "published, repaired": (
        NASNetSpace.published(blocks=3, repair=True),
        SHAPE,
        {"filters": 5, "repeats": 1},
    ),
    "published": (NASNetSpace.published(blocks=2), SHAPE, {"filters": 5, "repeats": 1}),
    "amoebanet": (
        NASNetSpace.amoebanet(blocks=2),
        (37, 34, 3),
        {"skeleton": Skeleton.imagenet(1, 8), "auxiliary": False, "dropout": 0.5},
    ),
    "large": (
        NASNetSpace.amoebanet(blocks=1, skeleton=Skeleton.imagenet_large(2, 8)),
        (33, 32, 3),
        {"drop_path_keep": 0.6},
    ),
    "pnasnet": (NASNetSpace.published(blocks=2), SHAPE, {"skeleton": Skeleton.pnasnet(2, 6)}),
    "pnasnet, large": (
        NASNetSpace.published(blocks=1),
        (37, 34, 3),
        {"skeleton": Skeleton.pnasnet_imagenet(1, 8)},
    ),
    "darts": (NASNetSpace(blocks=2, operation_set="darts", hierarchical=True), SHAPE, {}),
    "DARTS": (NASNetSpace.darts(blocks=2), SHAPE, {"filters": 6, "repeats": 1}),
    "DARTS, one state": (
        NASNetSpace.darts(blocks=1),
        SHAPE,
        {"filters": 6, "repeats": 2},
    ),
    "DARTS, large": (
        NASNetSpace.darts(blocks=2, skeleton=Skeleton.darts_imagenet(1, 6)),
        (37, 34, 3),
        {},
    ),
    "mnasnet": (MnasNetSpace(layers=(1, 2, 2), filters=(8, 12, 16), strides=(1, 2, 2)), SHAPE, {}),
    "around": (
        AroundSpace("mobilenet-v3-small"),
        SHAPE,
        {"width": 0.25, "weights": None, "drop_connect": 0.2},
    ),
    "mnasnet, narrow": (
        MnasNetSpace(layers=(2, 3), filters=(16, 24), strides=(2, 1), head=40),
        SHAPE,
        {"filters": 8, "stem_stride": 1, "momentum": 0.9},
    ),
    "edge cell": (EdgeCellSpace(), SHAPE, {"filters": 4, "repeats": 2}),
    "edge cell, dead edges": (
        EdgeCellSpace(),
        SHAPE,
        {"filters": 4, "repeats": 1, "reductions": 1, "dead_edges": True, "momentum": 0.9},
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_pieces_cost_together_what_the_network_costs(case):
    """Every weight and every multiplication of the child is in one piece, and nothing else."""
    space, shape, options = CASES[case]
    built = {}
    for seed in range(2):
        params = space.sample(np.random.default_rng(seed))
        model = inference_model(space.build(params, shape, 7, **options))
        pieces = space.pieces(params, shape, 7, **options)
        for piece in pieces.keys() - built.keys():
            built[piece] = space.build_piece(piece, **options)
        for cost in (multiply_adds, lambda model: model.count_params()):
            found = sum(times * cost(built[piece]) for piece, times in pieces.items())
            assert found == cost(model)
    for piece, model in built.items():
        height, width, _ = piece.shape
        assert model.input_shape[1:] == piece.shape
        if piece.operation.partition("_")[0] not in ("head", "classes", "stem"):
            stride = piece.stride
            expected = (-(-height // stride), -(-width // stride), piece.filters)
            assert model.output_shape[1:] == expected, piece


def cells(*blocks):
    return {
        f"{cell}/{number}/{part}": value
        for cell in ("normal", "reduction")
        for number, block in enumerate(blocks, start=1)
        for part, value in zip(
            ("input_1", "input_2", "operation_1", "operation_2", "combination"), block, strict=True
        )
    }


def test_what_nothing_depends_on_takes_no_time():
    space = NASNetSpace(blocks=1)
    options = {"filters": 4, "reductions": 1}
    only_current = cells((0, 0, "sep_3x3", "sep_5x5", "add"))
    pieces = space.pieces(only_current, (8, 8, 3), 2, **options)
    assert not any(piece.operation == "before" for piece in pieces)
    # Where cells read only the output of the cell before, every second cell has no reader.
    only_before = cells((1, 1, "sep_3x3", "sep_5x5", "add"))
    pieces = space.pieces(only_before, (8, 8, 3), 2, **options)
    assert not any(piece.operation == "current" for piece in pieces)
    assert sum(times for piece, times in pieces.items() if piece.operation == "sep_3x3") == 2


def test_equal_pieces_without_weights_are_computed_once():
    space = NASNetSpace.wide(blocks=2)
    twice = (0, 0, "avg_3x3", "max_3x3", "add")
    pieces = space.pieces(cells(twice, twice), (8, 8, 3), 2, filters=4, reductions=0)
    assert pieces == Counter(
        {
            Piece("current", (8, 8, 3), 4): 1,
            Piece("avg_3x3", (8, 8, 4), 4): 1,
            Piece("max_3x3", (8, 8, 4), 4): 1,
            Piece("add", (8, 8, 4), 4): 1,
            Piece("concat_2", (8, 8, 4), 8): 1,
            Piece("head", (8, 8, 8), 2): 1,
        }
    )
    weighs = (0, 0, "sep_3x3", "identity", "concat")
    pieces = space.pieces(cells(weighs, weighs), (8, 8, 3), 2, filters=4, reductions=0)
    assert pieces[Piece("sep_3x3", (8, 8, 4), 4)] == 2
    assert pieces[Piece("concat_2", (8, 8, 4), 8)] == 2
    assert not any(piece.operation == "identity" for piece in pieces)


def test_the_convolutions_that_repair_are_pieces():
    space = NASNetSpace(blocks=2)
    weighs = (0, 0, "sep_3x3", "identity", "concat")
    pieces = space.pieces(cells(weighs, weighs), (8, 8, 3), 2, filters=4, reductions=0)
    assert pieces[Piece("repair", (8, 8, 8), 4)] == 3  # of both blocks, and of the cell
    assert pieces[Piece("head", (8, 8, 4), 2)] == 1


def test_an_operation_of_yours_is_a_piece():
    def builder(x, filters, stride, at):
        import keras

        return keras.layers.Conv2D(filters, 3, strides=stride, padding="same")(x)

    register_operation("of_test_pieces", builder)
    space = NASNetSpace(blocks=1, operations=("of_test_pieces",))
    pieces = space.pieces(space.decode([0] * len(space.decisions)), (8, 8, 3), 2)
    mine = [piece for piece in pieces if piece.operation == "of_test_pieces"]
    assert {piece.stride for piece in mine} == {1, 2}
    assert space.build_piece(mine[0]).count_params() > 0


def test_spaces_and_pieces_that_are_not_known_are_refused():
    plain = SearchSpace([Decision("a", (1, 2))])
    piece = Piece("sep_9x9", (8, 8, 4), 4)
    with pytest.raises(NotImplementedError, match="does not say what its networks consist of"):
        plain.pieces({"a": 1}, (8, 8, 3), 2)
    with pytest.raises(NotImplementedError, match="does not say"):
        plain.build_piece(piece)
    for space in (NASNetSpace(), MnasNetSpace()):
        with pytest.raises(InvalidArchitecture, match="sep"):
            space.build_piece(piece)
        with pytest.raises(InvalidArchitecture, match="missing"):
            space.pieces({}, (8, 8, 3), 2)


def test_a_graph_counts_what_its_output_reads():
    graph = PieceGraph((9, 8, 3))
    first = graph.add(Piece("a", (9, 8, 3), 4, 2), graph.image)
    assert first.shape == (5, 4, 4)
    graph.add(Piece("unread", first.shape, 4), first)
    again = [graph.add(Piece("b", first.shape, 4), first, weights=False) for _ in range(2)]
    assert again[0] == again[1]
    other = graph.add(Piece("b", first.shape, 4), again[0], weights=False)
    assert graph.count(other) == Counter({Piece("a", (9, 8, 3), 4, 2): 1, other_piece(): 2})
    assert graph.count(graph.image) == Counter()
    assert str(Piece("a", (9, 8, 3), 4, 2)) == "a 9x8x3 -> 4 stride 2"


def other_piece():
    return Piece("b", (5, 4, 4), 4)
