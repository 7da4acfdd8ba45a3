"""Tables of what `benchmarks.mlpnas` found."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks.wine import EPOCHS, Child, Children
from cellwright.searches.analysis import rank_correlation

Rewards = NDArray[np.float64]
BUDGETS = (10, 20, 30, 50, 70, 100)
SEARCHES = """\
Mean and standard error over the seeds: the best reward so far (validation accuracy, averaged over
the epochs with weights 1 to 10), and after all trials the best validation accuracy after the last
epoch, and the test accuracy of the network with the best reward."""
LEARNERS = (
    "scikit-learn's learners at their defaults, fitted to training and validation data together:"
)
PREDICTIONS = """\
Spearman's correlation of the score that was predicted before a trial with the score of the trial,
and the standard deviation of the scores. The last column is the correlation (Pearson) that a
perfect predictor of means would reach on the last half, given the deviation within a network that
is measured below for the best."""
NOISE = """\
Networks drawn at random, each trained several times on one split: how far the rewards of one
network deviate, how far those of different networks deviate besides, and how well a perfect
predictor of means would correlate (Pearson) with a single training. The best are those with the
highest means."""
ONE_SHOT = """\
Networks drawn at random, in the order of their training, on one split. Epochs: how many it takes to
reach the validation accuracy of the same network after 10 epochs from fresh weights; networks that
never reach it count as 11. Then Spearman's correlation of the accuracy after so many epochs with
the reward of 10 epochs from fresh weights, which in the first row is the same training. The last
row's bank was fed only by trainings of that many epochs."""


class Search(NamedTuple):
    """The children of one search in their order, and what it predicted of each (NaN if nothing)."""

    name: str
    seed: int
    children: list[Child]
    predicted: list[float]


def keep_search(
    folder: Path, name: str, seed: int, found: Sequence[Child], predicted: Sequence[float | None]
) -> None:
    """Write which networks a search tried, in order, and what it predicted of them."""
    file = folder / "searches" / f"{name}-{seed}.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    kept = {"tokens": [child.tokens for child in found], "predicted": list(predicted)}
    file.write_text(json.dumps(kept) + "\n", encoding="utf-8")


def text(folder: Path, children: Children) -> str:
    """All tables that the records allow, in Markdown."""
    known = {(c.tokens, c.seed, c.repeat, c.kind): c for c in children.all()}
    searches = []
    for file in sorted((folder / "searches").glob("*.json")):
        name, _, seed = file.stem.rpartition("-")
        kept = json.loads(file.read_text(encoding="utf-8"))
        found = [known[tuple(tokens), int(seed), 0, "fresh"] for tokens in kept["tokens"]]
        predicted = [np.nan if value is None else value for value in kept["predicted"]]
        searches.append(Search(name, int(seed), found, predicted))
    parts = [*_searches(searches), *_learners(children, sorted({s.seed for s in searches}))]
    often = _trained_often(children.all())
    parts += [*_predictions(searches, often), *_noise(often), *_one_shot(children.all())]
    return "\n".join(["# MLPNAS on wine", "", *parts]) + "\n"


def _searches(searches: Sequence[Search]) -> Iterator[str]:
    by_name: dict[str, dict[int, list[Child]]] = {}
    for search in searches:
        by_name.setdefault(search.name, {})[search.seed] = search.children
    if not by_name:
        return
    yield "## Searches"
    yield ""
    yield SEARCHES
    yield ""
    yield from _row("strategy", "seeds", *BUDGETS, "best validation", "test")
    yield from _row("---", *["---:"] * (3 + len(BUDGETS)))
    for name, runs in sorted(by_name.items()):
        best = [[max(c.reward for c in run[:n]) for run in runs.values()] for n in BUDGETS]
        last = [max(c.accuracies[-1] for c in run) for run in runs.values()]
        test = [max(run, key=lambda c: c.reward).test for run in runs.values()]
        seeds = ", ".join(map(str, sorted(runs)))
        yield from _row(f"`{name}`", seeds, *map(_mean, [*best, last, test]))
    yield ""


def _learners(children: Children, seeds: Sequence[int]) -> Iterator[str]:
    """scikit-learn's learners at their defaults, on training and validation data together."""
    from sklearn.dummy import DummyClassifier
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.neural_network import MLPClassifier

    made: dict[str, Callable[[int], Any]] = {
        "`MLPClassifier`": lambda seed: MLPClassifier(random_state=seed),
        "`HistGradientBoostingClassifier`": lambda s: HistGradientBoostingClassifier(
            random_state=s
        ),
        "the most frequent class": lambda seed: DummyClassifier(),
    }
    if not seeds:
        return
    yield LEARNERS
    yield ""
    yield from _row("", "test")
    yield from _row("---", "---:")
    for name, make in made.items():
        found = []
        for seed in seeds:
            wine = children.split(seed)
            x = np.concatenate([wine.data.x_train, wine.data.x_val])
            y = np.concatenate([wine.data.y_train, wine.data.y_val])
            found.append(float(make(seed).fit(x, y).score(wine.x_test, wine.y_test)))
        yield from _row(name, _mean(found))
    yield ""


def _predictions(searches: Sequence[Search], often: Rewards) -> Iterator[str]:
    told = [search for search in searches if np.isfinite(search.predicted[-1])]
    if not told:
        return
    yield "## Predictions"
    yield ""
    yield PREDICTIONS
    yield ""
    within = _within(often[: len(often) // 2]) if len(often) else np.nan
    yield from _row(
        "strategy", "seed", "all", "last half", "deviation", "of the last half", "perfect"
    )
    yield from _row("---", *["---:"] * 6)
    for search in told:
        rewards = np.array([child.reward for child in search.children])
        predicted, half = np.array(search.predicted), len(rewards) // 2
        there = np.isfinite(predicted)
        yield from _row(
            f"`{search.name}`", search.seed, _rank(predicted[there], rewards[there]),
            _rank(predicted[half:], rewards[half:]), f"{rewards.std():.4f}",
            f"{rewards[half:].std():.4f}",
            f"{max(0.0, 1 - within / rewards[half:].var()) ** 0.5:.2f}",
        )  # fmt: skip
    yield ""


def _trained_often(children: Iterable[Child]) -> Rewards:
    """Rewards of the networks that were trained most often on split 0, shape (networks, times), the
    best networks first; there are no rows if there are too few networks."""
    trained: dict[tuple[int, ...], dict[int, float]] = {}
    for child in children:
        if child.kind == "fresh" and child.seed == 0:
            trained.setdefault(child.tokens, {})[child.repeat] = child.reward
    most = max(map(len, trained.values()), default=0)
    rewards = np.array([list(found.values()) for found in trained.values() if len(found) == most])
    if most < 2 or len(rewards) < 3:
        return np.zeros((0, 0))
    return rewards[np.argsort(-rewards.mean(axis=1))]


def _within(rewards: Rewards) -> float:
    """Variance of the rewards of one network, averaged over some."""
    return float(rewards.var(axis=1, ddof=1).mean())


def _noise(rewards: Rewards) -> Iterator[str]:
    if not len(rewards):
        return
    most = rewards.shape[1]
    yield "## Noise"
    yield ""
    yield NOISE
    yield ""
    yield from _row("networks", "times", "within", "between", "perfect predictor")
    yield from _row("---", *["---:"] * 4)
    for name, part in (("all", rewards), ("best", rewards[: len(rewards) // 2])):
        within = _within(part)
        between = max(0.0, part.mean(axis=1).var(ddof=1) - within / most)
        perfect = (between / (between + within)) ** 0.5
        told = (f"{within**0.5:.4f}", f"{between**0.5:.4f}", f"{perfect:.2f}")
        yield from _row(f"{name} {len(part)}", most, *told)
    yield ""


def _one_shot(children: Iterable[Child]) -> Iterator[str]:
    kinds: dict[str, dict[tuple[int, ...], Child]] = {}
    for child in children:
        if child.seed == child.repeat == 0:
            kinds.setdefault(child.kind, {})[child.tokens] = child
    shared = [kind for kind in kinds if kind.startswith("one-shot")]
    if not shared:
        return
    yield "## One-shot weights"
    yield ""
    yield ONE_SHOT
    yield ""
    yield from _row("weights", "networks", "epochs", "never", "after 1", "after 3", "after 10")
    yield from _row("---", *["---:"] * 6)
    for kind in ("fresh", *shared):
        tokens = [t for t in kinds[shared[0]] if t in kinds[kind] and t in kinds["fresh"]]
        fresh, mine = ([kinds[k][t] for t in tokens] for k in ("fresh", kind))
        needed = [_reaches(a, b.accuracies[-1]) for a, b in zip(mine, fresh, strict=True)]
        never = sum(n > EPOCHS for n in needed)
        ranks = [
            _rank([c.accuracies[n - 1] for c in mine], [c.reward for c in fresh])
            if len(mine[0].accuracies) >= n
            else ""
            for n in (1, 3, 10)
        ]
        whole = len(mine[0].accuracies) == EPOCHS
        counted = (f"{np.mean(needed):.1f}", never) if whole else ("", "")
        yield from _row(kind, len(tokens), *counted, *ranks)
    yield ""


def _reaches(child: Child, accuracy: float) -> int:
    there = (n for n, value in enumerate(child.accuracies, start=1) if value >= accuracy)
    return next(there, EPOCHS + 1)


def _rank(one: Any, other: Any) -> str:
    found = rank_correlation(one, other)
    return "" if found is None else f"{found:.2f}"


def _mean(values: Sequence[float]) -> str:
    error = np.std(values, ddof=1) / len(values) ** 0.5 if len(values) > 1 else np.nan
    return f"{np.mean(values):.4f}" + ("" if np.isnan(error) else f" ± {error:.4f}")


def _row(*cells: object) -> Iterator[str]:
    yield f"| {' | '.join(map(str, cells))} |"
