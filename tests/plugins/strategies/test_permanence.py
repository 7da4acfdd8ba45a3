"""A seed's proposals are part of what users rely on: change them only on purpose.

``sequences.json`` holds, for every registered strategy, what it proposed for a seed on a few spaces
when its row was written. Each test makes the strategy anew from its row and compares proposal by
proposal. To add rows for a new strategy, register it and run ::

    python tests/plugins/strategies/test_permanence.py

which writes rows with the strategy's default arguments, and never touches a row that has its
proposals. Other arguments or spaces are a row without ``proposed`` (see `DEFAULTS` for what else a
row may leave out), which the same command completes.

They are the same on every processor: `test_processors.py` compares longer sequences under several
kinds of one.
"""

import json
import tomllib
import zlib
from operator import attrgetter
from pathlib import Path

import pytest

from cellwright import plugins
from cellwright.search_spaces import (
    ConvNetSpace,
    Decision,
    Float,
    Int,
    JointSpace,
    MLPSpace,
    MnasNetSpace,
    NASNetSpace,
    SearchSpace,
)

FILE = Path(__file__).with_name("sequences.json")
PYPROJECT = Path(__file__).parents[3] / "pyproject.toml"

SPACES = {
    "book": NASNetSpace,
    "published": NASNetSpace.published,
    "amoebanet": NASNetSpace.amoebanet,
    "mlp": MLPSpace,
    "mnasnet": MnasNetSpace,
    "convnet": lambda: ConvNetSpace(layers=(3, 5), filters=(24, 36), sizes=(1, 3, 5)),
    "scheduled": lambda: ConvNetSpace(layers=(2, 3, 4), strides=True, every=6),
    "joint": lambda: JointSpace(
        MLPSpace(),
        Float("learning_rate", 1e-4, 1e-2, log=True),
        Int("batch_size", 16, 256, log=True),
        Decision("clustering", (False, True)),
        Int("clusters", 4, 20, when={"clustering": True}),
    ),
    "plain": lambda: SearchSpace(
        [Decision("a", (1, 2, 3)), Decision("b", ("x", "y")), Decision("c", (0, 1))]
    ),
}
NEW = ("book", "joint", "plain")  # the spaces on which a new strategy gets rows
DEFAULTS = {
    "arguments": {},  # of the strategy
    "seed": 7,
    "before": 0,  # results of random architectures that the strategy is told first
    "trials": 24,
    "workers": 1,  # trials that run at a time; the last one to begin is the first to end
    "rewards": "distinct",  # or "tied": only 0, 1, 2 and no failures, so that ties decide
}
DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"


def rows():
    return json.loads(FILE.read_text(encoding="utf-8"))


def registered():
    """The strategies that pyproject.toml registers, as their names among `cellwright.plugins`."""
    project = tomllib.loads(PYPROJECT.read_text(encoding="utf-8"))["project"]
    return [
        path.partition(":")[2] for path in project["entry-points"]["cellwright.strategies"].values()
    ]


def make(row):
    arguments = dict(row["arguments"])
    if isinstance(arguments.get("baseline"), str):
        arguments["baseline"] = getattr(plugins, arguments["baseline"])()
    if "signal" in arguments:
        arguments["signal"] = score
    made = attrgetter(row["strategy"])(plugins)
    return made(SPACES[row["space"]](), seed=row["seed"], **arguments)


def score(params, objectives=1):
    """Rewards in [0, 1) that are the same on every machine."""
    text = repr(sorted(params.items()))
    values = tuple(zlib.crc32(f"{k} {text}".encode()) / 2**32 for k in range(objectives))
    return values if objectives > 1 else values[0]


def outcome(number, params, objectives):
    """The reward and the excess of a trial: some fail, and some are beyond a limit."""
    if number % 7 == 3:
        return None, 0.0
    if number % 11 == 5:
        return None, 0.25 + score(params)
    return score(params, objectives), 0.0


def tied_outcome(number, params, objectives):
    values = tuple(float(number % (3 + k)) for k in range(objectives))
    return (values if objectives > 1 else values[0]), 0.0


def sequence(row):
    """The proposals of a row's strategy, one character for each decision, and what it expects of
    the last three at the end, if it expects anything."""
    strategy = make(row)
    space, objectives, workers = strategy.space, strategy.objectives, row["workers"]
    random = plugins.RandomSearch(space, seed=1)
    for number in range(1000, 1000 + row["before"]):
        params = random.ask(number)
        random.tell(number, params, 0.0)
        strategy.tell(number, params, score(params, objectives))
    result = tied_outcome if row["rewards"] == "tied" else outcome
    proposed = []
    for first in range(0, row["trials"], workers):
        running = {}
        for number in range(first, min(first + workers, row["trials"])):
            running[number] = strategy.ask(number, list(running.values()))
        proposed += running.values()
        for number, params in reversed(running.items()):
            strategy.tell(number, params, *result(number, params, objectives))
    expected = [strategy.predict(params) for params in proposed[-3:]]
    means = [round(one.mean, 9) for one in expected if one is not None]
    return ["".join(DIGITS[i] for i in space.encode(params)) for params in proposed], means


def test_every_registered_strategy_has_a_row():
    missing = set(registered()) - {row["strategy"] for row in rows()}
    command = "python tests/plugins/strategies/test_permanence.py"
    assert not missing, f"`{command}` writes rows of these: {sorted(missing)}"


@pytest.mark.parametrize("row", [pytest.param(row, id=row.get("id")) for row in rows()])
def test_a_seed_gives_the_proposals_that_it_gave(row):
    proposed, predicted = sequence(row)
    for number, (found, expected) in enumerate(zip(proposed, row["proposed"], strict=True)):
        assert found == expected, f"trial {number}"
    assert predicted == pytest.approx(row["predicted"], rel=1e-6, abs=1e-8)


def test_only_missing_rows_are_written():
    kept = [row for row in rows() if row["strategy"] != "RandomSearch"]
    done = complete(kept, registered())
    assert done[: len(kept)] == kept
    new = done[len(kept) :]
    assert [(row["strategy"], row["space"]) for row in new] == [("RandomSearch", s) for s in NEW]
    assert [(row["proposed"], row["predicted"]) for row in new] == [sequence(row) for row in new]


def complete(found, strategies):
    """Rows with all that they lack: one on each of the `NEW` spaces for a strategy without any, and
    the proposals of those that have none."""
    known = {row["strategy"] for row in found}
    new = [{"strategy": s, "space": space} for s in strategies if s not in known for space in NEW]
    done = []
    for row in [*found, *new]:
        if "proposed" not in row:
            name = f"{row['strategy']} on {row['space']}"
            number = 1 + sum(f"{one['strategy']} on {one['space']}" == name for one in done)
            row = {"id": name + (f" {number}" if number > 1 else ""), **DEFAULTS, **row}
            row["proposed"], row["predicted"] = sequence(row)
        done.append(row)
    return done


if __name__ == "__main__":
    before = rows()
    after = complete(before, registered())
    text = ",\n".join(json.dumps(row) for row in after)
    FILE.write_text(f"[\n{text}\n]\n", encoding="utf-8")
    new = [row["id"] for row in after if row not in before]
    print("wrote", ", ".join(new) or "nothing: every registered strategy has its rows")
