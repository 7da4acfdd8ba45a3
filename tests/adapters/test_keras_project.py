"""Project directories: reload, interruptions, damaged files, other spaces, other oracles."""

import json
import shutil
import zlib
from pathlib import Path

import keras_tuner as kt
import pytest

from cellwright.adapters.keras_oracle import StrategyOracle, architecture
from cellwright.plugins import make_strategy
from cellwright.search_spaces import (
    CorruptedState,
    Decision,
    MnasNetSpace,
    NASNetSpace,
    SearchSpace,
    SpaceMismatch,
)
from cellwright.search_spaces.identity import old_fingerprint

SPACE = SearchSpace([Decision(f"operation_{i}", ("conv", "pool", "identity")) for i in range(5)])


def score(params):
    return zlib.crc32(json.dumps(params, sort_keys=True).encode()) / 2**32


class Scored(kt.engine.base_tuner.BaseTuner):
    stop_at = None

    def run_trial(self, trial, *args, **kwargs):
        params = architecture(trial.hyperparameters, self.space)
        self.tried = [*getattr(self, "tried", []), (int(trial.trial_id), params)]
        if int(trial.trial_id) == self.stop_at:
            raise KeyboardInterrupt
        return score(params)


def oracle(trials, seed=3, space=SPACE, strategy="evolution"):
    arguments = {"population": 4, "sample": 2} if strategy == "evolution" else {}
    return StrategyOracle(kt.Objective("score", "max"), trials, strategy=strategy, space=space,
                          seed=seed, **arguments)  # fmt: skip


def tuner(path, mine, stop_at=None, **kwargs):
    made = Scored(mine, directory=str(path), project_name="project", **kwargs)
    made.stop_at, made.space = stop_at, getattr(mine, "space", SPACE)
    return made


def run(path, trials, **kwargs):
    made = tuner(path, oracle(trials), **kwargs)
    made.search(verbose=0)
    return made.tried


def bare(trials, seed=3):
    strategy = make_strategy("evolution", SPACE, seed=seed, population=4, sample=2)
    tried = []
    for number in range(trials):
        params = strategy.ask(number)
        tried.append((number, params))
        strategy.tell(number, params, score(params))
    return tried


def step(mine, tuner_id="tuner0"):
    """One trial as a chief serves it: no tuner saves afterwards."""
    trial = mine.create_trial(tuner_id)
    params = architecture(trial.hyperparameters, SPACE)
    mine.update_trial(trial.trial_id, {"score": score(params)})
    trial.status = "COMPLETED"
    mine.end_trial(trial)
    return int(trial.trial_id), params


def test_the_last_ended_trial_is_not_run_again(tmp_path):
    mine = oracle(12)
    made = tuner(tmp_path, mine)
    made.save()
    tried = [step(mine) for _ in range(6)]
    again = oracle(12)
    made = tuner(tmp_path, again)
    assert again.remaining_trials() == 6
    made.search(verbose=0)
    assert tried + made.tried == bare(12)
    assert again.end_order == [f"{number:02d}" for number in range(12)]


@pytest.mark.parametrize("stop_at", [0, 5])
def test_an_interrupted_trial_is_run_again_with_its_values(tmp_path, stop_at):
    first = tuner(tmp_path, oracle(8, seed=None), stop_at=stop_at)
    with pytest.raises(KeyboardInterrupt):
        first.search(verbose=0)
    second = tuner(tmp_path, oracle(8, seed=None))
    second.search(verbose=0)
    assert first.tried[-1] == second.tried[0]
    assert first.tried + second.tried[1:] == bare(8, seed=first.oracle.seed)


def test_an_interrupt_that_arrives_as_another_exception_is_no_failure(tmp_path):
    class Swallowed(Scored):
        def run_trial(self, trial, *args, **kwargs):
            try:
                return super().run_trial(trial, *args, **kwargs)
            except KeyboardInterrupt as error:  # as where C++ called Python back
                raise RuntimeError("a callback failed") from error

    first = Swallowed(oracle(6), directory=str(tmp_path), project_name="project")
    first.stop_at, first.space = 3, SPACE
    with pytest.raises(KeyboardInterrupt):
        first.search(verbose=0)
    assert first.tried[:-1] + run(tmp_path, 6) == bare(6)


def test_a_trial_that_died_after_its_result_counts_once(tmp_path):
    mine = oracle(4)
    tuner(tmp_path, mine).save()
    step(mine)
    trial = mine.create_trial("tuner0")
    mine.update_trial(trial.trial_id, {"score": 77.0})
    assert run(tmp_path, 4) == bare(4)[1:]
    again = oracle(4)
    tuner(tmp_path, again)
    assert again.record()[1].reward == score(bare(4)[1][1])


def test_what_ended_after_the_last_save_is_kept(tmp_path):
    """Keras Tuner writes a trial's file first: a process may die before oracle.json follows."""
    run(tmp_path, 3)
    old = (tmp_path / "project/oracle.json").read_text()
    run(tmp_path, 5)
    (tmp_path / "project/oracle.json").write_text(old)
    assert run(tmp_path, 8) == bare(8)[5:]


def test_overwrite_starts_afresh(tmp_path):
    run(tmp_path, 4)
    fewer = tuner(tmp_path, oracle(2))
    assert fewer.remaining_trials == 0
    assert run(tmp_path, 4, overwrite=True) == bare(4)


@pytest.mark.parametrize("as_a_chief", [False, True])
def test_a_project_whose_tuner_file_is_missing_is_not_written_over(tmp_path, caplog, as_a_chief):
    first = tuner(tmp_path, oracle(4, seed=None))
    first.search(verbose=0)
    (tmp_path / "project/tuner0.json").unlink()
    second = tuner(tmp_path, oracle(6, seed=None))
    if as_a_chief:
        second.save()
    second.search(verbose=0)
    assert second.tried == bare(6, seed=first.oracle.seed)[4:]
    assert "the search goes on from them" in caplog.text


@pytest.mark.parametrize("damage", ['{"ongoing_trials": {', "[]", '{"hyperparameters": 3}'])
def test_a_damaged_oracle_file_is_named_and_can_be_done_without(tmp_path, damage):
    run(tmp_path, 5)
    file = tmp_path / "project" / "oracle.json"
    file.write_text(damage)
    with pytest.raises(CorruptedState, match=r"oracle\.json .*[rR]emove this file"):
        tuner(tmp_path, oracle(8))
    file.unlink()
    assert run(tmp_path, 8) == bare(8)[5:]


@pytest.mark.parametrize(("name", "damage"), [("tuner0", ""), ("tuner0", "{"), ("oracle", "")])
def test_files_that_a_kill_emptied_do_not_block_the_project(tmp_path, caplog, name, damage):
    run(tmp_path, 5)
    file = tmp_path / "project" / f"{name}.json"
    file.write_text(damage)
    assert run(tmp_path, 8) == bare(8)[5:]
    assert f"{name}.json is" in caplog.text
    assert file.with_name(f"{name}.json.damaged-1").read_text() == damage


def test_a_damaged_trial_file_is_named_and_the_others_survive(tmp_path):
    run(tmp_path, 8)
    file = tmp_path / "project" / "trial_3" / "trial.json"
    others = {p: p.read_bytes() for p in file.parent.parent.glob("trial_*/trial.json") if p != file}
    file.write_text(file.read_text()[:100])
    with pytest.raises(CorruptedState, match=r"trial_3.trial\.json cannot be read.*its folder"):
        tuner(tmp_path, oracle(10))
    shutil.rmtree(file.parent)
    mine = oracle(10)
    made = tuner(tmp_path, mine)
    made.search(verbose=0)
    assert [number for number, _ in made.tried] == [8, 9]
    assert [told.number for told in mine.record()] == [0, 1, 2, 4, 5, 6, 7, 8, 9]
    assert {p: p.read_bytes() for p in others} == others
    made.results_summary()


@pytest.mark.parametrize("score", [None, 10**25])
def test_a_damaged_score_is_left_out_of_what_was_searched_for(tmp_path, score):
    from cellwright.searches.on_keras_tuner import open_run

    run(tmp_path, 4)
    file = tmp_path / "project" / "trial_1" / "trial.json"
    state = json.loads(file.read_text())
    file.write_text(json.dumps({**state, "score": score}))
    told = open_run(str(tmp_path / "project"), None, None)
    assert [trial.number for trial in told.trials] == [0, 1, 2, 3]
    assert [metric.name for metric in told.objectives] == ([] if score else ["score"])


def test_no_write_leaves_half_a_file(tmp_path):
    """A state that JSON cannot hold fails, and the file of before is still there."""
    run(tmp_path, 2)
    mine = oracle(4)
    made = tuner(tmp_path, mine)
    before = (tmp_path / "project/oracle.json").read_text()
    mine.end_order.append(object())
    with pytest.raises(TypeError):
        made.save()
    assert (tmp_path / "project/oracle.json").read_text() == before
    assert not list(Path(tmp_path).rglob(".*.new*"))


@pytest.mark.parametrize(
    ("before", "now", "lost"), [(1, 2, None), (2, 1, None), (1, 2, "oracle.json")]
)
def test_a_project_of_another_space_is_refused(tmp_path, before, now, lost):
    before, now = NASNetSpace(blocks=before), NASNetSpace(blocks=now)
    tuner(tmp_path, oracle(2, space=before)).search(verbose=0)
    if lost:
        (tmp_path / "project" / lost).unlink()
    with pytest.raises(SpaceMismatch, match=r"(?s)does not fit.*another project_name"):
        tuner(tmp_path, oracle(4, space=now))
    tuner(tmp_path, oracle(4, space=now), overwrite=True).search(verbose=0)


def blocks(stem):
    return MnasNetSpace(layers=(1,), filters=(8,), strides=(1,), stem=stem)


def test_a_project_of_a_space_that_was_told_something_else_is_refused(tmp_path):
    tuner(tmp_path, oracle(2, space=blocks(16))).search(verbose=0)
    with pytest.raises(SpaceMismatch, match="stem was 16 and is now 32"):
        tuner(tmp_path, oracle(3, space=blocks(32)))
    tuner(tmp_path, oracle(3, space=blocks(16))).search(verbose=0)


def test_a_project_of_an_earlier_version_is_taken_with_one_warning(tmp_path, caplog):
    tuner(tmp_path, oracle(2, space=blocks(16))).search(verbose=0)
    file = tmp_path / "project/oracle.json"
    state = json.loads(file.read_text())
    assert state["cellwright_space"] == old_fingerprint(blocks(16))
    del state["cellwright_identity"]
    file.write_text(json.dumps(state))
    with pytest.raises(SpaceMismatch, match="its decisions are others"):
        tuner(tmp_path, oracle(3, space=NASNetSpace(blocks=1)))
    reader = oracle(3, space=blocks(16))
    reader._set_project_dir(str(tmp_path), "project")
    reader.reload()
    assert caplog.messages == [], "whoever only reads adds nothing that might not fit"
    tuner(tmp_path, oracle(3, space=blocks(16))).search(verbose=0)
    tuner(tmp_path, oracle(4, space=blocks(16))).search(verbose=0)
    (said,) = caplog.messages
    assert "could not be compared: layers, filters, strides, stem, head" in said
    assert json.loads(file.read_text())["cellwright_identity"] == blocks(16).identity()
    with pytest.raises(SpaceMismatch, match="stem was 16 and is now 32"):
        tuner(tmp_path, oracle(5, space=blocks(32)))


def test_a_project_of_the_book_from_before_it_was_repaired_says_how_to_go_on(tmp_path, caplog):
    wide, repaired = NASNetSpace.wide(blocks=1), NASNetSpace(blocks=1)
    tuner(tmp_path, oracle(2, space=wide)).search(verbose=0)
    file = tmp_path / "project/oracle.json"
    state = json.loads(file.read_text())
    del state["cellwright_identity"]["facts"]["repair"]
    file.write_text(json.dumps(state))
    tuner(tmp_path, oracle(3, space=repaired)).search(verbose=0)
    (said,) = caplog.messages
    assert "give repair=False (the space nasnet-wide by name) to go on as before" in said
    caplog.clear()
    tuner(tmp_path, oracle(4, space=wide)).search(verbose=0)
    assert caplog.messages == []


def random_search(path, trials):
    made = tuner(path, kt.oracles.RandomSearchOracle(kt.Objective("score", "max"), trials, seed=1),
                 hypermodel=lambda hp: architecture(hp, SPACE))  # fmt: skip
    made.search(verbose=0)
    return made.tried


def test_a_random_search_of_the_same_space_is_learned_from(tmp_path):
    done = random_search(tmp_path, 6)
    strategy = make_strategy("evolution", SPACE, seed=3, population=4, sample=2)
    for number, params in done:
        strategy.tell(number, params, score(params))
    (tried,) = run(tmp_path, 7)
    assert tried == (6, strategy.ask(6))


def test_a_random_search_of_another_space_is_refused(tmp_path):
    random_search(tmp_path, 3)
    for space in (NASNetSpace(), SearchSpace([Decision("operation_0", ("conv", "pool"))])):
        with pytest.raises(SpaceMismatch, match="does not fit"):
            tuner(tmp_path, oracle(5, space=space))


def test_the_state_is_json_and_keys_may_be_missing(tmp_path):
    made = tuner(tmp_path, oracle(5))
    made.search(verbose=0)
    state = made.oracle.get_state()
    assert json.loads(json.dumps(state)).keys() == state.keys()
    for missing in state:
        other = oracle(5)
        other.trials = made.oracle.trials
        other.set_state({key: value for key, value in state.items() if key != missing})
        assert other.record() == ([] if missing == "end_order" else made.oracle.record())
