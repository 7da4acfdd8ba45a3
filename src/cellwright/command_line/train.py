"""``cellwright train``: the best child of a search, trained to its end on all data."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from cellwright.command_line.borrowed import DATA, RECIPE, data_options, with_options
from cellwright.command_line.interrupts import (
    CONTINUES,
    STOPPED,
    STOPPING,
    STOPS,
    kept_or_told,
)
from cellwright.command_line.options import DATA_PANEL, TRAINING_PANEL, WHAT_PANEL
from cellwright.command_line.training_progress import TrainingDisplay
from cellwright.plugins.interrupts import held_back
from cellwright.plugins.metrics import plain_number
from cellwright.search_spaces import GENOTYPES, CellwrightError
from cellwright.searches.architectures import SKELETONS
from cellwright.searches.candidate import EPOCHS, Size, find_candidate, with_recipe
from cellwright.searches.checks import check_folder
from cellwright.searches.extras import require
from cellwright.searches.final import Final, steps_of, train_final
from cellwright.searches.sources import Sources, about_validation, load_all, load_test
from cellwright.searches.startup import quiet_tensorflow, start_framework

_RESULTS = "Results"


@with_options(*DATA, *RECIPE)
def train(
    run: Annotated[
        str,
        typer.Argument(
            help=f"Folder of a search, a genotype file (.json), or {', '.join(sorted(GENOTYPES))}.",
            metavar="RUN",
        ),
    ],
    *,
    trial: Annotated[
        int | None,
        typer.Option(
            min=0,
            help="Train the network of this trial of the search, not the best one.",
            metavar="N",
            rich_help_panel=WHAT_PANEL,
        ),
    ] = None,
    skeleton: Annotated[
        str | None,
        typer.Option(
            help=f"For cells: {', '.join(SKELETONS)}; by default the search's.",
            metavar="NAME",
            rich_help_panel=WHAT_PANEL,
        ),
    ] = None,
    repeats: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="For cells: N, the normal cells in each group.",
            metavar="N",
            rich_help_panel=WHAT_PANEL,
        ),
    ] = None,
    filters: Annotated[
        int | None,
        typer.Option(
            min=1, help="F, the channels at the start.", metavar="N", rich_help_panel=WHAT_PANEL
        ),
    ] = None,
    drop_path: Annotated[
        float,
        typer.Option(
            help="For cells: the share of operations that the last cell drops at the end of the "
            "training; it grows to that from 0.",
            metavar="X",
            rich_help_panel=WHAT_PANEL,
        ),
    ] = 0.0,
    auxiliary: Annotated[
        bool,
        typer.Option(
            "--auxiliary",
            help="For cells: a second classifier half-way helps in training, and is left out of "
            "the model.",
            rich_help_panel=WHAT_PANEL,
        ),
    ] = False,
    data: Annotated[
        str | None,
        typer.Option(
            help="What to train on; by default the search's data, read as the search read them. "
            "With it, the options below are all that say how it is read.",
            metavar="DATA",
            rich_help_panel=DATA_PANEL,
        ),
    ] = None,
    test: Annotated[
        str | None,
        typer.Option(
            help="What to score at last, never trained on: a file or folder like --data; by "
            "default the data's own test part (x_test of a .npz, a test folder), if there is one.",
            metavar="DATA",
            rich_help_panel=DATA_PANEL,
        ),
    ] = None,
    validation: Annotated[
        float | None,
        typer.Option(
            help="Hold out this share of the data and score it after each epoch; without it all "
            "are trained on.",
            metavar="X",
            rich_help_panel=DATA_PANEL,
        ),
    ] = None,
    epochs: Annotated[
        int,
        typer.Option(
            min=1, help="Epochs to train for.", metavar="N", rich_help_panel=TRAINING_PANEL
        ),
    ] = EPOCHS,
    seed: Annotated[
        int | None,
        typer.Option(
            min=0,
            help="The same seed gives the same model; by default the search's.",
            metavar="N",
            rich_help_panel=TRAINING_PANEL,
        ),
    ] = None,
    seeds: Annotated[
        int,
        typer.Option(
            min=1,
            help="Train so many times, with --seed, --seed + 1, ...; mean and spread are told, and "
            "one model is kept.",
            metavar="N",
            rich_help_panel=TRAINING_PANEL,
        ),
    ] = 1,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder for the model; by default RUN/model, or runs/NAME/model of a genotype. "
            "Give it again to go on.",
            metavar="FOLDER",
            rich_help_panel=_RESULTS,
        ),
    ] = None,
    overwrite: Annotated[
        bool,
        typer.Option(
            "--overwrite",
            help="Replace another model or training in --out.",
            rich_help_panel=_RESULTS,
        ),
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print only JSON.", rich_help_panel=_RESULTS)
    ] = False,
    given: dict[str, Any],
) -> None:
    """Train a search's best child to its end on all data, and leave a model to use.

    Training and validation part are trained on together; a test part is scored
    at last. The recipe is the search's but for what is given here. Ctrl-C stops
    with exit status 130, and the same command continues at the last epoch.

    The model is for `cellwright evaluate`, `predict` and `export`.
    """
    console = Console(stderr=as_json)
    size = Size(skeleton, repeats, filters, drop_path, auxiliary)
    candidate = find_candidate(run, trial, size)
    recipe = {name: given[name] for name in RECIPE if name in given}
    recipe |= {"epochs": epochs} | ({} if seed is None else {"seed": seed})
    candidate = with_recipe(candidate, recipe)
    settings, mine = candidate.settings, data_options(given)
    if settings is None and data is None:
        raise CellwrightError(f"--data is needed: {run} is a genotype, and says nothing of data")
    if data is None:
        assert settings is not None
        data, mine = settings.data, {**settings.data_options, **mine}
    sources = Sources(data, mine, test, validation)
    folder = out or _usual(run, candidate.name)
    check_folder(folder)
    require("keras", "a network")
    require("sklearn", "a score")
    try:
        with kept_or_told(folder), held_back(STOPS, STOPPING, kill=True):
            with console.status("loading the data"), quiet_tensorflow():
                loaded = load_all(sources)
                examples = load_test(sources, loaded)
            _tell(console, [*candidate.notes, *(f"data: {note}" for note in loaded.notes)])
            if examples is not None:
                _tell(console, [f"test: {note}" for note in examples.notes])
            _tell(console, about_validation(sources))
            _tell(console, _about_parts(sources, loaded, examples))
            with console.status("starting the framework"), quiet_tensorflow():
                start_framework()
            with TrainingDisplay(console, candidate.recipe.epochs, seeds) as display:
                found = train_final(
                    candidate, sources, folder, seeds=seeds, overwrite=overwrite, data=loaded,
                    test=examples, report=display.epoch,
                )  # fmt: skip
            if display.seed is None:
                told = f"{folder} holds this model already, and --overwrite trains it anew"
                _tell(console, [told])
            pictures = _draw(found, candidate.name, folder)
    except KeyboardInterrupt:
        console.print(f"[yellow]{CONTINUES}[/]", highlight=False)
        raise typer.Exit(STOPPED) from None
    if as_json:
        print(json.dumps(_as_json(found, folder, pictures), indent=1))
    else:
        _print(console, found, folder, pictures)
    from cellwright.plugins.training.settling import about_averages

    steps = steps_of(candidate.recipe, loaded.train.number)
    if note := about_averages(found.model.network, steps):
        _tell(console, [f"note: {note}"])


def _usual(run: str, name: str) -> Path:
    return Path(run) / "model" if Path(run).is_dir() else Path("runs") / name / "model"


def _tell(console: Console, lines: list[str]) -> None:
    for line in lines:
        console.print(line, highlight=False, markup=False, soft_wrap=True)


def _about_parts(sources: Sources, data: Any, test: Any) -> list[str]:
    """How many examples are trained on, held out and scored at last."""
    told = f"{data.train.number} examples to train on"
    if data.held_out is not None:
        told += f", {data.held_out.number} held out to score after each epoch"
    if test is not None:
        told += f", {len(test.y)} to test at last"
    elif data.held_out is None:
        told += (
            ". Nothing is held out, so that no score will tell how good the model is: --test DATA "
            "scores other data at last, --validation 0.1 holds a tenth out"
        )
    return [told]


def _draw(found: Final, name: str, folder: Path) -> list[Path]:
    from cellwright.command_line.pictures.charts import save_figures
    from cellwright.command_line.pictures.model_pictures import draw_curves

    histories = {outcome.seed: outcome.history for outcome in found.outcomes}
    return save_figures({"curves": draw_curves(histories, title=name)}, folder / "pictures")


def _as_json(found: Final, folder: Path, pictures: list[Path]) -> dict[str, Any]:
    names = found.outcomes[0].metrics
    return {
        "model": str(folder),
        "outcomes": [asdict(outcome) for outcome in found.outcomes],
        "spread": {name: found.spread(name) for name in names if found.spread(name)},
        "kept": found.kept,
        "why": found.why,
        "pictures": [str(file) for file in pictures],
    }


def _print(console: Console, found: Final, folder: Path, pictures: list[Path]) -> None:
    names = list(found.outcomes[0].metrics)
    shown = [name for name in names if not name.startswith(("best_", "weighted_"))]
    epochs = found.model.made["recipe"]["epochs"]
    table = Table(title=f"after {epochs} epoch{'' if epochs == 1 else 's'}", title_justify="left")
    table.add_column("seed", justify="right")
    for name in shown:
        table.add_column(name.replace("_", " "), justify="right")
    for outcome in found.outcomes:
        row = [plain_number(outcome.metrics[name]) for name in shown]
        table.add_row(f"{outcome.seed}", *row)
    if len(found.outcomes) > 1:
        spreads = [found.spread(name) for name in shown]
        table.add_section()
        for place, name in enumerate(("mean", "std")):
            table.add_row(name, *(plain_number(s[place]) if s else "" for s in spreads))
    console.print(table)
    if len(found.outcomes) > 1:
        console.print(f"kept: seed {found.kept}, {found.why}", highlight=False)
    console.print("pictures:", ", ".join(file.name for file in pictures), highlight=False)
    console.print(f"model: {folder}", highlight=False)
    console.print(f"next: cellwright predict {folder} FILES", highlight=False, markup=False)
