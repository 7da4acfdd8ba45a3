"""The schedule of population based training: who goes on, from whose weights, and with what."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cellwright.plugins.strategies.population import PopulationBased
from cellwright.plugins.strategies.random_search import RandomSearch
from cellwright.plugins.strategies.schedule import Attempt, Rung, draws_of, state_of
from cellwright.search_spaces import Decision, Float, Int, JointSpace, MLPSpace, SearchSpace

CELLS = SearchSpace(Decision(f"cell/{i}", ("a", "b", "c", "d")) for i in range(3))
JOINT = JointSpace(
    CELLS,
    Float("learning_rate", 1e-4, 1e-1, log=True),
    Int("batch_size", 8, 64),
    Decision("augmentation", ("none", "shift", "shift_flip")),
    Float("momentum", 0, 0.9, when={"augmentation": ("none", "shift")}),
)
SIX = PopulationBased(6, 8, step=2)  # 4 steps


class Search:
    """One population after another, as a host runs them."""

    def __init__(self, schedule=SIX, space=JOINT, seed=0, failing=()):
        self.schedule, self.space, self.failing = schedule, space, failing
        self.strategy = RandomSearch(space, seed=seed)
        self.attempts: dict[int, Attempt] = {}
        self.rungs: dict[int, Rung] = {}

    def begin(self):
        number = len(self.rungs)
        draws = draws_of(self.strategy.seed, number)
        rung = self.schedule.next(self.attempts.values(), self.space, draws)
        if rung.past is None:
            params = self.space.read(self.strategy.ask(number))
        else:
            params = self.space.read({**self.attempts[rung.past].params, **(rung.changes or {})})
        self.rungs[number] = rung
        held = (rung.bracket, rung.epochs, rung.after, params)
        self.attempts[number] = Attempt(number, rung.past, False, None, *held)
        return number

    def end(self, number, reward=None):
        attempt = self.attempts[number]
        reward = self.score(attempt) if reward is None else reward
        reward = None if number in self.failing else reward
        self.attempts[number] = attempt._replace(ended=True, reward=reward)

    @staticmethod
    def score(attempt):
        return attempt.epochs - abs(math.log(attempt.params["learning_rate"] / 0.01))

    def run(self, trials):
        while len(self.rungs) < trials:
            self.end(self.begin())
        return self

    def of_step(self, step, members=range(6)):
        return {r.bracket: n for n, r in self.rungs.items()
                if r.round == step and r.bracket in members}  # fmt: skip


def test_one_pass_is_every_step_of_every_member():
    search = Search().run(SIX.trials)
    assert (SIX.trials, SIX.epochs) == (24, 48)
    assert [rung[:4] for rung in search.rungs.values()] == [
        (member, step, 2 * step + 2, 2 * step) for step in range(4) for member in range(6)
    ]
    assert sum(rung.epochs - rung.initial_epoch for rung in search.rungs.values()) == SIX.epochs
    search.run(25)
    assert search.rungs[24] == Rung(6, 0, 2, after="")  # and over again
    assert PopulationBased(6, 7, step=2).trials == 24
    last = Search(PopulationBased(2, 3, step=2)).run(4).rungs[3]
    assert (last.round, last.initial_epoch, last.epochs) == (1, 2, 3)


def test_the_worst_copy_the_best_and_all_others_go_on():
    search = Search().run(SIX.trials)
    for step in range(3):
        before, after = search.of_step(step), search.of_step(step + 1)
        ranked = sorted(before.values(), key=lambda n: (search.attempts[n].reward, -n))
        worst, best = ranked[:2], ranked[-2:]  # a quarter of six, rounded up
        for member, number in after.items():
            rung = search.rungs[number]
            past = search.attempts[rung.past]
            assert rung.after == state_of(past.params, past.epochs, past.after)
            if before[member] in worst:
                assert rung.past in best
                assert rung.changes
            else:
                assert (rung.past, rung.changes) == (before[member], None)
            network = [search.attempts[number].params[name] for name in CELLS.names]
            assert network == [past.params[name] for name in CELLS.names]


def test_it_finds_what_no_first_child_had():
    search = Search(PopulationBased(8, 20)).run(160)
    first = max(search.attempts[n].reward - 1 for n in range(8))
    last = max(search.attempts[n].reward - 20 for n in range(152, 160))
    assert last > first


@given(st.integers(0, 2**32))
def test_with_several_workers_nobody_waits_and_no_step_is_done_twice(seed):
    rng = np.random.default_rng(seed)
    search, running = Search(seed=seed), []
    for _ in range(40):
        running.append(search.begin())
        while running and (len(running) == 4 or rng.random() < 0.5):
            number = running.pop(rng.integers(len(running)))
            if rng.random() < 0.2:
                search.failing = {*search.failing, number}
            search.end(number, float(rng.integers(4)))
    steps = [(rung.bracket, rung.round) for rung in search.rungs.values()]
    assert len(set(steps)) == len(steps)
    for number, rung in search.rungs.items():
        if rung.past is None:
            assert (rung.round, rung.initial_epoch, rung.after) == (0, 0, "")
            continue
        past = search.attempts[rung.past]
        assert rung.past < number
        assert past.ended
        assert past.reward is not None
        assert rung.initial_epoch == past.epochs == 2 * rung.round
        assert search.rungs[rung.past].bracket // 6 == rung.bracket // 6


def test_a_member_that_failed_copies_one_that_did_not():
    search = Search(failing=(1, 2, 9)).run(SIX.trials)
    pasts = [rung.past for rung in search.rungs.values()]
    assert not {1, 2, 9} & set(pasts)
    assert [search.rungs[n].bracket for n in (6, 7, 8, 9)] == [0, 1, 2, 3]
    assert search.rungs[7].changes is not None
    assert search.rungs[8].changes is not None
    # If all have failed there is nobody to copy, and others are begun.
    search = Search(failing=range(6)).run(8)
    assert [search.rungs[n].bracket for n in (6, 7)] == [6, 7]


@pytest.mark.parametrize("seed", range(20))
def test_changes_stay_in_range_and_move_what_they_change(seed):
    always = PopulationBased(2, 2, resample=0)
    rng = np.random.default_rng(seed)
    params = JOINT.read(JOINT.sample(rng))
    changes = always._explore(JOINT, params, rng)
    explored = JOINT.read({**params, **changes})
    ratio = explored["learning_rate"] / params["learning_rate"]
    bounds = {1e-4 / params["learning_rate"], 0.1 / params["learning_rate"]}
    assert any(math.isclose(ratio, x, rel_tol=1e-5) for x in {0.8, 1.2, *bounds} - {1.0})
    assert explored["batch_size"] != params["batch_size"]
    choices = JOINT.hyperparameters[2].choices
    places = [choices.index(held["augmentation"]) for held in (params, explored)]
    assert abs(places[0] - places[1]) == 1
    assert ("momentum" in explored) == (explored["augmentation"] != "shift_flip")
    if params.get("momentum") == 0 and "momentum" in explored:
        assert explored["momentum"] > 0  # no factor changes 0, so it is drawn
    assert all(params.get(name) != value for name, value in changes.items())


def test_what_is_drawn_anew_comes_from_the_whole_range():
    anew = PopulationBased(2, 2, resample=1)
    params = JOINT.decode([0] * len(JOINT.names))
    drawn = [
        JOINT.read({**params, **anew._explore(JOINT, params, np.random.default_rng(seed))})
        for seed in range(300)
    ]
    rates = [math.log10(one["learning_rate"]) for one in drawn]
    assert -4 <= min(rates) < -3.8
    assert -1.2 < max(rates) <= -1
    assert np.mean(rates) == pytest.approx(-2.5, abs=0.2)
    assert {one["augmentation"] for one in drawn} == {"none", "shift", "shift_flip"}
    assert {type(one["batch_size"]) for one in drawn} == {int}


def test_options_of_the_child_builder_are_inherited_unless_they_are_named():
    space = JointSpace(
        MLPSpace(nodes=(4, 8)), Float("learning_rate", 1e-3, 1e-1), Float("dropout", 0.1, 0.5)
    )
    params = space.read(space.sample(np.random.default_rng(0)))
    rng = np.random.default_rng(0)
    assert PopulationBased(2, 2)._explore(space, params, rng).keys() == {"learning_rate"}
    named = PopulationBased(2, 2, perturb=["dropout"])
    assert named._explore(space, params, rng).keys() == {"dropout"}


def test_a_name_of_weights_holds_all_that_led_to_them():
    params = {"cell": "a", "learning_rate": 0.1, "batch_size": 8}
    name = state_of(params, 2, "")
    assert name == state_of({**params, "batch_size": 8.0}, 2, "")
    others = [({**params, "learning_rate": 0.2}, 2, ""), (params, 3, ""), (params, 2, name)]
    assert len({name, *(state_of(*other) for other in others)}) == 4


def test_a_rung_comes_back_from_a_record():
    for rung in (Rung(0, 1, 4, 2, 3), Rung(0, 1, 4, 2, 3, {"learning_rate": 0.1}, "ab")):
        assert Rung(**rung.noted()) == rung
    assert Rung(0, 1, 4).noted().keys() == {"bracket", "round", "epochs", "initial_epoch", "past"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"population": 1}, "population must be at least 2"),
        ({"step": 0}, "step must be at least 1"),
        ({"step": 4}, "below max_epochs"),
        ({"fraction": 0}, "fraction must be"),
        ({"fraction": 0.6}, "fraction must be"),
        ({"factors": ()}, "factors must be"),
        ({"factors": (0.8, 1)}, "factors must be"),
        ({"resample": 2}, "resample must be"),
    ],
)
def test_a_schedule_that_makes_no_sense_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        PopulationBased(**{"population": 4, "max_epochs": 4, **arguments})


@pytest.mark.parametrize(
    ("space", "schedule", "message"),
    [
        (CELLS, SIX, "search a JointSpace"),
        (JointSpace(CELLS, Int("epochs", 1, 5)), SIX, "sets the epochs of each trial"),
        (JointSpace(MLPSpace(), Float("dropout", 0, 0.5)), SIX, "it may change none"),
        (JointSpace(CELLS, Decision("batch_size", (8,))), SIX, "it may change none"),
        (JOINT, PopulationBased(2, 2, perturb=["taste"]), "perturb must be among"),
    ],
)
def test_a_space_without_what_can_be_changed_is_refused(space, schedule, message):
    with pytest.raises(ValueError, match=message):
        schedule.check(space)
