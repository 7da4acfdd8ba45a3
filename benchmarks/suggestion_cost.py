"""What an import and a suggestion cost, beside plain Optuna.

    python benchmarks/suggestion_cost.py

Import: ``import cellwright.adapters.optuna_sampler`` beside ``import optuna``, each in new
processes that take turns. Suggestion: ``study.ask``, the suggestion of 50 decisions and
``study.tell``, on studies in memory that hold a given number of finished trials and take turns
trial by trial, so that other load on the machine affects all samplers alike. CPU time is the fairer
number on a busy machine. The first suggestion of a process that joins such a study, which reads in
all its trials, is reported separately.
"""

from __future__ import annotations

import json
import logging
import os
import re
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import numpy as np
import typer

RESULTS = Path(__file__).parent / "results"
HEAVY = ("tensorflow", "keras", "nni", "keras_tuner", "matplotlib", "pandas", "torch", "sklearn")
OURS, OPTUNA = "cellwright.adapters.optuna_sampler", "optuna"
YARDSTICK = "RandomSampler"
SAMPLERS = (YARDSTICK, "evolution", "reinforce", "ppo", "predictor", "auto")
BATCH = 16  # results between updates of PPO, twice those of Reinforce; windows are multiples of it

IMPORT = """
import time
wall, cpu = time.perf_counter(), time.process_time()
import {module}
print(1000 * (time.perf_counter() - wall), 1000 * (time.process_time() - cpu))
"""

SUGGEST = """
import json, sys
import cellwright.adapters.optuna_sampler as adapter
from cellwright.search_spaces import NASNetSpace
heavy = set({heavy})
after_import = sorted(heavy & set(sys.modules))
import optuna
optuna.logging.set_verbosity(optuna.logging.WARNING)
space = NASNetSpace()
study = optuna.create_study(direction="maximize", sampler=adapter.NASNetRLSampler(seed=0))
for number in range({suggestions}):
    trial = study.ask()
    adapter.suggest(trial, space)
    study.tell(trial, number % 7)
print(json.dumps([after_import, sorted(heavy & set(sys.modules))]))
"""


class Cost(NamedTuple):
    """Milliseconds of each repetition."""

    wall: list[float]
    cpu: list[float]
    first: list[float]  # CPU of the first suggestion of a new process


class Imports(NamedTuple):
    """What imports cost, by module."""

    import_: dict[str, Cost]  # of the statement only
    process: dict[str, list[float]]  # wall milliseconds of `python -X importtime -c "import ..."`
    loaded: dict[str, int]  # modules that -X importtime lists
    heavy_after_import: list[str]
    heavy_after_suggestions: list[str]


def measure_imports(repeats: int, suggestions: int) -> Imports:
    """Import both modules ``repeats`` times in turn, after a first time that does not count."""
    found = Imports({}, {}, {}, *heavy_modules(suggestions))
    for repeat in range(repeats + 1):
        for module in (OPTUNA, OURS) if repeat % 2 else (OURS, OPTUNA):
            wall, cpu = map(float, _python("-c", IMPORT.format(module=module)).stdout.split())
            start = time.perf_counter()
            listed = _python("-X", "importtime", "-c", f"import {module}").stderr
            process = 1000 * (time.perf_counter() - start)
            if repeat:
                cost = found.import_.setdefault(module, Cost([], [], []))
                cost.wall.append(wall)
                cost.cpu.append(cpu)
                found.process.setdefault(module, []).append(process)
                found.loaded[module] = len(re.findall(r"^import time: +\d", listed, re.M))
    return found


def heavy_modules(suggestions: int) -> tuple[list[str], list[str]]:
    """Which of HEAVY are loaded by the import, and after that by suggestions."""
    code = SUGGEST.format(heavy=HEAVY, suggestions=suggestions)
    after_import, after_suggestions = json.loads(_python("-c", code).stdout)
    return after_import, after_suggestions


def _python(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *words], capture_output=True, text=True, check=True)


def measure_suggestions(
    points: Sequence[int], window: int, seeds: int
) -> dict[tuple[str, int], Cost]:
    """Cost of ``window`` trials on studies that hold ``point`` finished ones, by sampler and point.

    The studies are filled with random architectures; the first trial of a new sampler, which reads
    them all in, is kept separately.
    """
    costs: dict[tuple[str, int], Cost] = {}
    for point in points:
        for seed in range(seeds):
            finished = _finished(point, seed)
            studies = {name: _study(name, seed, finished) for name in SAMPLERS}
            for number in range(window + 1):
                for name in np.random.default_rng((seed, number)).permutation(SAMPLERS).tolist():
                    wall, cpu = _trial(studies[name], point + number)
                    cost = costs.setdefault((name, point), Cost([], [], []))
                    if number:
                        cost.wall.append(wall)
                        cost.cpu.append(cpu)
                    else:
                        cost.first.append(cpu)
    return costs


def _finished(count: int, seed: int) -> list[Any]:
    """Random architectures with their rewards, as finished trials."""
    from optuna.distributions import CategoricalDistribution
    from optuna.trial import create_trial

    from cellwright.search_spaces import NASNetSpace

    space, rng = NASNetSpace(), np.random.default_rng(seed)
    distributions: Any = {d.name: CategoricalDistribution(d.choices) for d in space.decisions}
    drawn = [space.sample(rng) for _ in range(count)]
    return [
        create_trial(params=params, distributions=distributions, value=_reward(space, params, k))
        for k, params in enumerate(drawn)
    ]


def _study(name: str, seed: int, finished: Sequence[Any]) -> Any:
    import optuna

    from cellwright.adapters.optuna_sampler import StrategySampler
    from cellwright.plugins import make_strategy
    from cellwright.search_spaces import NASNetSpace

    logging.getLogger("optuna").setLevel(logging.WARNING)
    if name == YARDSTICK:
        sampler: Any = optuna.samplers.RandomSampler(seed=seed)
    else:
        sampler = StrategySampler(make_strategy(name, NASNetSpace(), seed=seed))
    study = optuna.create_study(direction="maximize", sampler=sampler)
    study.add_trials(finished)
    return study


def _trial(study: Any, number: int) -> tuple[float, float]:
    """Milliseconds of one suggestion and its result."""
    from cellwright.adapters.optuna_sampler import suggest
    from cellwright.search_spaces import NASNetSpace

    space = NASNetSpace()
    wall, cpu = time.perf_counter(), time.process_time()
    trial = study.ask()
    params = suggest(trial, space)
    asked_wall, asked_cpu = time.perf_counter() - wall, time.process_time() - cpu
    reward = _reward(space, params, number)
    wall, cpu = time.perf_counter(), time.process_time()
    study.tell(trial, reward)
    told_wall, told_cpu = time.perf_counter() - wall, time.process_time() - cpu
    return 1000 * (asked_wall + told_wall), 1000 * (asked_cpu + told_cpu)


def _reward(space: Any, params: Any, number: int) -> float:
    """A reward that favours early choices, with noise."""
    noise = float(np.random.default_rng(number).normal())
    return 0.02 * noise - float(sum(space.encode(params))) / 100


def import_table(found: Imports) -> str:
    rows = [["", "import, wall", "import, CPU", "whole process, wall", "modules loaded"]]
    costs = {m: (*found.import_[m][:2], found.process[m]) for m in (OPTUNA, OURS)}
    for module, times in costs.items():
        rows.append([f"`{module}`", *map(_median, times), str(found.loaded[module])])
    # Ratios within pairs, whose parts run one after the other: a slow machine slows both.
    ratios = [np.divide(*pair).tolist() for pair in zip(costs[OURS], costs[OPTUNA], strict=True)]
    modules = found.loaded[OURS] / found.loaded[OPTUNA]
    rows.append(["ratio of a pair", *(_median(r, 2) for r in ratios), f"{modules:.2f}"])
    return _markdown(rows)


def suggestion_table(costs: dict[tuple[str, int], Cost]) -> str:
    rows = [["finished trials", "strategy", "CPU, mean", "above Random", "CPU, median"]]
    rows[0] += ["wall, mean", "above Random", "wall, median", "first, CPU"]
    for point in sorted({point for _, point in costs}):
        yardstick = costs[YARDSTICK, point]
        for name in SAMPLERS:
            row = [f"{point:,}", name]
            both = costs[name, point]
            for mine, theirs in ((both.cpu, yardstick.cpu), (both.wall, yardstick.wall)):
                above = np.mean(mine) - np.mean(theirs)
                row += [f"{np.mean(mine):.2f}", "" if name == YARDSTICK else f"**{above:+.2f}**"]
                row += [_median(mine, 2)]
            rows.append([*row, _median(both.first)])
    return _markdown(rows)


def _median(values: Sequence[float], digits: int = 0) -> str:
    lower, median, upper = np.quantile(values, (0.25, 0.5, 0.75))
    return f"{median:.{digits}f} ({lower:.{digits}f} to {upper:.{digits}f})"


def _markdown(rows: Sequence[Sequence[str]]) -> str:
    head, *rest = rows
    lines = [head, ["---"] + ["---:"] * (len(head) - 1), *rest]
    return "".join("| " + " | ".join(line) + " |\n" for line in lines)


def report(found: Imports, costs: dict[tuple[str, int], Cost], suggestions: int) -> str:
    imports = len(found.import_[OURS].wall)
    trials = len(next(iter(costs.values())).cpu)
    after = {
        "the import": found.heavy_after_import,
        f"{suggestions} suggestions": found.heavy_after_suggestions,
    }
    threads = os.environ.get("OPENBLAS_NUM_THREADS", "as many as cores")
    lines = [f"- After {when}: {', '.join(names) or 'none'}\n" for when, names in after.items()]
    return (
        f"Milliseconds, median (lower to upper quartile) of {imports} imports each, in turn.\n\n"
        f"{import_table(found)}\nOf {', '.join(HEAVY)}, these are loaded:\n\n{''.join(lines)}\n"
        f"Milliseconds of a suggestion of 50 decisions with its result, over {trials} trials at "
        f"each place, the samplers in turn (threads of OpenBLAS: {threads}).\n\n"
        f"{suggestion_table(costs)}"
    )


def main(
    imports: Annotated[int, typer.Option(min=1, help="Imports of each module.")] = 15,
    suggestions: Annotated[
        int, typer.Option(min=0, help="Suggestions before modules are counted.")
    ] = 100,
    at: Annotated[
        list[int] | None, typer.Option(min=0, help="Finished trials. [300, 1000, 5000]")
    ] = None,
    windows: Annotated[int, typer.Option(min=1, help="Trials timed after these, in sixteens.")] = 5,
    seeds: Annotated[int, typer.Option(min=1, help="Studies of each sampler.")] = 3,
    out: Annotated[Path, typer.Option(help="Folder for the results.")] = RESULTS,
) -> None:
    """Measure imports and suggestions, and write suggestion_cost.md."""
    out.mkdir(parents=True, exist_ok=True)
    found = measure_imports(imports, suggestions)
    costs = measure_suggestions(at or [300, 1000, 5000], BATCH * windows, seeds)
    text = report(found, costs, suggestions)
    (out / "suggestion_cost.md").write_text(text)
    typer.echo(text)


if __name__ == "__main__":
    typer.run(main)
