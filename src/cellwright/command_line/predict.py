"""``cellwright predict``: what a model says of new files."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from cellwright.plugins.files import atomic_write
from cellwright.plugins.model import TrainedModel
from cellwright.plugins.model import predict as predicted
from cellwright.search_spaces import CellwrightError
from cellwright.searches.checks import check_folder
from cellwright.searches.extras import require
from cellwright.searches.startup import quiet_tensorflow


def predict(
    model: Annotated[
        Path, typer.Argument(help="Folder of a model, as train or an estimator's save leaves it.")
    ],
    files: Annotated[
        list[str],
        typer.Argument(
            help="For a model of tables .csv, .tsv, .parquet or .feather files; for a model of "
            "images files and folders of images, which may be nested; for either .npz and .npy "
            "files with an array."
        ),
    ],
    strict: Annotated[
        bool,
        typer.Option(
            "--strict",
            help="Refuse images that cannot be read, and tables that lack a column; without this "
            "the former are named and left out, and the latter treated as missing.",
            rich_help_panel="Data",
        ),
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Write the table to this .csv file, not to standard output.",
            metavar="FILE",
            rich_help_panel="Results",
        ),
    ] = None,
) -> None:
    """Predict for new files: a CSV table with a line for each row or image.

    It has the file or the row (from 1), the prediction, and for classes the
    probability of the prediction and of each class (p_NAME). All that a reader
    should know, such as categories that the training did not have, is told on
    standard error.
    """
    errors = Console(stderr=True)
    require("keras", "a model")
    if out is not None:
        if out.suffix.lower() != ".csv":
            raise CellwrightError(f"--out {out}: a CSV table is written: end its name in .csv")
        if out.is_dir():
            raise CellwrightError(f"--out {out} is a folder: give the name of a .csv file")
        check_folder(out.parent, "the folder of --out")
    with errors.status("loading the model"), quiet_tensorflow():
        loaded = TrainedModel.load(model)
    with errors.status("predicting"), quiet_tensorflow():
        found = predicted(loaded, files, strict=strict)
    for note in found.notes:
        errors.print(f"note: {note}", highlight=False, markup=False, soft_wrap=True)
    if out is None:
        try:
            found.write(sys.stdout)
            sys.stdout.flush()
        except BrokenPipeError:  # the reader, such as head, has seen enough
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return
    out.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(out) as file:
        found.write(file)
    errors.print(f"wrote {len(found.names)} predictions to {out}", highlight=False, markup=False)
