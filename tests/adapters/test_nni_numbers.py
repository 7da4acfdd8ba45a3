"""A search space in numbers alone, for those of NNI's tuners that take nothing else."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("nni", reason="NNI is not installed")

from cellwright.adapters.nni_config import check_experiment
from cellwright.adapters.nni_init import write_experiment
from cellwright.adapters.nni_numbers import from_numbers, in_numbers
from cellwright.adapters.nni_space import other_entries, search_space_of
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
            Decision("operation", ("sep_3x3", "identity", "2")),
            Decision("nodes", (2, 0, 1)),  # numbers that are also positions
            Decision("width", (0.25, 1.0)),
            Decision("skip", (False, True)),
            Decision("one", ("only",)),
        ]
    ),
    Float("learning_rate", 1e-4, 1e-2, log=True),
    Float("dropout", 0, 0.5),
    Int("layers", 1, 4),
    Int("batch_size", 16, 256, log=True),
)


def drawn(number: Any, entry: dict[str, Any]) -> Any:
    """The value at a share ``number`` of an entry, as a tuner would give it."""
    values = entry["_value"]
    if entry["_type"] == "choice":
        return values[min(int(number * len(values)), len(values) - 1)]
    return values[0] + number * (values[1] - values[0])


def test_every_entry_is_a_number_and_its_name_says_what_it_means() -> None:
    space = search_space_of(SPACE, numeric=True)
    assert space["index:operation"] == {"_type": "choice", "_value": [0, 1, 2]}
    assert space["index:nodes"] == {"_type": "choice", "_value": [0, 1, 2]}
    assert space["index:one"] == {"_type": "choice", "_value": [0]}
    assert space["log10:learning_rate"] == {"_type": "uniform", "_value": [-4.0, -2.0]}
    assert space["dropout"] == {"_type": "uniform", "_value": [0.0, 0.5]}
    assert space["round:layers"] == {"_type": "uniform", "_value": [0.5, 4.5]}
    assert space["log10:batch_size"]["_value"] == [math.log10(16), math.log10(256)]
    assert space == in_numbers(SPACE)
    assert json.loads(json.dumps(space)) == space


@given(st.lists(st.floats(0, 1), min_size=9, max_size=9))
def test_whatever_a_tuner_gives_is_a_point_of_the_space(shares: list[float]) -> None:
    entries = in_numbers(SPACE)
    numbers = {n: drawn(x, e) for x, (n, e) in zip(shares, entries.items(), strict=True)}
    params = from_numbers(SPACE, numbers)
    assert params == SPACE.read(params)
    assert [type(params[d.name]) for d in SPACE.decisions] == [
        type(d.choices[0]) for d in SPACE.decisions
    ]
    for decision in SPACE.architecture.decisions:
        assert params[decision.name] == decision.choices[numbers[f"index:{decision.name}"]]
    assert params["learning_rate"] == pytest.approx(10 ** numbers["log10:learning_rate"])
    assert params["dropout"] == numbers["dropout"]


@given(st.integers(0, 2**32))
def test_every_choice_has_its_number(seed: int) -> None:
    params = SPACE.architecture.sample(np.random.default_rng(seed))
    indices = SPACE.architecture.encode(params)
    numbers = {f"index:{n}": float(i) for n, i in zip(params, indices, strict=True)}
    assert from_numbers(SPACE, numbers) == params


def test_plain_parameters_and_entries_of_the_users_own_stay() -> None:
    params = {**SPACE.decode([0] * 9), "momentum": 0.9, "index:mine": 3}
    assert from_numbers(SPACE, params) == params


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"index:nodes": 3}, "from 0 to 2"),
        ({"index:nodes": -1}, "from 0 to 2"),
        ({"index:nodes": 0.5}, "give a whole number"),
        ({"index:nodes": "0"}, "give a number"),
        ({"index:nodes": True}, "give a number"),
        ({"index:nodes": math.nan}, "give a number"),
        ({"log10:learning_rate": -1.0}, "from -4.0 to -2.0"),
        ({"round:layers": 5}, "from 0.5 to 4.5"),
        ({"nodes": 1, "index:nodes": 1}, "nodes is given, and as index:nodes too"),
    ],
)
def test_what_is_no_number_of_the_space_is_refused(given: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidArchitecture, match=message):
        from_numbers(SPACE, given)


def test_names_that_would_be_mistaken_are_refused() -> None:
    space = SearchSpace([Decision("a", ("x", "y")), Decision("index:a", (5, 6))])
    with pytest.raises(ValueError, match=r"\['index:a'\] are decisions, and names of other"):
        search_space_of(space, numeric=True)
    assert from_numbers(space, {"a": "x", "index:a": 5}) == {"a": "x", "index:a": 5}


def test_our_own_tuners_do_not_take_numbers_and_say_so() -> None:
    with pytest.raises(SpaceMismatch, match="'operation' is missing"):
        other_entries(SPACE, search_space_of(SPACE, numeric=True))


def test_an_experiment_in_numbers_names_a_tuner_that_takes_them(tmp_path: Path) -> None:
    import yaml
    from nni.experiment.config import ExperimentConfig

    write_experiment(tmp_path, numeric=True, tune=["learning_rate=1e-4..1e-2:log"])
    check_experiment(tmp_path)
    config = yaml.safe_load((tmp_path / "config.yml").read_text())
    assert config["tuner"] == {
        "name": "GP",
        "classArgs": {"optimize_mode": "maximize", "selection_num_starting_points": 0},
    }
    ExperimentConfig.load(tmp_path / "config.yml").canonical_copy()
    space = JointSpace(NASNetSpace(), Float("learning_rate", 1e-4, 1e-2, log=True))
    written = json.loads((tmp_path / "search_space.json").read_text())
    assert written == search_space_of(space, numeric=True)
    for others in ({"schedule": {"max_epochs": 9}}, {"objectives": {"val_accuracy": "maximize"}}):
        with pytest.raises(ValueError, match="have no schedule and one objective"):
            write_experiment(tmp_path / "no", numeric=True, **others)
