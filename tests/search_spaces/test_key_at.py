"""The identity of a network from the positions of its choices."""

import numpy as np
import pytest

from cellwright.search_spaces import (
    ConvNetSpace,
    Decision,
    JointSpace,
    MLPSpace,
    MnasNetSpace,
    NASNetSpace,
)


class Upside(NASNetSpace):
    """Another canonical form, which the quick way of its parent does not know."""

    def canonical(self, params):
        return self.decode([0] * len(self.decisions))


@pytest.mark.parametrize(
    "space",
    [
        NASNetSpace(), NASNetSpace.published(), NASNetSpace.amoebanet(), MLPSpace(), Upside(),
        ConvNetSpace(layers=(2, 4)), MnasNetSpace(),
        JointSpace(NASNetSpace(), Decision("x", (1, 2))),
    ],
    ids=repr,
)  # fmt: skip
def test_it_is_that_of_the_parameters(space):
    rng = np.random.default_rng(0)
    for _ in range(30):
        params = space.sample(rng)
        assert space.key_at(space.encode(params)) == space.key(params)
        assert space.key_at(list(space.encode(params))) == space.encode(space.canonical(params))
