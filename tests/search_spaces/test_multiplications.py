"""Multiply-adds against what layers of ones add up to, and against counts by hand."""

import pytest

from cellwright.search_spaces import load_genotype, multiply_adds
from cellwright.search_spaces.layer_table import layer_table

keras = pytest.importorskip("keras")
layers = keras.layers

import numpy as np  # noqa: E402


def of(layer, *shape):
    image = keras.Input(shape)
    return keras.Model(image, layer(image))


LINEAR = {
    "dense": (layers.Dense(5), (7,)),
    "dense at each place": (layers.Dense(5), (3, 4, 7)),
    "convolution": (layers.Conv2D(4, 3), (9, 8, 2)),
    "strides": (layers.Conv2D(4, 3, strides=2), (9, 9, 2)),
    "groups": (layers.Conv2D(6, 3, groups=2), (9, 8, 4)),
    "dilated": (layers.Conv2D(4, 3, dilation_rate=2), (9, 8, 2)),
    "along a sequence": (layers.Conv1D(4, 3), (9, 2)),
    "in space": (layers.Conv3D(2, 2), (4, 5, 3, 2)),
    "depthwise": (layers.DepthwiseConv2D(3, depth_multiplier=2), (9, 8, 3)),
    "transposed": (layers.Conv2DTranspose(4, 3, strides=2), (5, 4, 2)),
    "transposed along a sequence": (layers.Conv1DTranspose(4, 3, strides=3), (5, 2)),
    "Einstein sums": (layers.EinsumDense("abc,cde->abde", (5, 2, 3)), (5, 4)),
    "Einstein sums of anything": (layers.EinsumDense("...x,xy->...y", 6), (5, 2, 4)),
    "Einstein sums over two": (layers.EinsumDense("abc,bcd->ad", 6), (5, 4)),
    "at each time": (layers.TimeDistributed(layers.Conv2D(2, 3)), (3, 6, 5, 2)),
    "at each of two times": (
        layers.TimeDistributed(layers.TimeDistributed(layers.Dense(2))), (3, 4, 5)
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", LINEAR)
def test_a_layer_of_ones_adds_up_to_its_multiplications(name):
    """Without padding, each multiplication of a 1 by a 1 adds 1 to the sum of the outputs."""
    layer, shape = LINEAR[name]
    model = of(layer, *shape)
    for weight in model.weights:
        weight.assign(np.full(weight.shape, float(weight.name.endswith("kernel"))))
    total = float(keras.ops.sum(model(np.ones((1, *shape), np.float32))))
    assert multiply_adds(model) == total > 0


def twice():
    image, layer = keras.Input((5,)), layers.Dense(5)
    return keras.Model(image, layer(layer(image)))


def inner_twice():
    inner = keras.Sequential([keras.Input((8, 8, 2)), layers.Conv2D(2, 3, padding="same")])
    image = keras.Input((8, 8, 2))
    return keras.Model(image, inner(inner(image)))


def inner_of_any_size():
    inner = keras.Sequential([keras.Input((None, None, 2)), layers.Conv2D(2, 3, padding="same")])
    small, large = keras.Input((4, 4, 2)), keras.Input((8, 8, 2))
    return keras.Model([small, large], [inner(small), inner(large)])


BY_HAND = {
    "one layer twice": (twice, 2 * 25),
    "one model twice": (inner_twice, 2 * 64 * 9 * 4),
    "one model in two sizes": (inner_of_any_size, (16 + 64) * 9 * 4),
    "separable": (lambda: of(layers.SeparableConv2D(4, 3), 6, 6, 2), 16 * (9 * 2 + 2 * 4)),
    "transposed, padded": (
        lambda: of(layers.Conv2DTranspose(8, 4, strides=2, padding="same"), 8, 8, 3), 24_576
    ),
    "recurrent": (lambda: of(layers.SimpleRNN(3), 6, 2), 6 * 3 * (2 + 3)),
    "LSTM": (lambda: of(layers.LSTM(3), 6, 2), 6 * 4 * 3 * (2 + 3)),
    "GRU": (lambda: of(layers.GRU(3), 6, 2), 6 * 3 * 3 * (2 + 3)),
    "both ways": (lambda: of(layers.Bidirectional(layers.LSTM(3)), 6, 2), 2 * 6 * 12 * 5),
    "stacked": (
        lambda: of(layers.RNN([layers.GRUCell(3), layers.SimpleRNNCell(4)]), 6, 2),
        6 * (9 * (2 + 3) + 4 * (3 + 4)),
    ),
    "looked up": (lambda: of(layers.Embedding(9, 4), 6), 0),
    "normalised": (lambda: of(layers.BatchNormalization(), 6, 6, 2), 0),
}  # fmt: skip


@pytest.mark.parametrize("name", BY_HAND)
def test_what_is_used_twice_repeated_or_spread_counts_as_often(name):
    make, expected = BY_HAND[name]
    model = make()
    assert multiply_adds(model) == expected
    assert sum(row.multiply_adds for row in layer_table(model)) == expected


def test_channels_first_counts_the_same_places():
    counts = {
        multiply_adds(of(layers.Conv2D(4, 3, padding="same", data_format=form), *shape))
        for form, shape in {"channels_last": (8, 6, 2), "channels_first": (2, 8, 6)}.items()
    }
    assert counts == {8 * 6 * 9 * 2 * 4}


def heads():
    image = keras.Input((6, 4))
    return keras.Model(image, layers.MultiHeadAttention(2, 3)(image, image))


def attention():
    image = keras.Input((6, 4))
    return keras.Model(image, layers.Attention()([image, image]))


def products():
    image = keras.Input((6, 4))
    return keras.Model(image, keras.ops.matmul(image, keras.ops.transpose(image, (0, 2, 1))))


class Mixing(keras.Layer):
    """A layer of somebody's own, whose weights are called as they please."""

    def build(self, shape):
        self.mixed = self.add_weight(shape=(shape[-1], 3), name="mixed")

    def call(self, x):
        return x @ self.mixed


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (heads, "this MultiHeadAttention is of a kind that is not counted"),
        (attention, "this Attention is of a kind that is not counted"),
        (lambda: keras.Sequential([layers.Dense(2)]), "this Sequential has no input size yet"),
        (products, "this Matmul is of a kind that is not counted"),
        (lambda: of(Mixing(), 6, 4), "this Mixing is of a kind that is not counted"),
        (
            lambda: of(layers.ConvLSTM2D(2, 3), 4, 8, 8, 2),
            "this ConvLSTM2D has cells of a kind that is not counted",
        ),
        (
            lambda: of(layers.Conv2D(2, 3), None, None, 2),
            r"has no fixed output size: \(None, None, None, 2\). Build the network with a fixed",
        ),
    ],
)
def test_what_is_not_counted_is_refused_truly(make, told):
    with pytest.raises(ValueError, match=told):
        multiply_adds(make())


def test_a_published_network_in_channels_last_is_counted_as_in_its_paper():
    """MnasNet-A1: 312M multiply-adds (Tan et al. 2019, table 1)."""
    model = load_genotype("mnasnet-a1").build((224, 224, 3), 1000)
    assert round(multiply_adds(model) / 1e6) == 312
