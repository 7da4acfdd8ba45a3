"""A plain child that is given the supernet's weights computes what the supernet does."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import keras
import numpy as np
import pytest

from cellwright.search_spaces import MnasNetSpace, NASNetSpace, register_operation
from cellwright.search_spaces.context import Context
from cellwright.search_spaces.errors import UnbuildableChild
from cellwright.search_spaces.given_weights import fitting
from cellwright.search_spaces.shared_parts import Part

ALL_CHOICES = 18  # so many children of the blocks have every choice in every block
SCRIPT = Path(__file__).with_name("shared_outputs.py")
# XLA compiles every shape that it meets; what it makes is run a few times here.
JAX = {"JAX_PLATFORMS": "cpu", "XLA_FLAGS": "--xla_backend_optimization_level=0"}


def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location(SCRIPT.stem, SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    "name",
    [
        "small",
        "sequences",
        *(
            pytest.param(name, marks=pytest.mark.slow)
            for name in (
                "blocks",
                "blocks on odd sides",
                "book",
                "darts",
                "wide",
                "published",
                "narrow stem",
                "amoebanet",
                "repaired",
                "imagenet",
                "pnasnet",
                "published operations",
                "blocks that read blocks",
            )
        ),
    ],
)
def test_a_child_with_the_shared_weights_computes_the_same(name: str) -> None:
    module = script()
    number = ALL_CHOICES if module.SPACES[name] is module.BLOCKS else 10
    found = module.differences(name, number)
    assert len(found) == number
    assert max(found) < 1e-5, found


def test_the_children_of_blocks_that_are_compared_have_every_choice_in_every_block() -> None:
    module = script()
    space, drawn = module.SPACES["blocks"], module.children("blocks", ALL_CHOICES)
    for decision in space.decisions:
        assert {params[decision.name] for params in drawn} == set(decision.choices)
    layers = [
        (block.convolution, block.kernel, block.stride)
        for params in drawn
        for block in space.genotype(params).blocks
    ]
    for convolution in ("conv", "depthwise", "mbconv"):
        for kernel in (3, 5):
            assert (convolution, kernel, 2) in layers


def test_layers_of_the_same_shape_are_traced_once() -> None:
    slots = MnasNetSpace().shared_network((8, 8, 1), 10, filters=8, stem_stride=1).slots
    assert len(slots["block_4_2"].options) == 4  # three convolutions, and no layer
    for part in ("", "_skip"):
        assert slots[f"block_4_2{part}"].parts == slots[f"block_4_5{part}"].parts
        assert slots[f"block_4_2{part}"].parts != slots[f"block_3_2{part}"].parts


@pytest.mark.parametrize("side", [7, 8])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("kind", ["Conv2D", "DepthwiseConv2D"])
def test_a_kernel_is_the_centre_of_a_larger_one(kind: str, stride: int, side: int) -> None:
    def build(size: int, at: Context, x: Any) -> Any:
        count = {"filters": 4} if kind == "Conv2D" else {}
        layer = getattr(keras.layers, kind)
        return layer(kernel_size=size, strides=stride, padding="same", name="only", **count)(x)

    image = (side, side, 3)
    large = Part(partial(build, 5), Context("", None), [image])
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2, *image)).astype(np.float32)
    row = rng.normal(size=large.size).astype(np.float32)
    for kernel in (3, 5):
        output, _ = large(
            [keras.ops.convert_to_tensor(x)],
            keras.ops.convert_to_tensor(row),
            None,
            np.int32(kernel),
        )
        plain = Part(partial(build, kernel), Context("", None), [image]).model
        layer = plain.get_layer("only")
        layer.set_weights(fitting(large.by_layer("", row, np.zeros(0))["only"], layer))
        wanted = keras.ops.convert_to_numpy(plain([x]))
        np.testing.assert_allclose(keras.ops.convert_to_numpy(output), wanted, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["small", "wide"])
@pytest.mark.parametrize("backend", ["torch", "jax"])
def test_it_does_so_on_other_backends(backend: str, name: str) -> None:
    if importlib.util.find_spec(backend) is None or backend == keras.backend.backend():
        pytest.skip(f"{backend} is not installed, or is this process's")
    done = subprocess.run(
        [sys.executable, str(SCRIPT), name, "10"],
        env={**os.environ, "KERAS_BACKEND": backend, **(JAX if backend == "jax" else {})},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert len(found) == 10
    assert max(found) < 1e-5, found


def test_operations_of_ones_own_are_refused() -> None:
    register_operation("mine", lambda x, filters, stride, at: x)
    space = NASNetSpace(operations=("sep_3x3", "mine"))
    with pytest.raises(UnbuildableChild, match=r"set book alone, and \['mine'\] are your own"):
        space.shared_network((8, 8, 1), 10)
