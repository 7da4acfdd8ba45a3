"""Tables and synthetic spaces are what they say."""

from __future__ import annotations

import csv
import gzip
import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.synthetic import SyntheticProblem, SyntheticSource, parse_sizes
from benchmarks.tables import TableProblem, TableSource

ROWS: list[dict[str, Any]] = [
    {"id": f"net-{i}", "op_a": a, "op_b": b, "width": w, "val": 10 * i, "test": i}
    for i, (a, b, w) in enumerate(itertools.product(("conv", "pool"), ("x", "y"), (8, 16)))
]


def table(path: Path, rows: list[dict[str, Any]], **options: Any) -> TableProblem:
    if "json" in path.name:
        text = json.dumps(rows)
        path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    else:
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, rows[0])
            writer.writeheader()
            writer.writerows(rows)
    problem = TableSource(path, "val", "test", **options).load(0)
    assert isinstance(problem, TableProblem)
    return problem


@pytest.mark.parametrize("name", ["nets.csv", "nets.json", "nets.json.gz"])
def test_every_row_of_a_table_is_found(tmp_path: Path, name: str) -> None:
    problem = table(tmp_path / name, ROWS, decisions=("op_*", "width"))
    assert [d.choices for d in problem.space.decisions] == [("conv", "pool"), ("x", "y"), (8, 16)]
    for number, row in enumerate(ROWS):
        params = {name: row[name] for name in problem.space.names}
        assert problem.evaluate(params, number) == (row["val"], row["test"])


def test_by_default_columns_of_text_are_decisions(tmp_path: Path) -> None:
    rows = [{**row, "id": f"net-{i}"} for i, row in enumerate(ROWS * 20)]
    problem = table(tmp_path / "nets.csv", rows)
    assert problem.space.names == ("op_a", "op_b")  # id has too many values, width is a number


def test_what_is_minimised_is_told_with_the_other_sign(tmp_path: Path) -> None:
    options = {"decisions": ("op_*", "width"), "minimise": True}
    problem = table(tmp_path / "nets.csv", ROWS, **options)
    assert problem.evaluate({"op_a": "pool", "op_b": "y", "width": 16}, 0) == (-70, 7)


def test_repeated_runs_are_drawn_and_their_mean_reported(tmp_path: Path) -> None:
    rows = [*ROWS, {**ROWS[3], "val": 90, "test": 5}]
    problem = table(tmp_path / "nets.csv", rows, decisions=("op_*", "width"))
    params = {name: ROWS[3][name] for name in problem.space.names}
    outcomes = [problem.evaluate(params, number) for number in range(20)]
    assert {outcome.value for outcome in outcomes} == {30, 90}
    assert {outcome.report for outcome in outcomes} == {4}
    assert outcomes == [problem.evaluate(params, number) for number in range(20)]


def test_a_missing_row_is_refused_or_a_failed_child(tmp_path: Path) -> None:
    rows = [*ROWS[:-2], {**ROWS[-2], "val": ""}]
    with pytest.raises(ValueError, match="1 of 8 architectures have no row"):
        table(tmp_path / "nets.csv", rows, decisions=("op_*", "width"))
    options = {"decisions": ("op_*", "width"), "missing": "fail"}
    problem = table(tmp_path / "nets.csv", rows, **options)
    for width in (8, 16):  # an empty cell, and no row at all
        assert problem.evaluate({"op_a": "pool", "op_b": "y", "width": width}, 0).value is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"search_on": "loss"}, "no column 'loss'"),
        ({"decisions": ("kernel_*",)}, "no column fits 'kernel_"),
        ({"path": "nets.tsv"}, "expected .csv or .json"),
    ],
)
def test_a_wrong_table_is_refused(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    table(tmp_path / "nets.csv", ROWS, decisions=("op_*", "width"))
    options = {"path": "nets.csv", "search_on": "val", "report": "test"} | change
    path = tmp_path / options.pop("path")
    path.touch()
    with pytest.raises(ValueError, match=message):
        TableSource(path, **options).load(0)


def scores(source: SyntheticSource, seed: int) -> np.ndarray[Any, Any]:
    """True score of every architecture, one axis a decision."""
    problem = source.load(seed)
    assert isinstance(problem, SyntheticProblem)
    points = itertools.product(*(range(size) for size in source.sizes))
    found = [problem.score(problem.space.decode(point)) for point in points]
    return np.array(found).reshape(source.sizes)


def share(values: np.ndarray[Any, Any], order: int) -> float:
    """Part of the variance that interactions of ``order`` decisions have, by projection."""
    total = 0.0
    axes = range(values.ndim)
    for chosen in itertools.combinations(axes, order):
        part = values.mean(axis=tuple(a for a in axes if a not in chosen), keepdims=True)
        for axis in chosen:
            part = part - part.mean(axis=axis, keepdims=True)
        total += float(np.mean(part**2))
    return total / float(values.var())


@pytest.mark.parametrize("shares", [(1.0,), (0.0, 1.0), (0.5, 0.3, 0.2), (0.0, 0.0, 1.0)])
def test_each_order_of_interaction_has_its_share(shares: tuple[float, ...]) -> None:
    values = scores(SyntheticSource((3, 2, 4, 3, 2), shares), seed=1)
    for order in range(1, 6):
        expected = shares[order - 1] if order <= len(shares) else 0.0
        assert share(values, order) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("seed", range(3))
def test_the_best_of_a_synthetic_space_scores_one(seed: int) -> None:
    values = scores(SyntheticSource((3, 2, 4, 3, 2, 2)), seed)
    assert values.max() == pytest.approx(1)
    assert values.mean() == pytest.approx(0, abs=1e-12)


def test_noise_is_in_standard_deviations_and_the_same_again() -> None:
    source = SyntheticSource((4,) * 50, noise=0.5)
    problem = source.load(3)
    assert isinstance(problem, SyntheticProblem)
    rng = np.random.default_rng(0)
    points = [problem.space.sample(rng) for _ in range(2000)]
    outcomes = [problem.evaluate(params, number) for number, params in enumerate(points)]
    noise = np.std([(o.value or 0) - o.report for o in outcomes])
    assert noise / np.std([o.report for o in outcomes]) == pytest.approx(0.5, rel=0.1)
    again = source.load(3)
    assert outcomes[:9] == [again.evaluate(p, number) for number, p in enumerate(points[:9])]
    assert source.load(4).evaluate(points[0], 0) != outcomes[0]


def test_sizes_are_read_and_checked() -> None:
    assert parse_sizes("2x6+3x2") == (6, 6, 2, 2, 2)
    assert SyntheticSource(parse_sizes("2x6+3x2")).name.startswith("synthetic 2x6+3x2, shares 0.5")
    for wrong in ("50", "x4", "2x6+"):
        with pytest.raises(ValueError, match="decisions x choices"):
            parse_sizes(wrong)
    wrongs: list[dict[str, Any]] = [
        {"sizes": (3, 1)},
        {"shares": (0.0,)},
        {"shares": (1.0,) * 4},
        {"noise": -1},
    ]
    for options in wrongs:
        with pytest.raises(ValueError, match="must be"):
            SyntheticSource(**({"sizes": (3, 3, 3)} | options))
