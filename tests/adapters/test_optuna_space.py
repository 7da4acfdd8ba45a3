"""Which space an Optuna study is of: who notes it, who is refused, who is taken with a warning."""

import json

import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.samplers import TPESampler
from optuna.trial import create_trial

from cellwright.adapters.optuna_private import note_in_study, notes_in_study
from cellwright.adapters.optuna_sampler import StrategySampler, suggest
from cellwright.adapters.optuna_space import check_choices
from cellwright.plugins import RandomSearch
from cellwright.search_spaces import (
    Decision,
    Float,
    JointSpace,
    MnasNetSpace,
    NASNetSpace,
    SearchSpace,
    SpaceMismatch,
)
from cellwright.search_spaces.identity import brief, old_fingerprint

BLOCK = {"layers": (1,), "filters": (8,), "strides": (1,)}
NARROW, WIDE = MnasNetSpace(**BLOCK, stem=16), MnasNetSpace(**BLOCK, stem=32)
DIFFERENT = "stem was 16 and is now 32"
UNKNOWN = "could not be compared: layers, filters, strides, stem, head"


@pytest.fixture(autouse=True)
def _quiet():
    optuna.logging.set_verbosity(optuna.logging.ERROR)


def joint(space):
    return JointSpace(space, Float("learning_rate", 1e-4, 1e-2))


def by_suggest(study, space):
    """One trial of any sampler of Optuna."""
    study.sampler = TPESampler(seed=0)
    study.optimize(lambda trial: len(suggest(trial, space)), n_trials=1)


def by_hand(study, space):
    """One trial of ours whose parameters the objective suggests without `suggest`."""
    study.sampler = StrategySampler(RandomSearch(space, seed=0))

    def objective(trial):
        return len([trial.suggest_categorical(d.name, d.choices) for d in space.decisions])

    study.optimize(objective, n_trials=1)


def by_both(study, space):
    study.sampler = StrategySampler(RandomSearch(space, seed=0))
    study.optimize(lambda trial: len(suggest(trial, joint(space))), n_trials=1)


ENTRANCES = [by_suggest, by_hand, by_both]


@pytest.fixture
def study(tmp_path):
    """In a database, which keeps what is noted as JSON."""
    return optuna.create_study(storage=f"sqlite:///{tmp_path}/s.db")


def make_old(study):
    """Leave in the study what an earlier version left."""
    note_in_study(study, "cellwright:identity", None)
    assert notes_in_study(study)["cellwright:space"] == old_fingerprint(NARROW)


@pytest.mark.parametrize("first", ENTRANCES)
@pytest.mark.parametrize("second", ENTRANCES)
def test_a_study_of_a_space_that_was_told_something_else_is_refused(study, first, second):
    for _ in range(2):  # by hand, the study is noted with the second trial
        first(study, NARROW)
    second(study, NARROW)
    with pytest.raises(SpaceMismatch, match=DIFFERENT):
        second(study, WIDE)
    assert [trial.value is None for trial in study.trials] == [False, False, False, True]
    second(study, NARROW)


def test_how_cells_are_put_together_is_part_of_the_space(study):
    by_suggest(study, NASNetSpace(blocks=1, concatenation="all"))
    with pytest.raises(SpaceMismatch, match='concatenation was "all" and is now "unused"'):
        by_suggest(study, NASNetSpace(blocks=1, concatenation="unused"))
    others = r"its decisions were 10 \(\w{16}\) and are now 16 \(\w{16}\)"
    with pytest.raises(SpaceMismatch, match=f"blocks was 1 and is now 2; .*; {others}"):
        by_suggest(study, NASNetSpace(blocks=2, combinations=["add"]))


def test_the_space_of_networks_alone_is_noted_and_a_range_may_widen(study):
    by_suggest(study, joint(NARROW))
    assert notes_in_study(study)["cellwright:identity"] == json.loads(
        json.dumps(brief(NARROW.identity()))
    )
    by_suggest(study, NARROW)
    by_suggest(study, JointSpace(NARROW, Float("learning_rate", 1e-6, 1.0)))


@pytest.mark.parametrize("enter", ENTRANCES)
def test_a_study_of_an_earlier_version_is_taken_with_one_warning(study, enter, caplog):
    by_suggest(study, NARROW)
    make_old(study)
    with pytest.raises(SpaceMismatch, match="its decisions are others"):
        by_suggest(study, NASNetSpace(blocks=1))
    for _ in range(3):
        enter(study, NARROW)
    # `by_both` searches the network alone, and is told of the objective's learning rate too.
    (said,) = (words for words in caplog.messages if "the objective suggests" not in words)
    assert UNKNOWN in said
    assert "noted in the study from now on" in said
    for other in ENTRANCES:
        with pytest.raises(SpaceMismatch, match=DIFFERENT):
            other(study, WIDE)
    assert notes_in_study(study)["cellwright:space"] == old_fingerprint(NARROW), (
        "for earlier versions"
    )


def as_before_repair(noted):
    """What an earlier version noted of a space of cells: a fact less."""
    facts = {name: fact for name, fact in noted["facts"].items() if name != "repair"}
    return {**noted, "facts": facts}


@pytest.mark.parametrize("enter", ENTRANCES)
def test_a_study_of_the_book_from_before_it_was_repaired_says_how_to_go_on(study, enter, caplog):
    wide, repaired = NASNetSpace.wide(blocks=1), NASNetSpace(blocks=1)
    by_suggest(study, wide)
    noted = notes_in_study(study)["cellwright:identity"]
    note_in_study(study, "cellwright:identity", as_before_repair(noted))
    enter(study, repaired)
    (said,) = (words for words in caplog.messages if "the objective suggests" not in words)
    assert "give repair=False (the space nasnet-wide by name) to go on as before" in said
    caplog.clear()
    by_suggest(study, wide)  # so it is still possible to do what the warning says
    assert caplog.messages == []


def test_a_study_of_an_earlier_version_without_facts_is_taken_without_a_word(study, caplog):
    plain = SearchSpace([Decision("a", (1, 2))])
    note_in_study(study, "cellwright:space", old_fingerprint(plain))
    by_suggest(study, plain)
    assert caplog.messages == []


TWO = SearchSpace([Decision("a", ("x", "y")), Decision("b", (0, 1)), Float("rate", 0.1, 1.0)])
CHOICES, LEVELS = CategoricalDistribution(("x", "y")), CategoricalDistribution((0, 1))
RATE = FloatDistribution(0.1, 1.0)


@pytest.mark.parametrize(
    ("held", "refused"),
    [
        ({"a": CHOICES, "b": LEVELS, "rate": RATE}, None),
        ({"a": CHOICES, "b": LEVELS, "rate": FloatDistribution(0.01, 2.0)}, None),
        ({"a": CHOICES}, None),
        ({"other": RATE}, None),
        ({"a": CategoricalDistribution(("y", "x")), "b": LEVELS, "rate": RATE}, "a"),
        ({"a": CHOICES, "b": CategoricalDistribution((0, 1, 2)), "rate": RATE}, "b"),
        ({"b": CategoricalDistribution((0, 2))}, "b"),
        ({"a": CHOICES, "b": IntDistribution(0, 1), "rate": RATE}, "b"),
        ({"a": CHOICES, "b": LEVELS, "rate": FloatDistribution(0.1, 1.0, log=True)}, "rate"),
        ({"a": CHOICES, "b": LEVELS, "rate": CategoricalDistribution((0.1, 1.0))}, "rate"),
    ],
)
def test_a_trial_with_other_choices_is_refused_by_its_number(study, held, refused):
    values = {"a": "y", "b": 0, "rate": 0.1, "other": 0.1}
    params = {name: values[name] for name in held}
    study.add_trial(create_trial(params=params, distributions=held, value=1.0))
    if refused is None:
        check_choices(study, TWO, study.trials)
    else:
        with pytest.raises(SpaceMismatch, match=f"^trial 0 of study .* it holds '{refused}' as"):
            check_choices(study, TWO, study.trials)


class Mine(SearchSpace):
    """A user's, which declares nothing."""

    def __init__(self, width):
        super().__init__([Decision("a", (1, 2))])
        self.width = width


def test_what_nobody_declared_is_warned_of_whenever_it_changes(study, caplog):
    class Renamed(Mine):
        pass

    for space in (Mine(16), Mine(16), Mine(32), Mine(32), Renamed(32), Renamed(32)):
        by_suggest(study, space)
    assert ["width was 16 and is now 32" in said for said in caplog.messages] == [True, False]
    assert ["class was Mine and is now Renamed" in s for s in caplog.messages] == [False, True]
