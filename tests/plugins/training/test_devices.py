"""Several devices share the batches of a child."""

import json
import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from cellwright.plugins import Recipe
from cellwright.plugins.training.ahead import shared
from cellwright.plugins.training.devices import check_devices, shared_size

SCRIPT = Path(__file__).with_name("shared_children.py")


@pytest.mark.slow
def test_four_devices_train_the_child_that_one_trains():
    pytest.importorskip("jax", reason="JAX is not installed")
    flags = "--xla_force_host_platform_device_count=4 --xla_backend_optimization_level=0"
    env = {**os.environ, "KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu", "XLA_FLAGS": flags}
    done = subprocess.run(
        [sys.executable, str(SCRIPT)], env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout.splitlines()[-1])
    one, four, streamed, odd = (found[name] for name in ("one", "four", "streamed", "odd"))
    names = ("loss", "accuracy", "val_loss", "val_accuracy")
    assert [four[n] for n in names] == pytest.approx([one[n] for n in names], rel=1e-3)
    assert [streamed[n] for n in names] == pytest.approx([four[n] for n in names], rel=1e-5)
    assert found["four again"] == four, "the same seed gives the same run"
    assert four["again"][0] == pytest.approx(four["val_loss"], rel=1e-4), "on one device again"
    assert found["two parts"] == pytest.approx(four["loss"], rel=1e-4)
    assert one["warned"] == four["warned"] == []
    assert [text.partition(" are left out")[0] for text in odd["warned"]] == [
        "2 of 250 examples to train on", "3 of 99 examples to validate on",
    ]  # fmt: skip


def test_a_number_that_cannot_be_is_refused():
    with pytest.raises(ValueError, match="devices must be at least 1, or None, got 0"):
        Recipe(devices=0)
    with pytest.raises(ValueError, match=r"batch_size must be a multiple of devices, 3, .* got 32"):
        Recipe(batch_size=32, devices=3)
    check_devices(None)
    check_devices(1)
    if keras.backend.backend() != "jax":
        with pytest.raises(ValueError, match=r"4 devices need JAX: .*KERAS_BACKEND=jax"):
            check_devices(4)


def test_a_recipe_on_one_device_has_the_facts_that_it_had():
    assert "devices" not in Recipe().facts
    assert Recipe(devices=4).facts["devices"] == 4


def test_each_device_has_as_many_examples():
    batch = (np.arange(10), np.arange(10))
    assert [len(part) for part in shared(batch, 4)] == [8, 8]
    assert shared(batch, 5) is batch
    assert shared(batch, None) is batch
    assert shared_size(12, 4, "train on") == 12
    with pytest.warns(UserWarning, match="1 of 13 examples to train on are left out"):
        assert shared_size(13, 4, "train on") == 12
