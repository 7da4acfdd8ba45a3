"""The average pool, pixel by pixel."""

import numpy as np
import pytest

from cellwright.search_spaces.pooling import average

keras = pytest.importorskip("keras")


def by_hand(x, size, stride):
    """Means over the pixels that exist in windows placed as "same" padding places them."""

    def windows(length):
        number = -(-length // stride)
        before = max((number - 1) * stride + size - length, 0) // 2
        for start in range(-before, number * stride - before, stride):
            yield slice(max(start, 0), start + size)

    return np.array(
        [
            [x[:, rows, columns].mean(axis=(1, 2)) for columns in windows(x.shape[2])]
            for rows in windows(x.shape[1])
        ]
    ).transpose(2, 0, 1, 3)


@pytest.mark.parametrize("shape", [(1, 1), (2, 5), (8, 8), (9, 14), (7, 7)])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("size", [3, 5])
def test_only_pixels_that_exist_are_averaged(shape, stride, size):
    image = keras.Input((*shape, 2))
    model = keras.Model(image, average(image, size, stride, "pool"))
    x = np.random.default_rng(0).normal(size=(2, *shape, 2)).astype(np.float32)
    found = keras.ops.convert_to_numpy(model(x))
    np.testing.assert_allclose(found, by_hand(x, size, stride), atol=1e-5)
