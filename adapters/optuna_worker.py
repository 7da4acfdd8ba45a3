"""One of any number of workers on an Optuna study, each of which may be killed at any moment.

    work(study, lambda trial: train(suggest(trial, space)), trials=1000)

in as many processes, on as many machines, as there are. Works on every storage: Optuna's own
heartbeats are for its databases alone, and not for journals, Redis or gRPC.
"""

from __future__ import annotations

import logging
import math
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Sequence
from types import TracebackType

from optuna import Study, Trial
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import FrozenTrial, TrialState

from cellwright.adapters.optuna_private import (
    SignedStudy,
    enqueue,
    fail,
    keep_in_trial,
    note_in_trial,
    trials_of,
)
from cellwright.adapters.optuna_record import PROPOSED
from cellwright.adapters.optuna_rung import RUNG, noted_for_another
from cellwright.adapters.optuna_study import AGAIN, INTERRUPTED, replaced_in, was_stopped
from cellwright.search_spaces.arguments import check_integer

ALIVE = "cellwright:alive"  # system attribute of a trial: changes while its worker lives
LOST = "lost_with"  # user attribute of the trial that tries again what a worker's death left
HEARTBEAT = 30.0  # seconds between two signs of life
_SILENT = 4  # a worker is dead after so many signs that did not come
_POLL = 1.0  # seconds between two looks at a study that others are finishing
_logger = logging.getLogger(__name__)

Objective = Callable[[Trial], float | Sequence[float]]
OnEnd = Callable[[Study, FrozenTrial], None]


def work(
    study: Study,
    objective: Objective,
    trials: int,
    *,
    heartbeat: float = HEARTBEAT,
    callbacks: Iterable[OnEnd] = (),
    catch: tuple[type[Exception], ...] = (Exception,),
    check: Callable[[], None] | None = None,
) -> None:
    """Run trials until the study has ``trials``, beside any number of other workers.

    While a trial runs, its worker gives a sign of life every ``heartbeat`` seconds. When another
    worker has seen none for four times as long, by its own clock, it lets the trial fail and tries
    its child again, once: the user attribute ``lost_with`` of the new trial says after which one.
    The old one is marked ``interrupted``, does not count, and teaches no strategy anything. A child
    that loses a second worker has failed. Near the end a worker waits for what the others still
    run, so that nothing is left behind.

    Args:
        study: From ``optuna.create_study`` or ``load_study``, with a sampler and a storage.
        objective: As for ``Study.optimize``.
        trials: How many the study is to have, interrupted ones left out, at least 1. Workers that
            begin their last trials at the same moment may make a few more.
        heartbeat: Seconds, above 0; the same for all workers.
        callbacks: As for ``Study.optimize``.
        catch: As for ``Study.optimize``; by default a child that fails does not end the search.
        check: Called before each trial and while waiting; ends the work by an exception.

    Raises:
        ValueError: If ``trials`` or ``heartbeat`` is out of range.
    """
    check_integer("trials", trials)
    if not 0 < heartbeat < math.inf:
        raise ValueError(f"heartbeat must be a number of seconds above 0, got {heartbeat!r}")
    me = uuid.uuid4().hex[:12]
    joined = SignedStudy(study, ALIVE, f"{me}:0")
    watch, took_part = Watch(_SILENT * heartbeat), False

    def alive(trial: Trial) -> float | Sequence[float]:
        with _Pulse(trial, me, heartbeat):
            return objective(trial)

    while True:
        if check is not None:
            check()
        found = trials_of(joined)
        counted = count(found)
        watch.take_over_from_the_dead(joined, again=counted < trials)
        running = sum(
            one.state == TrialState.RUNNING and ALIVE in one.system_attrs for one in found
        )
        if counted >= trials and not (running and took_part):
            return
        waiting = any(one.state == TrialState.WAITING for one in found)
        if counted >= trials or (running and not waiting and counted + running >= trials):
            time.sleep(min(_POLL, heartbeat))
            continue
        took_part = True
        try:
            joined.optimize(alive, n_trials=1, callbacks=list(callbacks), catch=catch)
        except (UpdateFinishedTrialError, AssertionError) as error:
            # Optuna meets the end of its own trial by an assertion, too.
            if not isinstance(error.__context__ or error, UpdateFinishedTrialError | ValueError):
                raise
            _logger.warning(
                "A trial of this worker was taken over by another one, to which it gave no sign of "
                "life for %g seconds: what it found is left out, and this worker goes on",
                _SILENT * heartbeat,
            )


def count(trials: Sequence[FrozenTrial]) -> int:
    """How many trials have ended, without those whose child another one tries again."""
    replaced = replaced_in(trials)
    return sum(
        one.state.is_finished() and not was_stopped(one) and one.number not in replaced
        for one in trials
    )


class Watch:
    """Sees which running trials have lost their worker, by the clock of this process alone.

    Args:
        silence: Seconds without a change of a trial's sign of life, after which it is dead.
    """

    def __init__(self, silence: float) -> None:
        self._silence = silence
        self._seen: dict[int, tuple[str, float]] = {}  # by the trial: its sign, and since when

    def take_over_from_the_dead(self, study: Study, *, again: bool = True) -> None:
        """Let their trials fail, and, if ``again``, have their children tried again by whoever asks
        next."""
        now, seen = time.monotonic(), self._seen
        self._seen = {}
        for trial in trials_of(study, (TrialState.RUNNING,)):
            sign = trial.system_attrs.get(ALIVE)
            if sign is None:  # of a user's own script, which gives no signs
                continue
            before, since = seen.get(trial.number, (sign, now))
            if before != sign:
                since = now
            self._seen[trial.number] = (sign, since)
            if now - since >= self._silence:
                take_over(study, trial, again=again)


def take_over(study: Study, trial: FrozenTrial, *, again: bool = True) -> None:
    """Let a trial fail whose worker is gone, and enqueue its child if it is to be tried ``again``,
    unless it has been lost once already. Several workers may do it at once: one of them does."""
    lost = LOST in trial.user_attrs
    again = again and not lost
    try:
        if not lost:
            note_in_trial(study, trial, INTERRUPTED, True)
            if RUNG in trial.user_attrs:
                note_in_trial(study, trial, RUNG, None)
        else:
            what = f"its worker died, as that of {trial.user_attrs[LOST]} had"
            note_in_trial(study, trial, "error", what)
    except UpdateFinishedTrialError:  # it ended after all, or another worker was quicker
        return
    if not fail(study, trial):
        return
    _logger.warning(
        "The worker of trial %d of study %r is gone: %s",
        trial.number,
        study.study_name,
        "its child is tried again"
        if again
        else "its child has failed, for the second time"
        if lost
        else "the study has its trials without it",
    )
    if again:
        params, noted = noted_for_another(trial)
        noted[LOST] = noted[AGAIN] = f"trial {trial.number}"
        signs = {ALIVE: "waiting"}
        if PROPOSED in trial.system_attrs:
            signs[PROPOSED] = trial.system_attrs[PROPOSED]
        enqueue(study, params, noted, signs)


class _Pulse:
    """Gives signs of life of a trial while its objective runs, from a thread beside it."""

    def __init__(self, trial: Trial, worker: str, seconds: float) -> None:
        self._trial, self._worker, self._seconds = trial, worker, seconds
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._beat, daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._end.set()
        self._thread.join()

    def _beat(self) -> None:
        beats = 0
        while not self._end.wait(self._seconds if beats else 0):
            beats += 1
            try:
                keep_in_trial(self._trial, ALIVE, f"{self._worker}:{beats}")
            except UpdateFinishedTrialError:
                return  # taken over: `work` says so when the objective returns
            except Exception as error:  # a storage that is away for a while may come back
                _logger.warning(
                    "No sign of life of trial %d could be stored: %r", self._trial.number, error
                )
