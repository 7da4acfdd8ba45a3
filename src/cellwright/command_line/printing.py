"""What the commands print about a search and about a network."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from cellwright.command_line.networks import Network
from cellwright.command_line.trade_off import about_target
from cellwright.plugins.metrics import (
    CONFIRMED,
    METRICS,
    SHARED,
    SPREAD,
    TRAININGS,
    Metric,
    beside_reward,
    plain_number,
)
from cellwright.plugins.training.best_child import read_best
from cellwright.search_spaces import SearchSpace, costs, depth
from cellwright.searches.settings import Settings
from cellwright.searches.trial import (
    Trial,
    about_confirmed,
    about_data,
    about_shared_weights,
    about_supernet,
    about_validation,
    best_trial,
    counted,
    ranked,
)
from cellwright.searches.wording import filled, told_of, words

if TYPE_CHECKING:
    from cellwright.search_spaces.layer_table import Row

console = Console()


def print_results(out: Path, settings: Settings, trials: list[Trial], files: list[Path]) -> None:
    """The best trial, how it compares with the target, and the files that the search left."""
    trial = best_trial(trials)
    if trial is None:
        ended = "succeeded" if counted(trials) else "ended yet"
        console.print(f"[yellow]no trial has {ended}[/]")
    else:
        print_trial(settings.make_space(), trial, "best: ")
    if (shared := about_shared_weights(trials)) is not None:
        console.print(
            f"{shared}; `cellwright export {out} --trial N` trains one from fresh weights",
            highlight=False,
            markup=False,
        )
    for told in (about_supernet(trials), about_validation(trials)):
        if told is not None:
            console.print(told, highlight=False, markup=False, soft_wrap=True)
    for line in [*about_data(trials), *about_target(settings, trials)]:
        console.print(line, highlight=False)
    console.print("results:", ", ".join(str(f.relative_to(out)) for f in files), highlight=False)
    console.print(f"in {out}", highlight=False)


def print_trial(
    space: SearchSpace | None,
    trial: Trial,
    prefix: str = "",
    *,
    by: Sequence[Metric] = (METRICS["reward"],),
    metrics: bool = False,
) -> None:
    """A trial's value, its architecture in words, and its other hyperparameters.

    Args:
        space: What was searched; None if trials hold no architecture.
        trial: Of any run.
        prefix: Stands before the number of the trial.
        by: The metrics that trials are judged by.
        metrics: Whether all other metrics are told too.
    """
    judged = [metric.name for metric in by]
    known = [m.write(trial.metrics[m.name]) for m in by if m.name in trial.metrics]
    told = trial.state if trial.state != "complete" or not known else ", ".join(known)
    if trial.metrics.get(SHARED):
        told += f", {METRICS[SHARED].write(trial.metrics[SHARED])}"
    if CONFIRMED in trial.metrics:
        told += f", {about_confirmed(trial)}"
    console.print(f"[bold]{prefix}trial {trial.number}, {escape(told)}[/]")
    for line in words(space, trial):
        console.print(f"  {line}", highlight=False, markup=False)
    said = [*judged, SHARED, CONFIRMED, SPREAD, TRAININGS]
    others = [metric for metric in told_of(trial.metrics) if metric.name not in said]
    if metrics and others:
        for line in filled([metric.write(trial.metrics[metric.name]) for metric in others]):
            console.print(f"  {line}", highlight=False, markup=False)


def print_model(out: Path, trial: Trial) -> None:
    """Where the best child of a search is, ``trial``'s, and with which weights it began."""
    model, kept = out / "best.keras", read_best(out)
    if kept is None or not model.exists():
        return
    how = ""
    if SHARED in trial.metrics and SHARED not in kept["metrics"]:
        reward = kept["metrics"]["reward"]
        how = f", trained again from fresh weights: {METRICS['reward'].write(reward)}"
    elif trial.metrics.get(SHARED):
        how = ", as the search trained it: it began with weights that earlier children had trained"
    console.print(f"model: {model}  (keras.models.load_model){how}", highlight=False)


def print_ranking(
    out: Path, trials: list[Trial], declared: Sequence[Metric] = (), most: int = 10
) -> None:
    """The trials with the highest rewards; ``declared`` as in `find_metric`."""
    number, found = counted(trials), ranked(trials)
    title = f"{number} trial{'' if number == 1 else 's'} in {out}"
    if len(found) > most:
        title = f"the best {most} of {title}"
    shown = beside_reward({name for trial in trials for name in trial.metrics}, declared)
    console.print(trial_table(title, found[:most], [METRICS["reward"], *shown]))


def print_short(space: SearchSpace, trials: Sequence[Trial]) -> None:
    """The architectures of trials, each in a line or two (`SearchSpace.in_short`)."""
    table = Table.grid(padding=(0, 2))
    table.add_column(justify="right", no_wrap=True)
    table.add_column(overflow="fold")
    for trial in trials:
        table.add_row(f"trial {trial.number}", escape(space.in_short(trial.params)))
    console.print(table, highlight=False)


def print_front(trials: list[Trial], quality: Metric, cost: Metric) -> None:
    """The trials of a front, in the order of `front`: none is beaten in one metric for nothing."""
    shared = (SHARED,) if about_shared_weights(trials) else ()
    names = {name for trial in trials for name in trial.metrics}
    more = [METRICS[n] for n in ("parameters", "reward", *shared) if n in names or n == SHARED]
    shown = [cost, quality, *(m for m in more if m.name not in (cost.name, quality.name))]
    title = f"front: {quality.label} against {cost.label}"
    console.print(trial_table(title, trials, shown))


def trial_table(title: str, trials: Sequence[Trial], shown: Sequence[Metric]) -> Table:
    """A row for each trial with these metrics."""
    table = Table(title=escape(title) or None, title_justify="left")
    for name in ("trial", *(metric.label for metric in shown)):
        table.add_column(escape(name), justify="right")
    for trial in trials:
        values = [(metric, trial.metrics.get(metric.name)) for metric in shown]
        cells = ("" if value is None else metric.number(value) for metric, value in values)
        table.add_row(str(trial.number), *cells)
    return table


def print_network(network: Network, layers: bool) -> None:
    """What a network costs, in all and by cell or block, or by layer."""
    shape = "x".join(map(str, network.model.input_shape[1:]))
    told = {**network.told, "image": shape, "classes": network.model.outputs[0].shape[-1]}
    told = {k: plain_number(v) if isinstance(v, float) else v for k, v in told.items()}
    console.print(f"[bold]{escape(network.name)}[/]", highlight=False)
    console.print("  ".join(f"{k}\u00a0{v}" for k, v in told.items()), highlight=False)
    for name, value in _sizes(network.model).items():
        console.print(f"{name.replace('_', '-'):<14}{value:>16,}", highlight=False)
    console.print(_network_table(_rows(network.model, layers), "layer" if layers else "part"))


def network_as_json(network: Network, layers: bool, files: list[Path]) -> str:
    """The same for machines: sizes, table, genotype and the files of pictures."""
    model = network.model
    found: dict[str, Any] = {
        "name": network.name,
        **network.told,
        "input_shape": model.input_shape[1:],
        "classes": model.outputs[0].shape[-1],
        **_sizes(model),
        "table": [asdict(row) for row in _rows(model, layers)],
        "genotype": network.genotype,
        "pictures": [str(file) for file in files],
    }
    return json.dumps(found, indent=1)


def _sizes(model: Any) -> dict[str, int]:
    return {**asdict(costs(model)), "depth": depth(model)}


def _rows(model: Any, layers: bool) -> list[Row]:
    from cellwright.search_spaces.layer_table import by_part, layer_table

    rows = layer_table(model)
    return rows if layers else by_part(rows)


def _network_table(rows: list[Row], first: str) -> Table:
    table = Table(show_footer=True)
    total = [sum(getattr(row, name) for row in rows) for name in ("parameters", "multiply_adds")]
    table.add_column(first, "total", overflow="fold")
    table.add_column("output", "", justify="right")
    for name, value in zip(("parameters", "multiply-adds"), total, strict=True):
        table.add_column(name, f"{value:,}", justify="right")
    for row in rows:
        shape = " x ".join(map(str, row.shape))
        sizes = (f"{n:,}" if n else "" for n in (row.parameters, row.multiply_adds))
        table.add_row(
            escape(row.name.replace("_", " ") if first == "part" else row.name), shape, *sizes
        )
    return table
