"""Runs in MLflow's own SQLite store, read back by its client."""

from pathlib import Path

import pytest

mlflow = pytest.importorskip("mlflow", reason="MLflow is not installed")

from cellwright.plugins import MLflowTracker, TrackedTrial  # noqa: E402
from cellwright.search_spaces import NASNetSpace  # noqa: E402

SPACE = NASNetSpace(blocks=1)
PARAMS = SPACE.decode([0] * len(SPACE.names))
HISTORY = {0: {"val_accuracy": 0.25, "reward": 0.25}, 1: {"val_accuracy": 0.5, "reward": 0.5}}


def trial(number, state="complete", **more):
    given = {"metrics": {"val_accuracy": 0.5, "seconds": 3.0, "reward": 0.5}, "history": HISTORY}
    return TrackedTrial(
        number, {**PARAMS, "learning_rate": 0.1}, SPACE.in_short(PARAMS), {"learning_rate": 0.1},
        state, **(given | more),
    )  # fmt: skip


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    """A folder, its tracker, and MLflow's client, after a search that stopped and went on."""
    folder = tmp_path_factory.mktemp("search")
    model = folder / "best.keras"
    model.write_bytes(b"a child")
    with pytest.MonkeyPatch.context() as patched:
        for name in ("MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME"):
            patched.delenv(name, raising=False)
        first = MLflowTracker(folder=folder, search="cells", space=SPACE)
        first(trial(0, model=model))
        first(trial(1, "interrupted", error="KeyboardInterrupt: SIGINT", metrics={}, history={}))
        first.close()
        second = MLflowTracker(folder=folder, search="cells", space=SPACE)
        second(trial(2, "failed", error="RuntimeError: no", metrics={}, history={}))
    return folder, second, mlflow.MlflowClient(f"sqlite:///{folder}/mlflow.db")


def runs(client):
    experiment = client.get_experiment_by_name("cellwright").experiment_id
    found = client.search_runs([experiment])
    return {run.data.tags["mlflow.runName"]: run for run in found}


def test_trials_are_nested_under_one_run_of_the_search(told):
    _, tracker, client = told
    found = runs(client)
    assert set(found) == {"cells", "trial 0", "trial 1", "trial 2"}
    parent = found.pop("cells")
    assert {run.data.tags["mlflow.parentRunId"] for run in found.values()} == {parent.info.run_id}
    assert parent.info.status == "RUNNING"
    tracker.close()
    assert runs(client)["cells"].info.status == "FINISHED"
    states = {name: run.info.status for name, run in found.items()}
    assert states == {"trial 0": "FINISHED", "trial 1": "KILLED", "trial 2": "FAILED"}
    assert found["trial 2"].data.tags["cellwright.error"] == "RuntimeError: no"
    rewards = client.get_metric_history(parent.info.run_id, "reward")
    assert [(each.step, each.value) for each in rewards] == [(0, 0.5)]


def test_a_run_holds_architecture_metrics_model_and_picture(told):
    folder, _, client = told
    run = runs(client)["trial 0"]
    assert run.data.params == {"architecture": SPACE.in_short(PARAMS), "learning_rate": "0.1"}
    assert run.data.metrics == {"val_accuracy": 0.5, "reward": 0.5, "seconds": 3.0}
    assert run.info.end_time - run.info.start_time >= 3000  # as long as the trial took
    history = client.get_metric_history(run.info.run_id, "val_accuracy")
    assert [(each.step, each.value) for each in history] == [(1, 0.25), (2, 0.5)]
    files = {file.path for file in client.list_artifacts(run.info.run_id)}
    assert {"best.keras", "normal_cell.png", "reduction_cell.png"} <= files
    path = Path(client.download_artifacts(run.info.run_id, "normal_cell.png"))
    assert path.read_bytes().startswith(b"\x89PNG")
    # Beside the store, and not where the search was started.
    assert run.info.artifact_uri.startswith((folder / "mlflow-artifacts").as_uri())


def test_a_server_that_is_away_is_a_matter_of_seconds(monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(mlflow.exceptions.MlflowException, match="localhost"):
        MLflowTracker("http://localhost:9")
