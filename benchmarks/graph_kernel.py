"""Whether a Weisfeiler-Lehman kernel makes predictions of NASNet's cells better.

    python -m benchmarks.graph_kernel --seeds 8

Run it in the root of the checkout. A Gaussian process as `PredictorGuided` has it learns some
results and ranks others: with its own features, with the counts of Weisfeiler-Lehman labels beside
them (Ru et al., "Interpretable neural architecture search via Bayesian optimisation with
Weisfeiler-Lehman kernels", 2021, section 3.1), and with these alone. The figure is Spearman's rank
correlation with what is measured, for

- the trained children of ``cifar10_project``, each predicted from all others;
- a synthetic objective that depends on the graph alone, and so favours the kernel: operations by
  their depth, triples of operations that follow each other, and the longest path.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, NamedTuple

import numpy as np
import typer
from numpy.typing import NDArray

from benchmarks import cifar10_project
from benchmarks.latency import spearman
from cellwright.plugins.strategies.surrogate.features import Features
from cellwright.plugins.strategies.surrogate.gaussian_process import GaussianProcess
from cellwright.plugins.strategies.surrogate.reward_scale import RewardScale
from cellwright.search_spaces import NASNetSpace
from cellwright.search_spaces.nasnet.genotype import Cell, Genotype

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]

CHILDREN = Path("benchmarks/results/cifar10_project")
CELLS = ("normal", "reduction")
_STEPS = 2  # of relabelling
_NOISE = 0.25  # of what is told, in standard deviations of the objective
_HELD_OUT = 200  # architectures that are ranked
_BEST_DEPTH = 6  # nodes on the longest path of the objective's best cells


class Graph(NamedTuple):
    """What a cell's output depends on: labels of nodes, and which nodes come before each."""

    labels: list[str]
    before: list[list[int]]


def graph(cell: Cell) -> Graph:
    """Nodes are the two inputs, operations, combinations and the output, each after its inputs."""
    labels, before = ["input 0", "input 1"], [[], []]  # type: tuple[list[str], list[list[int]]]
    states = [0, 1]
    for block in cell.blocks:
        for state, operation in (
            (block.input_1, block.operation_1),
            (block.input_2, block.operation_2),
        ):
            labels.append(operation)
            before.append([states[state]])
        before.append([len(labels) - 2, len(labels) - 1])
        labels.append(block.combination)
        states.append(len(labels) - 1)
    labels.append("output")
    before.append([states[state] for state in cell.concatenation])
    used, waiting = set[int](), [len(labels) - 1]
    while waiting:
        node = waiting.pop()
        if node not in used:
            used.add(node)
            waiting += before[node]
    place = {node: number for number, node in enumerate(sorted(used))}
    return Graph([labels[n] for n in place], [[place[b] for b in before[n]] for n in place])


def histograms(cell: Cell, steps: int) -> list[Counter[str]]:
    """How often each label is there, before and after each of ``steps`` of relabelling: a node's
    new label is its own with those of the nodes before it."""
    labels, before = graph(cell)
    found = [Counter(labels)]
    for _ in range(steps):
        words = [
            f"{label}<{','.join(sorted(labels[b] for b in nodes))}"
            for label, nodes in zip(labels, before, strict=True)
        ]
        labels = [hashlib.md5(word.encode(), usedforsecurity=False).hexdigest() for word in words]
        found.append(Counter(labels))
    return found


class Columns(NamedTuple):
    """Features, (architectures, columns), and their groups, (columns,)."""

    features: Floats
    groups: Indices


def label_counts(genotypes: list[Genotype]) -> Columns:
    """Counts of the labels, less their means; a group for each cell and step, of variance 1."""
    parts: list[Floats] = []
    for cell in CELLS:
        found = [histograms(getattr(genotype, cell), _STEPS) for genotype in genotypes]
        for step in range(_STEPS + 1):
            names = sorted({name for counts in found for name in counts[step]})
            rows = np.array([[counts[step][name] for name in names] for counts in found], float)
            rows = (rows - rows.mean(0))[:, rows.std(0) > 0]
            parts.append(rows / np.sqrt((rows**2).sum(1).mean()))
    groups = np.repeat(np.arange(len(parts)), [part.shape[1] for part in parts])
    return Columns(np.concatenate(parts, axis=1), groups)


def ways(space: NASNetSpace, keys: Indices) -> dict[str, Columns]:
    """The features of architectures without the labels' counts, with them, and these alone."""
    features = Features(space)
    own = Columns(features(keys), features.groups)
    counts = label_counts([space.genotype(space.decode(key)) for key in keys.tolist()])
    groups = np.concatenate([own.groups, own.groups.max() + 1 + counts.groups])
    beside = Columns(np.concatenate([own.features, counts.features], axis=1), groups)
    return {"without": own, "with": beside, "alone": counts}


def predicted(columns: Columns, rewards: Floats, told: Indices, asked: Indices) -> Floats:
    """What is expected of the architectures ``asked``, from the results of those ``told``."""
    features, groups = columns
    process, targets = GaussianProcess(groups), RewardScale(rewards[told]).targets(rewards[told])
    process.learn(features[told], targets)
    process.condition(features[told], targets)
    return process.predict(features[asked])[0]


def of_children(folder: Path) -> tuple[int, dict[str, float]]:
    """How many trained children there are, and the rank correlation over them, each predicted from
    the others."""
    space, found = cifar10_project.SPACE, dict[tuple[int, ...], list[float]]()
    for children in cifar10_project.read(folder).values():
        for child in children:
            key = space.key(space.decode(child.choices))
            found.setdefault(key, []).append(child.val_accuracy)
    keys, rewards = np.array(list(found)), np.array([np.mean(one) for one in found.values()])
    every = np.arange(len(keys))

    def one_by_one(columns: Columns) -> Floats:
        others = [np.delete(every, n) for n in every]
        return np.array(
            [predicted(columns, rewards, others[n], every[n : n + 1])[0] for n in every]
        )

    return len(keys), {
        way: spearman(one_by_one(columns), rewards) for way, columns in ways(space, keys).items()
    }


def objective(space: NASNetSpace, keys: Indices, seed: int) -> Floats:
    """What depends on the graph alone, (architectures,): three parts with .4, .4 and .2 of the
    variance."""

    def weight(*words: str | int) -> float:
        digest = hashlib.md5(f"{seed} {words}".encode(), usedforsecurity=False).hexdigest()
        return float(np.random.default_rng(int(digest[:8], 16)).normal())

    def parts(genotype: Genotype) -> Iterator[tuple[float, float, float]]:
        for cell in CELLS:
            labels, before = graph(getattr(genotype, cell))
            depths: list[int] = []
            for node, label in enumerate(labels):
                depths.append(1 + max((depths[b] for b in before[node]), default=-1))
                triples = [(b, c) for b in before[node] for c in before[b] or [b]]
                yield (
                    weight(cell, label, min(depths[-1] // 2, 3)),
                    sum(weight(cell, label, labels[b], labels[c]) for b, c in triples),
                    0.0,
                )
            yield 0.0, 0.0, -abs(max(depths) - _BEST_DEPTH)

    found = np.array(
        [np.sum(list(parts(space.genotype(space.decode(k)))), 0) for k in keys.tolist()]
    )
    scaled: Floats = (found - found.mean(0)) / (found.std(0) + 1e-9)
    return scaled @ np.sqrt([0.4, 0.4, 0.2])


def of_objective(space: NASNetSpace, results: int, seed: int) -> dict[str, float]:
    """The rank correlation over random architectures, from noisy results of others."""
    rng = np.random.default_rng(seed)
    keys = np.array([space.key(space.sample(rng)) for _ in range(results + _HELD_OUT)])
    truth = objective(space, keys, seed)
    told = truth + _NOISE * rng.normal(size=len(truth))
    learned, asked = np.arange(results), np.arange(results, len(keys))
    return {
        way: spearman(predicted(x, told, learned, asked), truth[asked])
        for way, x in ways(space, keys).items()
    }


def main(
    seeds: Annotated[int, typer.Option(min=2, help="Objectives for each space.")] = 8,
    results: Annotated[list[int] | None, typer.Option(help="Results that are told.")] = None,
    children: Annotated[Path, typer.Option(help="Folder of children.jsonl.")] = CHILDREN,
) -> None:
    """Print the table."""
    lines = ["| | results | without | with | alone |", "| --- | ---: | ---: | ---: | ---: |"]
    if (children / cifar10_project.FILE).exists():
        count, found = of_children(children)
        values = " | ".join(f"{value:.3f}" for value in found.values())
        lines.append(f"| trained children | {count - 1} | {values} |")
    spaces = {"book": NASNetSpace(), "published": NASNetSpace.published()}
    for name, space in spaces.items():
        for told in results or [50, 150]:
            every = [of_objective(space, told, seed) for seed in range(seeds)]
            cells = [np.array([one[way] for one in every]) for way in every[0]]
            errors = [values.std(ddof=1) / np.sqrt(seeds) for values in cells]
            text = " | ".join(
                f"{v.mean():.3f} ± {e:.3f}" for v, e in zip(cells, errors, strict=True)
            )
            lines.append(f"| {name}, synthetic | {told} | {text} |")
    typer.echo("\n".join(lines))


if __name__ == "__main__":
    typer.run(main)
