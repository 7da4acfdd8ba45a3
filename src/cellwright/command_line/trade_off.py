"""What accuracy costs: how the best child of a search compares with its target."""

from __future__ import annotations

from collections.abc import Sequence

from cellwright.plugins.metrics import Metric, plain_number
from cellwright.plugins.scoring.limit import Screening
from cellwright.searches.front import QUALITY, measured
from cellwright.searches.settings import Settings
from cellwright.searches.trial import Trial, best_trial


def about_target(settings: Settings, trials: Sequence[Trial]) -> list[str]:
    """How many children a limit kept from training, whether the best child is within the target,
    and how much accuracy that cost; no line for a limit or a target that was not given."""
    best = best_trial(trials)
    if settings.cost is None or settings.limited is None:
        return []
    cost, lines = settings.metric(settings.cost), []
    if settings.limit is not None:
        beyond = sum(trial.state == "infeasible" for trial in trials)
        limited = settings.metric(settings.limited)
        late = settings.limited in Screening(settings.make_meters()).late_metrics
        unseen = "not trained" if settings.predict is None else "not built"
        lines.append(
            f"limit {limited.write(settings.limit)}: {beyond} of {len(trials)} children are "
            f"{'beyond' if limited.direction == 'minimize' else 'below'} it"
            f"{', and do not count' if late else f', {unseen}'}"
        )
    if settings.target is not None and best is not None and cost.name in best.metrics:
        lines += _against(settings.target, cost, best, trials)
        lines += _price(best, cost, trials)
    return lines


def _against(target: float, cost: Metric, best: Trial, trials: Sequence[Trial]) -> list[str]:
    trained = measured(trials, cost.name)
    within = [trial for trial in trained if trial.metrics[cost.name] <= target]
    place = "within it" if best in within else "[yellow]beyond it[/]"
    told = f"target {cost.write(target)}: the best child, {_told(best, cost)}, is {place}"
    if best in within:
        return [told]
    first = best_trial(within)
    other = (
        "no child is within it" if first is None else f"the best within it is {_told(first, cost)}"
    )
    return [told, f"{other}; a reward weighs a target, and only --limit is a promise"]


def _price(best: Trial, cost: Metric, trials: Sequence[Trial]) -> list[str]:
    """How much less accurate the best child is than the most accurate one."""
    seen = measured(trials, QUALITY.name, cost.name)
    if best not in seen:
        return []
    top = max(seen, key=lambda t: (t.metrics[QUALITY.name], -t.metrics[cost.name]))
    lost = top.metrics[QUALITY.name] - best.metrics[QUALITY.name]
    if lost > 0:
        most = f"the most accurate child is {_told(top, cost)}"
        return [f"it costs {plain_number(lost)} of accuracy: {most}"]
    return ["no child that was trained is more accurate"]


def _told(trial: Trial, cost: Metric) -> str:
    known = [m.write(trial.metrics[m.name]) for m in (QUALITY, cost) if m.name in trial.metrics]
    return f"trial {trial.number} ({', '.join(known)})"
