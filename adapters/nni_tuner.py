"""NNI tuners: any strategy behind ``nnictl create``.

NNI imports and creates a tuner, which then has 10 seconds to connect, so nothing heavy is imported
here. NNI calls `trial_end` from one thread and the rest from another, so each hook holds a lock. An
exception in a hook would stop the experiment without a word, so each hook catches its own.
"""

from __future__ import annotations

import functools
import logging
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, TypeVar, cast

from nni.tuner import Tuner

from cellwright.adapters.nni_arguments import TUNER_ARGUMENTS, schedule_of, signs_of
from cellwright.adapters.nni_doubts import NothingSearched, sameness, silence
from cellwright.adapters.nni_localhost import allow_localhost
from cellwright.adapters.nni_narrowed import Left, is_point, left_of
from cellwright.adapters.nni_proposal import propose
from cellwright.adapters.nni_record import HISTORY, INTERRUPTED, Record, read_result
from cellwright.adapters.nni_space import other_entries
from cellwright.plugins.files import set_aside
from cellwright.plugins.metrics import mistaken
from cellwright.plugins.records.record import ANSWERS_NONE
from cellwright.plugins.records.snapshots import remember
from cellwright.plugins.registry import make_space, make_strategy
from cellwright.plugins.strategies.strategy import Strategy
from cellwright.search_spaces import (
    CellwrightError,
    CorruptedState,
    Params,
    SearchSpace,
    SpaceMismatch,
)

_log = logging.getLogger(__name__)
_Hook = TypeVar("_Hook", bound=Callable[..., Any])


def _hook(function: _Hook) -> _Hook:
    """Hold the lock; log an exception with its traceback, and let the experiment go on."""

    @functools.wraps(function)
    def guarded(self: StrategyTuner, *args: Any, **kwargs: Any) -> None:
        with self._lock:
            try:
                function(self, *args, **kwargs)
            except Exception:
                _log.exception("%s%r failed; the experiment goes on", function.__name__, args)

    return cast(_Hook, guarded)


class StrategyTuner(Tuner):  # type: ignore[misc]
    """A strategy as an NNI tuner, named by ``className`` in an experiment's config.

    Its state is what the trials reported. It is written to ``cellwright_history.json`` in the
    experiment's checkpoint folder after each result and each proposal, and ``nnictl resume`` goes
    on from there. If the strategy raises, the exception is logged, and that trial's architecture is
    drawn at random instead.

    Args:
        strategy: A name, or ``"module:attribute"`` (see `make_strategy`).
        space: The same for the search space; the book's NASNet space if None.
        seed: 0 or above; None draws one, which the checkpoint then keeps.
        optimize_mode: ``"maximize"`` or ``"minimize"``: which way ``default``, the number that the
            trials report, is better.
        objectives: Takes its place where several metrics of the trials count, such as
            ``{"val_accuracy": "maximize", "latency_ms": "minimize"}``, for a strategy of as many
            objectives (``"auto"``). ``default`` is then only what NNI's web page shows.
        schedule: Arguments of `Hyperband`, such as ``{"max_epochs": 10, "factor": 3}``, or of
            `PopulationBased`, such as ``{"population": 8, "max_epochs": 10}``. Each trial is then
            one rung: `nni_trial.run` trains it for ``TRIAL_BUDGET`` epochs in all.
        tune: Hyperparameters that the strategy decides on beside the architecture, such as
            ``["learning_rate=1e-4..1e-2:log", "batch_size=32,64"]`` (`make_space`).
        strategy_arguments: Those of the strategy.

    Raises:
        ValueError: On any argument that does not fit. NNI then says that the tuner did not
            connect, and the message is in ``dispatcher.log``.
    """

    def __init__(
        self,
        strategy: str = "reinforce",
        space: SearchSpace | str | None = None,
        seed: int | None = None,
        optimize_mode: str = "maximize",
        objectives: Mapping[str, str] | None = None,
        schedule: Mapping[str, Any] | None = None,
        tune: Sequence[str] = (),
        **strategy_arguments: Any,
    ) -> None:
        super().__init__()
        if os.environ.get("SDK_PROCESS") == "dispatcher":  # NNI connects after this
            allow_localhost()
        self.optimize_mode = optimize_mode
        self._signs = signs_of(optimize_mode, objectives)
        for name, way in (objectives or {}).items():
            self._warn(mistaken([name], way), f"objectives.{name}")
        self.space = make_space(space, tune)
        self.schedule = schedule_of(schedule, self.space)

        def make(space: SearchSpace, seed: int | None) -> Strategy:
            objectives = len(self._signs)
            return remember(
                _make_strategy(
                    strategy, space, seed=seed, objectives=objectives, **strategy_arguments
                )
            )

        self._make = make
        self._name = strategy
        self._drawn = seed is None
        self.strategy = self._make(self.space, seed=seed)
        self.record = Record(self.space)
        self._numbers: dict[int, int] = {}  # by NNI's parameter id, in this process
        self._again: list[int] = []
        self._rerun: list[Params] = []
        self._resumed = False
        self._checked = False  # whether the direction fits what the trials report
        self._asked_about = False  # whether the user was asked about results that are all alike
        self._ended: dict[int, bool] = {}  # whether trials ended well, in this process
        self._others: dict[str, Any] = {}
        self._refusal = ""
        self._lock = threading.RLock()
        _log.info("%r", self)

    def __repr__(self) -> str:
        ways = {n: "maximize" if sign > 0 else "minimize" for n, sign in self._signs.items()}
        goal = f"objectives={ways}"
        if "default" in ways:
            goal = f"optimize_mode={self.optimize_mode!r}"
        return (
            f"{type(self).__name__}(strategy={self._name!r}, space={self.strategy.space!r}, "
            f"seed={self.strategy.seed}, {goal})"
        )

    def update_search_space(self, search_space: Any) -> None:
        """Take the experiment's search space, which may be a part of this tuner's.

        What the user took out of it is never proposed (`nni_narrowed.left_of`). If it does not fit,
        a new experiment ends with an error (`generate_multiple_parameters`), and a running one
        keeps the search space that it had.
        """
        with self._lock:
            try:
                others = other_entries(self.space, search_space)
                self._search(left_of(self.space, search_space))
            except Exception as error:
                if self._numbers:
                    _log.error("the search space stays as it was: %s", error)
                else:
                    self._refuse(error)
            else:
                self._others = others

    def generate_multiple_parameters(
        self, parameter_id_list: list[int], **kwargs: Any
    ) -> list[dict[str, Any]]:
        """Propose one trial for each id; a refused experiment gets none, and ends with an error.

        After a resume there are fewer: NNI's word for that, "no more trials", lasts until the next.
        """
        dispatcher = getattr(kwargs.get("st_callback"), "__self__", None)
        with self._lock:
            if self._refusal:
                self._end_experiment(dispatcher)
                return []
            if self._resumed:
                # NNI asks for as many trials as may run at once, and also runs again those that
                # were interrupted: one too many, proposed before their results are known.
                again = self._find_lost(dispatcher)
                parameter_id_list = parameter_id_list[: max(0, len(parameter_id_list) - again)]
            if reason := silence(self.record, self._ended):
                self._refuse(NothingSearched(reason))
                self._end_experiment(dispatcher)
                return []
            proposals = [self._propose(id_) for id_ in parameter_id_list]
            self._save()
            return proposals

    def generate_parameters(self, parameter_id: int, **kwargs: Any) -> dict[str, Any]:
        """Propose one trial."""
        with self._lock:
            proposal = self._propose(parameter_id)
            self._save()
            return proposal

    @_hook
    def receive_trial_result(
        self, parameter_id: int, parameters: Any, value: Any, **kwargs: Any
    ) -> None:
        """Book what a trial reported, under the architecture that it says it had.

        One that was interrupted is no result: it is proposed again, before any other.
        """
        number = self._numbers.get(parameter_id)
        if number is None:
            _log.warning("a result of the unknown parameter id %r is left out", parameter_id)
            return
        if isinstance(value, Mapping) and value.get(INTERRUPTED):
            _log.warning("trial %d was interrupted, and is proposed again", number)
            self.record.report_interrupted(number, trial=kwargs.get("trial_job_id"))
            self._again.append(number)
            return
        if parameters == "":
            # Where NNI gets fewer trials than it asked for, it forgets what the first of them has.
            parameters = self.record.running.get(number, {})
        result = read_result(self.space, value, parameters, self._signs)
        if result.reward is None:
            _log.warning("trial %d failed: %s", number, result.facts["error"])
        elif not self._checked and "default" in self._signs:
            self._checked = True
            alike = [n for n, x in result.facts["metrics"].items() if x == result.facts["default"]]
            self._warn(mistaken(alike, self.optimize_mode), "optimize_mode")
        self.record.report(number, result, trial=kwargs.get("trial_job_id"))
        if not self._asked_about and (odd := sameness(self.record)):
            self._asked_about = True
            _log.warning(odd)
        self._save()

    @_hook
    def trial_end(self, parameter_id: int, success: bool, **kwargs: Any) -> None:
        """Book a failure if a trial ended without a report, which may not be the one named."""
        number = self._numbers.get(parameter_id)
        if number is not None:
            self._ended[number] = success
            self.record.end(number)
            self._save()

    @_hook
    def import_data(self, data: Any) -> None:
        """Learn from results that NNI hands over on resume and by ``nnictl experiment import``.

        What the checkpoint already holds is passed over, and what does not fit is left out with a
        warning. An imported result answers no trial, because it does not say how its child was
        trained.
        """
        for entry in data:
            try:
                self._import(entry)
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                _log.warning("imported trial %r is left out: %s", entry, error)
        self._save()

    def load_checkpoint(self) -> None:
        """Go on from the checkpoint. A damaged one is set aside, and NNI's own data are used."""
        folder = self.get_checkpoint_path()
        if folder is None:
            return
        with self._lock:
            self._resumed = True
            try:
                record, facts = Record.load(Path(folder, HISTORY), self.space)
                if facts.get("objectives", self._signs) != self._signs:
                    raise ValueError(
                        f"the trials in {folder} were told with other objectives (1 maximises): "
                        f"{facts['objectives']}, now {self._signs}; resume with those, or create a "
                        "new experiment"
                    )
                self.record = record
                if record.doubt:
                    _log.warning(
                        "the trials in %s may be of another search space than %r: %s. They are "
                        "taken as trials of this space, which is noted there from now on. Children "
                        "are what the trial script builds: a space must be changed there too",
                        folder,
                        self.space,
                        record.doubt,
                    )
                if self._drawn:
                    self.strategy = self._make(self.strategy.space, seed=facts["seed"])
            except FileNotFoundError:
                _log.warning("there is no %s in %s to resume from", HISTORY, folder)
            except CorruptedState as error:
                set_aside(Path(folder, HISTORY))
                _log.error("%s. It is set aside; the search goes on from NNI's own data", error)
            except Exception as error:
                self._refuse(error)

    def _propose(self, parameter_id: int) -> dict[str, Any]:
        lost = [n for n in self._again if n in self.record.running and self._is_left(n)]
        if lost:
            number, *self._again = lost
        else:
            number = self.record.asked
            sign = next(iter(self._signs.values()))
            self.record.start(
                propose(number, self.record, self.strategy, self.schedule, self._others, sign)
            )
        self._numbers[parameter_id] = number
        return dict(self.record.running[number])

    def _import(self, entry: Any) -> None:
        trial = entry.get("trialJobId")
        result = read_result(self.space, entry["value"], entry["parameter"], self._signs)
        if self.record.holds(result, trial):
            return
        number = self.record.number_of(result)
        if number is None and result.reward is None:
            raise ValueError(result.facts["error"])
        if number is None and trial is None and result.params in self._rerun:
            _log.info("a trial that had reported before the stop was run again: %r", entry)
            return
        facts = {"trial": trial}
        if number is None:
            number = self.record.start(result.exact)
            facts[ANSWERS_NONE] = True
        self.record.tell(number, result, **facts)

    def _find_lost(self, dispatcher: Any) -> int:
        """After a resume, find the trials that were running and that NNI does not run again; how
        many it does."""
        again = getattr(dispatcher, "recovered_trial_params", {}).values()
        self._rerun = [{n: x for n, x in g.items() if n in self.space.names} for g in again]
        self._again = [n for n, given in self.record.running.items() if given not in again]
        self._resumed = False
        return len(again)

    def _search(self, left: Left) -> None:
        """Search what is left of the space from now on."""
        if not left.notes and self.strategy.space is self.space:
            return
        if self._numbers and self.schedule is not None:
            raise SpaceMismatch(
                "under a schedule children go on with the parameters that they have, so that a "
                "search space cannot change while it runs: create a new experiment"
            )
        if self.schedule is not None:
            self.schedule.check(left.space)
        self.strategy = self._make(left.space, seed=self.strategy.seed)
        if left.notes:
            _log.warning(
                "the experiment's search space narrows %r; %.3g points are left, and no others "
                "are proposed. It narrows %s",
                self.space,
                left.space.size,
                "; ".join(left.notes),
            )

    def _is_left(self, number: int) -> bool:
        """Whether a running trial has parameters that are still searched."""
        return is_point(self.strategy.space, self.record.running[number])

    def _warn(self, wrong: str, argument: str) -> None:
        if wrong:
            _log.warning("%s: change %s in the tuner's classArgs", wrong, argument)

    def _refuse(self, error: Exception) -> None:
        self._refusal = f"{type(error).__name__}: {error}"
        _log.error(self._refusal, exc_info=not isinstance(error, CellwrightError))

    def _end_experiment(self, dispatcher: Any) -> None:
        # An exception would leave the experiment running without trials for ever. An error that
        # is reported to NNI's manager before the trials begin ends it with status ERROR.
        if dispatcher is not None:
            dispatcher.report_error(self._refusal)

    def _save(self) -> None:
        folder = self.get_checkpoint_path()
        if folder is None:
            return
        try:
            self.record.save(Path(folder, HISTORY), seed=self.strategy.seed, objectives=self._signs)
        except Exception:
            _log.exception("the checkpoint in %s cannot be written", folder)


def _make_strategy(name: str, space: SearchSpace, **arguments: Any) -> Strategy:
    """See `make_strategy`.

    Raises:
        ValueError: With the names of the class arguments, if it takes no such arguments.
    """
    try:
        return make_strategy(name, space, **arguments)
    except ValueError as error:
        if "cannot be made so" not in str(error):
            raise
        raise ValueError(
            f"{error}. The class arguments of the tuner itself are {', '.join(TUNER_ARGUMENTS)}"
        ) from error


class _NamedTuner(StrategyTuner):
    """A class for one strategy; it takes no ``strategy``."""

    _named: ClassVar[str]

    def __init__(
        self,
        space: SearchSpace | str | None = None,
        seed: int | None = None,
        optimize_mode: str = "maximize",
        **arguments: Any,
    ) -> None:
        super().__init__(self._named, space, seed, optimize_mode, **arguments)


class AutoTuner(_NamedTuner):
    """`Auto`, the strategy to begin with, on the NASNet cell space.

    Args:
        space, seed, optimize_mode: See `StrategyTuner`.
        arguments: The others of `StrategyTuner`, and those of `Auto`.
    """

    _named = "auto"


class NASNetRLTuner(_NamedTuner):
    """Reinforcement learning (`Reinforce`) on the NASNet cell space.

    Args:
        space, seed, optimize_mode: See `StrategyTuner`.
        arguments: The others of `StrategyTuner`, and those of `Reinforce`.
    """

    _named = "reinforce"


class NASNetEvolutionTuner(_NamedTuner):
    """`RegularizedEvolution` on the NASNet cell space.

    Args:
        space, seed, optimize_mode: See `StrategyTuner`.
        arguments: The others of `StrategyTuner`, and those of `RegularizedEvolution`.
    """

    _named = "evolution"
