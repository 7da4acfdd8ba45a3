"""Studies that run already, and trials that are odd: what is taken, left out, and refused."""

import math
import sys
from datetime import UTC, datetime

import numpy as np
import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution
from optuna.samplers import PartialFixedSampler, TPESampler
from optuna.trial import TrialState, create_trial

from cellwright.adapters.optuna_private import note_in_study, note_in_trial
from cellwright.adapters.optuna_sampler import StrategySampler, known_trial, suggest
from cellwright.plugins.strategies.hyperband import Hyperband
from cellwright.search_spaces import (
    Decision,
    Float,
    Int,
    InvalidArchitecture,
    JointSpace,
    NASNetSpace,
    SearchSpace,
    SpaceMismatch,
)

SPACE = SearchSpace([Decision(f"d{i}", ("a", "b", "c")) for i in range(4)])
JOINT = JointSpace(SPACE, Float("rate", 1e-4, 1e-2, log=True), Int("layers", 1, 9))
CHOICES = CategoricalDistribution(("a", "b", "c"))


@pytest.fixture(autouse=True)
def _quiet():
    optuna.logging.set_verbosity(optuna.logging.ERROR)


@pytest.fixture(params=["memory", "sqlite", "journal"])
def storage(request, tmp_path):
    if request.param == "memory":
        return optuna.storages.InMemoryStorage()
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/s.db"
    backend = optuna.storages.journal.JournalFileBackend(str(tmp_path / "journal"))
    return optuna.storages.JournalStorage(backend)


def objective(trial):
    return float(sum(value == "a" for value in suggest(trial, SPACE).values()))


def joint_objective(trial):
    params = suggest(trial, JOINT)
    JOINT.read(params)  # what an evaluation refuses
    return params["rate"]


def study_of(strategy="evolution", space=SPACE, **others):
    sampler = StrategySampler(strategy, space=space, seed=0)
    return optuna.create_study(direction="maximize", sampler=sampler, **others)


def told(study):
    """Numbers of the trials from which the study's strategy has learned, once the next begins."""
    trial = study.ask()
    suggest(trial, study.sampler.strategy.space)
    study.tell(trial, state=TrialState.FAIL)
    return sorted(one.number for one in study.sampler.strategy.history)


def test_a_study_without_our_decisions_is_taken_and_its_trials_left_alone(storage, caplog):
    study = optuna.create_study(storage=storage, sampler=TPESampler(seed=0), direction="maximize")
    study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=5)
    study.sampler = StrategySampler("evolution", space=SPACE, seed=0)
    before = [(trial.params, trial.user_attrs) for trial in study.trials]
    study.optimize(lambda trial: objective(trial) + trial.suggest_float("x", 0, 1), n_trials=4)
    assert [trial.state for trial in study.trials] == [TrialState.COMPLETE] * 9
    assert [(trial.params, trial.user_attrs) for trial in study.trials[:5]] == before
    assert told(study) == [5, 6, 7, 8]
    assert caplog.messages == []


def tell_a_part(study):
    trial = study.ask()
    trial.suggest_categorical("d0", ("a", "b", "c"))
    study.tell(trial, 1.0)


def fail_half_way(study):
    def half(trial):
        trial.suggest_categorical("d0", ("a", "b", "c"))
        raise RuntimeError

    study.optimize(half, n_trials=1, catch=(RuntimeError,))


def prune_half_way(study):
    def half(trial):
        trial.suggest_categorical("d0", ("a", "b", "c"))
        trial.report(1.0, 1)
        raise optuna.TrialPruned

    study.optimize(half, n_trials=1)


def add_a_part(study):
    study.add_trial(create_trial(params={"d0": "a"}, distributions={"d0": CHOICES}, value=1.0))


@pytest.mark.parametrize("make", [tell_a_part, fail_half_way, prune_half_way, add_a_part])
@pytest.mark.parametrize("strategy", ["evolution", "reinforce"])
def test_a_trial_with_some_of_the_decisions_is_left_out_with_one_warning(make, strategy, caplog):
    study = study_of(strategy)
    study.optimize(objective, n_trials=2)
    make(study)
    study.optimize(objective, n_trials=3)
    again = optuna.load_study(
        study_name=study.study_name, storage=study._storage, sampler=study.sampler
    )
    again.optimize(objective, n_trials=1)
    assert told(study) == [0, 1, 3, 4, 5, 6]
    (said,) = [message for message in caplog.messages if "some decisions" in message]
    assert "trial 2 holds only some decisions of the space and is left out" in said
    assert "without d1, d2, d3" in said


def test_many_trials_with_some_of_the_decisions_are_one_warning(caplog):
    study = study_of()
    for _ in range(13):
        add_a_part(study)
    study.optimize(objective, n_trials=2)
    (said,) = caplog.messages
    assert "trial 9 holds" in said
    assert "and so do 3 more" in said


@pytest.mark.parametrize("sampler", [None, TPESampler(seed=0)])
@pytest.mark.parametrize(
    ("given", "taken"),
    [
        ({"rate": 0.05}, {"rate": 0.01}),
        ({"rate": -1.0}, {"rate": 1e-4}),
        ({"rate": math.inf}, {"rate": 0.01}),
        ({"rate": "0.002"}, {"rate": 0.002}),
        ({"layers": 12}, {"layers": 9}),
        ({"layers": 2.6}, {"layers": 3}),
        ({"rate": 1, "layers": -3}, {"rate": 0.01, "layers": 1}),
    ],
)
def test_an_enqueued_value_out_of_range_is_taken_at_the_nearest_point(
    sampler, given, taken, caplog
):
    study = study_of(space=JOINT)
    study.sampler = sampler or study.sampler
    study.enqueue_trial(given)
    study.optimize(joint_objective, n_trials=3)
    assert taken.items() <= study.trials[0].params.items()
    (said,) = caplog.messages
    for name, value in given.items():
        assert f"{name} = {value!r} as {taken[name]!r}" in said


@pytest.mark.parametrize(
    "given", [{"d0": "z"}, {"rate": "high"}, {"rate": math.nan}, {"layers": True}, {"rate": [1]}]
)
def test_an_enqueued_value_that_is_near_nothing_fails_its_trial_alone(given, caplog):
    study = study_of(space=JOINT)
    study.enqueue_trial(given)
    ((name, value),) = given.items()
    with pytest.raises(InvalidArchitecture) as refused:
        study.optimize(joint_objective, n_trials=3)
    assert f"trial 0 was enqueued with {name} = {value!r} is not allowed" in str(refused.value)
    study.optimize(joint_objective, n_trials=3)
    assert [trial.state for trial in study.trials[1:]] == [TrialState.COMPLETE] * 3


def test_an_enqueued_value_without_effect_is_not_warned_of(caplog):
    space = JointSpace(SPACE, Decision("on", (False, True)), Int("many", 4, 9, when={"on": True}))
    study = study_of(space=space)
    study.enqueue_trial({"on": False, "many": 99})
    study.optimize(lambda trial: len(suggest(trial, space)), n_trials=2)
    assert caplog.messages == []


def test_values_that_the_objective_took_out_of_range_are_told_at_the_nearest_point(caplog):
    """As by an objective without `suggest`, or ``add_trial`` with a wider range."""
    wide = {d.name: CHOICES for d in SPACE.decisions} | {
        "rate": FloatDistribution(1e-6, 1, log=True),
        "layers": optuna.distributions.IntDistribution(1, 99),
    }
    cells = dict.fromkeys(SPACE.names, "a")
    study = study_of(space=JOINT)
    study.add_trial(
        create_trial(params={**cells, "rate": 0.5, "layers": 50}, distributions=wide, value=1.0)
    )
    study.optimize(joint_objective, n_trials=1)
    history = study.sampler.strategy.history[0]
    assert history.params == {**cells, "rate": 0.01, "layers": 9}
    (said,) = caplog.messages
    assert "trial 0 holds a value that is not allowed" in said
    assert "rate = 0.5 as 0.01, layers = 50 as 9" in said
    study.enqueue_trial({**cells, "rate": 0.01, "layers": 9})
    trial = study.ask()
    suggest(trial, JOINT)
    assert known_trial(trial, JOINT) is None, "it was trained at another rate"


@pytest.mark.parametrize("value", [sys.float_info.max, 1e300, 1e9, -1e300, math.inf, -math.inf])
@pytest.mark.parametrize("strategy", ["reinforce", "ppo", "hybrid", "auto", "evolution"])
def test_a_penalty_does_not_end_a_study(strategy, value):
    study = study_of(strategy)
    with np.errstate(over="raise", invalid="raise"):
        study.optimize(lambda t: -value if objective(t) and t.number % 4 == 3 else 0.5, n_trials=14)
    assert {trial.state for trial in study.trials} <= {TrialState.COMPLETE, TrialState.FAIL}


# --- Damaged records ---------------------------------------------------------------------------


def set_system_attribute(study, name, value):
    study._storage.set_trial_system_attr(study.trials[-1]._trial_id, name, value)


DAMAGE = {
    "a constraint that is text": lambda study: set_system_attribute(
        study, "constraints:latency", "much"
    ),
    "constraints of an earlier version": lambda study: set_system_attribute(
        study, "constraints", "much"
    ),
    "an excess that is text": lambda study: note_in_trial(
        study, study.trials[-1], "infeasible", "much"
    ),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_trial_is_reported_by_name_and_the_search_goes_on(damage, caplog):
    study = study_of()
    study.optimize(objective, n_trials=2)

    def damaged(trial):
        value = objective(trial)
        DAMAGE[damage](study)
        return value

    study.optimize(damaged, n_trials=1)
    study.optimize(objective, n_trials=3)
    known = told(study)
    assert known[:2] == [0, 1]
    assert known[-3:] == [3, 4, 5]
    if "excess" not in damage:  # an excess counts only for a child without a value
        (said,) = caplog.messages
        assert "trial 2 cannot be read and is left out" in said
        assert 2 not in known


@pytest.mark.parametrize(
    "rung", ["text", 5, {}, {"of": "another version"}, {"bracket": 0, "round": 0, "epochs": "x"},
             {"bracket": 0, "round": 1, "epochs": 3, "past": 99}]
)  # fmt: skip
def test_a_damaged_rung_is_reported_by_name_and_left_out(rung, caplog):
    sampler = StrategySampler("random", space=SPACE, seed=0, schedule=Hyperband(9, 3))
    study = optuna.create_study(direction="maximize", sampler=sampler)
    study.optimize(objective, n_trials=2)
    trial = study.ask()
    suggest(trial, SPACE)
    trial.set_user_attr("rung", rung)
    study.tell(trial, 1.0)
    study.optimize(objective, n_trials=3)
    assert len(study.trials) == 6
    (said,) = caplog.messages
    assert "'rung' of trial 2 cannot be read and is left out" in said


@pytest.mark.parametrize("note", [5, "text", [1], {}, {"of": "another version"},
                                  {"decisions": [3], "kind": "SearchSpace"}])  # fmt: skip
def test_a_damaged_note_of_the_space_is_reported_and_left_out(note, storage, caplog):
    study = study_of(storage=storage)
    study.optimize(objective, n_trials=2)
    note_in_study(study, "cellwright:identity", note)
    note_in_study(study, "cellwright:space", None)
    study.sampler = StrategySampler("evolution", space=SPACE, seed=0)
    study.optimize(objective, n_trials=2)
    assert told(study) == [0, 1, 2, 3]
    (said,) = caplog.messages
    assert "'cellwright:identity' is damaged, or of another version" in said
    study.sampler = StrategySampler("evolution", space=NASNetSpace(), seed=0)
    with pytest.raises(SpaceMismatch):  # it was noted anew
        study.ask()


@pytest.mark.parametrize("values", [[math.nan], [1.0, 2.0]])
def test_values_that_no_study_could_have_are_left_out(values, caplog):
    study = study_of()
    study.optimize(objective, n_trials=2)
    study._storage._studies[0].trials[1]._values = values  # as a damaged storage gives them back
    study.sampler = StrategySampler("evolution", space=SPACE, seed=0)
    study.optimize(objective, n_trials=2)
    assert "rial 1 " in caplog.text
    rewards = {one.number: one.reward for one in study.sampler.strategy.history}
    assert rewards.get(1) is None


def test_ends_with_and_without_a_time_zone_are_ordered():
    study = study_of()
    study.optimize(objective, n_trials=2)
    added = create_trial(
        params=dict.fromkeys(SPACE.names, "a"),
        distributions=dict.fromkeys(SPACE.names, CHOICES),
        value=4.0,
    )
    added.datetime_complete = datetime.now(UTC)
    study.add_trial(added)
    study.optimize(objective, n_trials=2)
    assert told(study) == [0, 1, 2, 3, 4]


# --- What is refused ---------------------------------------------------------------------------


def other_choices(storage):
    study = optuna.create_study(storage=storage, sampler=TPESampler(seed=0))
    study.optimize(lambda trial: len(trial.suggest_categorical("d0", ("a", "z"))), n_trials=2)
    return study, "holds 'd0' as"


def another_scale(storage):
    study = optuna.create_study(storage=storage, sampler=TPESampler(seed=0))
    study.optimize(lambda trial: trial.suggest_float("rate", 1e-4, 1e-2), n_trials=2)
    return study, "holds 'rate' as"


def another_space(storage):
    study = optuna.create_study(storage=storage, sampler=TPESampler(seed=0))
    study.optimize(lambda trial: len(suggest(trial, NASNetSpace(blocks=1))), n_trials=2)
    return study, "another search space"


def two_objectives(storage):
    study = optuna.create_study(storage=storage, directions=["minimize"] * 2)
    study.optimize(lambda trial: (trial.suggest_float("x", 0, 1), 1.0), n_trials=2)
    return study, "there are 2 objectives"


REFUSED = [other_choices, another_scale, another_space, two_objectives]


@pytest.mark.parametrize("make", REFUSED)
@pytest.mark.parametrize("waiting", [False, True])
def test_a_study_that_does_not_fit_is_refused_and_no_trial_fails(make, waiting, storage):
    study, message = make(storage)
    if waiting:
        study.enqueue_trial({"x": 0.5})
    study.sampler = StrategySampler("evolution", space=JOINT, seed=0)
    before = [(trial.state, trial.params) for trial in study.trials]
    with pytest.raises(ValueError, match=message):
        study.sampler.check(study)
    assert [(trial.state, trial.params) for trial in study.trials] == before
    for _ in range(2):
        with pytest.raises(ValueError, match=message):
            study.optimize(joint_objective, n_trials=3, catch=(Exception,))
    states = [trial.state for trial in study.trials]
    assert states == [TrialState.COMPLETE] * 2 + [TrialState.WAITING]
    study.sampler = TPESampler(seed=0)
    study.optimize(lambda trial: [1.0] * len(study.directions), n_trials=1)
    assert [trial.state for trial in study.trials] == [TrialState.COMPLETE] * 3


def test_suggest_with_any_sampler_refuses_once_where_errors_are_caught():
    study, _ = another_space(optuna.storages.InMemoryStorage())
    study.optimize(objective, n_trials=20, catch=(Exception,))
    assert [trial.state for trial in study.trials[2:]] == [TrialState.FAIL]


@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
@pytest.mark.parametrize("wrapped", [False, True])
def test_a_sampler_of_another_space_than_the_objective_suggests_is_refused(wrapped):
    sampler = StrategySampler("auto", seed=0)
    if wrapped:
        sampler = PartialFixedSampler({"x": 1}, sampler)
    study = optuna.create_study(sampler=sampler)
    with pytest.raises(SpaceMismatch, match="Give both the same space"):
        study.optimize(lambda trial: len(suggest(trial, NASNetSpace(blocks=2))), n_trials=5)
    assert len(study.trials) == 1


# --- A part is fixed ---------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
@pytest.mark.parametrize("strategy", ["random", "evolution", "reinforce", "local", "predictor"])
@pytest.mark.parametrize("way", ["PartialFixedSampler", "two of them", "enqueued"])
def test_new_networks_are_proposed_among_what_is_left_free(strategy, way):
    study = study_of(strategy)
    fixed = {"d0": "b"} if way != "two of them" else {"d0": "b", "d1": "c"}
    if way == "enqueued":
        for _ in range(20):
            study.enqueue_trial(fixed)
    else:
        for name, value in fixed.items():
            study.sampler = PartialFixedSampler({name: value}, study.sampler)
    trials = 9 if len(fixed) == 2 else 20
    study.optimize(objective, n_trials=trials)
    assert all(fixed.items() <= trial.params.items() for trial in study.trials)
    assert len({tuple(sorted(trial.params.items())) for trial in study.trials}) >= trials - 1


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning")
@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
def test_a_fixed_number_out_of_range_is_taken_at_the_nearest_point(caplog):
    study = study_of(space=JOINT)
    study.sampler = PartialFixedSampler({"rate": 0.5, "layers": 3}, study.sampler)
    study.optimize(joint_objective, n_trials=3)
    assert [trial.value for trial in study.trials] == [0.01] * 3
    assert {told.params["rate"] for told in study.sampler._base_sampler.strategy.history} == {0.01}
    assert "trial 2 was given a value that is not allowed" in caplog.text
    assert "rate = 0.5 as 0.01" in caplog.text


def test_a_predictor_proposes_what_is_best_among_what_is_left_free():
    """The best with d0 fixed is another network than the best of all."""
    space = SearchSpace([Decision(f"d{i}", ("a", "b", "c")) for i in range(7)])

    def score(params):
        return float(sum(v == ("a" if params["d0"] == "a" else "c") for v in params.values()))

    study = study_of("predictor", space=space)
    study.optimize(lambda trial: score(suggest(trial, space)), n_trials=30)
    for _ in range(15):
        study.enqueue_trial({"d0": "c"})
    study.optimize(lambda trial: score(suggest(trial, space)), n_trials=15)
    assert all(trial.params["d0"] == "c" for trial in study.trials[30:])
    assert max(trial.value for trial in study.trials[30:]) >= 6


# --- Nothing searched --------------------------------------------------------------------------


@pytest.mark.parametrize("n_trials", [1, 4])
def test_an_objective_that_asks_for_no_decision_is_warned_of_once(n_trials, caplog):
    study = study_of()
    study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=n_trials)
    (said,) = caplog.messages
    assert "trial 0 asked for none of the 4 decisions" in said
    assert "suggest(trial, space)" in said


def test_pruned_and_told_trials_are_warned_of_too_and_failed_ones_are_not(caplog):
    def pruned(trial):
        trial.report(trial.suggest_float("x", 0, 1), 1)
        raise optuna.TrialPruned

    def failed(trial):
        raise RuntimeError

    study_of().optimize(failed, n_trials=2, catch=(RuntimeError,))
    assert caplog.messages == []
    study_of().optimize(pruned, n_trials=2)
    study = study_of()
    study.tell(study.ask(), 1.0)
    assert ["asked for none" in message for message in caplog.messages] == [True, True]


# --- The architecture in words -----------------------------------------------------------------


def by_hand(trial):
    for decision in SPACE.decisions:
        trial.suggest_categorical(decision.name, decision.choices)
    return 1.0


@pytest.mark.parametrize("searched", [objective, by_hand])
def test_each_trial_says_its_architecture(searched):
    study = study_of()
    study.optimize(searched, n_trials=2)
    for trial in study.trials:
        assert trial.user_attrs["architecture"] == SPACE.in_short(trial.params)
    other = optuna.create_study(sampler=TPESampler(seed=0))
    other.optimize(objective, n_trials=1)
    assert other.trials[0].user_attrs["architecture"] == SPACE.in_short(other.trials[0].params)


def test_a_space_without_words_does_not_end_the_study(caplog):
    class Silent(SearchSpace):
        def words(self, params):
            raise RuntimeError("no words")

    space = Silent(SPACE.decisions)
    study = study_of(space=space)
    study.optimize(by_hand, n_trials=3)
    assert len(study.trials) == 3
    assert "has no architecture to show: RuntimeError('no words')" in caplog.text


def test_a_space_goes_by_its_name_in_an_objective_as_it_does_in_the_sampler():
    def objective(trial):
        params = suggest(trial, "mlp")
        return float(len(params)) if known_trial(trial, "mlp") is None else 0.0

    study = optuna.create_study(direction="maximize", sampler=StrategySampler("auto", space="mlp"))
    study.optimize(objective, n_trials=2)
    assert [trial.state for trial in study.trials] == [TrialState.COMPLETE] * 2
    with pytest.raises(ValueError, match=r"unknown name 'mpl'.*Did you mean 'mlp'"):
        suggest(study.ask(), "mpl")


def test_hyperparameters_that_only_the_objective_has_are_warned_of_once(caplog):
    network = SearchSpace([Decision("d", ("a", "b", "c"))])
    space = JointSpace(network, Float("rate", 1e-4, 1e-2, log=True))
    sampler = StrategySampler("evolution", space=network)
    study = optuna.create_study(direction="maximize", sampler=sampler)
    study.optimize(lambda trial: float(suggest(trial, space)["rate"]), n_trials=3)
    (warning,) = [record.message for record in caplog.records if "suggests" in record.message]
    assert "['rate'], which are not in the space that the sampler searches" in warning
