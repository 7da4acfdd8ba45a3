"""A snapshot of what was learned changes nothing but time."""

import json
import math
import os
import pickle

import numpy as np
import pytest

from cellwright.plugins import (
    PPO,
    HybridReinforce,
    LocalSearch,
    ParetoEvolution,
    Reinforce,
    RollingWindow,
)
from cellwright.plugins.records.snapshots import SnapshotFiles, cache_folder, remember
from cellwright.plugins.strategies import strategy as strategies
from cellwright.plugins.strategies.outcome import Told
from cellwright.search_spaces import NASNetSpace

SPACE = NASNetSpace(blocks=1)
MAKE = {
    "Reinforce": lambda **given: Reinforce(SPACE, units=4, **given),
    "Reinforce.book": lambda **given: Reinforce.book(SPACE, units=4, batch=3, **given),
    "Reinforce.layerwise": lambda **given: Reinforce.layerwise(SPACE, units=4, **given),
    "PPO": lambda **given: PPO(SPACE, units=4, **given),
    "HybridReinforce": lambda **given: HybridReinforce(SPACE, units=4, epochs=1, memory=9, **given),
    "HybridReinforce, policy only": lambda **given: HybridReinforce(
        SPACE, units=4, epochs=1, predictor=False, **given
    ),
    "LocalSearch": lambda **given: LocalSearch(SPACE, **given),
    "ParetoEvolution": lambda **given: ParetoEvolution(SPACE, **given),
}


@pytest.fixture(autouse=True)
def _eager(monkeypatch, tmp_path):
    """A folder of the test's."""
    monkeypatch.setenv("CELLWRIGHT_CACHE", str(tmp_path / "cache"))


def record(name, count, seed=0):
    rng = np.random.default_rng(seed)
    several = name.startswith("Pareto")
    return [
        Told(
            k, SPACE.sample(rng), tuple(rng.random(2).tolist()) if several else float(rng.random())
        )
        for k in range(count)
    ]


def remembering(name, **given):
    return remember(MAKE[name](**{"seed": 1, **given}))


def keep(name, told, each=3, **given):
    """Learn ``told``, and keep a snapshot after each of the last results."""
    strategy = remembering(name, **given)
    for seconds, end in ((math.inf, len(told) - each), (-1.0, len(told))):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(strategies, "_SECONDS", seconds)
            strategy.follow(told[:end])


def counted(strategy):
    """How many results the strategy learns from, from now on."""
    learned, learn = [], strategy._learn
    strategy._learn = lambda indices, reward: (learned.append(indices), learn(indices, reward))
    return learned


def assert_alike(one, other):
    """All that was learned is the same to the last bit, and so is what follows from it."""
    from cellwright.plugins.strategies.snapshots import pack

    assert one.history == other.history
    mine, theirs = pack(one._values()), pack(other._values())
    assert mine.keys() == theirs.keys()
    for part in mine:
        assert mine[part].tobytes() == theirs[part].tobytes(), part
    assert [one.ask(k) for k in (200, 301)] == [other.ask(k) for k in (200, 301)]
    params = one.ask(77)
    assert one.predict(params) == other.predict(params)
    assert one._digest == other._digest
    more = record(type(one).__name__, 40, seed=5)
    for told in more:
        one.tell(*told)
        other.tell(*told)
    assert one.ask(400) == other.ask(400)


def joined(name, told, **given):
    """A new process's strategy, after it has learned a record, and how much it learned itself."""
    strategy = remembering(name, **given)
    learned = counted(strategy)
    strategy.follow(told)
    return strategy, len(learned)


def fresh(name, told, **given):
    strategy = MAKE[name](**{"seed": 1, **given})
    strategy.follow(told)
    return strategy


def files():
    return sorted(cache_folder().rglob("*.npz"))


@pytest.mark.parametrize("name", MAKE)
def test_who_joins_learns_what_came_after_the_snapshot(name):
    told = record(name, 40)
    keep(name, told[:35])
    strategy, learned = joined(name, told)
    assert learned == 5
    assert_alike(strategy, fresh(name, told))


@pytest.mark.parametrize("name", MAKE)
def test_a_result_that_comes_late_leads_to_an_earlier_snapshot_or_to_none(name):
    told = record(name, 40)
    keep(name, told[:35])
    latest = told[:34] + told[35:36] + told[34:35]
    strategy, learned = joined(name, latest)
    assert learned == 2
    assert_alike(strategy, fresh(name, latest))
    first = told[35:36] + told[:35]
    strategy, learned = joined(name, first)
    assert learned == 36
    assert_alike(strategy, fresh(name, first))


@pytest.mark.parametrize("name", ["Reinforce", "HybridReinforce"])
def test_what_is_learned_of_a_failure_counts(name):
    """A later, worse result changes what a child beyond the limit taught."""
    told = record(name, 40)
    told[10] = told[10]._replace(reward=None, excess=0.5)
    told[11] = told[11]._replace(reward=None)
    keep(name, told[:30])
    told[35] = told[35]._replace(reward=-9.0)
    strategy, learned = joined(name, told)
    assert learned > 28
    assert_alike(strategy, fresh(name, told))


@pytest.mark.parametrize(
    "given", [{"seed": 2}, {"batch": 5}, {"baseline": RollingWindow(7)}, {"learning_rate": 0.5}]
)
def test_another_search_has_snapshots_of_its_own(given):
    told = record("Reinforce", 40)
    keep("Reinforce", told)
    strategy, learned = joined("Reinforce", told, **given)
    assert learned == 40
    assert_alike(strategy, fresh("Reinforce", told, **given))


def _cut(path):
    path.write_bytes(path.read_bytes()[:-200])


def _flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 255
    path.write_bytes(content)


def _pickled(path):
    np.savez(path, about=np.array([{"a": print}], dtype=object), weights=np.zeros(3))


def _other_shape(path):
    content = dict(np.load(path))
    name = max((n for n in content if n.startswith("array")), key=lambda n: content[n].size)
    content[name] = content[name][:-1]
    np.savez(path, **content)


def _no_tree(path):
    content = dict(np.load(path))
    np.savez(path, **{**content, "tree": np.array("[1, 2")})


def _other_tree(path):
    content = dict(np.load(path))
    tree = json.loads(str(content["tree"]))
    tree["_optimizer"] = {"object": {"__class__": 1}}
    np.savez(path, **{**content, "tree": np.array(json.dumps(tree))})


def _foreign(path):
    other = next(each for each in files() if each != path)
    path.write_bytes(other.read_bytes())


def _python(path):
    path.write_bytes(pickle.dumps([print]))


@pytest.mark.parametrize(
    "damage", [_cut, _flip, _pickled, _other_shape, _no_tree, _other_tree, _foreign, _python]
)
def test_a_damaged_or_foreign_one_is_as_good_as_none(damage):
    told = record("Reinforce", 40)
    keep("Reinforce", told)
    newest = max(files(), key=lambda path: int(path.name.split("-")[0]))
    damage(newest)
    strategy, learned = joined("Reinforce", told)
    assert 1 <= learned < 40
    assert_alike(strategy, fresh("Reinforce", told))


def test_no_link_is_followed(tmp_path):
    told = record("Reinforce", 20)
    keep("Reinforce", told)
    (folder,) = (cache_folder() / "snapshots").iterdir()
    newest = max(files(), key=lambda path: int(path.name.split("-")[0]))
    elsewhere = tmp_path / "elsewhere.npz"
    newest.rename(elsewhere)
    newest.symlink_to(elsewhere)
    assert joined("Reinforce", told)[1] == 1
    before = elsewhere.read_bytes()
    # and with the whole folder
    for path in files():
        path.unlink()
    folder.rmdir()
    (tmp_path / "theirs").mkdir()
    folder.symlink_to(tmp_path / "theirs")
    assert joined("Reinforce", told)[1] == 20
    assert elsewhere.read_bytes() == before
    assert not list((tmp_path / "theirs").iterdir())


def test_few_are_kept():
    told = record("Reinforce", 60)
    keep("Reinforce", told, each=40)
    counts = sorted(int(path.name.split("-")[0]) for path in files())
    assert len(counts) == 8
    assert counts[-4:] == [57, 58, 59, 60]
    for seed in range(2, 30):
        keep("Reinforce", told[:2], each=1, seed=seed)
    assert len(list((cache_folder() / "snapshots").iterdir())) <= 22
    assert not list(cache_folder().rglob("*.new*"))


def test_a_folder_that_cannot_be_written_is_said_once(tmp_path, monkeypatch, caplog):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("CELLWRIGHT_CACHE", str(tmp_path / "file"))
    keep("Reinforce", record("Reinforce", 20))
    assert len([line for line in caplog.messages if "CELLWRIGHT_CACHE" in line]) == 1


def test_the_folder_is_the_users_and_none_if_empty(tmp_path, monkeypatch):
    assert isinstance(remembering("PPO").snapshots, SnapshotFiles)
    monkeypatch.setenv("CELLWRIGHT_CACHE", "")
    assert remembering("PPO").snapshots is None
    monkeypatch.delenv("CELLWRIGHT_CACHE")
    if os.name == "posix":
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
        monkeypatch.setattr("sys.platform", "linux")
        assert cache_folder() == tmp_path / "cellwright"


def test_a_strategy_that_learns_more_than_it_says_has_none(monkeypatch):
    class Counted(Reinforce):
        count = 0

        def _learn(self, indices, reward):
            self.count += 1
            super()._learn(indices, reward)

    monkeypatch.setattr(strategies, "_SECONDS", -1.0)
    remember(Counted(SPACE, seed=1, units=4)).follow(record("Reinforce", 20))
    assert not files()


def test_a_strategy_with_an_argument_that_no_attribute_holds_has_none(monkeypatch):
    class Secret(Reinforce):
        def __init__(self, space, *, secret=0, **others):
            super().__init__(space, **others)

    monkeypatch.setattr(strategies, "_SECONDS", -1.0)
    remember(Secret(SPACE, seed=1, units=4, secret=3)).follow(record("Reinforce", 20))
    assert not files()
