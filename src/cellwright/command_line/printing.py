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
from cellwright.plugins.metrics import METRICS, SHARED, Metric, beside_reward
from cellwright.plugins.training.best_child import read_best
from cellwright.search_spaces import SearchSpace, costs, depth
from cellwright.searches.settings import Settings
from cellwright.searches.trial import Trial, about_shared_weights, best_trial, counted, ranked

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
    for line in about_target(settings, trials):
        console.print(line, highlight=False)
    console.print("results:", ", ".join(str(f.relative_to(out)) for f in files), highlight=False)
    console.print(f"in {out}", highlight=False)


def print_trial(space: SearchSpace, trial: Trial, prefix: str = "") -> None:
    """A trial's reward, and its architecture in words."""
    reward = trial.state if trial.reward is None else f"reward {trial.reward:.4f}"
    if trial.metrics.get(SHARED):
        reward += f", {METRICS[SHARED].write(trial.metrics[SHARED])}"
    console.print(f"[bold]{prefix}trial {trial.number}, {reward}[/]")
    for line in space.words(trial.params):
        console.print(f"  {line}", highlight=False, markup=False)


def print_model(out: Path, trial: Trial) -> None:
    """Where the best child of a search is, ``trial``'s, and with which weights it began."""
    model, kept = out / "best.keras", read_best(out)
    if kept is None or not model.exists():
        return
    how = ""
    if SHARED in trial.metrics and SHARED not in kept["metrics"]:
        how = f", trained again from fresh weights: reward {kept['metrics']['reward']:.4f}"
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
    table = Table(title=title, title_justify="left")
    shown = beside_reward({name for trial in trials for name in trial.metrics}, declared)
    for name in ("trial", "reward", *(metric.label for metric in shown)):
        table.add_column(name, justify="right")
    for trial in found[:most]:
        values = (_number(trial.metrics.get(metric.name)) for metric in shown)
        table.add_row(str(trial.number), f"{trial.reward:.4f}", *values)
    console.print(table)


def print_front(trials: list[Trial], quality: Metric, cost: Metric) -> None:
    """The trials of a front, in the order of `front`: none is beaten in one metric for nothing."""
    shown = {metric.name: metric.label for metric in (cost, quality)}
    shared = (SHARED,) if about_shared_weights(trials) else ()
    shown |= {n: METRICS[n].label for n in ("parameters", "reward", *shared) if n not in shown}
    table = Table(title=f"front: {quality.label} against {cost.label}", title_justify="left")
    for name in ("trial", *shown.values()):
        table.add_column(name, justify="right")
    for trial in trials:
        table.add_row(str(trial.number), *(_number(trial.metrics.get(name)) for name in shown))
    console.print(table)


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:,.4g}" if abs(value) < 1000 else f"{value:,.0f}"


def print_network(network: Network, layers: bool) -> None:
    """What a network costs, in all and by cell or block, or by layer."""
    shape = "x".join(map(str, network.model.input_shape[1:]))
    told = {**network.told, "image": shape, "classes": network.model.outputs[0].shape[-1]}
    told = {k: f"{v:.4f}" if isinstance(v, float) else v for k, v in told.items()}
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
