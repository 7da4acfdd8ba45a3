"""The search behind an estimator: run a host within a budget, then train the winner on all data."""

from __future__ import annotations

import contextlib
import math
import tempfile
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from cellwright.plugins import Dataset, Evaluation, Recipe
from cellwright.plugins.interrupts import check, held_back
from cellwright.plugins.scoring.evaluation import divide
from cellwright.search_spaces import ChildFailed, Params, SearchSpace
from cellwright.searches.children import make_sure_of
from cellwright.searches.confirmation import AGAIN, confirm
from cellwright.searches.hosts import HOSTS, driver_of
from cellwright.searches.settings import Settings
from cellwright.searches.startup import quiet_tensorflow, try_to_build
from cellwright.searches.trial import Trial, best_trial

_REFIT = 0.2  # share of the time that is kept for training the winner
_MOST = 10_000  # trials, if only the time is limited
_PATIENCE = 10  # epochs without a lower validation loss


class OutOfTime(KeyboardInterrupt):
    """Ends a search as Ctrl-C does; every host's driver then stores what it has."""


@dataclass(frozen=True)
class Plan:
    """The arguments of an estimator (see `CellwrightClassifier`), and when ``fit`` began."""

    space: SearchSpace | str
    strategy: str
    host: str
    time_budget: float | None
    max_trials: int | None
    epochs: int
    seed: int
    start: float
    on_trial: Callable[[Trial], None]
    confirm: int | None

    @property
    def end(self) -> float:
        return math.inf if self.time_budget is None else self.start + self.time_budget


@dataclass(frozen=True)
class Found:
    """The winner's architecture and trained model, all trials, and whether it saw all data."""

    params: Params
    model: Any
    trials: list[Trial]
    refitted: bool


def find(data: Dataset, whole: Dataset | None, plan: Plan) -> Found:
    """Search, and train the winner on ``whole`` for as many epochs as it took, if time is left.

    Args:
        data: What children are trained and validated on.
        whole: All data without a validation part; None keeps the winner as the search trained it.
        plan: The estimator's arguments.

    Raises:
        ChildFailed: If no child could be trained, with the reason of the first.
        CellwrightError, ValueError: If the plan does not fit the data; before any training.
        KeyboardInterrupt: On Ctrl-C, after a batch at the latest; nothing is kept.
    """
    with held_back():
        return _find(data, whole, plan)


def _find(data: Dataset, whole: Dataset | None, plan: Plan) -> Found:
    from cellwright.plugins.training.train import train

    check()
    with tempfile.TemporaryDirectory(prefix="cellwright-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        settings = _settings(plan, data, folder)
        driver = driver_of(plan.host)
        with quiet_tensorflow():
            evaluation = settings.make_evaluation(data)
        try_to_build(evaluation)
        check()
        # Trials that are processes of their own read all this from the folder, and need a space's
        # name.
        if HOSTS[plan.host].concurrent and isinstance(plan.space, str):
            data.save(Path(settings.data))
            settings.save(folder)
        share = 0.0 if whole is None else whole.train.number / data.train.number
        clock = _Clock(plan, share)
        with contextlib.suppress(OutOfTime):
            driver.search(folder, settings, evaluation, clock.trial, _no_display)
        trials = driver.read(folder, settings)
        if plan.confirm is not None and best_trial(trials) is not None:
            trials = _confirmed(folder, trials, plan.confirm, evaluation, clock)
        best = best_trial(trials)
        if best is None:
            raise ChildFailed(_why(trials))
        if whole is not None and clock.fits(best):
            recipe = _recipe_of(best, evaluation)
            again = replace(evaluation, data=whole, recipe=recipe, deadline=_or_none(plan.end))
            model = again.build(best.params)
            metrics = train(model, whole, recipe, deadline=again.deadline)
            if "cut" not in metrics:
                return Found(best.params, model, trials, True)
        if plan.confirm is not None:
            make_sure_of(folder, best, replace(evaluation, deadline=_or_none(plan.end)))
        import keras

        return Found(best.params, keras.models.load_model(folder / "best.keras"), trials, False)


def _confirmed(
    folder: Path, trials: list[Trial], best: int, evaluation: Evaluation, clock: _Clock
) -> list[Trial]:
    """The trials with what further trainings of the best children gave; as they are, with a
    warning, if the time is too short for all of these."""
    again = replace(evaluation, deadline=_or_none(clock.plan.end))
    try:
        return confirm(folder, trials, best, again, lambda line: None, clock.check)
    except OutOfTime:
        which = "child" if best == 1 else f"{best} children"
        warnings.warn(
            f"the time was too short to train the best {which} again (confirm={best}): the winner "
            "is the child of the highest score. Give a longer time_budget, or a smaller confirm",
            stacklevel=5,
        )
        return trials


def _settings(plan: Plan, data: Dataset, folder: Path) -> Settings:
    children = plan.end - _REFIT * (plan.time_budget or 0.0)
    rows = data.train.number
    return Settings(
        host=plan.host,
        strategy=plan.strategy,
        space=plan.space,
        data=str(folder / "data.dataset.npz"),
        trials=plan.max_trials or _MOST,
        epochs=plan.epochs,
        batch_size=min(128, max(16, 2 ** round(math.log2(rows / 40)))) if rows > 40 else 16,
        learning_rate=1e-3,
        filters=None,
        seed=plan.seed,
        storage=None,
        concurrency=1,
        patience=_PATIENCE,
        deadline=_or_none(children),
    )


class _Clock:
    """Ends the search when no time is left for another child and for training the winner."""

    def __init__(self, plan: Plan, share: float) -> None:
        self.plan, self.share = plan, share
        self.before, self.longest, self.children = time.time(), 0.0, 0

    def trial(self, trial: Trial) -> None:
        now = time.time()
        self.plan.on_trial(trial)
        self.longest = max(self.longest, now - self.before)
        self.before = now
        self.children += 1
        again = AGAIN * min(self.plan.confirm or 0, self.children)
        if now + self.longest * (1 + self.share + again) > self.plan.end:
            raise OutOfTime

    def check(self) -> None:
        """Raise `OutOfTime` unless there is time for another child and for training the winner."""
        if time.time() + self.longest * (1 + self.share) > self.plan.end:
            raise OutOfTime

    def fits(self, trial: Trial) -> bool:
        return time.time() + trial.metrics["seconds"] * self.share <= self.plan.end


def _no_display(number: int, epoch: int, metrics: dict[str, float]) -> None:
    """Epochs are not shown."""


def _recipe_of(best: Trial, evaluation: Evaluation) -> Recipe:
    """How the winner was trained, for as many epochs as it took."""
    _, searched = evaluation.space.split(best.params)
    recipe, _ = divide(searched, evaluation.recipe or Recipe(), evaluation.space)
    epochs = best.metrics.get("epochs", recipe.epochs)  # the space may search their number
    return replace(recipe.until(max(1, int(epochs))), patience=None)


def _or_none(moment: float) -> float | None:
    return moment if math.isfinite(moment) else None


def _why(trials: list[Trial]) -> str:
    errors = [trial.error for trial in trials if trial.error]
    return f"no child could be trained: {errors[0] if errors else 'the time was too short'}"
