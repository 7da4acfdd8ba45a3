"""A search driven by Ray Tune: trials side by side, on this machine or on a cluster."""

from __future__ import annotations

import functools
import os
import signal
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import ray
from ray import tune

from cellwright.adapters.ray_experiment import STATE, reports_in, trials_in
from cellwright.adapters.ray_experiment import Trial as TheirTrial
from cellwright.adapters.ray_facts import facts_in
from cellwright.adapters.ray_searcher import CellwrightSearch
from cellwright.adapters.ray_trial import run
from cellwright.adapters.ray_words import ERROR, NOTES, NUMBER, metrics_in, notes_in
from cellwright.plugins import Evaluation
from cellwright.plugins.files import read_json
from cellwright.plugins.interrupts import CannotWrite, check, must_write
from cellwright.plugins.metrics import Metric, find_metric
from cellwright.plugins.records.record import AFTER, BUDGET, TrialRecord
from cellwright.plugins.strategies.known import SCORED_BY
from cellwright.plugins.training.best_child import keep_best
from cellwright.search_spaces import INFEASIBLE, CellwrightError, CorruptedState
from cellwright.searches.folder import read_settings
from cellwright.searches.hosts import OnEpoch, OnTrial
from cellwright.searches.run import Run, split_params
from cellwright.searches.settings import CHECKPOINTS, WEIGHTS, Settings
from cellwright.searches.trial import Curves, Trial, read_curves

PLACE = "ray"  # in the folder of a search: the record, and an experiment of each session
RECORD = "record.json"
_CANNOT_WRITE = "cannot_write"  # in the result of a trial whose process met a full disk, say
# Ctrl-C is the search's own (`interrupts`), and trials work in the folder that the search began in.
_VARIABLES = {"TUNE_DISABLE_SIGINT_HANDLER": "1", "RAY_CHDIR_TO_TRIAL_DIR": "0",
              "RAY_AIR_NEW_OUTPUT": "0"}  # fmt: skip


def read(folder: Path, settings: Settings) -> list[Trial]:
    """The finished trials of the search in ``folder``, in the order of their numbers."""
    file = folder / PLACE / RECORD
    if not file.exists():
        return []
    record, facts = TrialRecord.load(file, settings.make_space())
    expected = dict(facts_in(facts, record, file).expected)
    curves = {}
    for session in sorted((folder / PLACE).glob("session-*")):
        for reports in reports_in(session).values():
            number = notes_in(reports[0].get("config") or {}).get(NUMBER)
            curves[number] = _curves(reports)
    return [
        replace(_of_record(record, number, expected), curves=curves.get(number, {}))
        for number in sorted(record.told)
    ]


def _curves(reports: Sequence[Mapping[str, Any]]) -> Curves:
    """The metrics of one trial's reports by their iteration."""
    found: dict[str, list[tuple[Any, float]]] = {}
    for report in reports:
        for name, value in metrics_in(report).items():
            found.setdefault(name, []).append((report.get("training_iteration"), value))
    return read_curves(found)


def search(
    folder: Path,
    settings: Settings,
    evaluation: Evaluation,
    on_trial: OnTrial,
    on_epoch: OnEpoch,
) -> None:
    """Run trials until there are ``settings.trials``; those that were interrupted come first.

    Tune's own state lags behind by ten seconds and more, so the record is written with each trial
    that ends, and every session is an experiment that goes on with the record.
    """
    if not isinstance(settings.space, str):
        raise CellwrightError(
            "Ray Tune's trials are processes of their own and need the space by name, or as "
            f"module:attribute; got {settings.space!r}"
        )
    goals, place = settings.goals, folder.resolve() / PLACE
    searcher = CellwrightSearch(
        settings.make_strategy(evaluation),
        metric=list(goals),
        mode=[direction[:3] for direction in goals.values()],
        schedule=settings.make_schedule(),
    )
    place.mkdir(parents=True, exist_ok=True)
    if (place / RECORD).exists():
        searcher.restore(str(place / RECORD))
        searcher.begin_again()
    left = settings.trials - len(searcher.record.told)
    if left <= 0:
        return
    watch = _Watch(searcher, place / RECORD, on_trial, on_epoch)
    with _started(settings.concurrency):
        tune.Tuner(
            functools.partial(_trial, str(folder.resolve())),
            tune_config=tune.TuneConfig(
                search_alg=searcher,
                num_samples=left,
                max_concurrent_trials=settings.concurrency,
                reuse_actors=True,
                trial_dirname_creator=lambda trial: f"trial-{trial.trial_id}",
            ),
            run_config=tune.RunConfig(
                name=f"session-{len(list(place.glob('session-*')))}",
                storage_path=str(place),
                verbose=0,
                callbacks=[watch],
                # A worker that dies takes a child with it, which is tried again once.
                failure_config=tune.FailureConfig(max_failures=1),
            ),
        ).fit()


def _trial(folder: str, config: Mapping[str, Any]) -> None:
    """Be one trial of the search in ``folder``, in a process of Ray's.

    A child that fails is reported as such: what Tune takes for an error ends the process, and is
    tried again.
    """
    try:
        run(config, _evaluation(folder), keep=keep_best(folder))
    except CannotWrite as error:  # no failure of the child: the driver ends the search
        tune.report({ERROR: str(error), _CANNOT_WRITE: 1.0})
    except Exception as error:
        tune.report({ERROR: f"{type(error).__name__}: {error}"[:500]})


@functools.cache
def _evaluation(folder: str) -> Evaluation:
    """Made once in each process, which runs many trials."""
    place = Path(folder)
    return read_settings(place).make_evaluation(
        checkpoints=place / CHECKPOINTS, weights=place / WEIGHTS, tracked=place
    )


@contextmanager
def _started(concurrency: int) -> Iterator[None]:
    """Ray as the user has started it, the cluster that ``RAY_ADDRESS`` names, or a new one of this
    machine alone, which nobody else can reach."""
    before = {name: os.environ.get(name) for name in _VARIABLES}
    os.environ.update(_VARIABLES)
    mine = not ray.is_initialized()
    main = threading.current_thread() is threading.main_thread()
    handlers = {each: signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)}
    try:
        if mine and "RAY_ADDRESS" in os.environ:
            ray.init(log_to_driver=False, logging_level="ERROR")
        elif mine:
            ray.init(
                "local",  # or it is the cluster that `ray start` began here, if there is one
                num_cpus=concurrency,
                include_dashboard=False,
                log_to_driver=False,
                logging_level="ERROR",
                _node_ip_address="127.0.0.1",
            )
        # Ray's C++ has put a handler of its own in their place, which aborts at SIGTERM.
        for each, handler in handlers.items() if main else ():
            if handler is not None:
                signal.signal(each, handler)
        yield
    finally:
        if mine:
            ray.shutdown()
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


class _Watch(tune.Callback):  # type: ignore[misc]
    """Writes the record when a trial has ended, and tells of trials and epochs."""

    def __init__(
        self, searcher: CellwrightSearch, file: Path, on_trial: OnTrial, on_epoch: OnEpoch
    ) -> None:
        self.searcher, self.file = searcher, file
        self.on_trial, self.on_epoch = on_trial, on_epoch

    def __reduce__(self) -> Any:
        """Tune pickles its callbacks for `Tuner.restore`, which no search of ours calls."""
        return tune.Callback, ()

    def on_step_begin(self, iteration: int, trials: Any, **info: Any) -> None:
        check()

    def on_trial_start(self, iteration: int, trials: Any, trial: Any, **info: Any) -> None:
        self._save()  # a trial that is interrupted keeps its number

    def on_trial_result(
        self, iteration: int, trials: Any, trial: Any, result: Mapping[str, Any], **info: Any
    ) -> None:
        if _CANNOT_WRITE in result:
            raise CannotWrite(result[ERROR])
        if SCORED_BY not in result and ERROR not in result:
            number = notes_in(trial.config)[NUMBER]
            self.on_epoch(number, int(result["training_iteration"]) - 1, metrics_in(result))

    def on_trial_complete(self, iteration: int, trials: Any, trial: Any, **info: Any) -> None:
        self._ended(trial)

    def on_trial_error(self, iteration: int, trials: Any, trial: Any, **info: Any) -> None:
        number = notes_in(trial.config)[NUMBER]
        facts = self.searcher.record.facts[number]
        facts["error"] = f"the worker died, twice: {type(trial.get_error()).__name__}"
        self._ended(trial)

    def _save(self) -> None:
        with must_write(self.file):
            self.searcher.save(str(self.file))

    def _ended(self, trial: Any) -> None:
        self._save()
        number = notes_in(trial.config)[NUMBER]
        if number in self.searcher.record.told:
            self.on_trial(_of_record(self.searcher.record, number, self.searcher.expected))


def _of_record(
    record: TrialRecord, number: int, expected: Mapping[int, Mapping[str, float]]
) -> Trial:
    facts, told = record.facts[number], record.told[number]
    metrics = {**facts.get("metrics", {}), **expected.get(number, {})}
    others = facts.get("others", {})
    if BUDGET in others:
        metrics["epochs"] = float(others[BUDGET])
    state = "complete"
    if told.reward is None:
        state = "infeasible" if INFEASIBLE in metrics else "failed"
    error = str(facts.get("error", ""))
    return Trial(number, record.params_of(number), state, metrics, error, others.get(AFTER))


def open_run(what: str, space: str | None, study: str | None) -> Run:
    """An experiment of any searcher and trainable.

    Raises:
        CellwrightError: If its trials are of another space.
        CorruptedState: If its record cannot be read.
    """
    folder = Path(what)
    theirs = trials_in(folder)
    longest = max((t.result.get("training_iteration", 0) for t in theirs), default=0)
    reports = reports_in(folder)
    found = [
        replace(_of_experiment(k, trial, longest), curves=_curves(reports.get(trial.id, [])))
        for k, trial in enumerate(theirs) if trial.ended
    ]  # fmt: skip
    objectives = _objectives(folder)
    made, trials = split_params(folder.name, space, sorted(found, key=lambda trial: trial.number))
    judge = objectives[0] if len(objectives) == 1 else None
    return Run(folder.name, made, trials, objectives, objectives, judge)


def _of_experiment(place: int, trial: TheirTrial, longest: int) -> Trial:
    """A trial of any experiment. One that Tune's scheduler has ended has fewer iterations than the
    longest, and no last report of `ray_trial.run`."""
    metrics = metrics_in(trial.result)
    iterations = trial.result.get("training_iteration", 0)
    state, error = "complete", str(trial.result.get(ERROR, ""))
    if trial.status == "ERROR":
        state, error = "failed", error or "the trial failed: its error is in Tune's error.txt"
    elif INFEASIBLE in metrics:
        state = "infeasible"
    elif error:
        state = "failed"
    elif SCORED_BY not in trial.result and iterations < longest:
        metrics["epochs"] = float(iterations)
        state, error = "pruned", f"after {iterations} iterations, by Tune's scheduler"
    params = {name: value for name, value in trial.config.items() if name != NOTES}
    notes = notes_in(trial.config)
    return Trial(notes.get(NUMBER, place), params, state, metrics, error, notes.get(AFTER))


def _objectives(folder: Path) -> list[Metric]:
    """What was searched for, as a searcher of ours notes it; nothing of any other."""
    files = sorted(folder.glob(CellwrightSearch.CKPT_FILE_TMPL.format("*")))
    if not files or not list(folder.glob(STATE)):
        return []
    try:
        signs = read_json(files[-1])["objectives"]
        return [find_metric(f"{name}:{'max' if x > 0 else 'min'}") for name, x in signs.items()]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise CorruptedState(f"{files[-1]} does not say what was searched for: {error}") from error
