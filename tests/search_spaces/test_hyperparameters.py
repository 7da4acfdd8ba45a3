"""Ranges, conditions, and an architecture joined with hyperparameters."""

import inspect
import json
import math
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cellwright.plugins import RandomSearch, make_strategy
from cellwright.plugins.strategies.checks import check_strategy
from cellwright.search_spaces import (
    ConvNetSpace,
    Decision,
    EdgeCellSpace,
    Float,
    Int,
    InvalidArchitecture,
    JointSpace,
    MnasNetSpace,
    NASNetSpace,
    SearchSpace,
    Skeleton,
    read_hyperparameter,
)

CELLS = NASNetSpace(blocks=1)
OTHERS = (
    Float("learning_rate", 1e-4, 1e-2, log=True),
    Int("batch_size", 16, 256, log=True),
    Decision("clustering", (False, True)),
    Int("clusters", 4, 20, when={"clustering": True}),
)
JOINT = JointSpace(CELLS, *OTHERS)


def some(seed=0, **others):
    return {**JOINT.sample(np.random.default_rng(seed)), **others}


def test_levels_are_even_on_the_scale_and_hold_both_ends():
    assert Float("x", 0, 1).choices == (0.0, 0.25, 0.5, 0.75, 1.0)
    assert Float("x", 1e-4, 1e-2, log=True, levels=3).choices == (1e-4, 1e-3, 1e-2)
    assert Int("x", 1, 3).choices == (1, 2, 3)
    assert Int("x", 16, 256, log=True).choices == (16, 32, 64, 128, 256)


@given(st.floats(0.001, 10), st.floats(1.01, 1000), st.booleans(), st.integers(2, 12), st.data())
def test_any_number_of_a_range_is_the_nearest_level(low, width, log, levels, data):
    decision = Float("x", low, low * width, log=log, levels=levels)
    value = data.draw(st.floats(low, decision.high))
    place = math.log if log else float
    index = decision.index(value)
    distances = [abs(place(choice) - place(value)) for choice in decision.choices]
    assert distances[index] == min(distances)
    assert decision.read(value) == value
    assert [decision.index(choice) for choice in decision.choices] == list(range(levels))


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: Float("x", 1, 1), "low < high"),
        (lambda: Float("x", 0, math.inf), "finite"),
        (lambda: Float("x", 0, 1, log=True), "above 0"),
        (lambda: Float("x", 0, 1, levels=1), "at least 2"),
        (lambda: Int("x", 0.5, 2), "whole"),
        (lambda: JointSpace(CELLS), "at least one"),
        (lambda: JointSpace([Float("x", 0, 1)], Float("y", 0, 1)), "architecture"),
        (lambda: JointSpace(CELLS, Decision("normal/1/input_1", (0, 1))), "more than once"),
        (lambda: SearchSpace([Int("a", 1, 3, when={"b": 1}), Int("b", 1, 3)]), "before it"),
        (lambda: SearchSpace([Decision("b", (1, 2)), Int("a", 1, 3, when={"b": 3})]), r"\[1, 2\]"),
    ],
)
def test_what_makes_no_sense_is_refused(make, text):
    with pytest.raises(ValueError, match=text):
        make()


@pytest.mark.parametrize("value", [0.5e-4, 0.011, "0.001", True, None, math.nan])
def test_a_value_out_of_range_is_no_point(value):
    with pytest.raises(InvalidArchitecture, match="learning_rate"):
        JOINT.encode(some(learning_rate=value))
    with pytest.raises(InvalidArchitecture, match="learning_rate"):
        JOINT.read(some(learning_rate=value))


def test_reading_keeps_a_number_and_encoding_takes_its_level():
    params = some(learning_rate=0.0023, batch_size=100.0)
    assert JOINT.read(params)["learning_rate"] == 0.0023
    assert JOINT.read(params)["batch_size"] == 100
    assert isinstance(JOINT.read(params)["batch_size"], int)
    snapped = JOINT.decode(JOINT.encode(params))
    assert (snapped["learning_rate"], snapped["batch_size"]) == (0.00316228, 128)


def test_without_its_condition_a_decision_has_no_effect():
    off = some(clustering=False, clusters=20)
    assert JOINT.active(off)[-1] is False
    assert JOINT.key(off) == JOINT.key({**off, "clusters": 8})
    assert "clusters" not in JOINT.split(off)[1]
    del off["clusters"]
    assert JOINT.read(off).keys() == off.keys()
    with pytest.raises(InvalidArchitecture, match="missing clusters"):
        JOINT.encode({**off, "clustering": True})
    nested = SearchSpace(
        [
            Decision("a", (False, True)),
            Decision("b", (False, True), when={"a": True}),
            Int("c", 1, 3, when={"b": (True,)}),
        ]
    )
    assert nested.active({"a": False, "b": True, "c": 1}) == (True, False, False)
    assert nested.canonical({"a": False, "b": True, "c": 3}) == {"a": False, "b": False, "c": 1}


@given(st.integers(0, 10_000))
def test_a_joint_space_is_the_architecture_and_the_rest(seed):
    params = some(seed)
    network, others = JOINT.split(params)
    assert network == {name: params[name] for name in CELLS.names}
    assert others == {n: params[n] for n in JOINT.read(params) if n not in CELLS.names}
    canonical = JOINT.canonical(params)
    assert JOINT.canonical(canonical) == canonical
    assert {name: canonical[name] for name in CELLS.names} == CELLS.canonical(network)
    changed = JOINT.mutate(params, np.random.default_rng(seed))
    assert JOINT.read(changed) != JOINT.read(params)
    json.dumps(JOINT.describe(params))


def test_a_joint_space_of_layers_keeps_anchors_and_depth():
    layers = ConvNetSpace(layers=(2, 3), every=5)
    joint = JointSpace(layers, Float("learning_rate", 1e-4, 1e-2))
    assert joint.anchors == layers.anchors
    assert joint.scheduled(7) == {"depth": 3}
    params = joint.decode([0] * len(joint.names))
    assert joint.active(params) == (*layers.active(joint.split(params)[0]), True)


def test_a_joint_space_travels_to_other_processes():
    again = pickle.loads(pickle.dumps(JOINT))
    assert again.decisions == JOINT.decisions
    assert again.fingerprint == JOINT.fingerprint


@pytest.mark.parametrize("name", ["evolution", "reinforce", "predictor", "local", "ppo"])
def test_every_strategy_searches_a_joint_space(name):
    cells = NASNetSpace(blocks=1, operations=("identity", "max_3x3"), combinations=("add",))
    joint = JointSpace(cells, *OTHERS)
    check_strategy(lambda space, seed: make_strategy(name, space, seed=seed), joint)


def test_a_strategy_learns_from_numbers_between_its_levels():
    strategy = RandomSearch(JOINT, seed=0)
    strategy.tell(0, some(learning_rate=0.0023), 0.5)
    assert strategy.history[0].params["learning_rate"] == 0.00316228


def test_the_options_of_a_space_are_those_of_its_child_builder():
    pytest.importorskip("keras")
    from cellwright.search_spaces.convnet.child import build_convnet
    from cellwright.search_spaces.edge_cell.child import build_edge_cells
    from cellwright.search_spaces.mnasnet.child import build_mnasnet

    for space, builder in (
        (ConvNetSpace, build_convnet),
        (MnasNetSpace, build_mnasnet),
        (EdgeCellSpace, build_edge_cells),
    ):
        parameters = inspect.signature(builder).parameters.values()
        keywords = {p.name for p in parameters if p.kind is p.KEYWORD_ONLY}
        assert space.options == keywords - {"seed"}
    assert NASNetSpace.options >= set(Skeleton.__dataclass_fields__)


@pytest.mark.parametrize(
    ("text", "decision"),
    [
        ("learning_rate=1e-4..1e-2:log", Float("learning_rate", 1e-4, 1e-2, log=True)),
        ("batch_size=16..256:log", Int("batch_size", 16, 256, log=True)),
        ("dropout=0..0.5", Float("dropout", 0, 0.5)),
        ("shift=-1..1", Int("shift", -1, 1)),
        ("batch_size = 32, 64,128", Decision("batch_size", (32, 64, 128))),
        ("weight_decay=0,1e-4", Decision("weight_decay", (0.0, 1e-4))),
        ("augmentation=none,shift", Decision("augmentation", ("none", "shift"))),
        ("bias=True,false", Decision("bias", (True, False))),
        ("dropout=0.2", Decision("dropout", (0.2,))),
    ],
)
def test_hyperparameters_as_a_user_writes_them(text, decision):
    read = read_hyperparameter(text)
    assert type(read) is type(decision)
    assert (read.name, read.choices) == (decision.name, decision.choices)
    assert getattr(read, "log", None) == getattr(decision, "log", None)
    assert [type(x) for x in read.choices] == [type(x) for x in decision.choices]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("learning_rate", "is written NAME=LOW..HIGH"),
        ("=1..2", "is written NAME=LOW..HIGH"),
        ("a=", "is written NAME=LOW..HIGH"),
        ("a=1,2:log", "is written NAME=LOW..HIGH"),
        ("a=1..2:ln", "the bounds of 'a' must be numbers, got '1..2:ln'"),
        ("a=low..high", "the bounds of 'a' must be numbers, got 'low..high'"),
        ("a=2..1", "'a' must have low < high"),
        ("a=0..1:log", "low must be above 0"),
        ("a=1,1", "choices of 'a' must be different"),
        ("a=x,,y", "choices must not be empty, got 'x,,y'"),
        ("a=1..inf", "high must be a finite number"),
    ],
)
def test_what_is_written_otherwise_is_refused(text, words):
    with pytest.raises(ValueError, match=words):
        read_hyperparameter(text)
