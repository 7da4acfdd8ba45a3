"""The tuner behind NNI's own dispatcher, which is fed the commands that NNI's manager sends."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

nni = pytest.importorskip("nni", reason="NNI is not installed")

from nni.runtime import msg_dispatcher  # noqa: E402
from nni.runtime.msg_dispatcher import MsgDispatcher  # noqa: E402
from nni.runtime.tuner_command_channel import CommandType  # noqa: E402

from cellwright.adapters.nni_record import HISTORY, read_result  # noqa: E402
from cellwright.adapters.nni_space import search_space_of  # noqa: E402
from cellwright.adapters.nni_tuner import (  # noqa: E402
    AutoTuner,
    NASNetEvolutionTuner,
    NASNetRLTuner,
    StrategyTuner,
)
from cellwright.plugins import RandomSearch, make_strategy  # noqa: E402
from cellwright.plugins.records.record import KNOWN  # noqa: E402
from cellwright.search_spaces import (  # noqa: E402
    Decision,
    MnasNetSpace,
    NASNetSpace,
    Params,
    SearchSpace,
)
from cellwright.search_spaces.identity import old_fingerprint  # noqa: E402

SPACE = SearchSpace(
    [
        Decision("operation", ("sep_3x3", "max_3x3", "identity")),
        Decision("width", (8, 16, 32, 64)),
        Decision("rate", (0.0, 0.5, 1.0)),
        Decision("shortcut", (False, True)),
    ]
    + [Decision(f"block/{number}", tuple(range(5))) for number in range(8)]
)


def score(params: Params) -> float:
    return float(sum(SPACE.encode(params)))


class Experiment(MsgDispatcher):  # type: ignore[misc]
    """NNI's dispatcher with a tuner, and what it sends to the manager instead of a socket."""

    def __init__(self, tuner: StrategyTuner, search_space: Any = None) -> None:
        super().__init__("ws://_unittest_", tuner)
        self.sent: list[tuple[CommandType, Any]] = []
        self.given: dict[int, dict[str, Any]] = {}
        self.process_command(CommandType.Initialize, search_space or search_space_of(tuner.space))

    def send(self, command: CommandType, data: str) -> None:
        self.sent.append((command, data))
        if command is CommandType.NewTrialJob:
            trial = json.loads(data)
            self.given[trial["parameter_id"]] = trial["parameters"]

    def request(self, count: int = 1) -> list[int]:
        """Ask for trials, and give their parameter ids."""
        before = set(self.given)
        self.process_command(CommandType.RequestTrialJobs, count)
        return [id_ for id_ in self.given if id_ not in before]

    def final(self, id_: int, value: Any, job: str = "") -> None:
        metric = {
            "parameter_id": id_,
            "trial_job_id": job or f"job-{id_}",
            "type": "FINAL",
            "sequence": 0,
            "value": nni.dump(value),
        }
        self.process_command(CommandType.ReportMetricData, metric)

    def end(self, id_: int | None, event: str = "SUCCEEDED", job: str = "") -> None:
        form = json.dumps({"parameter_id": id_, "parameters": {}})
        ended = {"trial_job_id": job or f"job-{id_}", "event": event, "hyper_params": form}
        self.process_command(CommandType.TrialEnd, ended)

    def trial(self, value: Callable[[Params], Any] = score) -> Params:
        """One trial from request to end; a value of None is a failure without a report."""
        [id_] = self.request()
        params = self.given[id_]
        result = value(params)
        if result is not None:
            self.final(id_, result)
        self.end(id_, "FAILED" if result is None else "SUCCEEDED")
        return params


@pytest.fixture(autouse=True)
def checkpoint(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """A checkpoint folder as NNI sets it, and a dispatcher process that has just begun."""
    monkeypatch.setenv("NNI_CHECKPOINT_DIRECTORY", str(tmp_path))
    restart(monkeypatch)
    return tmp_path


def restart(monkeypatch: pytest.MonkeyPatch, first: int = 0) -> None:
    monkeypatch.setattr(msg_dispatcher, "_next_parameter_id", first)
    monkeypatch.setattr(msg_dispatcher, "_trial_params", {})


def new(strategy: str = "random", **arguments: Any) -> StrategyTuner:
    return StrategyTuner(strategy, **{"space": SPACE, "seed": 7, **arguments})


def resumed(monkeypatch: pytest.MonkeyPatch, **arguments: Any) -> Experiment:
    """The experiment in a new process; NNI's parameter ids then begin at 1."""
    restart(monkeypatch, 1)
    tuner = new(**arguments)
    tuner.load_checkpoint()
    return Experiment(tuner)


def rewards(tuner: StrategyTuner) -> dict[int, float | None]:
    return {told.number: told.reward for told in tuner.record.told.values()}


@pytest.mark.parametrize("strategy", ["random", "evolution", "reinforce"])
@pytest.mark.parametrize("failures", [(), (0, 3, 4, 14)])
def test_an_experiment_equals_the_bare_loop_also_across_a_resume(
    strategy: str, failures: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = {"population": 5, "sample": 3} if strategy == "evolution" else {}
    bare = make_strategy(strategy, SPACE, seed=7, **arguments)
    expected = []
    for number in range(25):
        expected.append(bare.ask(number))
        bare.tell(number, expected[-1], None if number in failures else score(expected[-1]))

    experiment = Experiment(new(strategy, **arguments))
    found = []
    for number in range(25):
        if number == 13:
            experiment = resumed(monkeypatch, strategy=strategy, **arguments)
        found.append(experiment.trial(lambda p, n=number: None if n in failures else score(p)))
    assert found == expected
    assert tuple(experiment.tuner.record.told.values()) == bare.history


@pytest.mark.parametrize("tuner", [NASNetRLTuner, NASNetEvolutionTuner])
def test_the_named_tuners_search_the_book_s_space(tuner: type[StrategyTuner]) -> None:
    experiment = Experiment(tuner(seed=1))
    params = experiment.trial(lambda _: 0.5)
    NASNetSpace().validate(params)
    assert len(params) == 50


def test_trials_that_run_at_once_share_no_network() -> None:
    space = SearchSpace([Decision("a", (1, 2, 3)), Decision("b", ("x", "y"))])
    running = new(space=space).generate_multiple_parameters(list(range(6)))
    assert len({space.key(params) for params in running}) == 6


def test_a_network_that_was_tried_is_proposed_with_its_metrics() -> None:
    space = SearchSpace([Decision("skip", (True, False))])
    tuner = new(space=space)
    paid = []
    for number in range(5):
        given = tuner.generate_parameters(number)
        reported = given.get(KNOWN, {"reward": float(number), "val_accuracy": 0.5})
        if KNOWN not in given:
            paid.append(number)
        value = {"default": reported["reward"], **reported, "architecture": {"skip": given["skip"]}}
        tuner.receive_trial_result(number, given, value)
    assert paid == [0, 1]
    assert sorted(set(rewards(tuner).values())) == [0.0, 1.0]
    assert all("repeat_of" in tuner.record.facts[number]["metrics"] for number in (2, 3, 4))


def test_parameters_are_what_json_can_hold() -> None:
    params = Experiment(new("reinforce")).trial()
    assert json.loads(json.dumps(params)) == params
    assert {type(value) for value in params.values()} <= {str, int, float, bool}


def test_minimise_turns_the_sign() -> None:
    tuner = new(optimize_mode="minimize")
    Experiment(tuner).trial(lambda _: {"default": 0.25})
    assert rewards(tuner) == {0: -0.25}


TRADE = {"val_accuracy": "maximize", "latency_ms": "minimize"}


@pytest.mark.parametrize("strategy", ["pareto", "auto"])
def test_several_objectives_are_told_as_a_tuple_beside_the_default_that_nni_shows(
    strategy: str,
) -> None:
    tuner = new(strategy, objectives=TRADE)
    experiment = Experiment(tuner)
    for latency in (20.0, None, float("inf"), "slow"):
        measured = {"default": 0.7, "val_accuracy": 0.9, "latency_ms": latency, "parameters": 100}
        experiment.trial(lambda _, measured=measured: measured)  # type: ignore[misc]
    experiment.trial(lambda _: {"default": 0.7, "val_accuracy": 0.9})
    experiment.trial(lambda _: 0.7)
    assert rewards(tuner) == {0: (0.9, -20.0), **dict.fromkeys(range(1, 6))}
    facts = tuner.record.facts[0]
    assert facts["default"] == 0.7
    assert facts["metrics"] == {"val_accuracy": 0.9, "latency_ms": 20.0, "parameters": 100.0}
    assert "the final 'latency_ms' must be a finite number" in tuner.record.facts[4]["error"]


@pytest.mark.parametrize(
    "changed", [{"objectives": {**TRADE, "val_accuracy": "minimize"}}, {"strategy": "random"}]
)
def test_a_resume_with_other_objectives_ends_the_experiment(
    monkeypatch: pytest.MonkeyPatch, changed: dict[str, Any]
) -> None:
    first = {"strategy": "pareto", "objectives": TRADE}
    tuner = new(**first)  # type: ignore[arg-type]
    Experiment(tuner).trial(lambda _: {"val_accuracy": 0.9, "latency_ms": 20.0, "default": 0.9})
    again = resumed(monkeypatch, **first)
    assert again.request()
    assert rewards(again.tuner) == {0: (0.9, -20.0)}
    changed = {**first, **changed} if "objectives" in changed else changed
    experiment = resumed(monkeypatch, **changed)
    assert experiment.request() == []
    assert "were told with other objectives" in errors(experiment)[0]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"optimize_mode": "max"}, "optimize_mode must be 'maximize' or 'minimize'"),
        ({"strategy": "pareto"}, "objectives must be at least 2"),
        ({"objectives": {"val_accuracy": "max"}}, "objectives must map metrics to 'maximize' or"),
        ({"objectives": {"a": "maximize", "b": "minimize"}}, "Reinforce searches on one objective"),
        ({"seed": -1}, "seed must be an integer from 0"),
        ({"strategy": "evolutoin"}, "Did you mean 'evolution'"),
        ({"strategy": "evolution", "populaton": 3}, "populaton"),
        ({"strategy": "evolution", "population": 1}, "population must be at least 2"),
        ({"space": "nasnett"}, "Did you mean 'nasnet'"),
        ({"space": "no.such.module:thing"}, "cannot be loaded"),
    ],
)
def test_class_arguments_are_checked_at_once(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        StrategyTuner(**arguments)


# What a trial reports


def test_the_echoed_architecture_is_believed() -> None:
    tuner = new()
    experiment = Experiment(tuner)
    [id_] = experiment.request()
    echo = SPACE.sample(np.random.default_rng(99))
    experiment.final(id_, {"default": 1.0, "architecture": echo, "val_accuracy": 0.5})
    assert tuner.record.told[0].params == echo
    assert tuner.record.facts[0]["metrics"] == {"val_accuracy": 0.5}


def test_an_echo_of_another_space_is_no_result(caplog: pytest.LogCaptureFixture) -> None:
    tuner = new()
    experiment = Experiment(tuner)
    [id_] = experiment.request()
    experiment.final(id_, {"default": 1.0, "architecture": {"width": 7}})
    assert rewards(tuner) == {}
    assert "parameters do not fit" in caplog.text
    experiment.end(id_)
    experiment.trial()
    assert len(tuner.record.told) == 1 + 1


@pytest.mark.parametrize(
    "value",
    [
        float("nan"),
        float("inf"),
        "high",
        None,
        {},
        {"default": float("-inf")},
        {"accuracy": 1.0},
        {"default": None, "error": "out of memory"},
        [1.0],
    ],
    ids=str,
)
def test_what_is_no_finite_number_is_a_failure_told_once(value: Any) -> None:
    tuner = new()
    experiment = Experiment(tuner)
    [id_] = experiment.request()
    experiment.final(id_, value)
    experiment.end(id_, "FAILED")
    experiment.trial()
    assert list(rewards(tuner)) == [0, 1]
    assert rewards(tuner)[0] is None
    assert tuner.record.facts[0]["error"]
    assert [told.number for told in tuner.strategy.history] == [0]


def test_a_second_result_of_a_trial_is_left_out() -> None:
    tuner = new()
    experiment = Experiment(tuner)
    [id_] = experiment.request()
    experiment.final(id_, 1.0)
    experiment.final(id_, 2.0)
    experiment.final(77, 3.0)
    assert rewards(tuner) == {0: 1.0}


# How a trial ends


def test_an_end_under_another_trial_s_id_fails_no_trial_that_reports() -> None:
    tuner = new()
    experiment = Experiment(tuner)
    first, second = experiment.request(2)
    experiment.end(second, "FAILED", job="one")  # NNI named the wrong one
    assert rewards(tuner) == {1: None}
    experiment.final(second, 1.0, job="two")
    assert rewards(tuner) == {1: 1.0}
    experiment.end(first, "SUCCEEDED", job="two")
    assert rewards(tuner) == {1: 1.0, 0: None}


def test_swapped_trials_that_both_report_are_never_blamed() -> None:
    tuner = new()
    experiment = Experiment(tuner)
    first, second = experiment.request(2)
    experiment.final(second, 1.0, job="one")
    experiment.end(first, job="one")
    assert rewards(tuner) == {1: 1.0}
    experiment.final(first, 2.0, job="two")
    experiment.end(second, job="two")
    assert rewards(tuner) == {1: 1.0, 0: 2.0}


def test_an_end_that_overtakes_its_result_gives_way_to_it() -> None:
    tuner = new()
    experiment = Experiment(tuner)
    [id_] = experiment.request()
    experiment.end(id_)
    experiment.final(id_, 1.0)
    assert rewards(tuner) == {0: 1.0}


def test_unknown_ids_end_nothing() -> None:
    tuner = new()
    experiment = Experiment(tuner)
    experiment.request()
    experiment.end(None)
    experiment.end(123)
    assert rewards(tuner) == {}


def test_ends_on_one_thread_and_the_rest_on_another() -> None:
    tuner = new("evolution")
    experiment = Experiment(tuner)
    ended: list[int] = []

    def end() -> None:
        while len(ended) < 90:
            for id_ in list(experiment.given):
                if id_ not in ended:
                    experiment.end(id_, "FAILED" if id_ % 3 == 0 else "SUCCEEDED")
                    ended.append(id_)

    thread = threading.Thread(target=end)
    thread.start()
    for _ in range(45):
        for id_ in experiment.request(2):
            if id_ % 3:
                experiment.final(id_, score(experiment.given[id_]))
    thread.join()
    assert sorted(rewards(tuner)) == list(range(90))
    assert all((reward is None) == (n % 3 == 0) for n, reward in rewards(tuner).items())


# When something breaks


class Broken(RandomSearch):
    """A strategy with a fault in it."""

    def _learn(self, indices: tuple[int, ...], reward: float) -> None:
        raise RuntimeError("a fault in the strategy")


def test_a_strategy_that_raises_is_logged_and_the_search_goes_on(
    caplog: pytest.LogCaptureFixture,
) -> None:
    tuner = new()
    tuner.strategy = Broken(SPACE, seed=7)
    experiment = Experiment(tuner)
    for _ in range(4):
        SPACE.validate(experiment.trial())
    assert len(rewards(tuner)) == 4
    assert caplog.text.count("a fault in the strategy") >= 3
    assert "Traceback" in caplog.text


def test_a_checkpoint_that_cannot_be_written_is_logged(
    checkpoint: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (checkpoint / HISTORY).mkdir()
    tuner = new()
    Experiment(tuner).trial()
    assert len(rewards(tuner)) == 1
    assert "cannot be written" in caplog.text


def test_a_damaged_checkpoint_is_set_aside_and_nni_s_data_serve(
    checkpoint: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    experiment = Experiment(new("evolution"))
    exported = [
        {"parameter": p, "value": {"default": score(p), "architecture": p}, "trialJobId": f"j{n}"}
        for n in range(5)
        if (p := experiment.trial())
    ]
    before = {told.params["width"]: told for told in experiment.tuner.record.told.values()}
    for entry, other in zip(exported, exported[1:] + exported[:1], strict=True):
        entry["parameter"] = other["value"]["architecture"]  # as NNI may have booked them
    (checkpoint / HISTORY).write_text((checkpoint / HISTORY).read_text()[:-40])

    again = resumed(monkeypatch, strategy="evolution")
    again.process_command(CommandType.ImportData, exported)
    assert "set aside" in caplog.text
    assert (checkpoint / f"{HISTORY}.damaged-1").exists()
    found = [(told.params, told.reward) for told in again.tuner.record.told.values()]
    assert len(before) > 1
    assert found == [(told.params, told.reward) for told in experiment.tuner.record.told.values()]
    again.trial()
    assert list(rewards(again.tuner)) == [0, 1, 2, 3, 4, 5]


def errors(experiment: Experiment) -> list[str]:
    return [data for command, data in experiment.sent if command is CommandType.Error]


def test_a_checkpoint_of_another_space_ends_the_experiment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    Experiment(new()).trial()
    other = SearchSpace(SPACE.decisions[:3])
    experiment = resumed(monkeypatch, space=other)
    assert experiment.request() == []
    assert "holds the trials of another search space" in errors(experiment)[0]


def blocks(stem: int) -> MnasNetSpace:
    return MnasNetSpace(layers=(1,), filters=(8,), strides=(1,), stem=stem)


def test_a_checkpoint_of_a_space_that_was_told_something_else_ends_the_experiment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    Experiment(new(space=blocks(16))).request()
    assert resumed(monkeypatch, space=blocks(16)).request() != []
    experiment = resumed(monkeypatch, space=blocks(32))
    assert experiment.request() == []
    assert "stem was 16 and is now 32. Resume with the space" in errors(experiment)[0]


def test_a_checkpoint_of_an_earlier_version_is_taken_with_one_warning(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    tuner = new(space=blocks(16))
    Experiment(tuner).request()
    file = Path(str(tuner.get_checkpoint_path()), HISTORY)
    history = json.loads(file.read_text())
    assert history.pop("space") == old_fingerprint(blocks(16))
    assert history.pop("identity") == blocks(16).identity()
    file.write_text(json.dumps({**history, "space": old_fingerprint(blocks(16))}))
    refused = resumed(monkeypatch)
    assert refused.request() == []
    assert "its decisions are others" in errors(refused)[0]
    for _ in range(2):
        resumed(monkeypatch, space=blocks(16)).request()
    said = [text for text in caplog.messages if "could not be compared: " in text]
    assert len(said) == 1
    assert "layers, filters, strides, stem, head" in said[0]
    assert json.loads(file.read_text())["identity"] == blocks(16).identity()


def test_a_checkpoint_of_the_book_from_before_it_was_repaired_says_how_to_go_on(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    tuner = new(space=NASNetSpace.wide(blocks=1))
    Experiment(tuner).request()
    file = Path(str(tuner.get_checkpoint_path()), HISTORY)
    history = json.loads(file.read_text())
    del history["identity"]["facts"]["repair"]
    file.write_text(json.dumps(history))
    resumed(monkeypatch, space=NASNetSpace(blocks=1)).request()
    (said,) = [text for text in caplog.messages if "may be of another" in text]
    assert "give repair=False (the space nasnet-wide by name) to go on as before" in said
    assert "what the trial script builds: a space must be changed there too" in said
    caplog.clear()
    again = resumed(monkeypatch, space=NASNetSpace.wide(blocks=1))
    assert len(again.request()) == 1
    assert [text for text in caplog.messages if "may be of another" in text] == []


# Resume and import


def test_what_nni_does_not_run_again_is_proposed_again(monkeypatch: pytest.MonkeyPatch) -> None:
    experiment = Experiment(new())
    experiment.trial()
    running, waiting = experiment.request(2)
    kept, lost = experiment.given[running], experiment.given[waiting]

    again = resumed(monkeypatch)
    form = {"parameter_id": running, "parameter_source": "resumed", "parameters": kept}
    again.process_command(CommandType.ImportData, [])
    again.process_command(CommandType.AddCustomizedTrialJob, [form])
    [first] = again.request(2)  # beside the one that NNI runs again
    assert again.given[first] == lost
    [second] = again.request(1)
    assert again.given[second] not in (kept, lost)
    again.final(running, score(kept))  # NNI hands it over as imported data
    again.final(first, score(lost))
    assert rewards(again.tuner) == {n: score(p) for n, p in enumerate(
        [experiment.given[0], kept, lost])}  # fmt: skip


def test_a_trial_that_was_interrupted_is_proposed_again_and_never_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    experiment = Experiment(new())
    experiment.trial()
    [stopped] = experiment.request(1)
    said = {"default": None, "error": "KeyboardInterrupt: ", "interrupted": True}
    experiment.final(stopped, said)
    experiment.end(stopped, "FAILED")
    [again, other] = experiment.request(2)
    assert experiment.given[again] == experiment.given[stopped]
    assert experiment.given[other] != experiment.given[stopped]
    experiment.final(again, 2.0)
    assert rewards(experiment.tuner) == {0: score(experiment.given[0]), 1: 2.0}

    unbroken = Experiment(new())
    unbroken.trial()
    unbroken.request(2)
    assert list(unbroken.given.values())[1:] == [experiment.given[again], experiment.given[other]]

    # Stopped before it is proposed again: whoever resumes proposes it.
    [last] = experiment.request(1)
    experiment.final(last, said)
    resumed_ = resumed(monkeypatch)
    given = [resumed_.given[id_] for id_ in resumed_.request(2)]
    assert experiment.given[last] in given


def test_a_trial_that_nni_runs_again_is_told_once(monkeypatch: pytest.MonkeyPatch) -> None:
    experiment = Experiment(new())
    failed, good = experiment.request(2)
    experiment.final(failed, {"default": None, "error": "killed"})
    experiment.final(good, 1.0)  # and then NNI stops, before it sees that they ended

    again = resumed(monkeypatch)
    forms = [{"parameter_id": id_, "parameters": experiment.given[id_]} for id_ in (failed, good)]
    again.process_command(CommandType.AddCustomizedTrialJob, forms)
    again.request(2)  # as many as may run at once, which these two are
    again.final(failed, 2.0)
    again.final(good, 3.0)
    assert rewards(again.tuner) == {1: 1.0, 0: 2.0}
    assert again.tuner.record.asked == 2  # and none was proposed before their results were known
    again.request(1)
    assert again.tuner.record.asked == 3


def test_results_that_nni_sends_again_are_not_told_again(monkeypatch: pytest.MonkeyPatch) -> None:
    experiment = Experiment(new())
    first, second = experiment.trial(), experiment.trial()
    again = resumed(monkeypatch)
    swapped = [
        {"parameter": second, "value": score(first), "trialJobId": "job-0"},
        {"parameter": first, "value": score(second), "trialJobId": "job-1"},
    ]
    again.process_command(CommandType.ImportData, swapped)
    assert rewards(again.tuner) == {0: score(first), 1: score(second)}


def test_import_of_results_from_elsewhere(caplog: pytest.LogCaptureFixture) -> None:
    tuner = new("evolution")
    experiment = Experiment(tuner)
    good, better = (SPACE.sample(np.random.default_rng(n)) for n in (1, 2))
    data = [
        {"parameter": good, "value": 0.5},
        {"parameter": {**better, "learning_rate": 0.1}, "value": "0.75"},
        {"parameter": good, "value": 0.5},
        {"parameter": {"width": 8}, "value": 0.5},
        {"parameter": good, "value": float("nan")},
        {"value": 0.5},
        {"parameter": None, "value": 0.5},
    ]
    for _ in range(2):  # NNI sends imported data again at each resume
        experiment.process_command(CommandType.ImportData, data)
    assert [(t.params, t.reward) for t in tuner.record.told.values()] == [
        (good, 0.5),
        (better, 0.75),
    ]
    assert caplog.text.count("left out") >= 4
    experiment.trial()
    assert list(rewards(tuner)) == [0, 1, 2]


def test_a_drawn_seed_is_kept_by_the_checkpoint(monkeypatch: pytest.MonkeyPatch) -> None:
    first = Experiment(new(seed=None))
    first.trial()
    again = resumed(monkeypatch, seed=None)
    assert again.tuner.strategy.seed == first.tuner.strategy.seed
    assert again.trial() == first.trial()


def test_resume_without_a_checkpoint_begins_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    resumed(monkeypatch).trial()


# The search space of the experiment


def test_other_hyperparameters_are_drawn_by_seed_and_number() -> None:
    others = {
        "learning_rate": {"_type": "loguniform", "_value": [1e-4, 1e-1]},
        "units": {"_type": "quniform", "_value": [8, 64, 8]},
        "layers": {"_type": "randint", "_value": [1, 4]},
        "optimizer": {"_type": "choice", "_value": ["adam", "sgd"]},
    }
    runs = []
    for _ in range(2):
        tuner = new()
        experiment = Experiment(tuner, {**search_space_of(SPACE), **others})
        runs.append([experiment.trial(lambda _: 1.0) for _ in range(20)])
        assert tuner.record.facts[0]["others"].keys() == others.keys()
    first = [{name: trial[name] for name in others} for trial in runs[0]]
    second = [{name: trial[name] for name in others} for trial in runs[1]]
    assert first == second
    assert all(1e-4 <= trial["learning_rate"] <= 1e-1 for trial in first)
    assert {trial["units"] % 8 for trial in first} == {0.0}
    assert {trial["layers"] for trial in first} == {1, 2, 3}
    assert {trial["optimizer"] for trial in first} == {"adam", "sgd"}
    bare = make_strategy("random", SPACE, seed=7)
    assert {name: runs[0][0][name] for name in SPACE.names} == bare.ask(0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {**dict.fromkeys(SPACE.names), "lr": {"_type": "uniform", "_value": [0, 1]}},
            "'operation' is missing",
        ),
        ({"width": {"_type": "choice", "_value": [8, 128]}}, "'width' must be a choice of"),
        ({"width": {"_type": "randint", "_value": [8, 65]}}, "'width' must be a choice of"),
        ({"lr": {"_type": "uniform", "_value": [1, 0]}}, "must have high > low"),
        ({"lr": 0.1}, "expect a dict"),
        ({"lr": {"_type": "choice", "_value": []}}, "NNI cannot draw"),
    ],
    ids=str,
)
def test_a_search_space_that_does_not_fit_ends_the_experiment(
    change: dict[str, Any], message: str
) -> None:
    sent = {**search_space_of(SPACE), **change}
    experiment = Experiment(new(), {name: entry for name, entry in sent.items() if entry})
    assert experiment.request(2) == []
    assert message in errors(experiment)[0]


def test_numbers_may_change_their_type_on_the_way() -> None:
    sent = search_space_of(SPACE)
    sent["rate"]["_value"] = [1, 0, 0.5]
    experiment = Experiment(new(), sent)
    experiment.trial()
    assert errors(experiment) == []


def test_a_search_space_that_comes_later_and_does_not_fit_changes_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    experiment = Experiment(new())
    experiment.trial()
    with caplog.at_level(logging.ERROR):
        experiment.process_command(CommandType.UpdateSearchSpace, {})
    assert "stays as it was" in caplog.text
    SPACE.validate(experiment.trial())
    assert errors(experiment) == []


# A trial script that searches nothing


def test_trials_that_end_well_and_never_report_end_the_experiment_with_the_missing_call() -> None:
    experiment = Experiment(new())
    experiment.end(*experiment.request())
    assert experiment.request() != []  # one may have been cancelled, or unlucky
    experiment.end(1)
    assert experiment.request() == []
    [said] = errors(experiment)
    assert "2 trials have ended, 2 of them with exit status 0" in said
    assert "nni.get_next_parameter()" in said
    assert "nni.report_final_result(value)" in said


def test_trials_that_crash_before_they_report_end_it_after_five() -> None:
    experiment = Experiment(new())
    for _ in range(4):
        experiment.trial(lambda _: None)
    assert experiment.request() != []
    experiment.end(4, "FAILED")
    assert experiment.request() == []
    assert "5 trials have ended, all of them with an error" in errors(experiment)[0]


def test_silence_after_one_report_ends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    experiment = Experiment(new())
    experiment.trial()
    for id_ in range(1, 4):
        experiment.end(*experiment.request())
        assert id_ in experiment.given
    again = resumed(monkeypatch)
    for _ in range(6):
        again.end(*again.request())
    assert again.request() != []


def test_results_that_are_all_alike_are_asked_about_once(caplog: pytest.LogCaptureFixture) -> None:
    experiment = Experiment(new())
    for _ in range(8):
        experiment.trial(lambda _: 0.5)
    asked = [text for text in caplog.messages if "have all reported 0.5" in text]
    assert len(asked) == 1
    assert "does the trial script use" in asked[0]
    caplog.clear()
    experiment = Experiment(new())
    for _ in range(8):
        experiment.trial()
    assert not [text for text in caplog.messages if "have all" in text]


def test_the_first_trials_that_fail_alike_are_told_of_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    experiment = Experiment(new())
    for _ in range(6):
        experiment.trial(lambda _: {"default": None, "error": "UnbuildableChild: too small"})
    said = [text for text in caplog.messages if "have all failed, and alike" in text]
    assert said == ["the first 4 trials have all failed, and alike: UnbuildableChild: too small"]


def test_a_tuner_says_what_it_is() -> None:
    tuner = new("evolution", population=5, sample=3)
    assert repr(tuner) == (
        "StrategyTuner(strategy='evolution', space=SearchSpace(12 decisions, 2.81e+07 points), "
        "seed=7, optimize_mode='maximize')"
    )
    assert "objectives={'val_accuracy': 'maximize'" in repr(new("pareto", objectives=TRADE))
    assert repr(AutoTuner(seed=1)).startswith("AutoTuner(strategy='auto', space=NASNetSpace(50 dec")
    with pytest.raises(ValueError, match="arguments of the tuner itself are strategy, space, seed"):
        new("evolution", optimise_mode="maximize")


def test_an_echo_is_json_text_and_one_that_is_broken_is_named() -> None:
    params = SPACE.decode([0] * 12)
    final = {"default": 1.0, "architecture": "in words", "decisions": json.dumps(params)}
    result = read_result(SPACE, final, {}, {"default": 1.0})
    assert (result.params, result.facts["metrics"]) == (params, {})
    with pytest.raises(ValueError, match=r"'decisions' of a result are no JSON: .* column 10"):
        read_result(SPACE, {**final, "decisions": '{"width": '[:9] + ","}, {}, {"default": 1.0})
