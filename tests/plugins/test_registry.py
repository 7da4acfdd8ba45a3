"""Names of spaces and strategies, as they stand on a command line."""

import sys
from pathlib import Path

import pytest

from cellwright.plugins import RandomSearch, Reinforce, make_space, make_strategy
from cellwright.plugins.registry import names
from cellwright.search_spaces import NASNetSpace, SearchSpace

MODULE = """
from cellwright.plugins import RandomSearch
from cellwright.search_spaces import Decision, NASNetSpace, SearchSpace

SPACE = NASNetSpace(blocks=1)
class Needy(SearchSpace):
    def __init__(self, size):
        super().__init__([Decision("a", tuple(range(size)))])
def make():
    return SearchSpace([Decision("a", (1, 2))])
number = 5
def nothing(space, seed):
    return {}
class Mine(RandomSearch):
    pass
"""
TINY = NASNetSpace(blocks=1)


@pytest.fixture(autouse=True)
def module(tmp_path: Path, monkeypatch):
    (tmp_path / "of_a_user.py").write_text(MODULE)
    (tmp_path / "broken.py").write_text("import not_installed_anywhere")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield
    for name in ("of_a_user", "broken"):
        sys.modules.pop(name, None)


def test_spaces_come_by_name_by_attribute_and_as_they_are():
    assert names("spaces") == sorted(names("spaces"))
    assert "nasnet" in names("spaces")
    for name in ("nasnet", None, "cellwright.search_spaces:NASNetSpace"):
        space = make_space(name)
        assert isinstance(space, NASNetSpace)
        assert space.fingerprint == NASNetSpace().fingerprint
    assert make_space(TINY) is TINY
    assert make_space("of_a_user:SPACE").fingerprint == TINY.fingerprint
    assert make_space("of_a_user:make").size == 2
    assert make_space("nasnet-wide").fingerprint == NASNetSpace(repair=False).fingerprint
    published = make_space("cellwright.search_spaces:NASNetSpace.published")
    assert published.fingerprint == NASNetSpace.published().fingerprint


def test_strategies_come_by_name_and_by_attribute():
    assert set(names("strategies")) >= {"random", "reinforce", "evolution"}
    strategy = make_strategy("reinforce", TINY, seed=3, batch=2)
    assert isinstance(strategy, Reinforce)
    assert (strategy.space, strategy.seed, strategy.batch) == (TINY, 3, 2)
    assert isinstance(make_strategy("of_a_user:Mine", TINY), RandomSearch)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("nasnett", r"unknown name 'nasnett'; installed spaces are .*Did you mean 'nasnet'\?"),
        ("zzz", r"unknown name 'zzz'; installed spaces are .*'module:attribute' names any other$"),
        ("", "a name was expected"),
        (5, "a name was expected .* got 5"),
        ("of_a_user:absent", "'of_a_user:absent' cannot be loaded: .*no attribute 'absent'"),
        ("of_a_user:Needy.absent", "cannot be loaded: .*no attribute 'absent'"),
        ("nowhere:space", "cannot be loaded: No module named 'nowhere'"),
        ("broken:space", "cannot be loaded: No module named 'not_installed_anywhere'"),
        (":space", "':space' cannot be loaded"),
        ("of_a_user:", "'of_a_user:' cannot be loaded"),
        ("of_a_user:number", "gives a int, not a SearchSpace"),
        ("of_a_user:Needy", "cannot be made so: .*size"),
        ("cellwright.plugins:MovingAverage", "gives a MovingAverage, not a SearchSpace"),
    ],
)
def test_a_space_that_is_none_is_refused(name, words):
    with pytest.raises(ValueError, match=words):
        make_space(name)


@pytest.mark.parametrize(
    ("name", "arguments", "words"),
    [
        ("evolutoin", {}, "installed strategies are .*Did you mean 'evolution'"),
        ("reinforce", {"bacth": 2}, "strategy 'reinforce' cannot be made so: .*bacth"),
        ("reinforce", {"batch": 0}, "batch must be at least 1"),
        ("reinforce", {"seed": -1}, "seed must be an integer from 0"),
        ("of_a_user:number", {}, "cannot be made so: 'int' object is not callable"),
        ("of_a_user:nothing", {}, "gives a dict, not a Strategy"),
    ],
)
def test_a_strategy_that_is_none_is_refused(name, arguments, words):
    with pytest.raises(ValueError, match=words):
        make_strategy(name, SearchSpace(TINY.decisions), **arguments)
