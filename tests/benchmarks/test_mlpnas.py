"""The wine benchmark: the data are split without a leak, children are kept, tables are made."""

import csv

import numpy as np
import pytest

pytest.importorskip("keras")
pytest.importorskip("sklearn")

from benchmarks import mlpnas_report
from benchmarks.mlpnas import drawn, search
from benchmarks.wine import CLASSES, SPACE, Child, Children, load_wine

NAMES = ("alcohol", "pH", "quality", "quality_label")


@pytest.fixture
def wine(tmp_path):
    """60 wines, and the first 20 of them again under another index."""
    rng = np.random.default_rng(0)
    rows = [[*rng.normal(10, 2, 2).round(6), n % 7 + 3, CLASSES[n % 3]] for n in range(60)]
    path = tmp_path / "wine.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["", *NAMES])
        writer.writerows([n, *row] for n, row in enumerate([*rows, *rows[:20]]))
    return path


def test_no_row_is_in_two_parts_and_the_label_does_not_leak(wine):
    found = load_wine(wine, 0)
    parts = [found.data.x_train, found.data.x_val, found.x_test]
    assert sum(map(len, parts)) == 60
    assert {part.shape[1] for part in parts} == {2}
    assert len({row.tobytes() for part in parts for row in part}) == 60
    assert found.data.x_train.mean(axis=0) == pytest.approx(0, abs=1e-5)
    assert found.data.x_train.std(axis=0) == pytest.approx(1, abs=1e-5)
    assert np.bincount(found.y_test).tolist() == [4, 4, 4]
    other = load_wine(wine, 1)
    assert not np.array_equal(found.x_test, other.x_test)


def test_a_child_is_trained_once(wine, tmp_path, monkeypatch):
    children = Children(tmp_path / "out" / "children.jsonl", wine)
    params = SPACE.from_tokens((15, 29, 30))
    first = children.get(params, 0, epochs=2)
    assert len(first.accuracies) == 2
    assert first.reward == pytest.approx((first.accuracies[0] + 2 * first.accuracies[1]) / 3)
    monkeypatch.setattr("benchmarks.wine._train", None)
    assert Children(children.file, wine).get(params, 0, epochs=2) == first


def test_tables_say_what_was_found(wine, tmp_path):
    rng = np.random.default_rng(0)
    children = Children(tmp_path / "children.jsonl", wine)

    def known(params, seed, repeat, kind, accuracies):
        tokens = SPACE.tokens(params)
        children._remember(Child(tokens, seed, repeat, kind, tuple(accuracies), accuracies[-1]))

    networks = drawn(6)
    assert len({SPACE.tokens(params) for params in networks}) == 6
    for place, params in enumerate(networks):
        for repeat in range(3):
            noise = 0.01 * rng.random()
            known(params, 0, repeat, "fresh", np.linspace(0.1, 0.5 + place / 20 + noise, 10))
        known(params, 0, 0, "one-shot", np.full(10, 0.9))
    found = [children.get(params, 0) for params in networks]
    mlpnas_report.keep_search(tmp_path, "hybrid", 0, found, [None, *range(5)])
    text = mlpnas_report.text(tmp_path, children)
    row = next(line for line in text.splitlines() if line.startswith("| `hybrid` | 0 | 1.00"))
    assert row.split("|")[4].strip() == "1.00"  # it expected what came
    assert "| all 6 | 3 | 0.0" in text
    assert "| best 3 | 3 | 0.0" in text
    assert "| fresh | 6 | 10.0 | 0 |" in text
    assert "| one-shot | 6 | 1.0 | 0 |" in text
    assert "`MLPClassifier`" in text


def test_a_search_is_told_the_reward_of_the_series(wine, tmp_path):
    children = Children(tmp_path / "children.jsonl", wine)
    for token in range(1, 29):
        for second in range(1, 31):
            tokens = (token, 30, 0) if second == 30 else (token, second, 30)
            children._remember(Child(tokens, 0, 0, "fresh", (token / 30,) * 10, 0.5))
    found = search(children, "evolution", 0, 40)
    assert len(found) == len(set(found)) == 40
    assert max(child.reward for child in found) > 0.9
