"""The benchmark of six fronts, on a small table with NAS-Bench-201's columns."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("optuna", reason="Optuna is not installed")

import typer
from typer.testing import CliRunner

from benchmarks import records, six_fronts
from benchmarks.contenders import Plan


def table(path: Path) -> Path:
    rows = ["op_1,op_2,op_3,cifar10_val,cifar100_val,imagenet16_val,params_M,flops_M"]
    for choices in itertools.product(range(4), repeat=3):
        size = sum(choices)
        values = (90 - (size - 6) ** 2, 70 + choices[0], 40 + choices[1] * choices[2], size + 1)
        rows.append(",".join(map(str, (*choices, *values, 10 * size + 1))))
    path.write_text("\n".join(rows) + "\n")
    return path


def test_the_table_has_means_errors_and_how_far_ours_is_ahead(tmp_path: Path) -> None:
    page, out = tmp_path / "page.md", tmp_path / "six"
    page.write_text("before\n<!-- six -->\nold\n<!-- end of six -->\nafter\n")
    app = typer.Typer()
    app.command()(six_fronts.main)
    arguments = [
        "--table", str(table(tmp_path / "nb.csv")), "--out", str(out), "--seeds", "2",
        "--evaluations", "50", "--contenders", "random", "--contenders", "pareto",
    ]  # fmt: skip
    ran = CliRunner().invoke(app, [*arguments, "--into", str(page)])
    assert ran.exit_code == 0, ran.output
    found = records.read(out)
    assert len(found) == 2 * 2 * 6
    values = [
        one.best[-1] for one in found if one.contender == "random" and "imagenet16" in one.problem
        and "flops" in one.problem
    ]  # fmt: skip
    error = np.std(values, ddof=1) / np.sqrt(2)
    row = f"| imagenet16_val, flops_M | random | 2 | {np.mean(values):.2f} ± {error:.2f} |  |"
    assert row in (out / "results.md").read_text()
    assert row in page.read_text()
    assert "old" not in page.read_text()
    again = CliRunner().invoke(app, arguments)
    assert again.exit_code == 0, again.output
    assert records.read(out) == found, "a second run does what is missing"


def test_ours_is_ahead_in_units_of_both_standard_errors() -> None:
    plan = Plan(0, 50, objectives=2)
    name = "nb, more a and less b, reference front"

    def record(contender: str, seed: int, best: float) -> records.Record:
        count = len(records.points(50))
        return records.Record(
            name, contender, "1", plan._replace(seed=seed), (best,) * count, (0.0,) * count
        )

    found = [
        record(contender, seed, best)
        for contender, bests in ((six_fronts.OURS, (90.0, 94.0)), ("other", (80.0, 86.0)))
        for seed, best in enumerate(bests)
    ]
    lines = six_fronts.table_of(found, [name]).splitlines()
    assert lines[2] == "| a, b | pareto-predictor+computed | 2 | 92.00 ± 2.00 |  |"
    assert lines[3] == "| a, b | other | 2 | 83.00 ± 3.00 | 2.5 |"  # 9 / sqrt(13)
