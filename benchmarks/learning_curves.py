"""How fast each search strategy learns, beside Optuna's own samplers.

    python benchmarks/learning_curves.py --seeds 20 --trials 1000 --jobs 2

The problem has a known best architecture. It takes the 50 decisions of the book's NASNet space as
plain categories; each choice is worth a number drawn uniformly from [0, 1), anew for each seed, so
that no label and no order tells anything. An architecture's true score is the sum, scaled so that
the best one scores 1, the worst 0, and a random one about 0.5. A search is told that score with
normal noise (sd 0.02), the same for all searches at one seed and trial number.

Optuna drives every search, ours through `StrategySampler`, on a study in memory.
"""

from __future__ import annotations

import csv
import logging
import multiprocessing
import os
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import numpy as np
import typer
from numpy.typing import NDArray

if TYPE_CHECKING:
    from optuna.samplers import BaseSampler

    from cellwright.search_spaces import SearchSpace

RESULTS = Path(__file__).parent / "results"
NOISE = 0.02
RECENT = 50  # proposals in the mean that tells what a search has learned
STEP = 10  # trials between two rows of the CSV file
SHOWN = (50, 100, 200, 500, 1000)  # trials in the table
QUARTILES = ("lower", "median", "upper")
SEARCHES = (
    "Reinforce (NASCell)",
    "Reinforce (LSTM)",
    "RegularizedEvolution",
    "RandomSearch",
    "Optuna TPESampler",
    "Optuna NSGAIISampler",
    "Optuna RandomSampler",
)

Array = NDArray[np.float64]


class Run(NamedTuple):
    """One search with one seed."""

    search: str
    seed: int
    best: Array  # (trials,), true score of the trial whose noisy reward is the highest so far
    recent: Array  # (trials,), mean true score of the last RECENT proposals, or of fewer at first
    milliseconds: float  # CPU time of a suggestion with its result, the mean of all trials


class Row(NamedTuple):
    """All seeds of one search after so many trials."""

    search: str
    trials: int
    seeds: int
    milliseconds: float
    best: tuple[float, ...]  # QUARTILES over the seeds
    recent: tuple[float, ...]


def run(search: str, seed: int, trials: int) -> Run:
    """Search for ``trials`` trials; the score's own time is not counted."""
    import optuna

    logging.getLogger("optuna").setLevel(logging.WARNING)
    from cellwright.adapters.optuna_sampler import suggest
    from cellwright.search_spaces import NASNetSpace, SearchSpace

    space = SearchSpace(NASNetSpace().decisions)  # without its symmetries
    score = additive_score([len(d.choices) for d in space.decisions], seed)
    study = optuna.create_study(direction="maximize", sampler=_sampler(search, space, seed))
    scores, rewards, seconds = np.empty(trials), np.empty(trials), 0.0
    for number in range(trials):
        start = time.process_time()
        trial = study.ask()
        params = suggest(trial, space)
        seconds += time.process_time() - start
        scores[number] = score(space.encode(params))
        noise = np.random.default_rng((seed, 1, number)).normal()
        rewards[number] = scores[number] + NOISE * noise
        start = time.process_time()
        study.tell(trial, rewards[number])
        seconds += time.process_time() - start
    leaders = np.maximum.accumulate(rewards)
    best = scores[np.searchsorted(leaders, leaders)]  # the first trial that led with that reward
    return Run(search, seed, best, _recent_mean(scores), 1000 * seconds / trials)


def additive_score(sizes: Sequence[int], seed: int) -> Callable[[Sequence[int]], float]:
    """A score in [0, 1] of positions, shape (decisions,); its best is each decision's best."""
    rng = np.random.default_rng((seed, 0))
    worth = [rng.random(size) for size in sizes]
    low, high = sum(w.min() for w in worth), sum(w.max() for w in worth)

    def score(indices: Sequence[int]) -> float:
        total = sum(w[i] for w, i in zip(worth, indices, strict=True))
        return float((total - low) / (high - low))

    return score


def _sampler(search: str, space: SearchSpace, seed: int) -> BaseSampler:
    from optuna import samplers

    from cellwright.adapters.optuna_sampler import StrategySampler
    from cellwright.plugins import RandomSearch, RegularizedEvolution, Reinforce

    makers: dict[str, Callable[[], BaseSampler]] = {
        "Reinforce (NASCell)": lambda: StrategySampler(Reinforce(space, seed=seed)),
        "Reinforce (LSTM)": lambda: StrategySampler(Reinforce(space, seed=seed, cell="lstm")),
        "RegularizedEvolution": lambda: StrategySampler(RegularizedEvolution(space, seed=seed)),
        "RandomSearch": lambda: StrategySampler(RandomSearch(space, seed=seed)),
        "Optuna TPESampler": lambda: samplers.TPESampler(seed=seed),
        "Optuna NSGAIISampler": lambda: samplers.NSGAIISampler(seed=seed),
        "Optuna RandomSampler": lambda: samplers.RandomSampler(seed=seed),
    }
    return makers[search]()


def _recent_mean(scores: Array) -> Array:
    total = np.concatenate([[0.0], np.cumsum(scores)])
    end = np.arange(1, len(scores) + 1)
    start = np.maximum(end - RECENT, 0)
    return np.asarray((total[end] - total[start]) / (end - start))


def run_all(searches: Sequence[str], seeds: int, trials: int, jobs: int) -> list[Run]:
    """Every search with every seed, in ``jobs`` processes of one thread each."""
    tasks = [(search, seed, trials) for seed in range(seeds) for search in searches]
    for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"):
        os.environ.setdefault(name, "1")  # read by the processes that are started here
    runs = []
    with multiprocessing.get_context("spawn").Pool(jobs) as pool:
        for done in pool.imap_unordered(_run_task, tasks):
            runs.append(done)
            last = f"{done.search}, seed {done.seed}: {done.best[-1]:.3f}"
            typer.echo(f"{len(runs)}/{len(tasks)}  {last}", err=True)
    return runs


def _run_task(task: tuple[str, int, int]) -> Run:
    return run(*task)


def summarise(runs: Sequence[Run]) -> list[Row]:
    """Median and quartiles over the seeds, at each STEP trials and at the end."""
    rows = []
    for search in dict.fromkeys(run.search for run in sorted(runs, key=_order)):
        mine = [run for run in runs if run.search == search]
        cost = float(np.median([run.milliseconds for run in mine]))
        trials = len(mine[0].best)
        for end in sorted({*range(STEP, trials + 1, STEP), trials}):
            best = _quartiles(run.best[end - 1] for run in mine)
            recent = _quartiles(run.recent[end - 1] for run in mine)
            rows.append(Row(search, end, len(mine), cost, best, recent))
    return rows


def _order(run: Run) -> int:
    return SEARCHES.index(run.search)


def _quartiles(values: Iterable[float]) -> tuple[float, ...]:
    return tuple(np.quantile(list(values), (0.25, 0.5, 0.75)).tolist())


def write_csv(rows: Sequence[Row], path: Path) -> None:
    names = [f"{what}_{quartile}" for what in ("best", "recent") for quartile in QUARTILES]
    with path.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["search", "trials", "seeds", "cpu_ms_per_trial", *names])
        for row in rows:
            numbers = [f"{value:.4f}" for value in (*row.best, *row.recent)]
            writer.writerow(
                [row.search, row.trials, row.seeds, f"{row.milliseconds:.2f}", *numbers]
            )


def read_csv(path: Path) -> list[Row]:
    with path.open(newline="") as file:
        lines = list(csv.reader(file))[1:]
    return [
        Row(name, int(trials), int(seeds), float(cost), _floats(rest[:3]), _floats(rest[3:]))
        for name, trials, seeds, cost, *rest in lines
    ]


def _floats(words: Sequence[str]) -> tuple[float, ...]:
    return tuple(map(float, words))


def table(rows: Sequence[Row]) -> str:
    """Markdown: true score of the best so far, as median (lower to upper quartile)."""
    last = max(row.trials for row in rows)
    shown = [trials for trials in SHOWN if any(row.trials == trials for row in rows)] or [last]
    by_place = {(row.search, row.trials): row for row in rows}
    heads = ["search", *(f"{n} trials" for n in shown), f"last {RECENT} proposals", "CPU a trial"]
    lines = ["| " + " | ".join(heads) + " |", "|---|" + "---:|" * (len(heads) - 1)]
    for search in dict.fromkeys(row.search for row in rows):
        found = [by_place.get((search, trials)) for trials in shown]
        cells = [_cell(row.best) if row else "–" for row in found]
        end = max((row for row in rows if row.search == search), key=lambda row: row.trials)
        cells += [_cell(end.recent), f"{end.milliseconds / 1000:.4f} s"]
        lines.append("| " + " | ".join([search, *cells]) + " |")
    return "\n".join(lines) + "\n"


def _cell(quartiles: Sequence[float]) -> str:
    lower, median, upper = quartiles
    return f"**{median:.3f}** ({lower:.3f} to {upper:.3f})"


def main(
    seeds: Annotated[int, typer.Option(min=1, help="Searches of each kind.")] = 20,
    trials: Annotated[int, typer.Option(min=1, help="Trials of each search.")] = 1000,
    jobs: Annotated[int, typer.Option(min=1, help="Processes.")] = 2,
    out: Annotated[Path, typer.Option(help="Folder for the results.")] = RESULTS,
    redraw: Annotated[bool, typer.Option(help="Draw the CSV file in --out again.")] = False,
) -> None:
    """Run every search, and write learning_curves.csv, .md, .png and .svg."""
    from curves_picture import draw

    from cellwright.command_line.pictures import save_figures

    out.mkdir(parents=True, exist_ok=True)
    path = out / "learning_curves.csv"
    if not redraw:
        write_csv(summarise(run_all(SEARCHES, seeds, trials, jobs)), path)
    rows = read_csv(path)
    (out / "learning_curves.md").write_text(table(rows))
    save_figures({"learning curves": draw(rows)}, out)
    typer.echo(table(rows))


if __name__ == "__main__":
    typer.run(main)
