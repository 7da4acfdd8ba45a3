"""A searcher of Ray Tune that asks a strategy.

tuner = tune.Tuner(
    trainable,
    tune_config=tune.TuneConfig(
        search_alg=CellwrightSearch("auto", metric="val_accuracy", mode="max", space="nasnet"),
        num_samples=100,
    ),
)

The record is in the searcher's state, which is JSON, and which Tune keeps with the experiment's
and gives back on ``Tuner.restore``.
"""

from __future__ import annotations

import copy
import logging
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

try:
    from ray.tune.search import Searcher
except ImportError as error:
    raise ImportError(
        f"Ray Tune cannot be imported ({error}): pip install 'cellwright[ray]'"
    ) from error

from cellwright.adapters.ray_arguments import searched_in, signs_of
from cellwright.adapters.ray_experiment import trials_in
from cellwright.adapters.ray_facts import facts_in
from cellwright.adapters.ray_outcome import outcome
from cellwright.adapters.ray_words import (
    NOTES,
    NUMBER,
    OBJECTIVES,
    architecture,
    as_config,
    config_of,
    given_in,
    is_finite,
    notes_in,
)
from cellwright.plugins import make_space, make_strategy
from cellwright.plugins.metrics import mistaken
from cellwright.plugins.records.proposal import propose
from cellwright.plugins.records.record import ANSWERS_NONE, TrialRecord, result_of
from cellwright.plugins.records.snapshots import remember
from cellwright.plugins.strategies.schedule import Schedule
from cellwright.plugins.strategies.strategy import Strategy
from cellwright.search_spaces import InvalidArchitecture, SearchSpace, SpaceMismatch

__all__ = ["CellwrightSearch", "architecture"]

# Ray ends a whole search at one result without the metric, unless this variable says otherwise.
_STRICT = "TUNE_DISABLE_STRICT_METRIC_CHECKING"
_log = logging.getLogger(__name__)


class CellwrightSearch(Searcher):  # type: ignore[misc]
    """Any strategy as the ``search_alg`` of a ``tune.TuneConfig``.

    A trial's config holds its decisions by name; `architecture` reads them in the trainable. Its
    entry ``cellwright`` holds the trial's ``number``, what the strategy expects of it
    (``predicted``, ``predicted_std``), and what a schedule says. A trial counts with its last
    result. One that Tune's scheduler has ended early counts with what it had reached, and its
    ``training_iteration`` is kept with it. One whose metric is missing or not finite has failed.
    If no result has the metric, the search ends and says so.

    `set_max_concurrency` is kept here, so that Tune's ``ConcurrencyLimiter`` passes on what it
    hears of restarted trials; its ``batch=True`` has no effect.

    Args:
        strategy: A registered name (``"auto"``, ``"reinforce"``, ``"evolution"``, ...),
            ``"module:attribute"``, or a `Strategy`, which has its own space and seed.
        metric: What trials report and is searched for; a list for a strategy of several objectives.
            Tune does not tell a searcher what its ``TuneConfig`` says unless there is a
            ``param_space``, so both are given here.
        mode: ``"max"`` or ``"min"``; a list of them for a list of metrics.
        space: A space or its name; the book's if None.
        seed: 0 or above; None draws one, which the experiment keeps.
        schedule: A `Hyperband` or `PopulationBased`. Each trial is then one rung, which
            `ray_trial.run` follows. Leave Tune's scheduler at its default then.
        arguments: Those of a strategy that is given by name, such as ``exploration=0.1``.

    Raises:
        ValueError: On an argument that does not fit; the message says which one.
    """

    CKPT_FILE_TMPL = "searcher-state-{}.json"

    def __init__(
        self,
        strategy: str | Strategy = "auto",
        metric: str | Sequence[str] | None = None,
        mode: str | Sequence[str] | None = None,
        *,
        space: SearchSpace | str | None = None,
        seed: int | None = None,
        schedule: Schedule | None = None,
        **arguments: Any,
    ) -> None:
        self._signs = signs_of(metric, mode)
        several = not isinstance(metric, str)
        super().__init__(
            list(self._signs) if several else metric,
            ["max" if sign > 0 else "min" for sign in self._signs.values()] if several else mode,
        )
        if isinstance(strategy, Strategy) and (space is not None or seed is not None or arguments):
            raise ValueError("a Strategy brings its own space, seed and arguments: give only it")
        if not isinstance(strategy, Strategy):
            objectives = len(self._signs)
            strategy = make_strategy(
                strategy, make_space(space), seed=seed, objectives=objectives, **arguments
            )
        strategy.check_objectives(len(self._signs))
        if schedule is not None:
            schedule.check(strategy.space)
        for name, sign in self._signs.items():
            if wrong := mistaken([name], "max" if sign > 0 else "min"):
                _log.warning("%s: give the other mode to CellwrightSearch", wrong)
        self.strategy, self.schedule, self.space = remember(strategy), schedule, strategy.space
        self._blank = copy.deepcopy(strategy)  # before it learned anything: what is pickled
        self.record = TrialRecord(self.space)
        self._numbers: dict[str, int] = {}  # by Tune's id of a trial
        self._live: list[str] = []  # ids of the trials that run
        self._again: list[int] = []  # numbers that run again, under new ids
        self.expected: dict[int, dict[str, float]] = {}  # what was predicted, by number
        self._most: int | None = None
        self._refusal = ""

    def __repr__(self) -> str:
        goals = [f"{name} ({'max' if x > 0 else 'min'})" for name, x in self._signs.items()]
        return (
            f"{type(self).__name__}({', '.join(goals)}; strategy={type(self.strategy).__name__}, "
            f"space={self.space!r}, seed={self.strategy.seed}"
            + (f", schedule={self.schedule!r})" if self.schedule is not None else ")")
        )

    @property
    def seed(self) -> int:
        """The strategy's seed, which Tune keeps with the searcher."""
        return self.strategy.seed

    def set_search_properties(
        self, metric: Any, mode: Any, config: Mapping[str, Any], **spec: Any
    ) -> bool:
        """Look at Tune's ``param_space``; its constants reach every trial.

        Raises:
            ValueError: If it holds something to search, or ``metric`` or ``mode`` is another one.
            SpaceMismatch: If it holds a decision of the space.
        """
        for name, given, mine in (("metric", metric, self._metric), ("mode", mode, self._mode)):
            if given is not None and given != mine:
                raise ValueError(
                    f"tune.TuneConfig has {name}={given!r}, and CellwrightSearch {name}={mine!r}: "
                    "give both the same"
                )
        if open_ := searched_in(config):
            raise ValueError(
                f"param_space is to hold constants alone, and {', '.join(open_)} is to be "
                "searched: search it with the architecture, as in CellwrightSearch(strategy, ..., "
                "space=JointSpace(space, Float('learning_rate', 1e-4, 1e-2, log=True)))"
            )
        if taken := sorted(config.keys() & {*self.space.names, NOTES}):
            raise SpaceMismatch(
                f"param_space holds {', '.join(taken)}, which CellwrightSearch decides on; to fix "
                "a decision, give a space with that one choice"
            )
        return True

    def set_max_concurrency(self, max_concurrent: int) -> bool:
        """Have at most so many trials run at a time."""
        self._most = max_concurrent
        return True

    def suggest(self, trial_id: str) -> dict[str, Any] | None:
        """The config of a new trial; None while as many run as may.

        Raises:
            ValueError: If all trials so far have ended without the metric. The search ends.
        """
        os.environ.setdefault(_STRICT, "1")
        if self._refusal and all(told.reward is None for told in self.record.told.values()):
            raise ValueError(self._refusal)
        if self._most is not None and len(self._live) >= self._most:
            return None
        number = self._again.pop(0) if self._again else self._start()
        self._numbers[trial_id] = number
        self._live.append(trial_id)
        notes = {NUMBER: number, OBJECTIVES: list(self._signs), **self.expected.get(number, {})}
        return as_config(self.record.running[number], notes)

    def _start(self) -> int:
        """Book a new trial, and give its number."""
        record, number = self.record, self.record.asked
        names = self.space.names
        running = [
            {name: given[name] for name in names if name in given}
            for given in record.running.values()
        ]
        told = list(record.told.values())
        proposal = propose(number, record, self.strategy, self.schedule, told, running, {})
        if proposal.expected is not None:
            self.expected[number] = proposal.expected.notes(next(iter(self._signs.values())))
        return record.start(proposal.given)

    def on_trial_result(self, trial_id: str, result: Mapping[str, Any]) -> None:
        """A trial goes on; one that Tune has restarted under another id is known by its config."""
        self._number_of(trial_id, result)

    def on_trial_complete(
        self, trial_id: str, result: Mapping[str, Any] | None = None, error: bool = False
    ) -> None:
        """Book what a trial came to. One that Tune took back before it had begun runs again."""
        number = self._number_of(trial_id, result)
        if trial_id in self._live:
            self._live.remove(trial_id)
        if number is None:
            _log.warning("trial %s is none of this search, and is left out", trial_id)
        elif error:
            self._fail(number, "the trial failed: its error is in Tune's error.txt", {})
        elif result is None:
            if number in self.record.running and number not in self._again:
                self._again.append(number)
        else:
            self._book(number, result)

    def _book(self, number: int, result: Mapping[str, Any]) -> None:
        came = outcome(result, self._signs)
        if came.missing:
            self._refusal = f"trial {number}: {came.error}"
        if came.error:
            self._fail(number, came.error, came.facts)
        else:
            self._tell(number, came.reward, came.facts)

    def _fail(self, number: int, reason: str, facts: Mapping[str, Any]) -> None:
        _log.warning("trial %d failed: %s", number, reason)
        self._tell(number, None, {**facts, "error": reason})

    def _tell(self, number: int, reward: Any, facts: Mapping[str, Any]) -> None:
        record = self.record
        given = record.running[number] if number in record.running else record.given_to(number)
        record.tell(number, result_of(self.space, given, reward, facts))

    def _number_of(self, trial_id: str, result: Mapping[str, Any] | None) -> int | None:
        """The number of a trial; None if it is not of this search.

        Tune gives restarted trials new ids without a word, so their config says which they are.
        """
        if trial_id in self._numbers or result is None:
            return self._numbers.get(trial_id)
        return self._adopt(trial_id, config_of(result))

    def _adopt(self, trial_id: str, config: Mapping[str, Any]) -> int | None:
        number, given = notes_in(config).get(NUMBER), given_in(config)
        try:
            wanted = self.space.read(given)
        except InvalidArchitecture:
            return None
        if number is None:
            return None
        record = self.record
        if number in record.running:
            held: Mapping[str, Any] | None = self.space.read(record.running[number])
        else:
            held = record.params_of(number) if number in record.told else None
        if held is None:
            record.running[number] = given
            record.asked = max(record.asked, number + 1)
        elif held != wanted:
            number = record.start(given)
        self._numbers[trial_id] = number
        self._live.append(trial_id)
        return int(number)

    def add_evaluated_point(
        self,
        parameters: Mapping[str, Any],
        value: float,
        error: bool = False,
        pruned: bool = False,
        intermediate_values: list[float] | None = None,
    ) -> None:
        """Learn from a trial that was evaluated elsewhere.

        Args:
            parameters: Its decisions; other names are kept with it.
            value: Of the one metric.
            error: Whether it failed.
            pruned, intermediate_values: Make no difference.

        Raises:
            InvalidArchitecture: If it is no point of the space.
        """
        self.space.read(parameters)
        self.strategy.check_objectives(1)
        number = self.record.start(given_in(parameters))
        (sign,) = self._signs.values()
        facts: dict[str, Any] = {"metrics": {}, ANSWERS_NONE: True}
        if error or not is_finite(value):
            self._fail(number, "it failed where it was evaluated", facts)
        else:
            facts["metrics"] = {next(iter(self._signs)): float(value)}
            self._tell(number, sign * float(value), facts)

    def begin_again(self) -> None:
        """Have the trials that were running run again, under their numbers, before any other.

        It is for a new experiment that goes on with the state of another (`restore`). After Tune's
        own ``Tuner.restore`` the trials come back by themselves.
        """
        self._again = sorted(self.record.running)
        self._live.clear()

    def save(self, checkpoint_path: str) -> None:
        """Write the state, as JSON."""
        self.record.save(Path(checkpoint_path), **self._facts())

    def restore(self, checkpoint_path: str) -> None:
        """Take up a state that `save` wrote.

        Raises:
            FileNotFoundError, CorruptedState: If there is none, or it is damaged.
            SpaceMismatch: If it is of another search space.
            ValueError: If its trials were told with other metrics or modes.
        """
        path = Path(checkpoint_path)
        self._take_up(*TrialRecord.load(path, self.space), str(path))

    def restore_from_dir(self, checkpoint_dir: str) -> None:
        """Take up the state of an experiment. Tune writes several files, so a kill in the middle
        may leave them of two moments: trials that Tune does not know run again, and those that are
        unknown here are known by their configs."""
        super().restore_from_dir(checkpoint_dir)
        there = {trial.id: trial for trial in trials_in(Path(checkpoint_dir))}
        for trial_id in [each for each in self._live if each not in there]:
            self._live.remove(trial_id)
            self._again.append(self._numbers[trial_id])
        for trial_id, trial in there.items():
            number = self._numbers.get(trial_id)
            if number is None:
                number = self._adopt(trial_id, trial.config)
                self._again = [each for each in self._again if each != number]
            if trial.ended and number in self.record.running:
                self.on_trial_complete(trial_id, trial.result, error=trial.status == "ERROR")
        # By Tune's state one may have ended that is to run again by ours.
        self._again = [n for n in dict.fromkeys(self._again) if n in self.record.running]

    def _facts(self) -> dict[str, Any]:
        return {
            "seed": self.strategy.seed,
            "objectives": self._signs,
            "numbers": self._numbers,
            "live": self._live,
            "again": self._again,
            "expected": list(self.expected.items()),
        }

    def _take_up(self, record: TrialRecord, facts: Mapping[str, Any], place: str) -> None:
        found = facts_in(facts, record, place)
        if found.objectives != self._signs:
            raise ValueError(
                f"the trials in {place} were told with other objectives (1 maximises): "
                f"{found.objectives}, now {self._signs}; give those, or begin another experiment"
            )
        if record.doubt:
            _log.warning(
                "the trials may be of another search space than %r: %s. They are taken as trials "
                "of this space",
                self.space,
                record.doubt,
            )
        if not self.strategy.seeded and found.seed != self.strategy.seed:
            self.strategy.reseed(found.seed)
        self.record = record
        self._numbers, self._live, self._again = found.numbers, found.live, found.again
        self.expected = dict(found.expected)

    def __getstate__(self) -> dict[str, Any]:
        """What Tune pickles: the arguments as they are, and all that was learned as JSON."""
        state = dict(vars(self))
        for name in ("strategy", "record", "_numbers", "_live", "_again", "expected"):
            del state[name]
        return {**state, "state": self.record.as_text(**self._facts())}

    def __setstate__(self, state: dict[str, Any]) -> None:
        text = state.pop("state")
        self.__dict__.update(state)
        self.strategy = copy.deepcopy(self._blank)
        # A copy of a controller is none: its arrays share memory. This makes all of it anew.
        self.strategy.reseed(self.strategy.seed)
        self.space = self.strategy.space
        self._take_up(*TrialRecord.from_text(text, self.space), "the pickled searcher")
