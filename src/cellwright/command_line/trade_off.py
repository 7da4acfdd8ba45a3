"""What accuracy costs: the front of a search, and how its best child stands to its target."""

from __future__ import annotations

from collections.abc import Sequence

from cellwright.plugins.metrics import short
from cellwright.searches.front import QUALITY, measured
from cellwright.searches.settings import Settings
from cellwright.searches.trial import Trial, best_trial


def about_target(settings: Settings, trials: Sequence[Trial]) -> list[str]:
    """How many children a limit kept from training, whether the best child is within the target,
    and what accuracy that cost; nothing of what the search has not."""
    cost, best = settings.cost, best_trial(trials)
    if cost is None:
        return []
    lines = []
    if settings.limit is not None:
        beyond = sum(trial.state == "infeasible" for trial in trials)
        limit = short(settings.limited or cost, settings.limit)
        unseen = "not trained" if settings.predict is None else "not built"
        lines.append(f"limit {limit}: {beyond} of {len(trials)} children are beyond it, {unseen}")
    if settings.target is not None and best is not None and cost in best.metrics:
        lines += _against(settings.target, cost, best, trials)
        lines += _price(best, cost, trials)
    return lines


def _against(target: float, cost: str, best: Trial, trials: Sequence[Trial]) -> list[str]:
    trained = measured(trials, cost)
    within = [trial for trial in trained if trial.metrics[cost] <= target]
    place = "within it" if best in within else "[yellow]beyond it[/]"
    told = f"target {short(cost, target)}: the best child, {_told(best, cost)}, is {place}"
    if best in within:
        return [told]
    first = best_trial(within)
    other = (
        "no child is within it" if first is None else f"the best within it is {_told(first, cost)}"
    )
    return [told, f"{other}; a reward weighs a target, and only --limit is a promise"]


def _price(best: Trial, cost: str, trials: Sequence[Trial]) -> list[str]:
    """What the best child gave of the best accuracy that was seen."""
    seen = measured(trials, QUALITY, cost)
    if best not in seen:
        return []
    top = max(seen, key=lambda trial: (trial.metrics[QUALITY], -trial.metrics[cost]))
    lost = top.metrics[QUALITY] - best.metrics[QUALITY]
    if lost > 0:
        return [f"it costs {lost:.4f} of accuracy: the most accurate child is {_told(top, cost)}"]
    return ["no child that was trained is more accurate"]


def _told(trial: Trial, cost: str) -> str:
    known = [short(n, trial.metrics[n]) for n in (QUALITY, cost) if n in trial.metrics]
    return f"trial {trial.number} ({', '.join(known)})"
