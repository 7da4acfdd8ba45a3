"""How often results lie where the predictor expects them, on small settings."""

from __future__ import annotations

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from benchmarks import coverage
from benchmarks.synthetic import SyntheticSource, parse_sizes


def test_shares_are_those_of_a_normal_distribution_where_errors_are_normal() -> None:
    found = coverage.coverage(list(np.random.default_rng(0).normal(size=100_000)))
    assert found.results == 100_000
    expected = (0.6827, 0.95, 0.025, 0.025)
    assert found[1:] == pytest.approx(expected, abs=0.005)


def test_most_results_lie_where_they_are_expected() -> None:
    """Random architectures lie far from what a search has seen, and deviations are wide there;
    where it proposes they are not."""
    found = coverage.measure(SyntheticSource(parse_sizes("8x4")), 2, 60)
    drawn, proposed = found["random architectures"], found["proposals"]
    assert drawn.results == 80
    assert 0.5 < drawn.within_one < 1
    assert drawn.within_wide > 0.8
    assert 0.3 < proposed.within_one < drawn.within_one


def test_the_table_is_printed() -> None:
    app = typer.Typer()
    app.command()(coverage.main)
    ran = CliRunner().invoke(app, ["--synthetic", "5x3", "--seeds", "1", "--evaluations", "22"])
    assert ran.exit_code == 0, ran.output
    assert "| 5x3 | proposals | 2 |" in ran.output
