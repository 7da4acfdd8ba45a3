"""Joint spaces and the schedule in the NNI tuner, driven as NNI's dispatcher drives it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("nni", reason="NNI is not installed")

from cellwright.adapters.nni_record import read_result
from cellwright.adapters.nni_space import other_entries, search_space_of
from cellwright.adapters.nni_tuner import StrategyTuner
from cellwright.plugins import RegularizedEvolution
from cellwright.plugins.records.record import BUDGET, PAST
from cellwright.plugins.strategies.hyperband import Hyperband
from cellwright.search_spaces import Decision, Float, Int, JointSpace, SearchSpace, SpaceMismatch

CELLS = SearchSpace(Decision(f"cell/{i}", ("a", "b", "c", "d")) for i in range(5))
JOINT = JointSpace(
    CELLS,
    Float("learning_rate", 1e-4, 1e-2, log=True),
    Float("dropout", 0, 0.5),
    Int("layers", 1, 4),
    Int("batch_size", 16, 256, log=True),
    Decision("clustering", (False, True)),
    Int("clusters", 4, 20, when={"clustering": True}),
)
TEN = Hyperband(10, 3)


@pytest.fixture(autouse=True)
def _checkpoint(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("NNI_CHECKPOINT_DIRECTORY", str(tmp_path))


def score(given: dict[str, Any]) -> float:
    architecture = sum("abcd".index(given[name]) for name in CELLS.names)
    return (architecture + given["learning_rate"]) * (1 - 0.7 ** given.get(BUDGET, 10))


def trials(tuner: StrategyTuner, numbers: range, failing: frozenset[int] = frozenset()) -> list:
    found = []
    for id_ in numbers:
        [given] = tuner.generate_multiple_parameters([id_])
        found.append(given)
        if id_ not in failing:
            tuner.receive_trial_result(id_, given, score(given), trial_job_id=f"job-{id_}")
        tuner.trial_end(id_, id_ not in failing)
    return found


def test_the_search_space_is_in_nnis_own_words() -> None:
    space = search_space_of(JOINT)
    assert space["learning_rate"] == {"_type": "loguniform", "_value": [1e-4, 1e-2]}
    assert space["dropout"] == {"_type": "uniform", "_value": [0.0, 0.5]}
    assert space["layers"] == {"_type": "randint", "_value": [1, 5]}
    assert space["batch_size"] == {"_type": "qloguniform", "_value": [16, 256, 1]}
    assert space["clustering"] == {"_type": "choice", "_value": [False, True]}
    assert other_entries(JOINT, space) == {}
    assert other_entries(CELLS, space).keys() == {d.name for d in JOINT.hyperparameters}
    with pytest.raises(SpaceMismatch, match="loguniform"):
        other_entries(JOINT, {**space, "learning_rate": {"_type": "uniform", "_value": [0, 1]}})


def test_all_of_it_by_one_of_our_strategies() -> None:
    tuner = StrategyTuner("evolution", JOINT, seed=0)
    tuner.update_search_space(search_space_of(JOINT))
    bare = RegularizedEvolution(JOINT, seed=0)
    for number, given in enumerate(trials(tuner, range(12))):
        assert given == bare.ask(number)
        bare.tell(number, given, score(given))


def test_the_architecture_by_ours_and_the_rest_at_random_in_its_range() -> None:
    tuner = StrategyTuner("evolution", CELLS, seed=0)
    tuner.update_search_space(search_space_of(JOINT))
    bare = RegularizedEvolution(CELLS, seed=0)
    for number, given in enumerate(trials(tuner, range(12))):
        JOINT.encode(given)
        network = JOINT.split(given)[0]
        assert network == bare.ask(number)
        bare.tell(number, network, score(given))


def test_a_trial_may_echo_more_than_the_tuner_searches() -> None:
    given = JOINT.decode([0] * len(JOINT.names))
    result = read_result(CELLS, {"default": 0.5, "architecture": {**given}}, {}, {"default": 1.0})
    assert result.params == CELLS.decode([0] * 5)


@pytest.mark.parametrize("space", [CELLS, JOINT])
def test_our_schedule_spends_what_the_book_says_also_across_a_resume(
    space: SearchSpace, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def new() -> StrategyTuner:
        schedule = {"max_epochs": 10, "factor": 3}
        tuner = StrategyTuner("evolution", space, seed=0, schedule=schedule)
        tuner.update_search_space(search_space_of(JOINT))
        return tuner

    found = trials(new(), range(14))
    again = new()
    again.load_checkpoint()
    found += trials(again, range(14, 30))
    for epochs, size in ((2, 12), (4, 6), (10, 4)):
        assert [PAST in given for given in found if given[BUDGET] == epochs].count(False) == size
    assert [given[BUDGET] for given in found if PAST in given] == [4] * 4 + [10] * 4
    assert sum(given[BUDGET] - _before(found, given) for given in found) == TEN.epochs
    for given in found:
        if PAST in given:
            assert given == {**found[given[PAST]], BUDGET: given[BUDGET], PAST: given[PAST]}
    monkeypatch.setenv("NNI_CHECKPOINT_DIRECTORY", str(tmp_path / "none"))
    assert trials(new(), range(30)) == found


def _before(found: list[dict[str, Any]], given: dict[str, Any]) -> int:
    return found[given[PAST]][BUDGET] if PAST in given else 0


def test_failures_do_not_go_on() -> None:
    tuner = StrategyTuner("random", CELLS, seed=0, schedule={"max_epochs": 10})
    tuner.update_search_space(search_space_of(CELLS))
    found = trials(tuner, range(1), frozenset({0}))
    assert found[0][BUDGET] == 2
    assert tuner.record.attempts()[0][2:4] == (True, None)


def test_a_schedule_that_makes_no_sense_is_refused() -> None:
    for wrong in ({"max_epochs": 0}, {"epochs": 3}):
        with pytest.raises(ValueError, match=r"max_epochs|no Hyperband"):
            StrategyTuner("random", CELLS, schedule=wrong)
