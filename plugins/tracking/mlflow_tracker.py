"""Trials as runs of MLflow, nested under one run for the search."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from cellwright.plugins.tracking.tracked import TrackedTrial
from cellwright.search_spaces import SearchSpace

_PARENT = "mlflow.parentRunId"  # by which MLflow's page nests a run
_SEARCH, _STATE, _TRIAL, _ERROR = (f"cellwright.{n}" for n in ("search", "state", "trial", "error"))
_KIND = {"mlflow.experimentKind": "custom_model_development"}  # and not of language models
_STATUS = {"failed": "FAILED", "interrupted": "KILLED"}
_AT_A_TIME = 900  # metrics; MLflow takes 1,000 in one request


class MLflowTracker:
    """Tells MLflow of each trial: a run each, nested under one run for the whole search.

    A trial's parameters are its architecture, as one text, and the hyperparameters beside it. Its
    metrics are those of every epoch (at the step that is the number of epochs trained) and the
    final ones. A picture of a complete trial's architecture is an artifact, and so is the model, if
    it was kept. The run of the search shows the rewards, by the trials' numbers. A search that goes
    on, or runs in several processes, goes on in the same run.

    Args:
        where: A tracking URI (``http://...``, ``sqlite:///...``, ``databricks``), or the path of an
            SQLite file. None takes ``MLFLOW_TRACKING_URI``, or else ``mlflow.db`` in ``folder``.
        folder: Of the search.
        search: What the search is called; with ``folder`` it says which run is taken up.
        space: Draws the pictures; none without it.
        experiment: MLflow's, in which the runs are. None takes ``MLFLOW_EXPERIMENT_NAME``, or else
            ``"cellwright"``.

    Raises:
        ModuleNotFoundError: If MLflow is not installed; the message says how to install it.
        mlflow.exceptions.MlflowException: If there is no such store, or it does not answer.
    """

    def __init__(
        self,
        where: str | None = None,
        *,
        folder: str | Path = ".",
        search: str = "cellwright",
        space: SearchSpace | None = None,
        experiment: str | None = None,
    ) -> None:
        # A server that is away is to hold up a search for seconds: MLflow would try for minutes.
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
        try:
            from mlflow import MlflowClient
        except ModuleNotFoundError as error:
            raise ModuleNotFoundError(
                f"MLflow cannot be imported ({error}): pip install 'cellwright[mlflow]'",
                name="mlflow",
            ) from error
        where = where or os.environ.get("MLFLOW_TRACKING_URI") or str(Path(folder, "mlflow.db"))
        artifacts = None
        if "://" not in where and where != "databricks":
            file = Path(where).resolve()
            artifacts = file.with_name(f"{file.stem}-artifacts").as_uri()
            where = f"sqlite:///{file}"
        self.where, self.search, self.space = where, search, space
        self._client = MlflowClient(where)
        name = experiment or os.environ.get("MLFLOW_EXPERIMENT_NAME") or "cellwright"
        found = self._client.get_experiment_by_name(name)
        self._experiment: str = (
            self._client.create_experiment(name, artifact_location=artifacts, tags=_KIND)
            if found is None
            else found.experiment_id
        )
        self._parent = self._take_up(f"{Path(folder).resolve()}/{search}")

    def __repr__(self) -> str:
        return f"MLflowTracker({self.where!r}, search={self.search!r})"

    def __call__(self, trial: TrackedTrial) -> None:
        """Store a trial that has ended."""
        name = "child" if trial.number is None else f"trial {trial.number}"
        tags = {_PARENT: self._parent, _STATE: trial.state, _TRIAL: str(trial.number)}
        if trial.error:
            tags[_ERROR] = trial.error
        began = time.time() - trial.metrics.get("seconds", 0.0)
        run = self._client.create_run(
            self._experiment, start_time=int(1000 * began), run_name=name, tags=tags
        ).info.run_id
        status = "FAILED"
        try:
            self._fill(run, trial)
            status = _STATUS.get(trial.state, "FINISHED")
        finally:
            self._client.set_terminated(run, status)
        if trial.reward is not None:
            self._client.log_metric(self._parent, "reward", trial.reward, step=trial.number)

    def close(self) -> None:
        """Say that the search has ended, for now."""
        self._client.set_terminated(self._parent)

    def _take_up(self, identity: str) -> str:
        """The run of the search, which may have been made before."""
        quoted = identity.replace("'", "\\'")
        found = self._client.search_runs([self._experiment], f"tags.`{_SEARCH}` = '{quoted}'")
        if found:
            run: str = found[0].info.run_id
            self._client.update_run(run, status="RUNNING")
            return run
        made = self._client.create_run(
            self._experiment, run_name=self.search, tags={_SEARCH: identity}
        )
        return str(made.info.run_id)

    def _fill(self, run: str, trial: TrackedTrial) -> None:
        from mlflow.entities import Metric, Param

        params = {"architecture": trial.architecture, **trial.hyperparameters}
        now = int(1000 * time.time())
        metrics = [Metric(name, value, now, step) for name, value, step in _steps(trial)]
        self._client.log_batch(run, params=[Param(n, str(x)) for n, x in params.items()])
        for part in _parts(metrics):
            self._client.log_batch(run, metrics=part)
        if trial.model is not None:
            self._client.log_artifact(run, str(trial.model))
        if self.space is not None and trial.state == "complete":
            network, _ = self.space.split(trial.params)
            for name, figure in self.space.figures(network).items():
                self._client.log_figure(run, figure, f"{name.replace(' ', '_')}.png")


def _steps(trial: TrackedTrial) -> Iterator[tuple[str, float, int]]:
    """Each metric with its value and step, the final ones last."""
    last: dict[str, float] = {}
    step = 0
    for epoch, last in sorted(trial.history.items()):
        step = epoch + 1
        yield from ((name, float(value), step) for name, value in last.items())
    for name, value in trial.metrics.items():
        if last.get(name) != value:
            yield name, float(value), step


def _parts(metrics: Sequence[Any]) -> Iterator[Sequence[Any]]:
    return (metrics[i : i + _AT_A_TIME] for i in range(0, len(metrics), _AT_A_TIME))
