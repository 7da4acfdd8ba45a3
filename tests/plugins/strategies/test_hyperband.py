"""The schedule of Hyperband, against the book's figures and Keras Tuner's own oracle."""

import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cellwright.plugins.strategies.hyperband import Attempt, Hyperband, hyperband_brackets

TEN = Hyperband(10, 3)


def test_the_brackets_of_the_flowers_project():
    assert hyperband_brackets(10, 3) == [[(12, 2), (4, 4), (2, 10)], [(6, 4), (2, 10)], [(4, 10)]]
    assert TEN.trials == 30
    assert TEN.epochs == 12 * 2 + 4 * 2 + 2 * 6 + 6 * 4 + 2 * 6 + 4 * 10
    assert Hyperband(10, 3, brackets=1).plan == [[(12, 2), (4, 4), (2, 10)]]


@pytest.mark.parametrize("arguments", [(0, 3), (10, 1), (10, 3, 0), (10, 3, 4)])
def test_a_schedule_that_makes_no_sense_is_refused(arguments):
    with pytest.raises(ValueError, match="must be"):
        Hyperband(*arguments)


@pytest.mark.parametrize("factor", [2, 3, 4, 5])
def test_the_brackets_are_those_of_keras_tuner(factor):
    kt = pytest.importorskip("keras_tuner")
    for epochs in range(1, 100):
        oracle = kt.oracles.HyperbandOracle("val_loss", max_epochs=epochs, factor=factor)
        theirs = [
            [
                (oracle._get_size(s, turn), oracle._get_epochs(s, turn))
                for turn in range(oracle._get_num_rounds(s))
            ]
            for s in range(oracle._get_num_brackets() - 1, -1, -1)
        ]
        assert hyperband_brackets(epochs, factor) == theirs, (epochs, factor)


def run(schedule, trials, score, failing=()):
    """One trial after another: what each was to do, and the attempts."""
    attempts, rungs = [], []
    for number in range(trials):
        rung = schedule.next(attempts)
        rungs.append(rung)
        reward = None if number in failing else score(number, rung)
        attempts.append(Attempt(number, rung.past, True, reward))
    return rungs, attempts


@given(st.permutations(range(30)))
def test_one_worker_spends_exactly_the_brackets_and_promotes_the_best(order):
    rungs, attempts = run(TEN, 30, lambda number, rung: float(order[number]))
    assert sum(rung.epochs - rung.initial_epoch for rung in rungs) == TEN.epochs
    for number, bracket in enumerate(TEN.plan):
        for turn, (size, epochs) in enumerate(bracket):
            here = [i for i, r in enumerate(rungs) if (r.bracket, r.round) == (number, turn)]
            assert [rungs[i].epochs for i in here] == [epochs] * size
            if turn:
                before = [
                    i for i, r in enumerate(rungs) if (r.bracket, r.round) == (number, turn - 1)
                ]
                best = sorted(before, key=lambda i: -order[i])[:size]
                assert sorted(rungs[i].past for i in here) == sorted(best)
                assert {rungs[i].initial_epoch for i in here} == {bracket[turn - 1][1]}
    assert TEN.next(attempts)[:3] == (3, 0, 2)  # and over again


def test_a_child_that_failed_does_not_go_on_and_the_others_do():
    rungs, _ = run(TEN, 18, lambda number, rung: float(number), failing=range(9))
    assert [rung.past for rung in rungs[12:]][:3] == [11, 10, 9]
    assert not {rung.past for rung in rungs} & set(range(9))
    rungs, _ = run(TEN, 40, lambda number, rung: 0.0, failing=range(40))
    assert all(rung.past is None for rung in rungs)  # all failed: it goes on with new ones


@given(st.data())
def test_with_several_workers_only_the_best_go_on_and_nobody_waits(data):
    scores = data.draw(st.permutations(range(40)))
    running, attempts = [], {}
    for number in range(40):
        rung = TEN.next(attempts.values())
        attempts[number] = Attempt(number, rung.past, False, None)
        running.append((number, rung))
        while running and (len(running) == 4 or data.draw(st.booleans())):
            ended, its = running.pop(data.draw(st.integers(0, len(running) - 1)))
            attempts[ended] = Attempt(ended, its.past, True, float(scores[ended]))
    firsts = [a for a in attempts.values() if a.past is None][:12]
    best = sorted(firsts, key=lambda a: -scores[a.number])[:4]
    assert {a.past for a in attempts.values()} & {a.number for a in firsts} <= {
        a.number for a in best
    }


def test_keras_tuner_itself_takes_the_same_steps():
    kt = pytest.importorskip("keras_tuner")
    hp = kt.HyperParameters()
    hp.Float("x", 0, 1)
    oracle = kt.oracles.HyperbandOracle(
        kt.Objective("score", "max"), max_epochs=10, factor=3, hyperparameters=hp, seed=3
    )
    oracle._set_project_dir("hyperband", "steps")
    attempts = []
    while (trial := oracle.create_trial("tuner0")).status == "RUNNING":
        values = trial.hyperparameters.values
        past = values.get("tuner/trial_id")
        rung = TEN.next(attempts)
        assert (rung.epochs, rung.initial_epoch) == (
            values["tuner/epochs"],
            values["tuner/initial_epoch"],
        )
        assert rung.past == (None if past is None else int(past))
        assert rung.round == values["tuner/round"]
        score = (values["x"] * 7919) % 1.0
        oracle.update_trial(trial.trial_id, {"score": score})
        trial.status = "COMPLETED"
        oracle.end_trial(trial)
        attempts.append(Attempt(int(trial.trial_id), rung.past, True, score))
    assert len(attempts) == TEN.trials


DOCS = Path(__file__).parents[3] / "docs" / "hyperparameters.md"


def of_the_paper(most, factor):
    """(trials, epochs) by algorithm 1 of Li et al. (2018); ``most`` is a power of ``factor``."""
    last = round(math.log(most, factor))
    return [
        [
            (math.ceil((last + 1) / (s + 1) * factor**s) // factor**i, most // factor ** (s - i))
            for i in range(s + 1)
        ]
        for s in range(last, -1, -1)
    ]


def test_the_table_of_the_paper_beside_ours_is_as_the_guide_prints_it():
    rows = [line for line in DOCS.read_text("utf-8").splitlines() if line.startswith("| s = ")]
    printed = [[cell.strip() for cell in row.split("|")[1:4]] for row in rows]
    for column, brackets in ((1, of_the_paper(81, 3)), (2, hyperband_brackets(81, 3))):
        written = [", ".join(f"{n} x {r}" for n, r in bracket) for bracket in brackets]
        assert [row[column] for row in printed] == written
    assert [row[0] for row in printed] == [f"s = {s}" for s in range(4, -1, -1)]
    assert [bracket[0][0] for bracket in of_the_paper(81, 3)] == [81, 34, 15, 8, 5]
    assert [(5 // (s + 1)) * 3**s for s in range(4, -1, -1)] == [81, 27, 9, 6, 5]  # other copies


def test_the_books_144_epochs_and_our_120_are_the_same_trials():
    told = sum(trials * epochs for bracket in TEN.plan for trials, epochs in bracket)
    assert (told, TEN.epochs, TEN.trials) == (144, 120, 30)
    text = DOCS.read_text("utf-8")
    assert "12 x 2 + 4 x 4 + 2 x 10, 6 x 4 + 2 x 10 and 4 x 10" in text
    assert told == (12 * 2 + 4 * 4 + 2 * 10) + (6 * 4 + 2 * 10) + 4 * 10
    assert TEN.epochs == (12 * 2 + 4 * 2 + 2 * 6) + (6 * 4 + 2 * 6) + 4 * 10
