"""A Keras Tuner oracle whose project survives interruptions, damaged files and exceptions."""

from __future__ import annotations

import json
import logging
import math
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from threading import current_thread
from typing import Any

import keras_tuner as kt
from keras_tuner.engine.trial import Trial, TrialStatus
from keras_tuner.src import backend, utils
from keras_tuner.src.engine.oracle import LOCKS, THREADS

from cellwright.adapters.keras_objective import objectives_of, refuse
from cellwright.adapters.keras_states import OracleState, TrialState
from cellwright.plugins.checked import as_kind
from cellwright.plugins.files import atomic_write, clear_unfinished, read_json, set_aside
from cellwright.plugins.interrupts import must_write
from cellwright.search_spaces import INFEASIBLE, CorruptedState, SpaceMismatch

logger = logging.getLogger(__name__)

_LONG = 3600.0  # seconds that no write of a file takes
_ENDED = (TrialStatus.COMPLETED, TrialStatus.FAILED)


class ProjectOracle(kt.Oracle):  # type: ignore[misc]
    """Keras Tuner's oracle, made safe; a subclass implements `populate_space`.

    No trial that has ended is lost or run again, whenever the process dies. No exception leaves the
    oracle locked. An interrupt is no failure. A result that is not finite fails its trial, and a
    retry starts without the old metrics. The trial of a child beyond a limit (`INFEASIBLE` is among
    its metrics) is FAILED, and is not run again.
    """

    trials: dict[str, Any]
    ongoing_trials: dict[str, Any]
    start_order: list[str]
    end_order: list[str]
    _retry_queue: list[str]

    def create_trial(self, tuner_id: str) -> Any:
        with self._locked():
            self._take_up()
            return super().create_trial(tuner_id)

    def update_trial(self, trial_id: str, metrics: Mapping[str, Any], step: int = 0) -> Any:
        if INFEASIBLE in metrics:  # what was not measured is NaN: see `not_trained`
            metrics = {name: value for name, value in metrics.items() if not math.isnan(value)}
        with self._locked():
            return super().update_trial(trial_id, metrics, step=step)

    def score_trial(self, trial: Any) -> None:
        """Score a completed trial; an infinite objective fails it, as Keras Tuner's NaN does."""
        super().score_trial(trial)
        if not math.isfinite(trial.score):
            trial.message = f"{self.objective.name} is {trial.score}, not a finite number"
            logger.warning("trial %s: %s", trial.trial_id, trial.message)
            trial.score = math.nan

    def end_trial(self, trial: Any) -> None:
        """Store a trial that has ended.

        Raises:
            KeyboardInterrupt: If it was interrupted, and what ran it made a failure of that. The
                trial is not stored as ended, and is run again when the search goes on.
        """
        trial_id = trial.trial_id
        if trial.status in (TrialStatus.INVALID, TrialStatus.FAILED) and _interrupted(trial):
            raise KeyboardInterrupt(f"in trial {trial_id}")
        with self._locked():
            if self.trials[trial_id].metrics.exists(INFEASIBLE):
                trial.status = TrialStatus.FAILED
                trial.message = trial.message or "OverLimit: the child is not trained"
            try:
                super().end_trial(trial)
            except Exception:
                # Too many failures in a row. Without this trial among those that ended, a later
                # search tries it again first; with it, every later search would stop at once.
                self.end_order = [ended for ended in self.end_order if ended != trial_id]
                _forget_metrics(self.trials[trial_id])
                raise
            if trial_id in self._retry_queue:
                _forget_metrics(self.trials[trial_id])
                self._save_trial(self.trials[trial_id])

    def _check_objective_found(self, metrics: Mapping[str, Any]) -> None:
        """Refuse metrics without the objective, unless a limit kept the child from training."""
        wanted = {one.name for one in objectives_of(self.objective)}
        if INFEASIBLE not in metrics and not wanted <= metrics.keys():
            raise refuse(wanted - metrics.keys(), metrics)

    def remaining_trials(self) -> int | None:
        """How many trials are left, not below 0 where ``max_trials`` is smaller than it was."""
        left = super().remaining_trials()
        return None if left is None else max(0, left)

    def take_back(self, trial_id: str) -> None:
        """Have a running trial run again, as if nothing had been found."""
        with self._locked():
            trial = self.trials[trial_id]
            trial.status = TrialStatus.RUNNING  # the tuner has said COMPLETED already
            _forget_metrics(trial)
            self._save_trial(trial)

    def _check_consecutive_failures(self) -> None:
        """End a search that fails again and again; a child beyond a limit is no such failure."""
        ended = self.end_order
        self.end_order = [i for i in ended if not self.trials[i].metrics.exists(INFEASIBLE)]
        try:
            super()._check_consecutive_failures()
        finally:
            self.end_order = ended

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Take a stored state; a key that it lacks keeps its present value."""
        state = {**self.get_state(), **state}
        ongoing = state["ongoing_trials"].items()
        state["ongoing_trials"] = {t: trial for t, trial in ongoing if trial in self.trials}
        super().set_state(state)

    def _set_project_dir(self, directory: Any, project_name: str) -> None:
        """Also set aside what a kill or a full disk left of the tuner's own file, which holds no
        trial, and which Keras Tuner would never read."""
        super()._set_project_dir(directory, project_name)
        folder = Path(str(directory), project_name)
        if "://" not in str(directory):
            clear_unfinished(folder, seconds=_LONG)
        for path in () if "://" in str(directory) else sorted(folder.glob("tuner*.json")):
            try:
                if isinstance(read_json(path), dict):
                    continue
                reason = f"{path} holds no JSON object"
            except (OSError, ValueError) as error:
                reason = str(error)
            logger.warning("%s: it is set aside, and the search goes on without it", reason)
            set_aside(path)

    def reload(self) -> None:
        """Take up the project's directory.

        Each trial's own file says whether it ended. One that did is not run again (Keras Tuner's
        ``oracle.json`` has the last one as still running); one that did not is. Without
        ``oracle.json``, everything is taken from the trials' files.

        Raises:
            CorruptedState: If a file cannot be read; the message says which and what to do.
        """
        self.trials = {}
        for path in self._trial_files():
            trial = read_trial(path)
            self.trials[trial.trial_id] = trial
        path = self._get_oracle_fname()
        if _is_empty(path):
            logger.warning("%s is empty: it is set aside, and the trials are taken from their own "
                           "files", path)  # fmt: skip
            set_aside(Path(path))
        if backend.io.exists(path):
            remedy = "remove this file alone: the trials have their own, and the search goes on"
            _read(path, OracleState, self.set_state, remedy)
        else:
            for trial in self.trials.values():
                self.hyperparameters.merge(trial.hyperparameters, overwrite=False)
        self._settle()

    def save(self) -> None:
        self._take_up()  # a chief saves before its first trial
        _write(self._get_oracle_fname(), self.get_state())

    def _save_trial(self, trial: Any) -> None:
        path = os.path.join(self._get_trial_dir(trial.trial_id), "trial.json")
        _write(path, trial.get_state())

    def _take_up(self) -> None:
        """Reload a project that the tuner has not reloaded.

        A tuner reloads only if its own file is there. A project that was left in its first trial,
        or that was run as a chief and is not any more, or the reverse, would be overwritten.
        """
        if not self.trials and self._trial_files():
            logger.warning("%s holds trials: the search goes on from them", self._project_dir)
            self.reload()

    def _trial_files(self) -> list[str]:
        return sorted(backend.io.glob(os.path.join(self._project_dir, "trial_*", "trial.json")))

    def _settle(self) -> None:
        """Order the trials by what their own files say."""
        ids = sorted(self.trials, key=int)
        ended = [i for i in ids if self.trials[i].status in _ENDED]
        waiting = [i for i in ids if self.trials[i].status not in _ENDED]
        for trial_id in waiting:
            _forget_metrics(self.trials[trial_id])
        # Each once; first those whose order is known.
        self.end_order = list(dict.fromkeys([i for i in self.end_order if i in ended] + ended))
        self.start_order = list(dict.fromkeys([i for i in self.start_order if i in ids] + ids))
        self.ongoing_trials = {}
        self._retry_queue = waiting[::-1]  # taken from its end
        # An id is the number of trials so far: if a folder was removed, the next trial would get
        # the id of another.
        numbers = {int(i) for i in ids}
        for number in set(range(max(numbers, default=0))) - numbers:
            gap = Trial(kt.HyperParameters(), f"{number:0{len(ids[0])}d}", TrialStatus.FAILED)
            gap.message = "trial.json is missing"
            self.trials[gap.trial_id] = gap

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Hold Keras Tuner's lock of this oracle, which its own decorator keeps after an
        exception."""
        name = current_thread().name
        if THREADS[self] == name:
            yield
            return
        with LOCKS[self]:
            THREADS[self] = name
            try:
                yield
            finally:
                THREADS[self] = None


def _trial(state: Mapping[str, Any]) -> Any:
    trial = Trial.from_state(state)
    int(trial.trial_id)  # the trial's number
    if trial.score is not None:
        trial.score = float(trial.score)  # JSON has numbers of any length
    return trial


def _interrupted(trial: Any) -> bool:
    """Whether a ``KeyboardInterrupt`` is in the traceback that Keras Tuner keeps of a failure."""
    lines = (trial.message or "").splitlines()
    return any(line.partition(":")[0] == "KeyboardInterrupt" for line in lines)


def _forget_metrics(trial: Any) -> None:
    """Make a trial ready for another run, whose result Keras Tuner would otherwise ignore."""
    trial.metrics = type(trial.metrics)()
    trial.score, trial.best_step = None, 0


def read_trial(path: str) -> Any:
    """The trial in a ``trial.json``.

    Raises:
        CorruptedState: If it cannot be read.
    """
    return _read(path, TrialState, _trial, "remove its folder to go on without this trial")


def _read(path: str, kind: type, take: Callable[[Any], Any], remedy: str) -> Any:
    """Give ``take`` the contents of a JSON file, which are of this kind."""
    try:
        state = utils.load_json(path)
        as_kind(state, kind, path, remedy[:1].upper() + remedy[1:])
        return take(state)
    except (SpaceMismatch, CorruptedState):
        raise
    except Exception as error:  # Keras Tuner checks nothing of what it reads
        raise CorruptedState(f"{path} cannot be read ({error!r}): {remedy}") from error


def _is_empty(path: str) -> bool:
    """Whether nothing is in a file that is there, as after a kill or on a full disk."""
    return "://" not in path and Path(path).is_file() and not Path(path).read_bytes().strip(b"\0 ")


def _write(path: str, state: Mapping[str, Any]) -> None:
    """Write a JSON file in one step, so that no interruption leaves half of it."""
    if "://" in path:  # remote storage, through TensorFlow, is written when the file is closed
        utils.save_json(path, state)
        return
    with must_write(Path(path)), atomic_write(Path(path)) as file:
        json.dump(state, file)
