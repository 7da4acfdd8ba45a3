"""How long `load_dataset` takes for a large CSV file, and how much memory, beside pandas.read_csv.

Run ``python -m benchmarks.table_speed``. It writes a file of 200,000 rows: 14 columns of numbers of
which four have gaps, four of categories, one of dates, and a label of three classes. Each reader is
a process of its own. ``beyond`` is the highest memory during loading, less what the process held
before and less the arrays of the result.
"""

from __future__ import annotations

import argparse
import csv
import json
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np

MB = 2**20


def write(path: Path, rows: int) -> None:
    """Write the file."""
    rng = np.random.default_rng(0)
    columns: list[list[str]] = []
    for number in range(14):
        values = rng.normal(50, 20, rows)
        cells = [f"{value:.{number % 5}f}" for value in values.tolist()]
        if number % 4 == 0:
            for row in rng.integers(0, rows, rows // 20).tolist():
                cells[row] = "NA" if number else ""
        columns.append(cells)
    for count in (3, 8, 20, 50):
        columns.append([f"category {value}" for value in rng.integers(0, count, rows).tolist()])
    days = np.datetime64("2015-01-01") + rng.integers(0, 4000, rows)
    columns.append(days.astype(str).tolist())
    columns.append(rng.choice(["low", "middle", "high"], rows).tolist())
    names = [f"number_{i}" for i in range(14)] + [f"category_{i}" for i in range(4)]
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow([*names, "day", "label"])
        writer.writerows(zip(*columns, strict=True))


def resident() -> float:
    """Memory of this process in MB, by the kernel."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / MB


class Peak(threading.Thread):
    """The highest memory of this process while it runs."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.before = self.highest = resident()
        self.ended = threading.Event()

    def run(self) -> None:
        while not self.ended.wait(0.02):
            self.highest = max(self.highest, resident())


def measure(reader: str, path: str) -> dict[str, float]:
    """Read the file in this process."""
    if reader == "pandas":
        import pandas
    from cellwright.plugins import Dataset, load_dataset

    load_dataset("diabetes")  # imports what is imported late
    peak = Peak()
    peak.start()
    start, cpu = time.perf_counter(), time.process_time()
    if reader == "pandas":
        arrays = float(pandas.read_csv(path).memory_usage(deep=True).sum())
    else:
        data = load_dataset(path, stream=False)
        assert isinstance(data, Dataset)
        arrays = float(sum(a.nbytes for a in (data.x_train, data.y_train, data.x_val, data.y_val)))
    seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
    peak.ended.set()
    peak.join()
    beyond = peak.highest - peak.before - arrays / MB
    return {"seconds": seconds, "cpu": cpu, "arrays": arrays / MB, "beyond": beyond}


def main() -> None:
    """Write the file, read it with both, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--measure", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        print(json.dumps(measure(*arguments.measure)))
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "table.csv")
        write(path, arguments.rows)
        print(
            f"{arguments.rows:,} rows x 20 columns, {path.stat().st_size / MB:.0f} MB; the best of"
        )
        print(f"{arguments.repeats}: seconds, seconds of CPU, MB of arrays, MB beyond them")
        for reader in ("load_dataset", "pandas"):
            found = []
            for _ in range(arguments.repeats):
                command = [sys.executable, "-m", "benchmarks.table_speed", "--measure", reader]
                done = subprocess.run([*command, str(path)], capture_output=True, check=True)
                found.append(json.loads(done.stdout.splitlines()[-1]))
            best = [min(run[key] for run in found) for key in ("seconds", "cpu")]
            most = [max(run[key] for run in found) for key in ("arrays", "beyond")]
            print(f"{reader:<14}{best[0]:>8.1f}{best[1]:>8.1f}{most[0]:>8.0f}{most[1]:>8.0f}")


if __name__ == "__main__":
    main()
