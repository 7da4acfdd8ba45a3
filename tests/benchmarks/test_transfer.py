"""The benchmark of searches that learn from earlier ones, on a small table."""

from __future__ import annotations

import itertools
from pathlib import Path

import typer
from typer.testing import CliRunner

from benchmarks import transfer


def test_the_table_has_a_row_for_each_way(tmp_path: Path) -> None:
    columns = [
        f"{data}_{part}" for data in ("cifar10", *transfer.LATER) for part in ("val", "test")
    ]
    rows = [",".join(["op_01", "op_02", "op_12", *columns])]
    for choices in itertools.product(range(4), repeat=3):
        rows.append(",".join(map(str, (*choices, *(sum(choices) + n for n in range(6))))))
    (tmp_path / "nb.csv").write_text("\n".join(rows) + "\n")
    page = tmp_path / "page.md"
    page.write_text("<!-- transfer -->\n<!-- end of transfer -->\n")
    app = typer.Typer()
    app.command()(transfer.main)
    ran = CliRunner().invoke(
        app,
        ["--table", str(tmp_path / "nb.csv"), "--seeds", "2", "--evaluations", "10",
         "--earlier", "12", "--into", str(page)],
    )  # fmt: skip
    assert ran.exit_code == 0, ran.output
    found = page.read_text()
    for data in transfer.LATER:
        for way in transfer.WAYS:
            assert f"| {data} | {way} | " in found
