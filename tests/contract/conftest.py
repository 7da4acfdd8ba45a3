"""NNI in one process: its dispatcher, its assessors, and our trials as they are shipped."""

from __future__ import annotations

import collections
import contextlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest


@dataclass
class Ended:
    """One trial of an experiment: what it was given, and what NNI then knew of it."""

    given: dict[str, Any]
    intermediate: list[dict[str, Any]] = field(default_factory=list)
    final: dict[str, Any] | None = None
    metrics: dict[str, float] | None = None  # None if it was stopped early


class Killed(BaseException):
    """NNI's manager ends the trial's process."""


class Experiment:
    """A tuner, ours or NNI's, behind NNI's dispatcher, and `nni_trial.run` behind NNI's interface
    for trials; only the manager and the processes are missing."""

    def __init__(
        self,
        tuner: Any,
        space: Mapping[str, Any],
        monkeypatch: pytest.MonkeyPatch,
        assessor: Any = None,
    ) -> None:
        import nni
        from nni.runtime import msg_dispatcher
        from nni.runtime.trial_command_channel import base, set_default_trial_command_channel
        from nni.runtime.tuner_command_channel import CommandType

        monkeypatch.setattr("nni.trial._trial_id", "job")
        monkeypatch.setattr(msg_dispatcher, "_next_parameter_id", 0)
        monkeypatch.setattr(msg_dispatcher, "_trial_params", {})
        monkeypatch.setattr(msg_dispatcher, "_ended_trials", set())
        history: Any = collections.defaultdict(dict)
        monkeypatch.setattr(msg_dispatcher, "_trial_history", history)
        self.trials: list[Ended] = []
        self._commands, self._patch = CommandType, monkeypatch
        self._sent: list[dict[str, Any]] = []
        self._killed = False
        experiment = self

        class Dispatcher(msg_dispatcher.MsgDispatcher):  # type: ignore[misc]
            def send(self, command: Any, data: Any) -> None:
                if command is CommandType.NewTrialJob:
                    experiment._sent.append(json.loads(data))
                if command is CommandType.KillTrialJob:
                    experiment._killed = True

        class Channel(base.TrialCommandChannel):  # type: ignore[misc]
            def receive_parameter(self) -> Any:
                return experiment._sent[0]

            def send_metric(
                self, type: str, parameter_id: Any, trial_job_id: Any, sequence: int, value: Any
            ) -> None:
                if experiment._killed:  # a process that was killed says nothing more
                    return
                trial = experiment.trials[-1]
                if type == "FINAL":
                    trial.final = value
                else:
                    trial.intermediate.append(value)
                metric = {"parameter_id": parameter_id, "trial_job_id": experiment._job,
                          "type": type, "sequence": sequence, "value": nni.dump(value)}  # fmt: skip
                experiment._tell(CommandType.ReportMetricData, metric)
                if experiment._killed:
                    raise Killed

        self._dispatcher = Dispatcher("ws://_unittest_", tuner, assessor)
        self._tell(CommandType.Initialize, dict(space))
        set_default_trial_command_channel(Channel())

    @property
    def _job(self) -> str:
        return f"job-{len(self.trials) - 1}"

    def _tell(self, command: Any, data: Any) -> None:
        self._dispatcher.process_command(command, data)

    def trial(self, evaluation: Any, **arguments: Any) -> Ended:
        """One trial, which calls ``nni_trial.run(evaluation, **arguments)``."""
        from cellwright.adapters import nni_trial

        self._patch.setattr("nni.trial._intermediate_seq", 0)
        self._killed = False
        if not self._sent:
            self._tell(self._commands.RequestTrialJobs, 1)
        trial = Ended(dict(self._sent[0]["parameters"]))
        self.trials.append(trial)
        with contextlib.suppress(Killed):
            trial.metrics = nni_trial.run(evaluation, **arguments)
        event = "EARLY_STOPPED" if self._killed else "SUCCEEDED"
        end = {"trial_job_id": self._job, "event": event, "hyper_params": json.dumps(self._sent[0])}
        self._sent.pop(0)
        self._tell(self._commands.TrialEnd, end)
        return trial


@pytest.fixture(scope="module", autouse=True)
def _untraced(untraced: None) -> None:
    """Children of this folder are trained step by step."""


@pytest.fixture
def experiment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Experiment]:
    """Makes an `Experiment` of (tuner, space as NNI writes it, assessor=None)."""
    pytest.importorskip("nni")
    folder = tmp_path / "nni"
    folder.mkdir()
    monkeypatch.setenv("NNI_CHECKPOINT_DIRECTORY", str(folder))

    def make(tuner: Any, space: Mapping[str, Any], assessor: Any = None) -> Experiment:
        return Experiment(tuner, space, monkeypatch, assessor)

    return make
