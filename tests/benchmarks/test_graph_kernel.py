"""Weisfeiler-Lehman labels of cells by hand, and the comparison on small settings."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import numpy as np
import typer
from typer.testing import CliRunner

from benchmarks import cifar10_project, graph_kernel
from cellwright.search_spaces import NASNetSpace
from cellwright.search_spaces.nasnet.genotype import Block, Cell

SEP, POOL = "sep_3x3", "max_pool_3x3"


def test_a_graph_holds_what_the_output_depends_on() -> None:
    """The second block is not returned, and so the second input is not read."""
    cell = Cell((Block(0, 0, SEP, POOL), Block(1, 2, SEP, SEP)), concatenation=(2,))
    labels, before = graph_kernel.graph(cell)
    assert labels == ["input 0", SEP, POOL, "add", "output"]
    assert before == [[], [0], [0], [1, 2], [3]]


def test_labels_are_the_same_where_graphs_are_and_tell_neighbours_apart() -> None:
    one = Cell((Block(0, 1, SEP, POOL), Block(2, 0, SEP, SEP)))
    same = Cell((Block(1, 0, POOL, SEP), Block(0, 2, SEP, SEP)))
    other = Cell((Block(0, 1, SEP, SEP), Block(2, 0, SEP, POOL)))
    assert graph_kernel.histograms(one, 2) == graph_kernel.histograms(same, 2)
    at_first, *later = zip(
        graph_kernel.histograms(one, 2), graph_kernel.histograms(other, 2), strict=True
    )
    assert (
        at_first[0]
        == at_first[1]
        == Counter({"input 0": 1, "input 1": 1, SEP: 3, POOL: 1, "add": 2, "output": 1})
    )
    assert all(mine != theirs for mine, theirs in later)


def test_the_objective_depends_on_the_graph_alone() -> None:
    space, rng = NASNetSpace(), np.random.default_rng(0)
    keys = np.array([space.key(space.sample(rng)) for _ in range(40)])
    found = graph_kernel.objective(space, keys, 3)
    assert np.ptp(found) > 1
    assert graph_kernel.objective(space, keys, 4)[0] != found[0]
    counts = graph_kernel.label_counts([space.genotype(space.decode(k)) for k in keys.tolist()])
    assert len(set(counts.groups)) == 6
    assert np.allclose((counts.features**2).sum(1).mean(), 6), "variance 1 for each group"


def test_the_table_has_children_and_both_spaces(tmp_path: Path) -> None:
    space, rng = cifar10_project.SPACE, np.random.default_rng(0)
    lines = [
        {
            "strategy": "random", "number": n, "choices": space.encode(space.sample(rng)),
            "parameters": 1, "seconds": 1.0, "accuracy": 0.5, "val_accuracy": float(rng.random()),
        }
        for n in range(8)
    ]  # fmt: skip
    (tmp_path / "children.jsonl").write_text("\n".join(map(json.dumps, lines)) + "\n")
    app = typer.Typer()
    app.command()(graph_kernel.main)
    ran = CliRunner().invoke(app, ["--seeds", "2", "--results", "10", "--children", str(tmp_path)])
    assert ran.exit_code == 0, ran.output
    assert "| trained children | 7 |" in ran.output
    assert "| published, synthetic | 10 |" in ran.output
