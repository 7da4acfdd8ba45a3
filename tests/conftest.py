"""What all tests share."""

import gc
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
os.environ.setdefault("JAX_PLATFORMS", "cpu")
# Folders here are the tests' own, with spaces in modules of theirs; test_trust.py takes this away.
os.environ.setdefault("CELLWRIGHT_TRUST", "1")
# Tests keep no snapshots in the home of whoever runs them; test_snapshots.py has its own folders.
os.environ.setdefault("CELLWRIGHT_CACHE", "")
# Tests run side by side, one for each core: threads of OpenBLAS beside them wait for cores, busily,
# and small products take several times as long. It reads this when NumPy is imported.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
if os.environ.get("KERAS_BACKEND") == "jax":
    # XLA compiles every shape that it meets; what it makes is run once here.
    os.environ.setdefault("XLA_FLAGS", "--xla_backend_optimization_level=0")


def pytest_collection_finish() -> None:
    """Leave what the imports made to itself: Keras has all garbage collected after each child,
    which takes half a second where it walks through TensorFlow's modules."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


@pytest.fixture(autouse=True, scope="session")
def _unsynced() -> Iterator[None]:
    """Leave files to the operating system. Optuna's journal waits for the disk after each line,
    some thousand times in some tests, and no test pulls the plug."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda file: None)
        yield


@pytest.fixture(autouse=True, scope="module")
def _settled() -> None:
    """The same for what the files before have imported or made and kept."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run each test in an empty folder, so that no test reads or leaves files in the checkout."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture(autouse=True)
def _no_channel_of_nni() -> Iterator[None]:
    """Leave no channel to NNI's manager behind, which a test of ours may have put in its place."""
    yield
    channels: Any = sys.modules.get("nni.runtime.trial_command_channel")
    if channels is not None:
        channels._channel = None


@pytest.fixture(autouse=True)
def _ctrl_c_as_it_was() -> Iterator[None]:
    """Ray Tune leaves a handler of its own for Ctrl-C behind each run of a script's."""
    before = signal.getsignal(signal.SIGINT)
    yield
    if signal.getsignal(signal.SIGINT) is not before:
        signal.signal(signal.SIGINT, before)


class Disk:
    """A file system of its own, in ``place``."""

    def __init__(self, place: Path) -> None:
        self.place, self._filler = place, place / "filler"

    def fill(self, leave: int = 0) -> None:
        """Write until it is full, but for ``leave`` bytes."""
        with self._filler.open("wb", buffering=0) as file:
            with suppress(OSError):
                while True:
                    file.write(bytes(65_536))
            file.truncate(max(0, file.tell() - leave))

    def empty(self) -> None:
        """Take back what `fill` wrote."""
        self._filler.unlink()

    def lock(self) -> None:
        """Make it read-only for whoever opens a file from now on, also while files are open."""
        mount = ["mount", "--bind", str(self.place), str(self.place)]
        subprocess.run(mount, check=True)
        subprocess.run([mount[0], "-o", "remount,bind,ro", str(self.place)], check=True)

    def unlock(self) -> None:
        """Make it writable again."""
        subprocess.run(["umount", "-l", str(self.place)], check=True)


@pytest.fixture
def disk(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Disk]:
    """A `Disk` of 8 MB, or of as many kB as the test is given by ``indirect``."""
    place = tmp_path / "disk"
    place.mkdir()
    size = f"size={getattr(request, 'param', 8192)}k"
    mount = ["mount", "-t", "tmpfs", "-o", size, "cellwright-test", str(place)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("this process may not mount a file system")
    yield Disk(place)
    while subprocess.run(["umount", "-l", str(place)], capture_output=True).returncode == 0:
        pass


@pytest.fixture(scope="module")
def untraced() -> Iterator[None]:
    """Let TensorFlow run each step of a training at once, instead of making a graph of it first,
    which takes longer than all steps of a small child. It is for tests that train children and
    whose subject is what happens around the training."""
    import keras

    if keras.backend.backend() != "tensorflow":
        yield
        return
    import tensorflow as tf

    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


@pytest.fixture(scope="session")
def _ray() -> Iterator[None]:
    """Ray with two workers, once for all tests: its start takes ten seconds."""
    import ray

    ray.init(
        num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="CRITICAL",
        _node_ip_address="127.0.0.1",
    )  # fmt: skip
    yield
    ray.shutdown()


@pytest.fixture(scope="module")
def ray_started(_ray: None, request: pytest.FixtureRequest) -> Iterator[None]:
    """Ray, whose workers are sent the functions of this test's file, which they cannot import."""
    from ray import cloudpickle

    cloudpickle.register_pickle_by_value(request.module)
    yield
    cloudpickle.unregister_pickle_by_value(request.module)
