"""Damaged files and wrong arguments through every door: how many come out as a raw exception.

    python -m benchmarks.fuzz --number 20000

A reader of a file is to refuse it by a `CellwrightError`, or a ValueError that names the file; a
public call by a TypeError or ValueError that names the argument. Anything else is raw. What is
accepted is checked: a reward that is no number, say, is nonsense. Exits with 1 if there is any.
"""

from __future__ import annotations

import argparse
import logging
import shutil
import sys
import tempfile
import warnings
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from benchmarks import fuzz_data, fuzz_files, fuzz_hosts
from benchmarks.fuzz_calls import CALLS, Call
from benchmarks.fuzz_damage import Door, damaged
from cellwright.search_spaces import CellwrightError

# What a message says in place of an argument's name; a source is named by its value.
_ALSO = {"source": "", "params": "param"}


@dataclass
class Tally:
    """What one door did with all that it was given."""

    tried: int = 0
    refused: int = 0
    raw: Counter[str] = field(default_factory=Counter)
    nonsense: Counter[str] = field(default_factory=Counter)

    def take(self, attempt: Callable[[], str], expected: Callable[[Exception], bool]) -> None:
        """Count what ``attempt`` does."""
        self.tried += 1
        try:
            accepted = attempt()
        except Exception as error:
            if expected(error):
                self.refused += 1
            else:
                self.raw[f"{type(error).__name__}: {str(error)[:150]}"] += 1
        else:
            if accepted:
                self.nonsense[accepted[:150]] += 1


def fuzz(number: int, seed: int = 0) -> dict[str, Tally]:
    """Try ``number`` inputs, two thirds of them damaged files; a tally for each door."""
    rng = np.random.default_rng(seed)
    tallies: dict[str, Tally] = {}
    with tempfile.TemporaryDirectory() as made:
        files: list[Door] = []
        for kind in (fuzz_files, fuzz_hosts, fuzz_data):
            files += kind.doors(_new(Path(made, kind.__name__)))
        shares = np.array([door.share for door in files])
        counts = np.maximum(1, np.round(shares / shares.sum() * number * 2 / 3)).astype(int)
        for door, count in zip(files, counts, strict=True):
            tally = tallies[door.name] = Tally()
            folder = Path(made, f"door-{len(tallies)}")
            for _ in range(count):
                _try_file(door, folder, rng, tally)
    for _ in range(number - int(counts.sum())):
        call = CALLS[rng.integers(len(CALLS))]
        _try_call(call, rng, tallies.setdefault(call.name, Tally()))
    return tallies


def _new(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def _try_file(door: Door, folder: Path, rng: np.random.Generator, tally: Tally) -> None:
    file = door.put(_new(folder), damaged(door.whole, rng))

    def expected(error: Exception) -> bool:
        named = type(error) in (ValueError, FileNotFoundError) and file.name in str(error)
        return isinstance(error, CellwrightError) or named

    tally.take(lambda: door.read(folder), expected)


def _try_call(call: Call, rng: np.random.Generator, tally: Tally) -> None:
    name, value = call.draw(rng)

    def expected(error: Exception) -> bool:
        return isinstance(error, TypeError | ValueError | CellwrightError) and _ALSO.get(
            name, name
        ) in str(error)

    def attempt() -> str:
        call.make(name, value)
        return "" if call.allows(name, value) else f"{name}={value!r}"

    tally.take(attempt, expected)


def table(tallies: dict[str, Tally]) -> str:
    """The tallies in Markdown, and below what was raw or nonsense."""
    rows = [
        "| door | tried | refused | raw exceptions | nonsense accepted |",
        "|---|--:|--:|--:|--:|",
    ]
    whole = Tally()
    for name, one in tallies.items():
        rows.append(f"| {name} | {one.tried} | {one.refused} | {one.raw.total()} | "
                    f"{one.nonsense.total()} |")  # fmt: skip
        whole.tried, whole.refused = whole.tried + one.tried, whole.refused + one.refused
        whole.raw += one.raw
        whole.nonsense += one.nonsense
    rows.append(f"| all | {whole.tried} | {whole.refused} | {whole.raw.total()} | "
                f"{whole.nonsense.total()} |")  # fmt: skip
    for name, one in tallies.items():
        rows += [f"\n{name}, raw, {n} times: {text}" for text, n in one.raw.most_common(8)]
        rows += [f"\n{name}, accepted, {n} times: {t}" for t, n in one.nonsense.most_common(8)]
    return "\n".join(rows).encode(errors="backslashreplace").decode()


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--number", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")
    found = fuzz(given.number, given.seed)
    print(table(found))
    sys.exit(int(any(one.raw or one.nonsense for one in found.values())))


if __name__ == "__main__":
    main()
