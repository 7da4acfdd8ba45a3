"""A stream trains as arrays do on each of Keras's backends, and goes on from a checkpoint."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("PIL", reason="Pillow is not installed")
SCRIPT = Path(__file__).with_name("streamed_children.py")


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["tensorflow", "jax", "torch"])
def test_a_stream_gives_the_child_of_the_arrays(backend, tmp_path):
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    env = {**os.environ, "KERAS_BACKEND": backend, "JAX_PLATFORMS": "cpu",
           "XLA_FLAGS": "--xla_backend_optimization_level=0"}  # fmt: skip
    done = subprocess.run(
        [sys.executable, str(SCRIPT), str(tmp_path)],
        env=env, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout.splitlines()[-1])
    for kind in ("folder", "npz"):
        stream, weights = found[f"{kind} stream"]
        assert 0 <= stream.pop("data_wait") <= 1
        arrays, weights_of_arrays = found[f"{kind} arrays"]
        assert stream == pytest.approx(arrays, rel=1e-5)
        assert weights == weights_of_arrays, "bit for bit"
        parts, weights_of_parts = found[f"{kind} in two parts"]
        assert parts["trained_epochs"] == 1
        assert weights_of_parts == weights, "bit for bit"
        assert parts["loss"] == pytest.approx(stream["loss"], rel=1e-5)
