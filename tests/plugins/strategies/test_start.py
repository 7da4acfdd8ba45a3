"""Searches that start from architectures that are known to be good."""

import json

import numpy as np
import pytest

from cellwright.plugins import make_strategy
from cellwright.plugins.registry import names
from cellwright.search_spaces import (
    Decision,
    EdgeCellSpace,
    Float,
    InvalidArchitecture,
    JointSpace,
    MnasNetSpace,
    NASNetSpace,
    SearchSpace,
    load_genotype,
)
from cellwright.search_spaces.start import point_of

SPACE = SearchSpace(Decision(f"part/{place}", tuple("abcd")) for place in range(8))
GOOD = [dict.fromkeys(SPACE.names, letter) for letter in "cad"]


@pytest.mark.parametrize("name", names("strategies"))
def test_the_first_trials_of_any_strategy_try_them(name):
    strategy = make_strategy(name, SPACE, seed=3, start=GOOD)
    other = make_strategy(name, SPACE, seed=3)
    reward = (1.0, 2.0) if strategy.objectives > 1 else 1.0
    assert strategy.ask(1) == GOOD[1], "by the number of the trial, in any order"
    for number, params in enumerate(GOOD):
        assert strategy.ask(number) == params
        strategy.tell(number, params, reward)
        other.tell(number, params, reward)
    assert strategy.ask(3) == other.ask(3)
    assert strategy.ask(0) not in GOOD, "what is known is not tried again"


@pytest.mark.parametrize("start", [3, None, True, 0])
def test_a_start_of_the_wrong_kind_is_refused(start):
    with pytest.raises(ValueError, match="start must be a list of architectures, got"):
        make_strategy("random", SPACE, start=start)


def test_what_is_fixed_stays_so():
    strategy = make_strategy("random", SPACE, seed=0).start_from(GOOD)
    assert strategy.ask(0, fixed={"part/2": "b"}) == {**GOOD[0], "part/2": "b"}
    assert strategy.ask(0, running=[GOOD[0]]) != GOOD[0]


def test_published_cells_are_points_of_the_spaces_of_their_papers():
    darts = NASNetSpace.darts()
    for name in ("darts-v1", "darts-v2"):
        found = darts.genotype(point_of(darts, name))
        wanted = load_genotype(name)
        assert (found.normal, found.reduction) == (wanted.normal, wanted.reduction)
    published = NASNetSpace.published()
    with pytest.warns(UserWarning, match="nasnet-a is no point of .* nearest one"):
        found = published.genotype(point_of(published, "nasnet-a"))
    assert found.normal.blocks == load_genotype("nasnet-a").normal.blocks


def test_networks_of_blocks_are_points_of_spaces_of_blocks():
    around = MnasNetSpace.around("mobilenet-v3-small")
    assert point_of(around, "mobilenet-v3-small") == around.centre
    space = MnasNetSpace()
    params = space.sample(np.random.default_rng(2))
    point = point_of(space, space.genotype(params))
    assert space.genotype(point) == space.genotype(params)
    with pytest.warns(UserWarning, match="mnasnet-a1 is no point"):
        near = space.genotype(point_of(space, "mnasnet-a1"))
    blocks = load_genotype("mnasnet-a1").blocks
    assert [block.kernel for block in near.blocks] == [block.kernel for block in blocks]
    assert near.blocks[4].filters == 120, "the nearest of 72, 96 and 120 to 112"


def test_cells_of_edges_are_points_of_their_space():
    space = EdgeCellSpace()
    params = space.sample(np.random.default_rng(0))
    assert point_of(space, space.genotype(params)) == params


def test_files_of_a_search_are_points(tmp_path):
    space = NASNetSpace.darts()
    params = space.sample(np.random.default_rng(0))
    (tmp_path / "best.json").write_text(json.dumps({"params": params, "trial": 3}))
    (tmp_path / "genotype.json").write_text(json.dumps(space.describe(params)))
    for file in ("best.json", "genotype.json"):
        assert point_of(space, tmp_path / file) == params


def test_hyperparameters_take_the_middle():
    space = JointSpace(NASNetSpace.darts(), Float("learning_rate", 1e-4, 1e-2, log=True))
    point = point_of(space, "darts-v2")
    assert point["learning_rate"] == pytest.approx(1e-3)
    params = {**space.sample(np.random.default_rng(0))}
    assert point_of(space, params) == params


@pytest.mark.parametrize(
    ("space", "entry", "words"),
    [
        (NASNetSpace.darts(), "nasnet-a", "have 4 blocks, and the normal cell of nasnet-a has 5"),
        (NASNetSpace.published(), "mnasnet-a1", "searches cells of blocks"),
        (NASNetSpace(), "nasnet-a", "is not allowed|not one of|must be"),
        (MnasNetSpace(), "nasnet-a", "have 7 blocks"),
        (EdgeCellSpace(), "nasnet-a", "searches cells of edges"),
        (SPACE, "nasnet-a", "has no genotypes: give the decisions by their names"),
        (SPACE, {"part/0": "a"}, "missing 'part/1'|missing part/1"),
        (SPACE, "nothing.json", "No such file"),
    ],
)
def test_says_what_is_no_point(space, entry, words):
    with pytest.raises((InvalidArchitecture, OSError), match=words):
        point_of(space, entry)
