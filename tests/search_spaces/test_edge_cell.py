"""NAS-Bench-201's cell: its sizes to the last digit, and which cells are the same network."""

import json
from itertools import permutations, product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cellwright.search_spaces import (
    EdgeCellGenotype,
    EdgeCellSpace,
    InvalidArchitecture,
    UnbuildableChild,
    costs,
    load_genotype,
)
from cellwright.search_spaces.edge_cell.form import normal_form
from cellwright.search_spaces.edge_cell.graph import OPERATIONS, edges_of, live_edges

keras = pytest.importorskip("keras")

SPACE = EdgeCellSpace()
cells = st.tuples(*[st.sampled_from(OPERATIONS)] * 6).map(lambda six: (six[:1], six[1:3], six[3:]))
ALL = [(six[:1], six[1:3], six[3:]) for six in product(OPERATIONS, repeat=6)]
NOTHING = "|none~0|+|none~0|none~1|+|none~0|none~1|none~2|"
# Rows of the benchmark's table: `params_M`, in millions, of the 32x32 network of 10 classes.
PUBLISHED = {
    "|avg_pool_3x3~0|+|nor_conv_1x1~0|skip_connect~1|"
    "+|nor_conv_1x1~0|skip_connect~1|skip_connect~2|": 129_306,
    "|nor_conv_3x3~0|+|nor_conv_3x3~0|avg_pool_3x3~1|"
    "+|skip_connect~0|nor_conv_3x3~1|skip_connect~2|": 802_426,
    "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|"
    "+|skip_connect~0|nor_conv_3x3~1|nor_conv_1x1~2|": 1_073_466,
    # Dead edges are counted: the convolution leads nowhere; the two read nothing.
    "|nor_conv_3x3~0|+|none~0|none~1|+|none~0|none~1|none~2|": 316_346,
    "|none~0|+|none~0|nor_conv_3x3~1|+|none~0|none~1|nor_conv_1x1~2|": 344_346,
    NOTHING: 73_306,
}


def params_of(cell):
    return {f"op_{a}{b}": operation for (a, b), operation in edges_of(cell)}


def parameters(cell):
    """Trainable parameters by the benchmark's description, dead edges included."""
    normalised = {1: lambda n: n * n + 2 * n, 3: lambda n: 9 * n * n + 2 * n}
    blocks = sum(9 * n * 2 * n + 2 * 2 * n + normalised[3](2 * n) + 2 * n * n for n in (16, 32))
    rest = 27 * 16 + 2 * 16 + blocks + 2 * 64 + 64 * 10 + 10
    sides = [int(o[-1]) for _, o in edges_of(cell) if o.startswith("nor_conv")]
    return rest + 5 * sum(normalised[side](n) for side in sides for n in (16, 32, 64))


@pytest.mark.parametrize("text", PUBLISHED)
def test_networks_have_the_sizes_of_the_benchmarks_table(text):
    genotype = EdgeCellGenotype.parse(text)
    model = genotype.build((32, 32, 3), 10, dead_edges=True)
    assert costs(model).trainable == parameters(genotype.edges) == PUBLISHED[text]
    assert genotype.in_short() == text
    assert SPACE.genotype(params_of(genotype.edges)) == genotype


def test_a_child_leaves_out_the_edges_that_change_nothing():
    """Node 1 reads nothing but zeros, and node 2 is read by none."""
    text = "|none~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|skip_connect~0|nor_conv_3x3~1|none~2|"
    genotype = EdgeCellGenotype.parse(text)
    assert live_edges(genotype.edges) == {(0, 3)}
    options = {"repeats": 1, "reductions": 0, "filters": 4}
    bare = EdgeCellGenotype.parse("|none~0|+|none~0|none~1|+|skip_connect~0|none~1|none~2|")
    lean, full, least = (
        costs(one.build((8, 8, 3), 3, dead_edges=dead, **options)).trainable
        for one, dead in ((genotype, False), (genotype, True), (bare, True))
    )
    assert lean == least
    assert full == least + 3 * (9 * 16 + 8)


def test_a_cell_without_a_path_gives_zeros(outputs):
    model = EdgeCellGenotype.parse(NOTHING).build((8, 8, 3), 3, seed=0, repeats=1, filters=4)
    x = np.random.default_rng(0).random((2, 8, 8, 3), dtype=np.float32)
    found = outputs(model, x)
    np.testing.assert_array_equal(found[0], found[1])


def function_of(cell, weights):
    """What a cell computes on a number, for many weights of its convolutions at once.

    A convolution is a polynomial without symmetries, a pool another; all modulo a prime. ``None``
    stands for nothing, which no operation makes something of.
    """
    prime = 2_147_483_629
    nodes = [np.full(len(weights), 1_234_567, dtype=object)]
    for target, operations in enumerate(cell, start=1):
        total = None
        for source, operation in enumerate(operations):
            x = nodes[source]
            if operation == "none" or x is None:
                continue
            if operation == "avg_pool_3x3":
                x = (x * x + 991 * x + 5) % prime
            elif operation != "skip_connect":
                x = (x * x * x + weights[:, source, target] * x + 77) % prime
            total = x if total is None else (total + x) % prime
        nodes.append(total)
    return nodes[-1]


def family_of(cell):
    """All that a cell can compute with some given weights: however its convolutions have them."""
    live = live_edges(cell)
    slots = [
        [edge for edge, operation in edges_of(cell) if operation == name and edge in live]
        for name in ("nor_conv_1x1", "nor_conv_3x3")
    ]
    orders = [
        [*first, *second]
        for first in permutations(range(101, 101 + len(slots[0])))
        for second in permutations(range(50_001, 50_001 + len(slots[1])))
    ]
    weights = np.zeros((len(orders), 4, 4), dtype=object)
    for row, order in enumerate(orders):
        for edge, weight in zip(slots[0] + slots[1], order, strict=True):
            weights[row][edge] = weight
    found = function_of(cell, weights)
    return None if found is None else (len(slots[0]), len(slots[1]), frozenset(found))


def test_cells_have_one_form_exactly_if_they_compute_the_same_functions():
    """All 15,625: each form's cells have one family of functions, and no two forms have the same.

    Two convolutions always have different weights here, so that a cell that reads one of them twice
    is told from a cell that has two.
    """
    forms, families = {}, {}
    for cell in ALL:
        form, family = SPACE.key(params_of(cell)), family_of(cell)
        assert forms.setdefault(form, family) == family
        assert families.setdefault(family, form) == form
    assert len(forms) == len(families) == 5_260


def written(cell, zeros):
    """A cell as the benchmark's authors compare them, ``to_unique_str`` of their code."""
    nodes = ["0"]
    for operations in cell:
        parts = []
        for source, operation in enumerate(operations):
            if zeros and (operation == "none" or nodes[source] == "#"):
                parts.append("#")
            elif operation == "skip_connect":
                parts.append(nodes[source])
            else:
                parts.append(f"({nodes[source]})@{operation}")
        nodes.append("+".join(sorted(parts)))
    return nodes[-1]


def test_the_space_has_as_many_different_cells_as_are_counted():
    """The authors' texts count 6,466; they tell x + 0 from x and, in parts of sums, a + b from
    b + a, and they do not tell one convolution that is read twice from two."""
    assert len({written(cell, zeros=False) for cell in ALL}) == 12_751
    assert len({written(cell, zeros=True) for cell in ALL}) == 6_466
    assert len({SPACE.key(params_of(cell)) for cell in ALL}) == 5_260
    once = EdgeCellGenotype.parse(
        "|nor_conv_1x1~0|+|none~0|skip_connect~1|+|none~0|nor_conv_3x3~1|nor_conv_3x3~2|"
    )
    twice = EdgeCellGenotype.parse(
        "|nor_conv_1x1~0|+|nor_conv_1x1~0|none~1|+|none~0|nor_conv_3x3~1|nor_conv_3x3~2|"
    )
    assert normal_form(once.edges) != normal_form(twice.edges)
    assert written(once.edges, zeros=True).replace("#+", "") == written(
        twice.edges, zeros=True
    ).replace("#+", "")


@given(cell=cells)
def test_the_canonical_cell_is_the_first_and_its_own(cell):
    params = params_of(cell)
    canonical = SPACE.canonical(params)
    assert SPACE.canonical(canonical) == canonical
    assert SPACE.encode(canonical) <= SPACE.encode(params)
    edges = SPACE.genotype(canonical).edges
    assert normal_form(edges) == normal_form(cell)
    assert {edge for edge, operation in edges_of(edges) if operation != "none"} == live_edges(edges)


@given(cell=cells)
def test_nodes_may_change_places(cell):
    """Nodes 1 and 2 of a cell in which neither reads the other are interchangeable."""
    (first,), (second, _), (a, b, c) = cell
    one, other = ((first,), (second, "none"), (a, b, c)), ((second,), (first, "none"), (a, c, b))
    assert SPACE.key(params_of(one)) == SPACE.key(params_of(other))


def test_equal_forms_have_equal_outputs(outputs):
    """A child and that of its canonical form, with the same weights."""
    texts = (
        "|skip_connect~0|+|nor_conv_3x3~0|none~1|+|none~0|nor_conv_1x1~1|avg_pool_3x3~2|",
        "|nor_conv_3x3~0|+|none~0|skip_connect~1|+|nor_conv_1x1~0|avg_pool_3x3~1|skip_connect~2|",
        "|none~0|+|nor_conv_1x1~0|nor_conv_3x3~1|+|none~0|nor_conv_3x3~1|skip_connect~2|",
    )
    x = np.random.default_rng(0).random((3, 8, 8, 3), dtype=np.float32)
    for text in texts:
        params = params_of(EdgeCellGenotype.parse(text).edges)
        canonical = SPACE.canonical(params)
        assert canonical != params
        options = {"repeats": 1, "reductions": 1, "filters": 4}
        first = SPACE.build(params, (8, 8, 3), 3, seed=0, **options)
        second = SPACE.build(canonical, (8, 8, 3), 3, seed=1, **options)
        # None of these has two convolutions of a kind, so layers are told by cell and kind.
        known = {_kind(layer): layer.get_weights() for layer in first.layers}
        for layer in second.layers:
            layer.set_weights(known[_kind(layer)] if layer.weights else [])
        np.testing.assert_allclose(outputs(first, x), outputs(second, x), atol=1e-6)


def _kind(layer):
    if not layer.weights:
        return ""
    cell, *_ = layer.name.split("_edge_")
    return (cell, layer.name.rpartition("_nor_")[2])


@given(cell=cells)
def test_a_genotype_survives_json_and_the_benchmarks_notation(cell):
    genotype = EdgeCellGenotype(cell, "mine")
    assert EdgeCellGenotype.from_dict(json.loads(json.dumps(genotype.to_dict()))) == genotype
    assert EdgeCellGenotype.parse(genotype.in_short(), "mine") == genotype


def test_a_genotype_file_is_read(tmp_path):
    genotype = EdgeCellGenotype.parse(NOTHING)
    (tmp_path / "found.json").write_text(json.dumps(genotype.to_dict()), encoding="utf-8")
    assert load_genotype(tmp_path / "found.json") == genotype
    (tmp_path / "found.json").write_text('{"edges": [["conv"]]}', encoding="utf-8")
    with pytest.raises(InvalidArchitecture, match="'conv'; known are none, skip_connect"):
        load_genotype(tmp_path / "found.json")


@pytest.mark.parametrize(
    ("edges", "message"),
    [
        ((), "2 to 4 nodes"),
        ((("none",),) * 4, "2 to 4 nodes"),
        ((("none",), ("none",)), "node 2 needs an operation from each of the 2"),
        (("none",), "node 1 needs a list"),
        ("n", "node 1 needs a list"),
        ((("sep_3x3",),), "node 1 has the operation 'sep_3x3'"),
        (3, "edges must be lists"),
    ],
)
def test_what_is_no_cell_is_refused(edges, message):
    with pytest.raises(InvalidArchitecture, match=message):
        EdgeCellGenotype.from_dict({"edges": edges})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("none", "is not a cell such as"),
        ("|none~0|+|none~1|none~0|", "node 2 .* must read the nodes 0 to 1 in order"),
        ("|conv~0|", "'conv'; known are"),
    ],
)
def test_what_is_no_notation_is_refused(text, message):
    with pytest.raises(InvalidArchitecture, match=message):
        EdgeCellGenotype.parse(text)


@pytest.mark.parametrize(
    ("shape", "options", "message"),
    [
        ((8, 8), {}, "height, width, channels"),
        ((3, 8, 3), {}, "an image of 3x8 is too small for 2 reductions"),
        ((8, 8, 3), {"repeats": 0}, "repeats must be at least 1"),
        ((8, 8, 3), {"filters": 2.5}, "filters must be an integer"),
        ((8, 8, 3), {"reductions": -1}, "reductions must be at least 0"),
        ((8, 8, 3), {"dead_edges": 1}, "dead_edges must be true or false"),
    ],
)
def test_what_cannot_be_made_is_refused(shape, options, message):
    with pytest.raises(UnbuildableChild, match=message):
        EdgeCellGenotype.parse(NOTHING).build(shape, 10, **options)
    with pytest.raises(UnbuildableChild, match=message):
        SPACE.check_input(shape, 10, **options)


def test_smaller_spaces_and_impossible_ones():
    assert EdgeCellSpace(nodes=3).size == 125
    few = EdgeCellSpace(nodes=3, operations=("skip_connect", "nor_conv_3x3"))
    assert few.size == 8
    assert few.canonical(few.decode([1, 1, 0])) == few.decode([0, 1, 1])  # both convolve the input
    with pytest.raises(ValueError, match="nodes must be 2 to 4"):
        EdgeCellSpace(nodes=5)
    with pytest.raises(ValueError, match="operations must be of none, skip_connect"):
        EdgeCellSpace(operations=("sep_3x3",))


def test_the_picture_has_a_box_for_each_edge_and_pales_what_changes_nothing():
    text = "|nor_conv_3x3~0|+|skip_connect~0|none~1|+|none~0|none~1|avg_pool_3x3~2|"
    axes = EdgeCellGenotype.parse(text, "mine").figures()["cell"].axes[0]
    strength = {patch.get_gid(): patch.get_alpha() for patch in axes.patches if patch.get_gid()}
    boxes = {name: value for name, value in strength.items() if name.startswith("operation")}
    live = {"operation-02", "operation-23"}
    assert {name for name, value in boxes.items() if value == 1} == live
    assert len(boxes) == 6
    assert {f"node-{node}" for node in range(4)} <= strength.keys()
    assert "mine: cell" in [text.get_text() for text in axes.texts]
