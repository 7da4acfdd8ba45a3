"""``cellwright``: search, show, best, report, export, nni-init."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.console import Console
from rich.markup import escape

import cellwright
from cellwright.command_line.export import export
from cellwright.command_line.prediction import fill_table
from cellwright.command_line.progress import Display
from cellwright.command_line.report import report
from cellwright.command_line.reports import console, print_results, print_trial
from cellwright.command_line.results import best_trial, counted, write_preparation, write_results
from cellwright.command_line.settings import (
    HOSTS,
    Settings,
    check_goals,
    continue_or_start,
    read_settings,
    sole_user,
    with_target,
)
from cellwright.command_line.show import show
from cellwright.command_line.startup import driver_of, try_to_build, without_notes
from cellwright.plugins import LatencyPredictor, make_strategy
from cellwright.plugins.best_child import read_best
from cellwright.plugins.datasets import BUILT_IN
from cellwright.plugins.registry import names
from cellwright.search_spaces import CellwrightError

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
    help="Neural architecture search, driven by Optuna, NNI or Keras Tuner.",
)

Out = Annotated[Path, typer.Argument(help="Folder of a search: what was its --out.")]
# Which extra brings a module that is not there.
_EXTRAS = {
    "optuna": "optuna",
    "nni": "nni",
    "keras_tuner": "keras-tuner",
    "keras": "tensorflow",
    "tensorflow": "tensorflow",
    "ai_edge_litert": "export",
    "onnx": "export",
    "onnxruntime": "export",
    "tf2onnx": "export",
}


@app.command()
def search(
    out: Annotated[Path, typer.Option(help="Folder for the results; again, to continue.")] = Path(
        "runs/search"
    ),
    host: Annotated[str, typer.Option(help=f"Who drives: {', '.join(HOSTS)}.")] = "optuna",
    strategy: Annotated[
        str,
        typer.Option(
            help="How to search: auto, predictor, evolution, local, reinforce, ppo, hybrid, "
            "random, or module:attribute."
        ),
    ] = "auto",
    space: Annotated[
        str,
        typer.Option(
            help="What to search: nasnet, nasnet-published, amoebanet, mnasnet, convnet, "
            "convnet-published, mlp, module:attribute."
        ),
    ] = "nasnet",
    data: Annotated[
        str,
        typer.Option(
            help="digits, fashion_mnist, cifar10, a .npz file, or a folder of images by class; or "
            "a table: wine, breast_cancer, diabetes, or a .csv file."
        ),
    ] = "digits",
    label: Annotated[
        str | None, typer.Option(help="Of a .csv: the column to predict; the last one if not.")
    ] = None,
    drop: Annotated[
        str | None, typer.Option(help="Of a .csv: columns to leave out, separated by commas.")
    ] = None,
    task: Annotated[
        str, typer.Option(help="Of a table: classification, regression, or auto, by the label.")
    ] = "auto",
    class_weight: Annotated[
        str | None, typer.Option(help="Of a table: balanced makes all classes count alike.")
    ] = None,
    trials: Annotated[int, typer.Option(min=1, help="Children to train in all.")] = 20,
    epochs: Annotated[int, typer.Option(min=1, help="Epochs for each child.")] = 6,
    batch_size: Annotated[int, typer.Option(min=1, help="Images in a batch.")] = 128,
    learning_rate: Annotated[float, typer.Option(help="Adam's.")] = 1e-3,
    filters: Annotated[
        int | None,
        typer.Option(min=1, help="Channels of the first cells, in spaces of cells; theirs if not."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same search.")] = 0,
    meter: Annotated[
        str | None,
        typer.Option(
            help="Measure each child: keras or litert (latency of one image on this machine), "
            "litert-int8, multiply-adds, size, peak-memory, module:attribute, ..."
        ),
    ] = None,
    target: Annotated[
        float | None,
        typer.Option(
            "--target-ms",
            "--target",
            help="Weigh accuracy against this latency (MnasNet's reward), or whatever the meter "
            "measures, in its unit. The meter is keras if none is given.",
        ),
    ] = None,
    target_from: Annotated[
        str | None,
        typer.Option(
            help="As fast as this network here: mnasnet-a1, MobileNetV2 (any of "
            "keras.applications), a .keras file."
        ),
    ] = None,
    hard: Annotated[
        bool,
        typer.Option("--hard", help="A child within the target counts by its accuracy alone."),
    ] = False,
    limit: Annotated[
        float | None,
        typer.Option(
            "--limit-ms",
            "--limit",
            help="Do not train a child beyond this, measured untrained, in the meter's unit; with "
            "--predict do not even build it.",
        ),
    ] = None,
    predict: Annotated[
        Path | None,
        typer.Option(
            help="Predict each child's latency before it is built, from the times of its pieces in "
            "this file (JSON), made once a machine if it is not there. --meter times them, litert "
            "if none is given; with --meter each child that is built is measured too."
        ),
    ] = None,
    objectives: Annotated[
        str | None,
        typer.Option(
            help="Search for the front of several metrics, as val_accuracy,latency_ms; auto is "
            "then pareto."
        ),
    ] = None,
    storage: Annotated[
        str | None,
        typer.Option(help="An Optuna storage URL, in place of a journal file in --out."),
    ] = None,
    concurrency: Annotated[int, typer.Option(min=1, help="NNI: trials at a time.")] = 1,
) -> None:
    """Search, and leave the best child, a table of all trials and pictures in --out.

    Ctrl-C stops after saving; the same command again continues.
    """
    if host not in HOSTS:
        raise CellwrightError(f"--host must be one of {', '.join(HOSTS)}, got {host!r}")
    if class_weight not in (None, "balanced"):
        raise CellwrightError(f"--class-weight must be balanced, or left out, got {class_weight!r}")
    if storage is not None and host != "optuna":
        raise CellwrightError("--storage is Optuna's; leave it out with another --host")
    if data not in BUILT_IN and Path(data).exists():
        data = str(Path(data).resolve())
    if target_from is not None and target is not None:
        raise CellwrightError("--target-ms and --target-from both set the target: give one")
    if hard and target is None and target_from is None:
        raise CellwrightError("--hard is of a target: give --target-ms or --target-from too")
    if objectives is not None and strategy == "auto":
        strategy = "pareto"
    if target_from is not None and Path(target_from).exists():
        target_from = str(Path(target_from).resolve())
    settings = Settings(
        host=host, strategy=strategy, space=space, data=data, trials=trials, epochs=epochs,
        batch_size=batch_size, learning_rate=learning_rate, filters=filters, seed=seed,
        storage=storage, concurrency=concurrency, label=label, drop=drop, task=task,
        class_weight=class_weight, meter=meter, target=target, target_from=target_from, hard=hard,
        limit=limit, objectives=objectives,
        predict=None if predict is None else str(predict.resolve()),
    )  # fmt: skip
    goals = len(settings.goals)
    if objectives is not None and goals < 2:
        raise CellwrightError(f"--objectives takes two metrics or more, as a,b; got {objectives!r}")
    make_strategy(strategy, settings.make_space(), seed=seed, objectives=goals)  # refused at once
    with console.status("loading the data and the framework"):
        driver = driver_of(host)
        with without_notes():
            settings = with_target(out, settings)
            evaluation = settings.make_evaluation()
            check_goals(settings, evaluation)
            try_to_build(evaluation)
    if isinstance(evaluation.predictor, LatencyPredictor):
        try:
            with without_notes():
                fill_table(evaluation.predictor, console)
        except KeyboardInterrupt:
            console.print("[yellow]stopped[/]; the same command continues")
            raise typer.Exit(130) from None
    for note in evaluation.data.notes:
        console.print(f"data: {note}", highlight=False, markup=False, soft_wrap=True)
    with sole_user(out):
        continue_or_start(out, settings)
        write_preparation(out, evaluation.data)
        before = driver.read(out, settings)
        read_best(out)  # damage is told before a child is trained
        if before:
            number = counted(before)
            after = (
                f"after {number} trial{'' if number == 1 else 's'}" if number else "what stopped"
            )
            console.print(f"continuing {after} in {out}", highlight=False)
        code = 0
        with Display(console, trials, epochs, before) as display:
            try:
                driver.search(out, settings, evaluation, display.trial, display.epoch)
            except KeyboardInterrupt:
                code = 130
        found = driver.read(out, settings)
        files = write_results(out, settings, found, None if code else evaluation)
    print_results(out, settings, found, files)
    if code:
        console.print("[yellow]stopped[/]; the same command continues")
    elif best_trial(found) is None:
        code = 1
    raise typer.Exit(code)


app.command()(show)


@app.command()
def best(
    out: Out,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")] = False,
) -> None:
    """Print the best child's architecture and metrics, and where its model is."""
    settings = read_settings(out)
    trial = best_trial(driver_of(settings.host).read(out, settings))
    if trial is None:
        raise CellwrightError(f"{out} has no finished trial yet")
    space = settings.make_space()
    if as_json:
        found = {"trial": trial.number, "metrics": trial.metrics, "params": trial.params,
                 "genotype": space.describe(trial.params)}  # fmt: skip
        print(json.dumps(found, indent=1))
        return
    print_trial(space, trial, "best: ")
    model = out / "best.keras"
    if model.exists():
        console.print(f"model: {model}  (keras.models.load_model)", highlight=False)


app.command()(export)
app.command()(report)


@app.command("nni-init")
def nni_init(
    folder: Annotated[Path, typer.Argument(help="Where to write the experiment.")],
    strategy: Annotated[str, typer.Option(help="As for search.")] = "auto",
    space: Annotated[str, typer.Option(help="nasnet, or module:attribute.")] = "nasnet",
    data: Annotated[str, typer.Option(help="As for search.")] = "digits",
    trials: Annotated[int, typer.Option(min=1)] = 20,
    epochs: Annotated[int, typer.Option(min=1)] = 6,
    filters: Annotated[int | None, typer.Option(min=1)] = None,
    concurrency: Annotated[int, typer.Option(min=1)] = 2,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    overwrite: Annotated[bool, typer.Option(help="Replace files that are there.")] = False,
) -> None:
    """Write an NNI experiment: config.yml, search space and trial script, ready to run."""
    driver_of("nni")
    from cellwright.adapters.nni_init import write_experiment

    files = write_experiment(
        folder, strategy=strategy, space=space, seed=seed, data=data, epochs=epochs,
        options=None if filters is None else {"filters": filters},
        trials=trials, concurrency=concurrency, overwrite=overwrite,
    )  # fmt: skip
    for file in files:
        console.print(f"wrote {file}", highlight=False)
    console.print(f"next: nnictl create --config {folder / 'config.yml'}", highlight=False)


def _version(wanted: bool) -> None:
    if wanted:
        print(f"cellwright {cellwright.__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Say which.")
    ] = False,
) -> None:
    """Neural architecture search, driven by Optuna, NNI or Keras Tuner."""


def main() -> None:
    """Run the command line; an error of ours is one clear message and exit status 1."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # TensorFlow's notes while it runs
    sys.path.append("")  # where --space and --strategy find modules of the user's
    try:
        app()
    except ModuleNotFoundError as error:
        extra = _EXTRAS.get(str(error.name).split(".")[0])
        if extra is None:
            raise
        _fail(f"{error.name} is needed and not installed: pip install 'cellwright[{extra}]'")
    except (CellwrightError, ValueError, OSError) as error:
        _fail(str(error))


def _fail(message: str) -> NoReturn:
    Console(stderr=True).print(f"[red]error:[/] {escape(message)}", highlight=False, soft_wrap=True)
    raise SystemExit(1)


__all__ = ["app", "main", "names"]
