"""Trials as sessions of TensorBoard's HParams page, written without TensorFlow."""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cellwright.plugins.tracking.tracked import TrackedTrial
from cellwright.search_spaces import SearchSpace


class TensorBoardTracker:
    """Writes each trial into a folder of its own, ``trial_0``, ``trial_1``, ...

    TensorBoard shows the metrics of every epoch as curves (at the step that is the number of epochs
    trained), and on its HParams page a row for each trial: its architecture as one text, the
    hyperparameters beside it, and the final metrics. A trial that is run again replaces the first.

    Args:
        where: A folder for all of it; ``tensorboard`` in ``folder`` if None.
        folder: Of the search.
        search: Not used; every tracker takes it.
        space: Not used either.

    Raises:
        ModuleNotFoundError: If tensorboard is not installed; the message says how to install it.
    """

    def __init__(
        self,
        where: str | Path | None = None,
        *,
        folder: str | Path = ".",
        search: str = "cellwright",
        space: SearchSpace | None = None,
    ) -> None:
        try:
            from tensorboard.plugins.hparams import api  # noqa: F401
        except ModuleNotFoundError as error:
            raise ModuleNotFoundError(
                f"tensorboard cannot be imported ({error}): pip install 'cellwright[tensorboard]'",
                name="tensorboard",
            ) from error
        self.folder = Path(where or Path(folder, "tensorboard"))
        self._children = 0  # that have no number

    def __repr__(self) -> str:
        return f"TensorBoardTracker({str(self.folder)!r})"

    def __call__(self, trial: TrackedTrial) -> None:
        """Write a trial that has ended."""
        from tensorboard.compat.proto.summary_pb2 import Summary
        from tensorboard.plugins.hparams import api
        from tensorboard.summary.writer.event_file_writer import EventFileWriter

        name = self._name(trial)
        shutil.rmtree(self.folder / name, ignore_errors=True)
        writer = EventFileWriter(str(self.folder / name))

        def write(summary: Any, step: int = 0) -> None:
            writer.add_event(_event(summary, step))

        def scalars(metrics: Mapping[str, float], step: int) -> None:
            values = [Summary.Value(tag=n, simple_value=x) for n, x in metrics.items()]
            write(Summary(value=values), step)

        architecture = "; ".join(trial.architecture.splitlines())  # a break is shown as \n
        facts = {"architecture": architecture, "state": trial.state, **trial.hyperparameters}
        if trial.state == "complete":
            self._declare(facts, trial.metrics)
        try:
            write(api.hparams_pb(facts, trial_id=name))
            last: Mapping[str, float] = {}
            step = 0
            for epoch, last in sorted(trial.history.items()):
                step = epoch + 1
                scalars(last, step)
            if final := {n: x for n, x in trial.metrics.items() if last.get(n) != x}:
                scalars(final, step)
            write(_end(trial.state))
        finally:
            writer.close()

    def _declare(self, facts: Mapping[str, Any], metrics: Mapping[str, float]) -> None:
        """Say once which columns there are, in which order; otherwise the HParams page has a box
        to tick for each architecture, and the reward somewhere in the middle."""
        from tensorboard.plugins.hparams import api_pb2, plugin_data_pb2
        from tensorboard.summary.writer.event_file_writer import EventFileWriter

        if any(self.folder.glob("events.*")):
            return
        infos = [
            api_pb2.HParamInfo(name=name, type=api_pb2.DataType.Value(_kind(value)))
            for name, value in facts.items()
        ]
        first = [name for name in ("reward", "val_accuracy", "val_loss") if name in metrics]
        columns = [
            api_pb2.MetricInfo(name=api_pb2.MetricName(tag=name))
            for name in dict.fromkeys([*first, *metrics])
        ]
        experiment = api_pb2.Experiment(
            hparam_infos=infos, metric_infos=columns, time_created_secs=time.time()
        )
        writer = EventFileWriter(str(self.folder))
        data = plugin_data_pb2.HParamsPluginData(experiment=experiment)
        writer.add_event(_event(_noted("EXPERIMENT_TAG", data), 0))
        writer.close()

    def _name(self, trial: TrackedTrial) -> str:
        if trial.number is not None:
            return f"trial_{trial.number}"
        while (self.folder / f"child_{self._children}").exists():
            self._children += 1
        return f"child_{self._children}"


def _end(state: str) -> Any:
    """That the session of a trial has ended, in the words of the HParams page."""
    from tensorboard.plugins.hparams import api_pb2, plugin_data_pb2

    status = {"failed": "STATUS_FAILURE", "interrupted": "STATUS_UNKNOWN"}
    ended = api_pb2.Status.Value(status.get(state, "STATUS_SUCCESS"))
    info = plugin_data_pb2.SessionEndInfo(status=ended, end_time_secs=time.time())
    data = plugin_data_pb2.HParamsPluginData(session_end_info=info)
    return _noted("SESSION_END_INFO_TAG", data)


def _noted(tag: str, data: Any) -> Any:
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.plugins.hparams import metadata

    noted = metadata.create_summary_metadata(data)
    value = Summary.Value(tag=getattr(metadata, tag), metadata=noted, tensor=metadata.NULL_TENSOR)
    return Summary(value=[value])


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "DATA_TYPE_BOOL"
    return "DATA_TYPE_FLOAT64" if isinstance(value, int | float) else "DATA_TYPE_STRING"


def _event(summary: Any, step: int) -> Any:
    from tensorboard.compat.proto.event_pb2 import Event

    return Event(summary=summary, step=step, wall_time=time.time())
