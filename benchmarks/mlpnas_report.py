"""Tables of what `benchmarks.mlpnas` found."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks.wine import EPOCHS, Child, Children
from cellwright.plugins.analysis import rank_correlation

BUDGETS = (10, 20, 30, 50, 70, 100)
SEARCHES = """\
Mean and standard error over the seeds of the best reward so far (validation accuracy, averaged over
the epochs with weights 1 to 10); and after all trials of the best accuracy on the validation data
after the last epoch, and of the test accuracy of the network with the best reward."""
REPLAYS = """\
The same with many seeds on one split, of which every network has been trained: mean and standard
error over the seeds. Predictions: the mean of Spearman's correlation over the last half of the
trials, of what was expected of each before it with what it scored. `perfect` is the best network
there is."""
LEARNERS = "scikit-learn's at their defaults, fitted to training and validation data together:"
PREDICTIONS = """\
Spearman's correlation of what was expected of a trial before it with what it scored, and the
standard deviation of the scores."""
NOISE = """\
Networks drawn at random, trained several times each on one split: how far the rewards of one
network deviate, those of different ones beside that, and by how much a perfect predictor of means
would correlate with one training by (Pearson). The best are those of the highest means."""
ONE_SHOT = """\
Networks drawn at random, in the order of their training, on one split. Epochs: until the validation
accuracy is that of the same network after 10 from fresh weights; those that never reach it count as
11. Then Spearman's correlation of the accuracy after so many epochs with the reward of 10 epochs
from fresh weights, which in the first row is the same training. The last row's bank was only ever
fed by trainings of that many epochs."""


class Search(NamedTuple):
    """The children of one search in their order, and what it expected of each (NaN if nothing)."""

    name: str
    seed: int
    children: list[Child]
    predicted: list[float]


def keep_search(
    folder: Path, name: str, seed: int, found: Sequence[Child], predicted: Sequence[float | None]
) -> None:
    """Write which networks a search tried, in order, and what it expected of them."""
    file = folder / "searches" / f"{name}-{seed}.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    kept = {"tokens": [child.tokens for child in found], "predicted": list(predicted)}
    file.write_text(json.dumps(kept) + "\n", encoding="utf-8")


def keep_replays(
    folder: Path,
    name: str,
    split: int,
    runs: Sequence[tuple[Sequence[Child], Sequence[float | None]]],
) -> None:
    """Write the best reward so far at each budget, and the correlation of the predictions."""
    file = folder / "replays" / f"{name}-{split}.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    best = [[max(child.reward for child in found[:n]) for n in BUDGETS] for found, _ in runs]
    ranks = [_last_half(found, predicted) for found, predicted in runs]
    file.write_text(json.dumps({"best": best, "ranks": ranks}) + "\n", encoding="utf-8")


def _last_half(found: Sequence[Child], predicted: Sequence[float | None]) -> float | None:
    half = len(found) // 2
    late = [value for value in predicted[half:] if value is not None]
    if len(late) < len(predicted) - half:
        return None
    return rank_correlation(late, [child.reward for child in found[half:]])


def text(folder: Path, children: Children) -> str:
    """All tables, in Markdown, of what there is."""
    known = {(c.tokens, c.seed, c.repeat, c.kind): c for c in children.all()}
    searches = []
    for file in sorted((folder / "searches").glob("*.json")):
        name, _, seed = file.stem.rpartition("-")
        kept = json.loads(file.read_text(encoding="utf-8"))
        found = [known[tuple(tokens), int(seed), 0, "fresh"] for tokens in kept["tokens"]]
        predicted = [np.nan if value is None else value for value in kept["predicted"]]
        searches.append(Search(name, int(seed), found, predicted))
    parts = [*_searches(searches), *_learners(children, sorted({s.seed for s in searches}))]
    parts += [
        *_replays(folder, children.all()),
        *_predictions(searches),
        *_noise(children.all()),
        *_one_shot(children.all()),
    ]
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


def _replays(folder: Path, children: Sequence[Child]) -> Iterator[str]:
    files = sorted((folder / "replays").glob("*.json"))
    if not files:
        return
    yield "## Many seeds"
    yield ""
    yield REPLAYS
    yield ""
    yield from _row("strategy", "split", "seeds", *BUDGETS, "predictions")
    yield from _row("---", *["---:"] * (3 + len(BUDGETS)))
    splits = set[int]()
    for file in files:
        name, _, split = file.stem.rpartition("-")
        splits.add(int(split))
        kept = json.loads(file.read_text(encoding="utf-8"))
        ranks = [rank for rank in kept["ranks"] if rank is not None]
        best = map(_mean, np.array(kept["best"]).T)
        told = _mean(ranks) if ranks else ""
        yield from _row(f"`{name}`", split, len(kept["best"]), *best, told)
    for number in sorted(splits):
        fresh = [c for c in children if (c.seed, c.repeat, c.kind) == (number, 0, "fresh")]
        most = max(c.reward for c in fresh)
        yield from _row("perfect", number, "", *[f"{most:.4f}"] * len(BUDGETS), "")
    yield ""


def _learners(children: Children, seeds: Sequence[int]) -> Iterator[str]:
    """scikit-learn's at their defaults, on the training and the validation data together."""
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


def _predictions(searches: Sequence[Search]) -> Iterator[str]:
    told = [search for search in searches if np.isfinite(search.predicted[-1])]
    if not told:
        return
    yield "## Predictions"
    yield ""
    yield PREDICTIONS
    yield ""
    yield from _row("strategy", "seed", "all", "last half", "deviation", "of the last half")
    yield from _row("---", *["---:"] * 5)
    for search in told:
        rewards = np.array([child.reward for child in search.children])
        predicted, half = np.array(search.predicted), len(rewards) // 2
        there = np.isfinite(predicted)
        yield from _row(
            f"`{search.name}`", search.seed, _rank(predicted[there], rewards[there]),
            _rank(predicted[half:], rewards[half:]), f"{rewards.std():.4f}",
            f"{rewards[half:].std():.4f}",
        )  # fmt: skip
    yield ""


def _noise(children: Iterable[Child]) -> Iterator[str]:
    trained: dict[tuple[int, ...], dict[int, float]] = {}
    for child in children:
        if child.kind == "fresh" and child.seed == 0:
            trained.setdefault(child.tokens, {})[child.repeat] = child.reward
    most = max(map(len, trained.values()), default=0)
    rewards = np.array([list(found.values()) for found in trained.values() if len(found) == most])
    if most < 2 or len(rewards) < 3:
        return
    rewards = rewards[np.argsort(-rewards.mean(axis=1))]
    yield "## Noise"
    yield ""
    yield NOISE
    yield ""
    yield from _row("networks", "times", "within", "between", "perfect predictor")
    yield from _row("---", *["---:"] * 4)
    for name, part in (("all", rewards), ("best", rewards[: len(rewards) // 2])):
        within = part.var(axis=1, ddof=1).mean()
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
