"""Event files that TensorBoard itself reads back."""

import subprocess
import sys

import pytest

pytest.importorskip("tensorboard")

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams import plugin_data_pb2
from tensorboard.plugins.hparams.api_pb2 import Status

from cellwright.plugins import TensorBoardTracker, TrackedTrial

HISTORY = {0: {"val_accuracy": 0.25, "reward": 0.25}, 1: {"val_accuracy": 0.5, "reward": 0.5}}


def trial(number, state="complete", **more):
    given = {"metrics": {"val_accuracy": 0.5, "seconds": 3.0, "reward": 0.5}, "history": HISTORY}
    return TrackedTrial(
        number, {"width": 5, "rate": 0.1}, "width: 5", {"rate": 0.1}, state, **(given | more)
    )


def read(folder):
    events = EventAccumulator(str(folder))
    events.Reload()
    return events


def noted(events):
    content = events.summary_metadata
    start = content["_hparams_/session_start_info"].plugin_data.content
    end = content["_hparams_/session_end_info"].plugin_data.content
    read = plugin_data_pb2.HParamsPluginData.FromString
    return read(start).session_start_info, read(end).session_end_info


def test_a_trial_is_a_session_with_curves(tmp_path):
    tracker = TensorBoardTracker(folder=tmp_path)
    tracker(trial(0))
    tracker(trial(1, "failed", error="RuntimeError: no", metrics={}, history={}))
    events = read(tmp_path / "tensorboard" / "trial_0")
    start, end = noted(events)
    assert start.hparams["architecture"].string_value == "width: 5"
    assert start.hparams["rate"].number_value == 0.1
    assert start.hparams["state"].string_value == "complete"
    assert end.status == Status.Value("STATUS_SUCCESS")
    assert [(e.step, e.value) for e in events.Scalars("val_accuracy")] == [(1, 0.25), (2, 0.5)]
    assert [(e.step, e.value) for e in events.Scalars("seconds")] == [(2, 3.0)]
    content = read(tmp_path / "tensorboard").summary_metadata["_hparams_/experiment"].plugin_data
    declared = plugin_data_pb2.HParamsPluginData.FromString(content.content).experiment
    assert [info.name for info in declared.hparam_infos] == ["architecture", "state", "rate"]
    tags = [info.name.tag for info in declared.metric_infos]
    assert tags == ["reward", "val_accuracy", "seconds"]
    _, end = noted(read(tmp_path / "tensorboard" / "trial_1"))
    assert end.status == Status.Value("STATUS_FAILURE")


def test_a_trial_that_is_run_again_replaces_the_first(tmp_path):
    tracker = TensorBoardTracker(tmp_path)
    tracker(trial(3, "interrupted", metrics={}, history={0: {"val_accuracy": 0.25}}))
    tracker(trial(3))
    events = read(tmp_path / "trial_3")
    assert len(events.Scalars("val_accuracy")) == 2
    assert noted(events)[0].hparams["state"].string_value == "complete"


def test_children_without_a_host_are_told_apart(tmp_path):
    for _ in range(2):  # by any process
        TensorBoardTracker(tmp_path)(trial(None))
    assert sorted(path.name for path in tmp_path.glob("child_*")) == ["child_0", "child_1"]


def test_the_core_imports_no_tracker():
    program = (
        "import sys, cellwright.plugins as p; p.TensorBoardTracker, p.MLflowTracker, p.Evaluation;"
        "print(sorted({m.split('.')[0] for m in sys.modules} & {'tensorboard', 'mlflow', "
        "'tensorflow', 'keras'}))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout == "[]\n", done.stderr
