"""What a search leaves: a table of its trials, its best child, and pictures."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from cellwright.command_line.metrics import METRICS
from cellwright.command_line.settings import HOSTS, Settings
from cellwright.plugins import Dataset, Evaluation
from cellwright.plugins.best_child import keep_best, read_best
from cellwright.plugins.files import written_whole
from cellwright.search_spaces import Params, SearchSpace


@dataclass(frozen=True)
class Trial:
    """One finished trial of any host.

    ``state`` is ``"complete"``, ``"failed"``, ``"infeasible"`` (beyond a limit, and not trained) or
    ``"interrupted"``; ``error`` says why it failed.
    """

    number: int
    params: Params
    state: str
    metrics: dict[str, float] = field(default_factory=dict)
    error: str = ""

    @property
    def reward(self) -> float | None:
        return self.metrics.get("reward") if self.state == "complete" else None


def counted(trials: Iterable[Trial]) -> int:
    """How many of ``trials`` count: those that were interrupted are run again."""
    return sum(trial.state != "interrupted" for trial in trials)


def best_trial(trials: Sequence[Trial]) -> Trial | None:
    """The first trial of the highest reward, or None if none is complete."""
    complete = [trial for trial in trials if trial.reward is not None]
    return max(complete, key=lambda t: (t.metrics["reward"], -t.number), default=None)


def to_train(trial: Trial) -> dict[str, Any]:
    """What an `Evaluation` is given to train a trial's child as it was: its epochs too, if a
    schedule set them."""
    epochs = trial.metrics.get("epochs")
    return trial.params if epochs is None else {**trial.params, "epochs": int(epochs)}


def write_results(
    folder: Path,
    settings: Settings,
    trials: Sequence[Trial],
    evaluation: Evaluation | None = None,
    against: str | None = None,
) -> list[Path]:
    """Write the table, the genotype and the pictures, and see that the best child is there.

    Args:
        folder: Of the search.
        settings: Of the search.
        trials: All of them.
        evaluation: Trains the best child again if the one on disk is missing or of another trial,
            as after a crash between two writes; None leaves that.
        against: Another metric to draw a front against, beside the meter's.

    Returns:
        The files, those already there included.
    """
    space = settings.make_space()
    files = [write_table(folder / "trials.csv", trials, space)]
    best = best_trial(trials)
    if best is None:
        return files + _draw(folder, settings, space, trials, None, against)
    kept = read_best(folder)
    same = kept is not None and space.key(kept["params"]) == space.key(best.params)
    if evaluation is not None and not (same and (folder / "best.keras").exists()):
        for name in ("best.json", "best.keras"):
            (folder / name).unlink(missing_ok=True)
        metrics, model = replace(evaluation, limit=None).run(to_train(best))
        keep_best(folder)(best.params, metrics, model)
    genotype = folder / "genotype.json"
    genotype.write_text(json.dumps(space.describe(best.params), indent=1) + "\n", encoding="utf-8")
    kept_files = ("best.keras", "best.json", "preparation.json")
    there = [folder / name for name in kept_files if (folder / name).exists()]
    return [*files, *there, genotype, *_draw(folder, settings, space, trials, best, against)]


def write_preparation(folder: Path, data: Dataset) -> None:
    """Of a table: ``preparation.json``, which says how columns become what the child reads.

    It holds a `Preparation` and, as `Dataset` has them, ``class_names``, ``target_mean`` and
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
    with written_whole(folder / "preparation.json") as file:
        file.write(json.dumps(facts, indent=1) + "\n")


def write_table(path: Path, trials: Sequence[Trial], space: SearchSpace) -> Path:
    """A row for each trial: number, state, metrics, error, and every decision."""
    measured = {name for trial in trials for name in trial.metrics}
    present = [name for name in METRICS if name in measured]
    present += sorted(measured - set(METRICS))
    with written_whole(path) as file:
        writer = csv.writer(file)
        writer.writerow(["trial", "state", *present, "error", *space.names])
        for trial in trials:
            writer.writerow(
                [trial.number, trial.state]
                + [trial.metrics.get(name, "") for name in present]
                + [" ".join(trial.error.split())]
                + [trial.params.get(name, "") for name in space.names]
            )
    return path


def _draw(
    folder: Path,
    settings: Settings,
    space: SearchSpace,
    trials: Sequence[Trial],
    best: Trial | None,
    against: str | None,
) -> list[Path]:
    from cellwright.command_line.front_children import draw_children
    from cellwright.command_line.front_picture import draw_front
    from cellwright.command_line.pictures import draw_search, save_figures
    from cellwright.command_line.trade_off import front, quality_of

    plain = settings.target is None and all(
        trial.reward == trial.metrics.get("val_accuracy") for trial in trials if trial.reward
    )
    title = f"{settings.strategy} on {Path(settings.data).stem}, driven by {HOSTS[settings.host]}"
    figures: dict[str, Any] = {
        "search": draw_search(
            [trial.reward for trial in trials],
            label="validation accuracy" if plain else "reward",
            title=title,
            best=None if best is None else list(trials).index(best),
        )
    }
    fronts = {"front": settings.cost, f"front against {against}": against}
    figures |= {
        name: draw_front(
            trials,
            quality=quality_of(trials),
            cost=cost,
            target=settings.target if cost == settings.cost else None,
            best=best,
            title=title,
        )
        for name, cost in fronts.items()
        if cost is not None
    }
    if settings.objectives is not None and settings.cost is not None:
        quality = quality_of(trials)
        chosen = front(trials, quality, settings.cost)
        children = draw_children(space, chosen, quality=quality, cost=settings.cost)
        figures |= {} if children is None else {"front children": children}
    if best is not None:
        figures |= space.figures(best.params)
    return save_figures(figures, folder / "pictures")
