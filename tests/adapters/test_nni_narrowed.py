"""Search spaces that a user narrowed by hand, in every one of NNI's types."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("nni", reason="NNI is not installed")

from nni.algorithms.hpo.random_tuner import RandomTuner

from cellwright.adapters.nni_narrowed import left_of
from cellwright.adapters.nni_record import HISTORY
from cellwright.adapters.nni_space import other_entries, search_space_of
from cellwright.adapters.nni_tuner import StrategyTuner
from cellwright.plugins.records.record import KNOWN
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

SPACE = JointSpace(
    SearchSpace(
        [
            Decision("operation", ("sep_3x3", "max_3x3", "identity")),
            Decision("width", (8, 16, 32)),
            Decision("skip", (False, True)),
        ]
    ),
    Float("rate", 1e-4, 1e-2, log=True),
    Float("dropout", 0, 0.5),
    Int("layers", 1, 16),
    Int("batch_size", 16, 256, log=True),
)


def entry(kind: str, *values: Any) -> dict[str, Any]:
    return {"_type": kind, "_value": list(values)}


@pytest.fixture(autouse=True)
def _checkpoint(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("NNI_CHECKPOINT_DIRECTORY", str(tmp_path))


def tuner_on(changes: dict[str, Any], without: tuple[str, ...] = (), **given: Any) -> StrategyTuner:
    tuner = StrategyTuner("random", given.pop("space", SPACE), seed=3, **given)
    entries = {**search_space_of(tuner.space), **changes}
    tuner.update_search_space({n: e for n, e in entries.items() if n not in without})
    return tuner


def trials(tuner: StrategyTuner, count: int, first: int = 0) -> list[dict[str, Any]]:
    found = []
    for id_ in range(first, first + count):
        found += tuner.generate_multiple_parameters([id_])
        tuner.receive_trial_result(id_, found[-1], float(id_ % 5), trial_job_id=f"job-{id_}")
        tuner.trial_end(id_, True)
    return found


@pytest.mark.parametrize(
    ("name", "given", "values"),
    [
        ("operation", entry("choice", "identity", "sep_3x3"), {"sep_3x3", "identity"}),
        ("operation", entry("choice", "max_3x3"), {"max_3x3"}),
        ("width", entry("choice", 32.0, 8), {8, 32}),
        ("width", entry("quniform", 8, 16, 8), {8, 16}),
        ("skip", entry("choice", True), {True}),
        ("layers", entry("randint", 2, 5), {2, 3, 4}),
        ("layers", entry("quniform", 2, 4, 1), {2, 3, 4}),
        ("layers", entry("quniform", 4, 16, 4), {4, 8, 12, 16}),
        ("layers", entry("choice", 3, 5.0), {3, 5}),
        ("batch_size", entry("choice", 32, 48), {32, 48}),
        ("batch_size", entry("quniform", 32, 64, 32.0), {32, 64}),
        ("dropout", entry("quniform", 0, 0.3, 0.1), {0.0, 0.1, 0.2, 0.3}),
        ("rate", entry("choice", 0.001), {0.001}),
    ],
    ids=lambda given: str(sorted(given) if isinstance(given, set) else given),
)
def test_what_was_taken_out_is_never_proposed(
    name: str, given: Any, values: set[Any], caplog: pytest.LogCaptureFixture
) -> None:
    found = [trial[name] for trial in trials(tuner_on({name: given}), 40)]
    assert set(found) == values
    assert {type(x) for x in found} == {type(x) for x in values}
    assert f"It narrows {name} to" in caplog.text


@pytest.mark.parametrize(
    ("name", "given"),
    [("rate", entry("loguniform", 1e-3, 2e-3)), ("dropout", entry("uniform", 0.1, 0.2)),
     ("batch_size", entry("qloguniform", 20, 40, 1)), ("rate", entry("uniform", 1e-3, 2e-3))],
    ids=str,
)  # fmt: skip
def test_a_shorter_range_has_its_own_levels(name: str, given: Any) -> None:
    found = {trial[name] for trial in trials(tuner_on({name: given}), 40)}
    low, high = given["_value"][:2]
    assert len(found) == 5
    assert all(low <= value <= high for value in found)


def test_what_is_left_out_is_fixed_and_said(caplog: pytest.LogCaptureFixture) -> None:
    tuner = tuner_on({}, without=("operation", "rate", "layers"))
    for trial in trials(tuner, 12):
        SPACE.encode(trial)
        assert (trial["operation"], trial["rate"], trial["layers"]) == ("sep_3x3", 0.001, 8)
    assert "operation, which is left out, to 'sep_3x3'" in caplog.text


def test_every_type_of_the_whole_narrows_nothing(caplog: pytest.LogCaptureFixture) -> None:
    tuner = tuner_on({"layers": entry("quniform", 1, 16, 1), "width": entry("choice", 32, 8, 16)})
    assert tuner.strategy.space is SPACE
    assert "narrows" not in caplog.text


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"operation": entry("choice", "sep_3x3", "sep_9x9")}, "operation = 'sep_9x9' is not"),
        ({"width": entry("choice", 8, 12.5)}, "width = 12.5 is not allowed"),
        ({"width": entry("uniform", 8, 32)}, "it is one of some choices, and no range"),
        ({"layers": entry("uniform", 1, 12.5)}, "'layers' must be a randint of .* whole number"),
        ({"layers": entry("quniform", 1, 12.5, 0.5)}, "layers = 1.5 is not allowed; give a whole"),
        ({"layers": entry("choice", 12.5)}, "layers = 12.5 is not allowed; give a whole number"),
        ({"layers": entry("randint", 1, 18)}, "layers = 17 is not allowed"),
        ({"rate": entry("loguniform", 1e-4, 1)}, "rate = 1.0 is not allowed"),
        (
            {"rate": entry("normal", 1e-3, 1e-3)},
            "the type 'normal' is none of NNI's, or is one whose values",
        ),
        ({"rate": entry("loguniform", 1e-2, 1e-4)}, "must be below the upper one"),
        ({"operation": entry("choice", {"_name": "sep_3x3"})}, "must be plain, not"),
        ({"operation": entry("choice")}, "_value must be a list"),
        ({"operation": "sep_3x3"}, '"_type": "choice"'),
        ({"layers": entry("choice", float("nan"))}, "layers = nan is not allowed"),
        ({"layers": entry("uniform", 1, float("inf"))}, "'layers' must be"),
    ],
    ids=str,
)
def test_what_is_widened_or_unknown_is_refused_by_name(changes: Any, message: str) -> None:
    with pytest.raises(SpaceMismatch, match=message):
        left_of(SPACE, {**search_space_of(SPACE), **changes})


def test_a_misspelt_decision_is_none_that_was_left_out() -> None:
    entries = search_space_of(NASNetSpace())
    entries["normal/1/operation1"] = entries.pop("normal/1/operation_1")
    with pytest.raises(SpaceMismatch, match="'normal/1/operation1' is no decision of the space"):
        other_entries(NASNetSpace(), entries)


def test_a_network_with_two_names_left_is_paid_for_once() -> None:
    """The operations of a block can be exchanged, but each has other choices left."""
    space = NASNetSpace(blocks=1)
    names = [n for n in space.names if n != "normal/1/operation_1"]
    fixed = {n: entry("choice", space.decisions[space.names.index(n)].choices[0]) for n in names}
    tuner = tuner_on({**fixed, "normal/1/operation_1": entry("choice", "sep_3x3", "max_3x3")},
                     space=space)  # fmt: skip
    found = []
    for id_ in range(6):
        [given] = tuner.generate_multiple_parameters([id_])
        found.append(KNOWN in given)
        value = given.get(KNOWN, {"reward": 0.5})
        tuner.receive_trial_result(id_, given, {"default": 0.5, **value}, trial_job_id=str(id_))
    assert found == [False, False, True, True, True, True]


def test_a_resume_and_a_change_while_it_runs(tmp_path: Path) -> None:
    narrow = {"operation": entry("choice", "identity", "sep_3x3")}
    before = tuner_on({})
    wide = trials(before, 12)
    assert {trial["operation"] for trial in wide} > {"identity"}
    before.update_search_space({**search_space_of(SPACE), **narrow})
    later = trials(before, 8, 12)
    assert {trial["operation"] for trial in later} == {"identity", "sep_3x3"}
    assert len(before.record.told) == 20
    assert len(before.strategy.history) < 20  # those of other networks teach nothing here

    again = StrategyTuner("random", SPACE, seed=3)
    again.load_checkpoint()
    again.update_search_space({**search_space_of(SPACE), **narrow})
    assert {trial["operation"] for trial in trials(again, 8, 20)} == {"identity", "sep_3x3"}
    assert len(json.loads((tmp_path / HISTORY).read_text())["history"]) == 28


def test_a_population_explores_what_is_left() -> None:
    schedule = {"population": 4, "max_epochs": 6}
    given = {"rate": entry("loguniform", 1e-3, 2e-3), "batch_size": entry("choice", 32, 64)}
    tuner = tuner_on(given, schedule=schedule)
    for trial in trials(tuner, 40):
        assert 1e-3 <= trial["rate"] <= 2e-3
        assert trial["batch_size"] in (32, 64)
    tuner.update_search_space(search_space_of(SPACE))
    assert all(1e-3 <= trial["rate"] <= 2e-3 for trial in trials(tuner, 4, 40))


def test_whole_numbers_of_the_users_own_entries_are_whole_in_our_tuners_and_trials() -> None:
    others = {
        "units": entry("quniform", 8, 64, 8),
        "depth": entry("qloguniform", 1, 8, 1),
        "layer": entry("choice", {"_name": "dense", "size": entry("quniform", 8, 16, 8)},
                       {"_name": "none"}),
        "lr": entry("loguniform", 1e-4, 1e-1),
    }  # fmt: skip
    for trial in trials(tuner_on(others), 12):
        assert (type(trial["units"]), type(trial["depth"])) == (int, int)
        assert isinstance(trial["lr"], float)
        assert type(trial["layer"].get("size", 8)) is int
    theirs = RandomTuner(seed=0)
    theirs.update_search_space({"units": others["units"]})
    assert isinstance(theirs.generate_parameters(0)["units"], float)  # which trials read as whole


def test_whole_numbers_that_arrive_as_floats_are_whole_and_others_are_refused() -> None:
    params = SPACE.decode([0] * len(SPACE.names))
    assert SPACE.read({**params, "layers": 12.0})["layers"] == 12
    with pytest.raises(InvalidArchitecture, match=r"layers = 12\.5 is not allowed; give a whole"):
        SPACE.read({**params, "layers": 12.5})
    for odd in (float("nan"), float("inf")):
        with pytest.raises(InvalidArchitecture, match="layers"):
            SPACE.read({**params, "layers": odd})
