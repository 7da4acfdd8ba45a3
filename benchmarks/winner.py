"""Which network a search should hand over, when what it measured of each is noisy.

    python -m benchmarks.winner --seeds 100 nb201.csv.gz

Auto searches on the noisy value, and each rule then names one network, whose true value is the
result. A rule that measures networks again does so within the same number of evaluations: the
search ends that much earlier. The rules are `RULES`; the problems are the three data sets of
NAS-Bench-201, searched by their validation value (one a network, so nothing can be measured again)
and by the test value with normal noise, and the synthetic space of 50 decisions.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from benchmarks.problems import Best, Outcome, Problem, Source
from benchmarks.synthetic import SyntheticSource, parse_sizes
from benchmarks.tables import TableSource
from cellwright.plugins import Auto, Strategy
from cellwright.search_spaces import Params, SearchSpace

POINTS = (50, 100)  # evaluations in all
MODELLED = (5, 10)  # networks of the highest values, of which the predictor's mean chooses
REPEATED = ((3, 2), (5, 1), (5, 2))  # networks that are measured again, and how often each
RULES = (
    "the highest value",
    *(f"the predictor's mean, of the {count} best" for count in MODELLED),
    *(f"the {count} best {times} more, {of}" for count, times in REPEATED
      for of in ("mean of all", "mean of the new")),
)  # fmt: skip


@dataclass(frozen=True)
class NoisySource:
    """A table's reported value, which a search sees with normal noise of a standard deviation."""

    table: TableSource
    noise: float
    minimise = False

    @property
    def name(self) -> str:
        return f"{self.table.report} with noise {self.noise:g}"

    @property
    def unit(self) -> str:
        return self.table.unit

    def load(self, seed: int) -> Problem:
        return _Noisy(self.table.load(seed), self.noise, seed)

    def standing(self) -> Best:
        return self.table.standing()


class _Noisy:
    def __init__(self, problem: Problem, noise: float, seed: int) -> None:
        self.space: SearchSpace = problem.space
        self._problem, self._noise, self._seed = problem, noise, seed

    def evaluate(self, params: Params, number: int) -> Outcome:
        truth = self._problem.evaluate(params, 0).report
        assert isinstance(truth, float)
        noise = np.random.default_rng((self._seed, 1, number)).normal()
        return Outcome(truth + self._noise * float(noise), truth)


def winners(source: Source, again: bool, seed: int) -> dict[tuple[int, str], float]:
    """The true value of what each rule hands over, by the evaluations in all and the rule.

    Args:
        source: The problem.
        again: Whether a second measurement differs from the first.
        seed: Of the problem and the search.
    """
    problem = source.load(seed)
    strategy = Auto(problem.space, seed=seed)
    done: list[tuple[Params, float, float]] = []  # the network, its value, its true value
    found: dict[tuple[int, str], float] = {}
    for number in range(max(POINTS)):
        params = strategy.ask(number)
        value, truth = problem.evaluate(params, number)
        assert isinstance(value, float)
        assert isinstance(truth, float)
        strategy.tell(number, params, value)
        done.append((params, value, truth))
        if (spent := len(done)) in POINTS:
            found |= {(spent, rule): x for rule, x in _chosen(strategy, done).items()}
        for count, times in REPEATED if again else ():
            if (spent := len(done) + count * times) in POINTS:
                both = _repeated(problem, done, count, times)
                rules = (rule for rule in RULES if rule.startswith(f"the {count} best {times} "))
                found |= {(spent, rule): x for rule, x in zip(rules, both, strict=True)}
    return found


def _chosen(strategy: Strategy, done: list[tuple[Params, float, float]]) -> Mapping[str, float]:
    ranked = sorted(done, key=lambda each: -each[1])
    chosen = {RULES[0]: ranked[0][2]}
    for count, rule in zip(MODELLED, RULES[1:], strict=False):
        means = [_mean(strategy, params) for params, _, _ in ranked[:count]]
        chosen[rule] = ranked[means.index(max(means))][2]
    return chosen


def _mean(strategy: Strategy, params: Params) -> float:
    prediction = strategy.predict(params)
    assert prediction is not None
    return prediction.mean


def _repeated(
    problem: Problem, done: list[tuple[Params, float, float]], count: int, times: int
) -> tuple[float, float]:
    """The true values of what the mean of all measurements chooses, and that of the new ones."""
    ranked = sorted(done, key=lambda each: -each[1])[:count]
    new = [
        [problem.evaluate(params, 10_000 + place * times + turn).value for turn in range(times)]
        for place, (params, _, _) in enumerate(ranked)
    ]
    measured = np.array(new, float)  # (networks, times)
    first = np.array([value for _, value, _ in ranked])
    of_all = (first + measured.sum(1)) / (1 + times)
    return ranked[int(of_all.argmax())][2], ranked[int(measured.mean(1).argmax())][2]


def problems(table: Path | None) -> list[tuple[Source, bool]]:
    """What is searched, and whether a second measurement differs from the first."""
    found: list[tuple[Source, bool]] = []
    for data in ("cifar10", "cifar100", "imagenet16"):
        if table is None:
            break
        plain = TableSource(table, f"{data}_val", f"{data}_test", ("op_*",))
        found.append((plain, False))
        found += [(NoisySource(plain, noise), True) for noise in (0.25, 0.5)]
    for noise in (0.25, 0.5):
        found.append((SyntheticSource(parse_sizes("50x4"), noise=noise), True))
    return found


def report(source: Source, runs: list[dict[tuple[int, str], float]]) -> str:
    """A table in Markdown: means and standard errors, and of the differences to the first rule."""
    lines = [f"{source.name}, {len(runs)} seeds", "",
             "| handed over | " + " | ".join(f"{n} | gain" for n in POINTS) + " |",
             "|---|" + "---|" * 2 * len(POINTS)]  # fmt: skip
    for rule in RULES:
        cells = []
        for point in POINTS:
            values = np.array([run.get((point, rule), np.nan) for run in runs])
            if np.isnan(values).any():
                continue
            gain = values - np.array([run[point, RULES[0]] for run in runs])
            cells += [_with_error(values), "" if rule == RULES[0] else _with_error(gain, "+")]
        if cells:
            lines.append(f"| {rule} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _with_error(values: np.ndarray, sign: str = "") -> str:
    return f"{values.mean():{sign}.3f} ± {values.std(ddof=1) / len(values) ** 0.5:.3f}"


def main(
    table: Annotated[Path | None, typer.Argument(help="The table of NAS-Bench-201.")] = None,
    seeds: Annotated[int, typer.Option(min=2, help="Searches of each problem.")] = 100,
    jobs: Annotated[int, typer.Option(min=1, help="Processes.")] = 2,
) -> None:
    """Print what each rule hands over."""
    with multiprocessing.get_context("spawn").Pool(jobs) as pool:
        for source, again in problems(table):
            runs = pool.starmap(
                winners, [(source, again, seed) for seed in range(seeds)], chunksize=1
            )
            typer.echo(report(source, runs))


if __name__ == "__main__":
    typer.run(main)
