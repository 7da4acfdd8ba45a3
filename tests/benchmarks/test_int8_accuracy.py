"""What the benchmark of int8 accuracy makes of children that are there."""

import json

from benchmarks import int8_accuracy
from cellwright.plugins import make_strategy


def children(folder):
    """Two children of each space, as a run leaves them: the better in float32 is worse in int8."""
    made = []
    for name, (space, _) in int8_accuracy.SPACES.items():
        strategy = make_strategy("evolution", space, seed=0, population=10, sample=4)
        for number, values in enumerate([(0.9, 0.6, 0.88, 0.61), (0.8, 0.7, 0.79, 0.71)]):
            params = strategy.ask(number)
            choices = space.encode(space.canonical(params))
            made.append(int8_accuracy.Child(name, tuple(choices), 1000, *values, 30.0, 4.0))
            strategy.tell(number, params, values[0])
    text = "".join(json.dumps(child._asdict()) + "\n" for child in made)
    (folder / int8_accuracy.FILE).write_text(text)


def test_a_finished_run_trains_nothing_and_makes_the_tables(tmp_path, capsys):
    children(tmp_path)
    before = (tmp_path / int8_accuracy.FILE).read_text()
    int8_accuracy.main(tmp_path, data="digits", children=4, budget=2, seeds=1, epochs=1, space=None)
    assert (tmp_path / int8_accuracy.FILE).read_text() == before
    table = (tmp_path / "table.md").read_text()
    for name in int8_accuracy.SPACES:
        told = f"| {name} | 2 of 2 | 0.8500 | 0.6500 | +0.2000 | +0.3000 |  | 0% of pairs |"
        assert f"{told} 4.0 s of 34 s |" in table
        assert f"| {name} | 0 | 2 | accuracy | 0.9000 | 0.6000 | 0.8800 | 0.6100 |" in table
        assert f"| {name} | 0 | 2 | accuracy_int8 | 0.8000 | 0.7000 | 0.7900 | 0.7100 |" in table
    assert table in capsys.readouterr().out


def test_a_child_that_both_searches_propose_is_trained_once(tmp_path):
    children(tmp_path)
    made = int8_accuracy.project(tmp_path, "digits", 1)
    held_out = (len(made.data.x_train), len(made.data.x_val), len(made.test.x_val))
    assert sum(held_out) == 1797
    both = [made.search("nasnet", 0, metric, 2) for metric in int8_accuracy.METRICS]
    assert both[0].children == both[1].children
    assert [search.winner.accuracy for search in both] == [0.9, 0.8]
