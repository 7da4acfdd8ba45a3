"""Multilayer perceptrons: the space, the series' numbers, the builder, files and the picture."""

import itertools
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cellwright.search_spaces import (
    DenseLayer,
    DropoutLayer,
    InvalidArchitecture,
    MLPGenotype,
    MLPSpace,
    UnbuildableChild,
    costs,
    depth,
    load_genotype,
)

keras = pytest.importorskip("keras")

SPACE = MLPSpace()
LONG = MLPSpace(nodes=(2, 3), activations=("relu", "tanh", "gelu"), dropout=0.5, length=6)
seeds = st.integers(0, 2**32 - 1)


def test_the_vocabulary_is_that_of_the_series():
    assert len(SPACE.vocabulary) == 30
    assert [SPACE.vocabulary[token - 1] for token in (1, 15, 28, 29, 30)] == [
        "8 sigmoid", "64 relu", "512 elu", "dropout", "output",
    ]  # fmt: skip
    assert SPACE.names == ("layer/1", "layer/2")
    assert SPACE.decisions[0].choices == SPACE.vocabulary[:28]
    assert SPACE.decisions[1].choices == SPACE.vocabulary


@pytest.mark.parametrize(
    ("space", "networks"),
    [
        (SPACE, 28 + 28 * 29),
        (MLPSpace(length=2), 28),
        (MLPSpace(nodes=(4,), activations=("relu", "elu"), length=5), 2 * (1 + 3 + 9 + 27)),
    ],
)
def test_the_number_of_networks_is_that_of_the_sequences(space, networks):
    choices = [range(len(decision.choices)) for decision in space.decisions]
    points = [space.decode(indices) for indices in itertools.product(*choices)]
    assert len({space.key(params) for params in points}) == networks
    assert len({space.tokens(params) for params in points}) == networks
    assert len({space.genotype(params) for params in points}) == networks


@pytest.mark.parametrize(
    ("tokens", "layers"),
    [
        ((15, 28, 30), (DenseLayer(64, "relu"), DenseLayer(512, "elu"))),
        ((1, 29, 30), (DenseLayer(8, "sigmoid"), DropoutLayer(0.2))),
        ((28, 30, 0), (DenseLayer(512, "elu"),)),
        ((28, 30), (DenseLayer(512, "elu"),)),
    ],
)
def test_tokens_are_those_of_the_series(tokens, layers):
    params = SPACE.from_tokens(tokens)
    assert SPACE.genotype(params).layers == layers
    assert SPACE.tokens(params) == (*tokens, 0)[:3]


@given(seed=seeds)
def test_tokens_name_the_network(seed):
    params = LONG.sample(np.random.default_rng(seed))
    tokens = LONG.tokens(params)
    assert len(tokens) == LONG.length
    assert LONG.from_tokens(tokens) == LONG.canonical(params)
    end = tokens.index(8)
    assert len(LONG.genotype(params).layers) == end
    assert not any(tokens[end + 1 :])


@pytest.mark.parametrize(
    "tokens", [(), (30,), (15,), (15, 28), (29, 30), (15, 30, 3), (1, 2, 3, 30), (1, 31, 30), (0,),
               (15, 0, 30)]
)  # fmt: skip
def test_tokens_that_are_no_sequence_are_refused(tokens):
    with pytest.raises(InvalidArchitecture):
        SPACE.from_tokens(tokens)


@given(seed=seeds)
def test_what_stands_after_the_output_layer_has_no_effect(seed):
    rng = np.random.default_rng(seed)
    params, other = LONG.sample(rng), LONG.sample(rng)
    active = dict(zip(LONG.names, LONG.active(params), strict=True))
    before = [name for name in LONG.names if active[name]]
    assert before == list(LONG.names[: len(before)])
    assert "output" not in [params[name] for name in before[:-1]]
    changed = {name: (params if active[name] else other)[name] for name in LONG.names}
    assert LONG.key(changed) == LONG.key(params)
    assert LONG.genotype(changed) == LONG.genotype(LONG.canonical(params))


@given(seed=seeds)
def test_a_mutation_is_another_network(seed):
    rng = np.random.default_rng(seed)
    params = LONG.sample(rng)
    mutated = LONG.mutate(params, rng)
    assert LONG.key(mutated) != LONG.key(params)
    assert LONG.genotype(mutated) != LONG.genotype(params)


def test_size_and_depth_are_those_of_the_formula():
    model = SPACE.build(SPACE.from_tokens((15, 29, 30)), (11,), 3)
    assert [type(layer).__name__ for layer in model.layers] == [
        "InputLayer", "Dense", "Dropout", "Dense",
    ]  # fmt: skip
    found = costs(model)
    assert found.parameters == found.trainable == (11 + 1) * 64 + (64 + 1) * 3
    assert found.multiply_adds == 11 * 64 + 64 * 3
    assert depth(model) == 2
    assert model.layers[2].rate == 0.2


@pytest.mark.parametrize(
    ("classes", "last", "activation"),
    [(3, "classes", "softmax"), (2, "classes", "softmax"), (None, "value", "linear")],
)
def test_outputs_are_those_of_the_layers_by_hand(classes, last, activation, outputs):
    model = SPACE.build(SPACE.from_tokens((15, 10, 30)), (5,), classes, seed=1)
    x = np.random.default_rng(0).normal(size=(4, 5)).astype(np.float32)
    weights = [array.astype(np.float64) for array in model.get_weights()]
    hidden = np.maximum(x @ weights[0] + weights[1], 0)
    hidden = np.tanh(hidden @ weights[2] + weights[3])
    wanted = hidden @ weights[4] + weights[5]
    if classes:
        wanted = np.exp(wanted) / np.exp(wanted).sum(axis=1, keepdims=True)
    assert wanted.shape == (4, classes or 1)
    np.testing.assert_allclose(outputs(model, x), wanted, atol=1e-5)
    assert model.layers[-1].name == last
    assert model.layers[-1].activation.__name__ == activation


def test_a_rate_of_dropout_can_be_set_for_all_layers():
    params = SPACE.from_tokens((15, 29, 30))
    assert SPACE.build(params, (4,), 3, dropout=0.7).layers[2].rate == 0.7
    with pytest.raises(UnbuildableChild, match="dropout"):
        SPACE.build(params, (4,), 3, dropout=1.0)


def test_images_are_flattened(outputs):
    model = SPACE.build(SPACE.from_tokens((3, 30)), (8, 8, 1), 10, seed=0)
    flat = SPACE.build(SPACE.from_tokens((3, 30)), (64,), 10, seed=0)
    x = np.random.default_rng(0).random((2, 8, 8, 1), dtype=np.float32)
    np.testing.assert_array_equal(outputs(model, x), outputs(flat, x.reshape(2, 64)))


@given(seed=seeds)
def test_any_genotype_goes_through_json(seed):
    genotype = LONG.genotype(LONG.sample(np.random.default_rng(seed)))
    assert MLPGenotype.from_dict(json.loads(json.dumps(genotype.to_dict()))) == genotype


def test_a_description_in_a_file_builds(tmp_path):
    params = SPACE.from_tokens((15, 29, 30))
    file = tmp_path / "genotype.json"
    file.write_text(json.dumps(SPACE.describe(params)))
    assert load_genotype(file).build((4,), None).output_shape == (None, 1)


@pytest.mark.parametrize("classes", [2, None])
def test_a_child_is_exported_in_every_format(classes, tmp_path):
    pytest.importorskip("ai_edge_litert")
    pytest.importorskip("tf2onnx")
    if keras.backend.backend() != "tensorflow":
        pytest.skip("LiteRT files are made by TensorFlow")
    from cellwright.search_spaces.export import (
        export_keras,
        export_litert,
        export_onnx,
        export_python,
    )

    space = MLPSpace(nodes=(4, 5), activations=("elu", "sigmoid"), length=4)
    params = space.decode([1, 4, 2])  # 4 sigmoid, dropout, 5 elu
    model = space.build(params, (7,), classes, seed=0)
    x = np.random.default_rng(0).normal(size=(6, 7)).astype(np.float32)
    export_keras(model, tmp_path / "child.keras", images=x)
    export_litert(model, tmp_path / "child.tflite", images=x)
    export_onnx(model, tmp_path / "child.onnx", images=x)
    done = export_python(model, tmp_path / "child.py", genotype=space.describe(params), images=x)
    assert done.difference <= 1e-6
    assert f"(batch, 7) to (batch, {classes or 1})" in (tmp_path / "child.py").read_text()


@pytest.mark.parametrize("built", [False, True])
@pytest.mark.parametrize("classes", [3, None])
def test_the_picture_has_every_layer(built, classes):
    params = SPACE.from_tokens((15, 29, 30))
    model = SPACE.build(params, (11,), classes) if built else None
    figure = SPACE.figures(params, model)["layers"]
    words = [text.get_text() for text in figure.axes[0].texts]
    assert {"features", "dense 64, relu", "dropout 0.2"} <= set(words)
    told = {"11", "768 parameters", "3 classes" if classes else "one number"}
    assert told <= set(words) if built else not told & set(words)
    gids = {patch.get_gid() for patch in figure.axes[0].patches}
    assert {f"part-{number}" for number in range(1, 5)} <= gids


@pytest.mark.parametrize(
    ("shape", "classes", "message"),
    [
        ((), 3, "input_shape"),
        ((0,), 3, "input_shape"),
        ((None,), 3, "input_shape"),
        ((4,), 1, "classes must be at least 2, or None for regression"),
    ],
)
def test_what_cannot_be_made_is_refused(shape, classes, message):
    with pytest.raises(UnbuildableChild, match=message):
        SPACE.build(SPACE.from_tokens((1, 30)), shape, classes)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"nodes": ()}, "nodes and activations"),
        ({"nodes": (0,)}, "nodes must be at least 1, got 0"),
        ({"nodes": (8.5,)}, "nodes must be an integer, at least 1, got 8.5"),
        ({"nodes": (8, 8)}, "must be different"),
        ({"activations": ("rely",)}, "activation must be one of .*relu"),
        ({"dropout": 1.0}, "rate"),
        ({"length": 1}, "length must be at least 2"),
    ],
)
def test_impossible_spaces_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        MLPSpace(**arguments)


@pytest.mark.parametrize(
    "data", [{}, {"sequence": []}, {"sequence": [{"nodes": 3}]}, {"sequence": [{"rate": 2}]}, []]
)
def test_impossible_genotypes_are_refused(data):
    with pytest.raises(InvalidArchitecture):
        MLPGenotype.from_dict(data)


def test_every_activation_is_one_of_keras():
    from cellwright.search_spaces.mlp.genotype import ACTIVATIONS

    for name in ACTIVATIONS:
        assert keras.activations.get(name).__name__ in (name, "silu")
