"""The published networks, parameter for parameter, and what they are made of."""

import json
from math import comb

import numpy as np
import pytest

from cellwright.search_spaces import (
    GENOTYPES,
    OPERATION_SETS,
    Block,
    Cell,
    Genotype,
    InvalidArchitecture,
    NASNetSpace,
    Skeleton,
    UnbuildableChild,
    costs,
    load_genotype,
    notation,
    register_operation,
)
from cellwright.search_spaces.nasnet import operation_sets

keras = pytest.importorskip("keras")

CIFAR, IMAGENET = ((32, 32, 3), 10), ((224, 224, 3), 1000)
PUBLISHED = {  # total, trainable, multiply-adds; None where no figure was published
    "NASNet-A 4 @ 1056": (
        *("nasnet-a", IMAGENET, Skeleton.imagenet(*notation("4 @ 1056"))),
        (5_326_716, 5_289_978, 563_638_816),
    ),
    "NASNet-A 6 @ 4032": (  # keras.applications.NASNetLarge; imgclsmob counts the trainable too
        *("nasnet-a", ((331, 331, 3), 1000), Skeleton.imagenet_large(*notation("6 @ 4032"))),
        (88_949_818, 88_753_150, 23_783_414_658),
    ),
    "NASNet-A 6 @ 768": (
        *("nasnet-a", CIFAR, Skeleton.cifar(*notation("6 @ 768"))),
        (3_383_786, 3_346_538, 544_333_312),
    ),
    "NASNet-A 6 @ 768 and auxiliary head": (
        *("nasnet-a", CIFAR, Skeleton.cifar(6, 32, auxiliary=True)),
        (5_017_076, 4_978_036, None),
    ),
    "NASNet-A N 2 F 32": (
        *("nasnet-a", CIFAR, Skeleton.cifar()),
        (1_310_442, 1_294_698, 232_185_344),
    ),
    "AmoebaNet-A N 6 F 36": (
        *("amoebanet-a", CIFAR, Skeleton.cifar(6, 36)),
        (None, 3_218_266, None),
    ),
    "AmoebaNet-A N 6 F 32": (
        *("amoebanet-a", CIFAR, Skeleton.cifar(6, 32)),
        (None, 2_567_754, None),
    ),
    "AmoebaNet-A N 4 F 50": (
        *("amoebanet-a", IMAGENET, Skeleton.imagenet(4, 50)),
        (None, 5_086_898, None),
    ),
    # What their code prints as "param size", in millions, of these two networks.
    "DARTS, second order, 20 cells of 36 filters": (
        *("darts-v2", CIFAR, Skeleton.darts()),
        (None, 3_349_342, None),
    ),
    "DARTS, second order, 14 cells of 48 filters": (
        *("darts-v2", IMAGENET, Skeleton.darts_imagenet()),
        (None, 4_718_752, None),
    ),
}
PUBLISHED["PNASNet-5 N 4 F 216"] = (  # the trainable of osmr/imgclsmob's pnasnet5large
    *("pnasnet-5", ((331, 331, 3), 1000), Skeleton.pnasnet_imagenet(4, 216, stem_filters=96)),
    (86_234_656, 86_057_668, 24_937_395_792),
)
# Millions of trainable parameters and of multiply-adds, as papers round them.
ROUNDED = {
    "NASNet-A 4 @ 1056, Zoph et al. 2018, table 3": (
        *("nasnet-a", IMAGENET, Skeleton.imagenet()),
        (5.3, 564),
    ),
    "NASNet-A 6 @ 4032, Zoph et al. 2018, table 2": (
        *("nasnet-a", ((331, 331, 3), 1000), Skeleton.imagenet_large()),
        (88.8, 23_800),  # the paper has 88.9: it counts the moving statistics
    ),
    "AmoebaNet-A N 4 F 50, Real et al. 2018, table 2": (
        *("amoebanet-a", IMAGENET, Skeleton.imagenet(4, 50)),
        (5.1, 555),
    ),
    "AmoebaNet-A N 6 F 190, Real et al. 2018, table 2": (
        *("amoebanet-a", ((331, 331, 3), 1000), Skeleton.imagenet(6, 190)),
        (86.7, 23_100),
    ),
    "AmoebaNet-B N 6 F 36, Real et al. 2018": (
        *("amoebanet-b", CIFAR, Skeleton.cifar(6, 36)),
        (2.8, None),
    ),
    "AmoebaNet-B N 3 F 62, Real et al. 2018": (
        *("amoebanet-b", IMAGENET, Skeleton.imagenet(3, 62)),
        (5.3, 555),
    ),
    "AmoebaNet-C N 4 F 44, Real et al. 2018": (
        *("amoebanet-c", IMAGENET, Skeleton.imagenet(4, 44)),
        (5.1, 535),
    ),
    "AmoebaNet-C N 4 F 50, Real et al. 2018": (  # the paper's 570 are too few beside F 44's 535
        *("amoebanet-c", IMAGENET, Skeleton.imagenet(4, 50)),
        (6.4, None),
    ),
    "PNASNet-5 N 3 F 54, Liu et al. 2018": (  # the paper has 588 million multiply-adds
        *("pnasnet-5", IMAGENET, Skeleton.pnasnet_imagenet()),
        (5.1, 587),
    ),
    "PNASNet-5 N 3 F 48, Liu et al. 2018": (
        *("pnasnet-5", CIFAR, Skeleton.pnasnet()),
        (3.2, None),
    ),
}
TINY = Skeleton.cifar(1, 4, reductions=1)
CELLS = [load_genotype(name) for name in ("nasnet-a", "amoebanet-a", "darts-v1", "darts-v2")]


# Those that repeat a genotype in a skeleton of which a smaller one, or another, is built as well.
LONG = (
    *("NASNet-A 6 @ 4032", "NASNet-A 6 @ 768", "NASNet-A 6 @ 768 and auxiliary head"),
    *("AmoebaNet-A N 6 F 36", "AmoebaNet-A N 6 F 32"),
    *("DARTS, second order, 20 cells of 36 filters", "DARTS, second order, 14 cells of 48 filters"),
    "PNASNet-5 N 4 F 216",
)


@pytest.mark.parametrize(
    "network",
    [pytest.param(name, marks=[pytest.mark.slow] if name in LONG else []) for name in PUBLISHED],
)
def test_published_networks_have_their_published_sizes(network):
    name, (shape, classes), skeleton, wanted = PUBLISHED[network]
    found = costs(load_genotype(name).build(shape, classes, skeleton, seed=0))
    for figure, value in zip(
        wanted, (found.parameters, found.trainable, found.multiply_adds), strict=True
    ):
        assert figure in (None, value)


@pytest.mark.slow
@pytest.mark.parametrize("network", ROUNDED)
def test_published_networks_have_the_sizes_of_the_papers_tables(network):
    name, (shape, classes), skeleton, (parameters, multiply_adds) = ROUNDED[network]
    found = costs(load_genotype(name).build(shape, classes, skeleton))
    assert round(found.trainable / 1e6, 1) == parameters
    if multiply_adds is not None:
        digits = 0 if multiply_adds < 1000 else -2
        assert round(found.multiply_adds / 1e6, digits) == multiply_adds


def test_published_spaces_have_their_published_sizes():
    inputs, operations, combinations = 518_400, 13**10, 2**5
    assert inputs * operations * combinations == 2_286_906_949_584_691_200
    assert NASNetSpace.published().size == 2_286_906_949_584_691_200**2
    assert len(NASNetSpace.published().decisions) == 50
    assert NASNetSpace.amoebanet().size == (518_400 * 8**10) ** 2
    assert len(NASNetSpace.amoebanet().decisions) == 40


def test_the_rule_of_unused_states_does_not_give_nasnet_a():
    genotype = load_genotype("nasnet-a")
    assert genotype.normal.concatenation == (1, 2, 3, 4, 5, 6)
    assert genotype.normal.unused_states() == (2, 3, 4, 5, 6)
    assert genotype.reduction.concatenation == (3, 4, 5, 6)
    assert genotype.reduction.unused_states() == (4, 5, 6)


def darts_parameters(genotype, repeats, filters, classes):
    """Trainable parameters by the paper's description (section 3.1 and 3.3), layer for layer.

    What nothing reads is not in a Keras model, and is not counted: the 1x1 convolution on an input
    that no block of its cell reads, and a cell that no later one reads.
    """

    def reduced(read, given):  # a factorized reduction: two halves, and a normalisation
        return read * 2 * (given // 2) + 2 * given

    def projected(read, given):  # a 1x1 convolution and a normalisation
        return read * given + 2 * given

    def operation(name, stride, width):
        kind, size = name.split("_conv_") if "_conv_" in name else (name, "0")
        once = int(size[0]) ** 2 * width + width**2 + 2 * width
        return {"sep": 2 * once, "dil": once}.get(kind, 0) + (
            reduced(width, width) if name == "skip_connect" and stride == 2 else 0
        )

    kinds = (["normal"] * repeats + ["reduction"]) * 2 + ["normal"] * repeats
    reads = {
        kind: {state for block in getattr(genotype, kind).blocks
               for state in (block.input_1, block.input_2)}
        for kind in ("normal", "reduction")
    }  # fmt: skip
    live, pending = set(), [len(kinds) - 1]  # numbers of cells; the two stems are -1 and -2
    while pending:
        number = pending.pop()
        live.add(number)
        if number >= 0:
            pending += [number - 1 - state for state in reads[kinds[number]] & {0, 1}]

    stem = 3 * filters
    total, before, current, width, halved = 27 * stem + 2 * stem, stem, stem, filters, False
    for number, kind in enumerate(kinds):
        width *= 2 if kind == "reduction" else 1
        cell = getattr(genotype, kind)
        if number in live:
            bring = reduced if halved else projected
            total += bring(before, width) * (1 in reads[kind])
            total += projected(current, width) * (0 in reads[kind])
            for block in cell.blocks:
                for state, name in (
                    (block.input_1, block.operation_1), (block.input_2, block.operation_2)
                ):  # fmt: skip
                    total += operation(name, 2 if kind == "reduction" and state < 2 else 1, width)
        before, current, halved = current, len(cell.concatenation) * width, kind == "reduction"
    return total + current * classes + classes


@pytest.mark.parametrize("name", ["darts-v1", "darts-v2"])
def test_a_count_by_description_agrees_with_the_published_one(name):
    genotype = load_genotype(name)
    wanted = {"darts-v2": 3_349_342}
    assert darts_parameters(genotype, 6, 36, 10) == wanted.get(name, 3_169_414)
    small = genotype.build((8, 8, 3), 3, Skeleton.darts(1, 4))
    assert costs(small).trainable == darts_parameters(genotype, 1, 4, 3)


@pytest.mark.parametrize(
    ("children", "repeats", "filters"),
    [(4, 1, 6), pytest.param(200, 6, 36, marks=[pytest.mark.slow, pytest.mark.timeout(3600)])],
)
def test_children_of_the_darts_space_have_the_sizes_of_its_skeleton(children, repeats, filters):
    space, rng = NASNetSpace.darts(), np.random.default_rng(0)
    assert len(space.decisions) == 32
    assert space.size == ((2 * 3 * 4 * 5) ** 2 * 7**8) ** 2
    for _ in range(children):
        params = space.sample(rng)
        model = space.build(params, (32, 32, 3), 10, repeats=repeats, filters=filters)
        wanted = darts_parameters(space.genotype(params), repeats, filters, 10)
        assert costs(model).trainable == wanted
        keras.backend.clear_session()


def test_two_hundred_darts_children_have_the_sizes_of_the_papers_skeleton():
    """By their pieces, which test_pieces.py holds to be what is built; the slow test above builds
    them."""
    space, rng = NASNetSpace.darts(), np.random.default_rng(0)
    sizes = {}
    for _ in range(200):
        params = space.sample(rng)
        pieces = space.pieces(params, (32, 32, 3), 10)
        sizes |= {
            piece: costs(space.build_piece(piece)).trainable
            for piece in pieces.keys() - sizes.keys()
        }
        found = sum(times * sizes[piece] for piece, times in pieces.items())
        assert found == darts_parameters(space.genotype(params), 6, 36, 10)


@pytest.mark.parametrize("name", GENOTYPES)
def test_genotypes_survive_json(name, tmp_path):
    genotype = load_genotype(name)
    file = tmp_path / "genotype.json"
    file.write_text(json.dumps(genotype.to_dict()), encoding="utf-8")
    assert load_genotype(file) == genotype


def test_unknown_genotypes_are_refused(tmp_path):
    with pytest.raises(ValueError, match="Did you mean 'nasnet-a'"):
        load_genotype("nasnet_a")
    (tmp_path / "broken.json").write_text("{", encoding="utf-8")
    with pytest.raises(InvalidArchitecture, match="not JSON"):
        load_genotype(tmp_path / "broken.json")
    (tmp_path / "list.json").write_text("[1]", encoding="utf-8")
    with pytest.raises(InvalidArchitecture, match="not a genotype"):
        load_genotype(tmp_path / "list.json")


def test_a_published_cell_is_a_point_of_its_space():
    """AmoebaNet-A's blocks can be chosen; its concatenation list cannot."""
    space = NASNetSpace.amoebanet()
    genotype = load_genotype("amoebanet-a")
    params = {
        f"{kind}/{number}/{part}": getattr(block, part)
        for kind in ("normal", "reduction")
        for number, block in enumerate(getattr(genotype, kind).blocks, start=1)
        for part in ("input_1", "input_2", "operation_1", "operation_2")
    }
    found = space.genotype(params)
    assert found.normal.blocks == genotype.normal.blocks
    assert found.reduction.blocks == genotype.reduction.blocks
    assert found.operation_set == "amoebanet"
    assert found.normal.concatenation == genotype.normal.unused_states()


def test_one_genotype_in_a_small_and_a_large_skeleton():
    space = NASNetSpace.amoebanet(blocks=2)
    genotype = space.genotype(space.sample(np.random.default_rng(0)))
    small = genotype.build((8, 8, 3), 10, Skeleton.cifar(1, 4))
    large = genotype.build((32, 32, 3), 10, Skeleton.cifar(2, 12))
    deep = genotype.build((64, 64, 3), 20, Skeleton.imagenet(1, 8))
    sizes = [costs(model).parameters for model in (small, large, deep)]
    assert sizes[0] < sizes[1]
    assert deep.output_shape == (None, 20)
    assert sizes[2] > sizes[0]


def test_large_skeleton_places_cells_as_the_paper():
    places = Skeleton.imagenet_large().places()
    reductions = [i for i, place in enumerate(places, start=1) if place.kind == "reduction"]
    assert reductions == [1, 2, 9, 16]  # two in the stem, before normal cells 6 and 12 (from 0)
    assert [place.filters for place in places[:3]] == [42, 84, 168]
    assert places[0].before is None
    # Output 9 is the reduction's. Normal cell 10 also reads output 7, not 8; cell 11 reads on.
    assert [place.before for place in places[8:11]] == [7, 7, 9]
    assert [place.before for place in Skeleton.imagenet(6, 168).places()[8:11]] == [7, 8, 9]


def test_a_reduction_of_pnasnet_takes_the_place_of_a_normal_cell():
    kinds = [place.kind[0] for place in Skeleton.pnasnet_imagenet(4, 216).places()]
    assert "".join(kinds) == "rr" + "nnnn" + "rnnn" + "rnnn"
    filters = [place.filters for place in Skeleton.pnasnet(2, 8).places()]
    assert filters == [8, 8, 16, 16, 32, 32]
    for skeleton in (Skeleton.pnasnet(1, 8), Skeleton.pnasnet_imagenet(3, 54)):
        places = skeleton.places()
        assert skeleton.normal_cells == sum(place.kind == "normal" for place in places)
        assert skeleton.reduction_cells == sum(place.kind == "reduction" for place in places)


def one_block(operation):
    cell = Cell((Block(0, 1, operation, "sep_3x3", "add"),), (2,))
    return Genotype(cell, cell)


def test_auxiliary_head_stands_before_the_last_reduction():
    skeleton = Skeleton.cifar(1, 2, auxiliary=True)
    model = one_block("max_3x3").build((20, 20, 3), 5, skeleton)
    assert {name: tensor.shape for name, tensor in model.output.items()} == {
        "classes": (None, 5),
        "auxiliary": (None, 5),
    }
    assert model.get_layer("auxiliary_relu").input.shape[1:3] == (10, 10)
    model.compile(
        "adam",
        dict.fromkeys(("classes", "auxiliary"), "sparse_categorical_crossentropy"),
        loss_weights={"classes": 1.0, "auxiliary": 0.4},
        run_eagerly=keras.backend.backend() != "jax",
    )
    labels = np.arange(4) % 5
    losses = model.train_on_batch(
        np.random.default_rng(0).random((4, 20, 20, 3)),
        {"classes": labels, "auxiliary": labels},
        return_dict=True,
    )
    assert np.isfinite(losses["loss"])


@pytest.mark.parametrize("operation_set", OPERATION_SETS)
@pytest.mark.parametrize("stride", [1, 2])
def test_every_operation_of_every_set_keeps_its_promise(operation_set, stride):
    """``filters`` channels, the size divided by the stride rounded up, from fitting and other."""
    from cellwright.search_spaces.context import Context
    from cellwright.search_spaces.nasnet.operations import build_operation

    for channels in (4, 6):
        image = keras.Input((7, 10, channels))
        for name in OPERATION_SETS[operation_set]:
            at = Context(f"{name}_{channels}", 0)
            found = build_operation(operation_set, name, image, 4, stride, at)
            assert found.shape == ((None, 7, 10, 4) if stride == 1 else (None, 4, 5, 4)), name


def test_dilated_strided_convolution_reads_every_second_pixel():
    from cellwright.search_spaces.context import Context
    from cellwright.search_spaces.nasnet.operations import convolution

    image = keras.Input((8, 8, 1))
    at = Context("test", 0)
    model = keras.Model(image, convolution(image, 1, 2, at, kernels=[(3, 3)], dilation=2))
    kernel = np.zeros((3, 3, 1, 1))
    kernel[1, 2] = 1.0  # one hole of 2 to the right
    model.get_layer("test_convolution").set_weights([kernel])
    x = np.arange(64, dtype=np.float32).reshape(1, 8, 8, 1)
    found = keras.ops.convert_to_numpy(model(x, training=False))[0, :, :, 0] * np.sqrt(1 + 1e-3)
    np.testing.assert_allclose(found[0], [2, 4, 6, 0], rtol=1e-5)
    np.testing.assert_allclose(found[1], [18, 20, 22, 0], rtol=1e-5)


def test_own_operation_in_a_few_lines(monkeypatch):
    monkeypatch.setattr(operation_sets, "_YOURS", {})

    def swish(x, filters, stride, at):
        x = keras.layers.Activation("swish", name=f"{at.prefix}_swish")(x)
        return keras.layers.Conv2D(filters, 3, stride, "same", name=f"{at.prefix}_conv")(x)

    register_operation("swish_3x3", swish)
    for space in (
        NASNetSpace(blocks=1, operations=("swish_3x3", "identity")),
        NASNetSpace.published(blocks=2, operations=("swish_3x3", "sep_3x3")),
    ):
        params = space.decode([0] * len(space.decisions))
        model = space.build(params, (8, 8, 3), 3, filters=4)
        assert any(layer.name.endswith("_swish") for layer in model.layers)
    with pytest.raises(ValueError, match="sep_3x3"):
        register_operation("sep_3x3", swish)
    with pytest.raises(ValueError, match="callable"):
        register_operation("other", 3)


def test_drop_path_follows_its_schedule():
    from cellwright.search_spaces.drop_path import DropPath, Progress, cell_keep

    keep = cell_keep(0.6, cell=9, cells=20)
    assert keep == pytest.approx(0.8)
    progress, drop = Progress(4), DropPath(keep, seed=0)
    x = np.ones((4000, 1, 1, 2), np.float32)
    shares = []
    for _ in range(3):
        found = keras.ops.convert_to_numpy(drop([x, progress(x, training=True)], training=True))
        assert (found[..., 0] == found[..., 1]).all()  # a map is dropped as a whole
        kept = found[found > 0]
        shares.append((len(kept) / found.size, kept.min()))
    # After 0, 1 and 2 of 4 steps k is 1, .95 and .9; what is kept is divided by k.
    np.testing.assert_allclose([share for share, _ in shares], [1.0, 0.95, 0.9], atol=0.02)
    np.testing.assert_allclose([least for _, least in shares], [1, 1 / 0.95, 1 / 0.9], rtol=1e-5)
    assert (keras.ops.convert_to_numpy(drop([x, progress(x)])) == 1).all()


def test_network_with_drop_path_and_dropout_trains_counts_and_survives_saving(tmp_path, outputs):
    skeleton = TINY.change(drop_path_keep=0.6, drop_path_steps=10, dropout=0.5)
    genotype = load_genotype("nasnet-a")
    model = genotype.build((8, 8, 1), 3, skeleton, seed=1)
    names = [layer.name for layer in model.layers if layer.name.endswith("drop_path")]
    assert len(names) == 3 * 10 - 2 * 2 - 1
    assert not any("identity" in name for name in names)
    plain = genotype.build((8, 8, 1), 3, TINY, seed=1)
    assert costs(model).trainable == costs(plain).trainable
    model = one_block("identity").build((8, 8, 1), 3, skeleton, seed=1)
    compiled = keras.backend.backend() == "jax"
    model.compile("sgd", "sparse_categorical_crossentropy", jit_compile=compiled)
    x = np.random.default_rng(0).random((6, 8, 8, 1), dtype=np.float32)
    for _ in range(3):
        assert np.isfinite(model.train_on_batch(x, np.arange(6) % 3))
    assert float(model.get_layer("progress").step) == 3
    model.save(tmp_path / "child.keras")
    again = keras.models.load_model(tmp_path / "child.keras")
    assert float(again.get_layer("progress").step) == 3
    np.testing.assert_allclose(outputs(model, x), outputs(again, x), atol=1e-6)


def test_cells_may_return_their_own_inputs():
    """In a reduction cell these are reduced, and a raw input is brought to the cell's filters."""
    genotype = load_genotype("amoebanet-a")
    both = Genotype(
        Cell(genotype.normal.blocks, (0, 1, 6)),
        Cell(genotype.reduction.blocks, (0, 1, 6)),
        operation_set="amoebanet",
    )
    model = both.build((9, 9, 3), 3, TINY)
    widths = [
        layer.output.shape
        for layer in model.layers
        if layer.name in ("cell_1_normal_concat", "cell_2_reduction_concat")
    ]
    assert widths == [(None, 9, 9, 12), (None, 5, 5, 24)]


@pytest.mark.parametrize(
    ("skeleton", "shape", "message"),
    [
        (Skeleton.cifar(1, 4), (3, 8, 3), "at least 4x4"),
        (Skeleton.imagenet(1, 4), (31, 40, 3), "the stem, which need at least 32x32"),
        (Skeleton.cifar(1, 4, auxiliary=True), (8, 8, 3), "at least 5x5, here they are 4x4"),
    ],
)
def test_images_too_small_are_refused(skeleton, shape, message):
    with pytest.raises(UnbuildableChild, match=message):
        one_block("max_3x3").build(shape, 10, skeleton)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"kind": "mnist"}, "kind must be one of"),
        ({"filters": 0}, "filters must be at least 1"),
        ({"dropout": 1.0}, "dropout"),
        ({"drop_path_keep": 0.0}, "drop_path_keep"),
        ({"drop_path_steps": 0}, "drop_path_steps"),
        ({"pool_padding": "mirror"}, "pool_padding"),
        ({"auxiliary": True, "reductions": 0}, "auxiliary"),
        ({"kind": "imagenet", "filters": 3}, "at least 4"),
    ],
)
def test_impossible_skeletons_are_refused(fields, message):
    with pytest.raises(UnbuildableChild, match=message):
        Skeleton.cifar().change(**fields)


@pytest.mark.parametrize("text", ["4 x 1056", "4 @ 1000", "1056", ""])
def test_other_notations_are_refused(text):
    with pytest.raises(ValueError, match="N @ P"):
        notation(text)
    assert notation("7@1920") == (7, 80)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"operation_set": "mine"}, "unknown operation set 'mine'"),
        ({"operations": ("sep_9x9",)}, "sep_9x9"),
        ({"combinations": ("mul",)}, "combinations"),
        ({"concatenation": "some"}, "concatenation"),
    ],
)
def test_impossible_spaces_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        NASNetSpace.published(**arguments)


def test_canonical_counts_the_graphs_of_two_blocks():
    """One operation, always added. Block 1: 3 pairs of inputs. Block 2: 3 that do not read it.

    Those 3 x 3 make comb(3 + 1, 2) = 6 pairs; and 3 x 3 more cells read block 1 in block 2.
    """
    space = NASNetSpace.amoebanet(blocks=2, operations=("identity",))
    cells = set()
    for a, b, c, d in np.ndindex(2, 2, 3, 3):
        cells.add(space.key(space.decode((a, b, 0, 0, c, d, 0, 0) + (0,) * 8)))
    assert len(cells) == comb(4, 2) + 3 * 3
