"""The best child on disk: only the best stays, whoever trains the others."""

import json
import subprocess
import sys
import time
from pathlib import Path

import keras
import numpy as np
import pytest

from cellwright.plugins.training.best_child import keep_best, read_best
from cellwright.search_spaces import CorruptedState


def child(weight):
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, use_bias=False)])
    model.set_weights([np.array([[weight]])])
    return model


def weight_of(file):
    return float(keras.models.load_model(file).get_weights()[0][0, 0])


def test_only_the_best_child_is_kept():
    folder = Path("deep/in/folders")
    assert read_best(folder) is None
    keep = keep_best(folder)
    for number, reward in enumerate((0.5, 0.25, 0.75, 0.75, -1.0)):
        keep({"a": number}, {"reward": reward, "val_accuracy": reward}, child(number))
    assert read_best(folder) == {
        "params": {"a": 2},
        "metrics": {"reward": 0.75, "val_accuracy": 0.75},
    }
    assert weight_of(folder / "best.keras") == 2
    assert {file.name for file in folder.iterdir()} == {"best.keras", "best.json", ".best.lock"}


def test_a_later_process_goes_on_from_what_is_there():
    keep_best("best")({"a": 0}, {"reward": -0.5}, child(0))
    keep_best("best")({"a": 1}, {"reward": -0.75}, child(1))
    assert read_best("best")["params"] == {"a": 0}


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "null", "{}", '{"params": {}, "metrics": {}}', '{"params": 3, "metrics": 4}',
     '{"params": {}, "metrics": {"reward": "high"}}', "\x00\x00"],
)  # fmt: skip
def test_a_damaged_file_is_named_and_nothing_is_lost(text):
    keep_best("best")({"a": 0}, {"reward": 0.5}, child(7))
    Path("best/best.json").write_text(text)
    with pytest.raises(CorruptedState, match=r"best/best\.json is damaged.*Delete it"):
        read_best("best")
    with pytest.raises(CorruptedState, match="is damaged"):
        keep_best("best")({"a": 1}, {"reward": 0.75}, child(8))
    assert Path("best/best.json").read_text() == text
    assert weight_of("best/best.keras") == 7


def test_bytes_that_are_no_text_are_damage_too():
    keep_best("best")({"a": 0}, {"reward": 0.5}, child(7))
    Path("best/best.json").write_bytes(b"\xff\xfe{}")
    with pytest.raises(CorruptedState, match="is damaged"):
        read_best("best")


WORKER = """
import keras, sys
import numpy as np
from pathlib import Path
from cellwright.plugins.training.best_child import keep_best

def run(who):
    keep = keep_best("best")
    for i in range(12):
        weight = (i * 7 % 12) * 2 + who
        model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, use_bias=False)])
        model.set_weights([np.array([[weight]])])
        keep({"a": weight}, {"reward": weight / 24}, model)

if __name__ == "__main__":
    Path("ready").touch()
    run(0)
"""


def test_two_processes_keep_the_better_of_both():
    """This process, and another that starts when it has loaded Keras."""
    other = subprocess.Popen([sys.executable, "-c", WORKER], stderr=subprocess.PIPE)
    here = {"__name__": "here"}
    exec(WORKER, here)
    while not Path("ready").exists() and other.poll() is None:
        time.sleep(0.01)
    here["run"](1)
    _, errors = other.communicate(timeout=300)
    assert other.returncode == 0, errors.decode()
    best = json.loads(Path("best/best.json").read_text())
    assert best == {"params": {"a": 23}, "metrics": {"reward": 23 / 24}}
    assert weight_of("best/best.keras") == 23
    assert not list(Path("best").glob("new.*"))
