"""What a search leaves: a table of its trials, its best child, and pictures."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cellwright.plugins import Data, Evaluation
from cellwright.plugins.files import atomic_write
from cellwright.plugins.metrics import METRICS, Metric
from cellwright.search_spaces import SearchSpace
from cellwright.searches.children import make_sure_of
from cellwright.searches.hosts import HOSTS
from cellwright.searches.settings import Settings
from cellwright.searches.trial import Trial, about_shared_weights, best_trial


def write_results(
    folder: Path,
    settings: Settings,
    trials: Sequence[Trial],
    evaluation: Evaluation | None = None,
    against: Metric | None = None,
) -> list[Path]:
    """Write the table, the genotype and the pictures, and make sure that the best child is there.

    Args:
        folder: Folder of the search.
        settings: Settings of the search.
        trials: All trials of the search.
        evaluation: Trains the best child again if the one on disk is missing or of another trial
            (`make_sure_of`); None leaves it.
        against: Another metric to draw a front against, besides the meter's.

    Returns:
        The files, including those that were there before.
    """
    space = settings.make_space()
    files = [write_table(folder / "trials.csv", trials, space)]
    best = best_trial(trials)
    if best is None:
        return files + _draw(folder, settings, space, trials, None, against)
    if evaluation is not None:
        make_sure_of(folder, best, evaluation)
    genotype, told = folder / "genotype.json", json.dumps(space.describe(best.params), indent=1)
    as_before = genotype.exists() and genotype.read_text(encoding="utf-8") == told + "\n"
    with atomic_write(genotype) as file:
        file.write(told + "\n")
    kept_files = ("best.keras", "best.json", "preparation.json")
    files += [folder / name for name in kept_files if (folder / name).exists()]
    drawn = _draw(folder, settings, space, trials, best, against)
    child = _draw_child(folder, space, best, evaluation, as_before)
    return [*files, genotype, *drawn, *child]


def write_preparation(folder: Path, data: Data) -> None:
    """For a table, write ``preparation.json``, which says how columns become a child's inputs.

    It holds a `Preparation`, and from the `Data` ``class_names``, ``target_mean`` and
    ``target_scale``.
    """
    if data.preparation is None:
        return
    facts = {
        "preparation": data.preparation.to_json(),
        "class_names": data.class_names,
        "target_mean": data.target_mean,
        "target_scale": data.target_scale,
    }
    with atomic_write(folder / "preparation.json") as file:
        file.write(json.dumps(facts, indent=1) + "\n")


def write_table(path: Path, trials: Sequence[Trial], space: SearchSpace | None) -> Path:
    """Write a row for each trial: number, state, metrics, error, every decision, and every other
    hyperparameter."""
    measured = {name for trial in trials for name in trial.metrics}
    present = [name for name in METRICS if name in measured]
    present += sorted(measured - set(METRICS))
    decisions = () if space is None else space.names
    others = [n for n in dict.fromkeys(n for t in trials for n in t.others) if n not in decisions]
    with atomic_write(path) as file:
        writer = csv.writer(file)
        writer.writerow(["trial", "state", *present, "error", *decisions, *others])
        for trial in trials:
            params = {**trial.others, **trial.params}
            writer.writerow(
                [trial.number, trial.state]
                + [trial.metrics.get(name, "") for name in present]
                + [" ".join(trial.error.split())]
                + [params.get(name, "") for name in (*decisions, *others)]
            )
    return path


def _draw(
    folder: Path,
    settings: Settings,
    space: SearchSpace,
    trials: Sequence[Trial],
    best: Trial | None,
    against: Metric | None,
) -> list[Path]:
    from cellwright.command_line.pictures.charts import draw_search, save_figures
    from cellwright.command_line.pictures.front_children import draw_children
    from cellwright.command_line.pictures.front_picture import draw_front
    from cellwright.command_line.pictures.report_pictures import draw_distribution
    from cellwright.searches.front import front, quality_of

    plain = settings.target is None and all(
        trial.reward == trial.metrics.get("val_accuracy") for trial in trials if trial.reward
    )
    title = (
        f"{settings.strategy} on {Path(settings.data).stem}, driven by {HOSTS[settings.host].title}"
    )
    label = "validation accuracy" if plain else "reward"
    label += ", with shared weights" if about_shared_weights(trials) else ""
    rewards = [trial.reward for trial in trials]
    figures: dict[str, Any] = {
        "search": draw_search(
            rewards,
            label=label,
            title=title,
            best=None if best is None else list(trials).index(best),
        )
    }
    if finished := [reward for reward in rewards if reward is not None]:
        figures["distribution"] = draw_distribution(
            finished, label=label, title=f"Distribution of the rewards, {title}"
        )
    known = None if settings.cost is None else settings.metric(settings.cost)
    fronts = {"front": known, f"front against {against and against.name}": against}
    figures |= {
        name: draw_front(
            trials,
            quality=quality_of(trials),
            cost=cost,
            target=settings.target if cost == known else None,
            best=best,
            title=title,
        )
        for name, cost in fronts.items()
        if cost is not None
    }
    if settings.objectives and known is not None:
        quality = quality_of(trials)
        chosen = front(trials, quality, known)
        children = draw_children(space, chosen, quality=quality, cost=known)
        figures |= {} if children is None else {"front children": children}
    return save_figures(figures, folder / "pictures")


def _draw_child(
    folder: Path, space: SearchSpace, best: Trial, evaluation: Evaluation | None, as_before: bool
) -> list[Path]:
    """Draw the best child, with its shapes where the framework that builds it is at hand anyway.

    Without an ``evaluation``, the pictures of the same child stay as they are.
    """
    from cellwright.command_line.pictures.charts import picture_files, save_figures

    model = None if evaluation is None else evaluation.build(best.params)
    figures = space.figures(best.params, model)
    files = picture_files(figures, folder / "pictures")
    if as_before and model is None and all(file.exists() for file in files):
        return files
    return save_figures(figures, folder / "pictures")
