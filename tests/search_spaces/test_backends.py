"""The same child on every Keras backend: one process a backend, one list of children."""

import importlib.util
import json
import os
import subprocess
import sys
from functools import cache
from pathlib import Path

import numpy as np
import pytest

keras = pytest.importorskip("keras")

SCRIPT = Path(__file__).with_name("backend_children.py")
OTHERS = ("jax", "torch")
BACKENDS = ("tensorflow", *OTHERS)
# XLA compiles every shape that it meets; what it makes is run once here.
JAX = {"JAX_PLATFORMS": "cpu", "XLA_FLAGS": "--xla_backend_optimization_level=0"}


def installed(backend):
    return importlib.util.find_spec(backend) is not None


def need(backend):
    for name in ("tensorflow", backend):
        if not installed(name):
            pytest.skip(f"{name} is not installed")


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """A function of the name of a list: the folder with what all backends made of it."""

    def here(folder, children):
        spec = importlib.util.spec_from_file_location(SCRIPT.stem, SCRIPT)
        script = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(script)
        script.main(folder, children)

    @cache
    def of(children):
        folder = tmp_path_factory.mktemp(children)
        processes = {
            backend: subprocess.Popen(
                [sys.executable, str(SCRIPT), str(folder), children],
                env={
                    **os.environ,
                    "KERAS_BACKEND": backend,
                    **(JAX if backend == "jax" else {}),
                },
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
            for backend in BACKENDS
            if installed(backend) and backend != keras.backend.backend()
        }
        here(folder, children)
        said = {backend: process.communicate()[0] for backend, process in processes.items()}
        for backend, process in processes.items():
            assert process.returncode == 0, f"{backend}: {said[backend][-3000:]}"
        return folder

    return of


def trained(folder, backend):
    return json.loads((folder / f"{backend}.json").read_text())


@pytest.mark.parametrize("backend", OTHERS)
@pytest.mark.parametrize(
    "children", ["quick", pytest.param("wide", marks=[pytest.mark.slow, pytest.mark.timeout(3600)])]
)
def test_the_same_weights_give_the_same_outputs(results, children, backend):
    need(backend)
    folder = results(children)
    with np.load(folder / "tensorflow.npz") as wanted, np.load(folder / f"{backend}.npz") as found:
        assert sorted(wanted.files) == sorted(found.files)
        for name in wanted.files:
            if name.endswith(": weights"):
                assert (found[name] == wanted[name]).all(), name
            else:
                least = 1e-4 * max(1, np.abs(wanted[name]).max())
                np.testing.assert_allclose(
                    found[name], wanted[name], rtol=0, atol=least, err_msg=name
                )


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_child_trains_and_is_measured(results, backend):
    need(backend)
    found = trained(results("quick"), backend)
    assert all(np.isfinite(value) for value in found["metrics"].values())
    assert {"loss", "val_accuracy", "parameters", "latency_ms", "reward"} <= found["metrics"].keys()


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_seed_fixes_the_initial_weights(results, backend):
    need(backend)
    found = trained(results("quick"), backend)
    assert found["same seed"]
    assert not found["other seed"]


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_child_that_was_kept_is_the_same_on_this_backend(results, backend):
    need(backend)
    folder = results("quick")
    model = keras.models.load_model(folder / backend / "best.keras")
    x = np.random.default_rng(0).random((12, 8, 8, 1), dtype=np.float32)
    wanted = trained(folder, backend)["probabilities"]
    np.testing.assert_allclose(model.predict(x, verbose=0), wanted, atol=1e-4)
