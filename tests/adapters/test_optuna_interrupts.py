"""Ctrl-C in a script of a user's own: the child is no failure, and is tried again."""

import keras
import numpy as np
import optuna
import pytest
from optuna.pruners import HyperbandPruner
from optuna.samplers import RandomSampler
from optuna.trial import TrialState

from cellwright.adapters.optuna_sampler import StrategySampler, suggest
from cellwright.adapters.optuna_trial import run
from cellwright.plugins import Evaluation, RandomSearch, Recipe, RegularizedEvolution
from cellwright.plugins.data.dataset import Dataset
from cellwright.search_spaces import Decision, SearchSpace

optuna.logging.set_verbosity(optuna.logging.ERROR)
TRIALS, DECISIONS = 10, 5


class Layers(SearchSpace):
    def build(self, params, input_shape, classes, **options):
        inputs = keras.Input(input_shape)
        return keras.Model(inputs, keras.layers.Dense(classes)(inputs))


SPACE = Layers([Decision(f"layer/{n}", tuple(range(7))) for n in range(DECISIONS)])
DATA = Dataset(np.zeros((4, 2), np.float32), np.arange(4) % 2, np.zeros((2, 2)), np.arange(2),
               ("a", "b"))  # fmt: skip


def score(params):
    return float(sum(params[name] for name in SPACE.names))


def study_with(sampler, **options):
    return optuna.create_study(direction="maximize", sampler=sampler, **options)


def evolution():
    return StrategySampler(RegularizedEvolution(SPACE, seed=1, population=4, sample=2))


def complete(study):
    return [trial.params for trial in study.trials if trial.state == TrialState.COMPLETE]


class Objective:
    """A user's own, that Ctrl-C meets in some trials, after so many decisions."""

    def __init__(self, stops=(), after=DECISIONS, raised=KeyboardInterrupt):
        self.stops, self.after, self.raised, self.calls = set(stops), after, raised, 0

    def __call__(self, trial):
        self.calls += 1
        stop = self.calls - 1 in self.stops
        if stop and self.after < DECISIONS:
            for decision in SPACE.decisions[: self.after]:
                trial.suggest_categorical(decision.name, decision.choices)
            self._stop()
        params = suggest(trial, SPACE)
        rate = trial.suggest_float("learning_rate", 1e-4, 1e-2)  # the host's own
        if stop:
            self._stop()
        return score(params) + rate

    def _stop(self):
        try:
            raise KeyboardInterrupt
        except KeyboardInterrupt as error:
            if self.raised is KeyboardInterrupt:
                raise
            raise self.raised("a callback failed") from error


def go_on(study, objective, trials=TRIALS):
    while len(complete(study)) < trials:
        try:
            study.optimize(objective, n_trials=1)
        except (KeyboardInterrupt, RuntimeError):
            continue


@pytest.mark.parametrize("raised", [KeyboardInterrupt, RuntimeError])
@pytest.mark.parametrize("after", [0, 2, DECISIONS])
def test_an_interrupted_study_equals_an_unbroken_one(after, raised):
    unbroken = study_with(evolution())
    unbroken.optimize(Objective(), n_trials=TRIALS)
    stopped = study_with(evolution())
    go_on(stopped, Objective((0, 4, 5, 9), after, raised))
    assert complete(stopped) == complete(unbroken)
    marked = [trial for trial in stopped.trials if trial.user_attrs.get("interrupted")]
    assert [trial.state for trial in marked] == [TrialState.FAIL] * 4
    assert len(stopped.trials) == TRIALS + 4


def test_another_process_goes_on_with_it(tmp_path):
    storage = f"sqlite:///{tmp_path}/study.db"
    with pytest.raises(KeyboardInterrupt):
        study_with(evolution(), storage=storage, study_name="s").optimize(Objective((3,)))
    again = optuna.load_study(study_name="s", storage=storage, sampler=evolution())
    again.optimize(Objective(), n_trials=TRIALS - 3)
    unbroken = study_with(evolution())
    unbroken.optimize(Objective(), n_trials=TRIALS)
    assert complete(again) == complete(unbroken)


def test_a_bracket_of_a_pruner_is_no_hindrance():
    study = study_with(evolution(), pruner=HyperbandPruner(min_resource=1, max_resource=9))
    go_on(study, Objective((2,)))
    first, second = study.trials[2:4]
    assert first.user_attrs["interrupted"]
    assert second.params == first.params


def test_what_a_failed_objective_raises_is_a_failure_still():
    study = study_with(evolution())

    def objective(trial):
        suggest(trial, SPACE)
        raise RuntimeError("out of luck")

    study.optimize(objective, n_trials=2, catch=(RuntimeError,))
    assert not any("interrupted" in trial.user_attrs for trial in study.trials)
    told = study.sampler._told(study)
    assert [each.reward for each in told] == [None, None]


@pytest.mark.parametrize("sampler", [RandomSampler, lambda: StrategySampler(RandomSearch(SPACE))])
def test_run_tries_an_interrupted_child_again_with_any_sampler(sampler):
    def train(model, data, recipe, *, report=None):
        calls.append(0)
        if len(calls) == 2:
            raise KeyboardInterrupt
        report(0, {"val_accuracy": 0.5})
        return {"val_accuracy": 0.5}

    calls = []
    study = study_with(sampler())
    evaluation = Evaluation(SPACE, DATA, Recipe(epochs=1), train=train)
    with pytest.raises(KeyboardInterrupt):
        study.optimize(lambda trial: run(trial, evaluation), n_trials=4)
    study.optimize(lambda trial: run(trial, evaluation), n_trials=2)
    states = [trial.state.name for trial in study.trials]
    assert states == ["COMPLETE", "FAIL", "COMPLETE", "COMPLETE"]
    assert study.trials[2].params == study.trials[1].params
    assert study.trials[1].user_attrs["interrupted"] is True
    assert "error" not in study.trials[1].user_attrs
