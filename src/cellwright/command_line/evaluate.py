"""``cellwright evaluate``: how good a model is on examples whose label is known."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from cellwright.plugins.files import atomic_write
from cellwright.plugins.metrics import plain_number
from cellwright.plugins.model import Scores, TrainedModel
from cellwright.plugins.model import evaluate as evaluated
from cellwright.searches.checks import check_folder
from cellwright.searches.extras import require
from cellwright.searches.startup import quiet_tensorflow

_RESULTS = "Results"
_MOST = 40  # classes that are printed
_WORDS = {"r2": "R²", "mae": "mean absolute error", "rmse": "root mean squared error"}


def evaluate(
    model: Annotated[
        Path, typer.Argument(help="Folder of a model, as train or an estimator's save leaves it.")
    ],
    data: Annotated[
        str,
        typer.Argument(
            help="Examples with labels: a .csv or .parquet file, a folder of images by class, a "
            ".npz file, or a name such as fashion_mnist. Of a folder with train and test, and of "
            "a .npz with x_test, the test part is read."
        ),
    ],
    label: Annotated[
        str | None,
        typer.Option(
            help="The column that holds the label; by default that of the training.",
            metavar="COLUMN",
            rich_help_panel="Data",
        ),
    ] = None,
    strict: Annotated[
        bool,
        typer.Option(
            "--strict",
            help="Refuse files that cannot be read, and tables that lack a column; without this "
            "they are named and left out, or treated as missing.",
            rich_help_panel="Data",
        ),
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder for the scores and pictures; by default evaluation in the model's.",
            metavar="FOLDER",
            rich_help_panel=_RESULTS,
        ),
    ] = None,
    as_json: Annotated[
        bool,
        typer.Option(
            "--json",
            help="Print only JSON; write files only with --out.",
            rich_help_panel=_RESULTS,
        ),
    ] = False,
) -> None:
    """Score a model, and leave a table and a picture of what it takes for what.

    For classes: accuracy, loss, a confusion matrix, and for each class
    precision, recall, F1 and number. For numbers: the mean absolute error, the
    root mean squared error, R², and a picture of predicted against true.
    """
    console, errors = Console(), Console(stderr=True)
    require("keras", "a model")
    require("sklearn", "a score")
    folder = out or model / "evaluation"
    if out is not None or not as_json:
        check_folder(folder)
    with errors.status("loading the model"), quiet_tensorflow():
        loaded = TrainedModel.load(model)
    with errors.status("scoring"), quiet_tensorflow():
        scores = evaluated(loaded, data, label=label, strict=strict)
    for note in scores.notes:
        errors.print(f"data: {note}", highlight=False, markup=False, soft_wrap=True)
    files = []
    if out is not None or not as_json:
        files = _write(scores, loaded, data, folder)
    if as_json:
        print(json.dumps({**scores.to_json(), "files": [str(file) for file in files]}, indent=1))
        return
    _print(console, scores)
    console.print("files:", ", ".join(file.name for file in files), highlight=False)
    console.print(f"in {folder}", highlight=False)


def _write(scores: Scores, model: TrainedModel, data: str, folder: Path) -> list[Path]:
    from cellwright.command_line.pictures.charts import save_figures
    from cellwright.command_line.pictures.model_pictures import draw_confusion, draw_predicted

    folder.mkdir(parents=True, exist_ok=True)
    with atomic_write(folder / "scores.json") as file:
        file.write(json.dumps(scores.to_json(), indent=1, ensure_ascii=False) + "\n")
    with atomic_write(folder / "scores.csv") as file:
        scores.write(file)
    title = f"{Path(data).name}: {scores.number} examples"
    if scores.confusion is not None and model.class_names is not None:
        figure = draw_confusion(scores.confusion, model.class_names, title)
        figures = {"confusion matrix": figure}
    else:
        label = model.label or "value"
        figures = {
            "predicted against true": draw_predicted(scores.truth, scores.predicted, label, title)
        }
    return [folder / "scores.json", folder / "scores.csv", *save_figures(figures, folder)]


def _print(console: Console, scores: Scores) -> None:
    examples = f"{scores.number} example{'' if scores.number == 1 else 's'}"
    told = [f"{_WORDS.get(name, name)} {plain_number(x)}" for name, x in scores.metrics.items()]
    console.print(f"[bold]{', '.join(told)}[/] on {examples}", highlight=False, soft_wrap=True)
    if not scores.classes:
        return
    table = Table()
    table.add_column("class", overflow="fold")
    for name in ("precision", "recall", "F1", "number"):
        table.add_column(name, justify="right")
    for row in scores.classes[:_MOST]:
        shares = [plain_number(share) for share in (row.precision, row.recall, row.f1)]
        table.add_row(escape(row.name), *shares, str(row.number))
    console.print(table)
    if (more := len(scores.classes) - _MOST) > 0:
        console.print(f"and {more} more classes, in scores.csv", highlight=False)
