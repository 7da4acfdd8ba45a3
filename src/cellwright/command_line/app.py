"""``cellwright``: the commands, from search to predict and export."""

from __future__ import annotations

import json
import os
import sys
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from rich.console import Console
from rich.markup import escape

import cellwright
from cellwright.command_line.evaluate import evaluate
from cellwright.command_line.export import export
from cellwright.command_line.interrupts import CONTINUES, STOPPED, STOPPING, STOPS
from cellwright.command_line.options import COST_PANEL, HOST, TRAINING_PANEL, with_settings
from cellwright.command_line.predict import predict
from cellwright.command_line.prediction import fill_table
from cellwright.command_line.printing import (
    console,
    print_model,
    print_ranking,
    print_results,
    print_trial,
)
from cellwright.command_line.progress import Display
from cellwright.command_line.report import report
from cellwright.command_line.results import write_preparation, write_results
from cellwright.command_line.show import show
from cellwright.command_line.standard_output import NAME, named_output
from cellwright.command_line.supernet import score_children
from cellwright.command_line.train import train
from cellwright.command_line.trust import with_trust
from cellwright.command_line.workers import helped
from cellwright.plugins import Evaluation, LatencyPredictor, Stream, Trackers
from cellwright.plugins.interrupts import CannotWrite, at_once, held_back, kept_in
from cellwright.plugins.registry import names, only_told
from cellwright.plugins.training.best_child import read_best
from cellwright.search_spaces import CellwrightError
from cellwright.searches.checks import (
    check_data,
    check_folder,
    check_predict_from,
    check_settings,
    check_storage,
    read_storage,
)
from cellwright.searches.confirmation import confirm as train_again
from cellwright.searches.confirmation import read_trainings, read_trials
from cellwright.searches.earlier import with_prior
from cellwright.searches.extras import advice
from cellwright.searches.folder import (
    Busy,
    check_search,
    check_there,
    continue_or_start,
    joined,
    only_search_in,
    read_settings,
    with_edition,
    with_strategy,
    with_target,
)
from cellwright.searches.hosts import HOSTS, Driver, driver_of
from cellwright.searches.settings import CHECKPOINTS, WEIGHTS, Settings, with_goals
from cellwright.searches.startup import check_input, quiet_tensorflow, try_to_build, weights_note
from cellwright.searches.trial import Trial, counted, ranked
from cellwright.searches.workers import check_workers

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
    help="Neural architecture search, driven by Optuna, NNI, Keras Tuner or Ray Tune.",
)

Out = Annotated[Path, typer.Argument(help="Folder of a search, given to it as --out.")]


@app.command()
@with_settings
def search(
    *,
    out: Annotated[
        Path,
        typer.Option(
            help="Folder for the results; give it again to go on.",
            metavar="FOLDER",
            rich_help_panel=HOST,
        ),
    ] = Path("runs/search"),
    host: Annotated[
        str,
        typer.Option(
            help=f"The host that drives: {', '.join(HOSTS)}.", metavar="NAME", rich_help_panel=HOST
        ),
    ] = "optuna",
    storage: Annotated[
        str | None,
        typer.Option(
            help="An Optuna storage, in place of a journal file in --out: sqlite:///file, "
            "postgresql://..., mysql+pymysql://..., redis://..., grpc://host:port or "
            "journal:///file. Many machines may share it. Its password is kept nowhere.",
            metavar="URL",
            envvar="CELLWRIGHT_STORAGE",
            rich_help_panel=HOST,
        ),
    ] = None,
    study: Annotated[
        str | None,
        typer.Option(
            help="The study in --storage to join, or to begin; by default it is named after --out.",
            metavar="NAME",
            rich_help_panel=HOST,
        ),
    ] = None,
    workers: Annotated[
        int,
        typer.Option(
            min=1,
            help="With Optuna: processes on this machine that search together. `cellwright worker` "
            "adds one from anywhere.",
            metavar="K",
            rich_help_panel=HOST,
        ),
    ] = 1,
    track: Annotated[
        list[str] | None,
        typer.Option(
            help="Tell this tracker of each trial: mlflow, tensorboard or module:attribute, and "
            "after a = where it writes, as mlflow=http://localhost:5000; in --out by default. "
            "Again for each.",
            metavar="NAME",
            rich_help_panel=HOST,
        ),
    ] = None,
    concurrency: Annotated[
        int,
        typer.Option(
            min=1, help="With NNI or Ray Tune: trials at a time.", metavar="N", rich_help_panel=HOST
        ),
    ] = 1,
    confirm: Annotated[
        int | None,
        typer.Option(
            help="At the end, train the K best children twice more each, with other seeds, beside "
            "the --trials; the best is then the one of the highest mean. By default none.",
            metavar="K",
            rich_help_panel=TRAINING_PANEL,
        ),
    ] = None,
    predict_from: Annotated[
        Path | None,
        typer.Option(
            help="With --predict, where its file is not there yet: make it of this one of another "
            "machine or meter, and of 10 children that are measured here.",
            metavar="FILE",
            rich_help_panel=COST_PANEL,
        ),
    ] = None,
    settings: Settings,
) -> None:
    """Search, and leave the best child, a table of all trials and pictures in --out.

    Ctrl-C stops after saving, with exit status 130, and so does SIGTERM; the
    same command again continues, with the child that was in training. A second
    Ctrl-C ends at once.
    """
    storage = read_storage(storage, study)
    settings = replace(settings, host=host, storage=storage, study=study, concurrency=concurrency)
    settings = replace(settings, track=tuple(track or ()), confirm=confirm)
    check_folder(out)
    asked = settings.strategy
    settings = with_prior(out, with_edition(out, settings))
    check_settings(settings)
    check_workers(settings, workers)
    check_predict_from(settings, predict_from)
    settings = with_goals(settings)
    check_search(out, settings)
    check_storage(out, settings)
    if settings.meant_space != settings.space:
        console.print(
            f"note: the search in {out} began when {settings.space} was the space that is now "
            f"{settings.meant_space}, and goes on with that",
            highlight=False, markup=False, soft_wrap=True,
        )  # fmt: skip
    if settings.strategy == "pareto" != asked:
        console.print(
            f"note: the search in {out} began when auto was pareto for several objectives, and "
            "goes on with that",
            highlight=False, markup=False, soft_wrap=True,
        )  # fmt: skip
    # A folder may hold more than these settings, such as the configuration of an NNI experiment.
    with only_told(settings.named):
        _finish(out, settings, workers, predict_from)


@app.command()
@with_trust
def worker(
    out: Annotated[Path, typer.Argument(help="Folder of a search that Optuna drives.")],
) -> None:
    """Help the search in a folder, from this machine or another that has it.

    Its settings are those of the search. It trains children until the search
    has its trials, and may be killed at any moment: another worker tries the
    child again. Set CELLWRIGHT_STORAGE if the storage has a password.
    """
    settings = read_settings(out)
    if settings.host != "optuna":
        raise CellwrightError(
            f"{out} is a search of {HOSTS[settings.host].title}, which has its own workers: "
            "`cellwright worker` is for --host optuna"
        )
    check_settings(settings)
    check_storage(out, settings)
    _finish(out, settings, 0)


def _finish(
    out: Path, settings: Settings, workers: int, predict_from: Path | None = None
) -> NoReturn:
    """Search, or with no workers of its own help a search, and exit."""
    try:
        found = _search(out, settings, workers, predict_from)
    except CannotWrite as error:
        raise CellwrightError(str(error)) from error
    except KeyboardInterrupt:
        console.print(f"[yellow]{CONTINUES}[/]", highlight=False)
        raise typer.Exit(STOPPED) from None
    raise typer.Exit(0 if ranked(found) else 1)


def _search(out: Path, settings: Settings, workers: int, predict_from: Path | None) -> list[Trial]:
    """Search and write the results; all trials.

    Raises:
        KeyboardInterrupt: On Ctrl-C, after all that there is has been written.
    """
    settings, evaluation = _prepare(out, settings)
    with console.status("starting the framework"):
        driver = driver_of(settings.host)
        with quiet_tensorflow():
            try_to_build(evaluation)
            note = weights_note(evaluation)
    if note:
        console.print(f"weights: {note}", highlight=False, markup=False, soft_wrap=True)
    with held_back(STOPS, STOPPING, kill=True):
        try:
            if workers == 0:
                return _help(out, driver, settings, evaluation)
            try:
                if isinstance(evaluation.predictor, LatencyPredictor):
                    with quiet_tensorflow():
                        fill_table(evaluation.predictor, console, predict_from)
                with kept_in(out), quiet_tensorflow():
                    settings, evaluation = score_children(out, settings, evaluation, console)
                return _run(out, driver, settings, evaluation, workers)
            except Busy:
                if settings.storage is None:
                    raise
                console.print(f"joining the search in {out}", highlight=False)
                return _help(out, driver, settings, evaluation)
        finally:
            if isinstance(evaluation.on_trial, Trackers):
                evaluation.on_trial.close()


def _help(out: Path, driver: Driver, settings: Settings, evaluation: Evaluation) -> list[Trial]:
    """Train children for a search whose results another process writes; all trials."""
    before = driver.read(out, settings)
    display = Display(console, settings.trials, settings.fixed_epochs, before, settings.declared)
    with kept_in(out), joined(out), display:
        driver.search(out, settings, evaluation, display.trial, display.epoch)
    console.print(f"the search has its trials: cellwright show {out}", highlight=False)
    return driver.read(out, settings)


def _run(
    out: Path, driver: Driver, settings: Settings, evaluation: Evaluation, workers: int
) -> list[Trial]:
    with only_search_in(out):
        continue_or_start(out, settings)
        write_preparation(out, evaluation.data)
        before = driver.read(out, settings)
        read_best(out)  # damage is reported before a child is trained
        read_trainings(out)
        if before:
            number = counted(before)
            after = (
                f"after {number} trial{'' if number == 1 else 's'}" if number else "what stopped"
            )
            console.print(f"continuing {after} in {out}", highlight=False)
        stopped = None
        with Display(
            console, settings.trials, settings.fixed_epochs, before, settings.declared
        ) as display:

            def told(trial: Trial) -> None:
                check_there(out)
                display.trial(trial)

            try:
                with kept_in(out), helped(out, settings, workers - 1, console):
                    driver.search(out, settings, evaluation, told, display.epoch)
            except CannotWrite:
                raise
            except KeyboardInterrupt as error:
                stopped = error
        if stopped is None and settings.confirm is not None:
            try:
                with kept_in(out):
                    _confirm(out, driver, settings, evaluation, settings.confirm)
            except CannotWrite:
                raise
            except KeyboardInterrupt as error:
                stopped = error
        with kept_in(out):
            found = read_trials(out, settings)
            files = write_results(out, settings, found, evaluation if stopped is None else None)
    if len(ranked(found)) > 1:
        print_ranking(out, found, settings.declared, most=5)
    print_results(out, settings, found, files)
    if stopped is not None:
        raise stopped
    return found


def _confirm(
    out: Path, driver: Driver, settings: Settings, evaluation: Evaluation, best: int
) -> None:
    """Train the best children again, and say how it goes."""

    def told(line: str) -> None:
        console.print(line, highlight=False, markup=False, soft_wrap=True)

    def check() -> None:
        check_there(out)

    train_again(out, driver.read(out, settings), best, evaluation, told, check)


app.command()(with_trust(show))


@app.command()
@with_trust
def best(
    out: Out,
    top: Annotated[
        int | None,
        typer.Option(
            min=1, help="Print so many of the best architectures; with --json they are a list."
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")] = False,
) -> None:
    """Print the best child's architecture and metrics, and where its model is.

    Only the best child's model is kept; `export --trial` trains another one again.
    """
    settings = read_settings(out)
    trials = ranked(read_trials(out, settings))[: top or 1]
    if not trials:
        raise CellwrightError(f"{out} has no finished trial yet")
    space = settings.make_space()
    if as_json:
        found = [
            {"trial": trial.number, "metrics": trial.metrics, "params": trial.params,
             "genotype": space.describe(trial.params)}
            for trial in trials
        ]  # fmt: skip
        print(json.dumps(found[0] if top is None else found, indent=1))
        return
    for place, trial in enumerate(trials, start=1):
        print_trial(space, trial, "best: " if top is None else f"{place}. ", metrics=True)
    print_model(out, trials[0])


app.command()(with_trust(train))
app.command()(evaluate)
app.command()(predict)
app.command()(with_trust(export))
app.command()(with_trust(report))


@app.command("nni-init")
@with_settings
def nni_init(
    *,
    folder: Annotated[Path, typer.Argument(help="Where to write the experiment.")],
    concurrency: Annotated[
        int, typer.Option(min=1, help="Trials at a time.", metavar="N", rich_help_panel=HOST)
    ] = 2,
    overwrite: Annotated[
        bool, typer.Option(help="Replace existing files.", rich_help_panel=HOST)
    ] = False,
    numeric: Annotated[
        bool,
        typer.Option(
            "--numeric",
            help="Write the search space in numbers, for those of NNI's own tuners that take "
            "nothing else (GP, Metis), and name GP in config.yml.",
            rich_help_panel=HOST,
        ),
    ] = False,
    settings: Settings,
) -> None:
    """Write an NNI experiment: config.yml, search space and trial script, ready to run."""
    for name in ("predict", "supernet"):
        if getattr(settings, name) is not None:
            raise CellwrightError(
                f"--{name} is for `cellwright search --host nni`: leave it out here"
            )
    if numeric:
        ours = {
            "--objectives": settings.objectives,
            "--strategy": settings.strategy != "auto",
            "--schedule": settings.schedule,
        }
        if option := next((name for name, given in ours.items() if given), None):
            raise CellwrightError(
                "--numeric is for NNI's own tuners, and our strategies and schedules do not take "
                f"numbers: leave out --numeric, or {option}"
            )
    settings = replace(settings, host="nni", concurrency=concurrency)
    check_folder(folder, "the folder")
    check_settings(settings)
    settings = with_prior(folder, with_strategy(with_goals(settings)))
    settings, evaluation = _prepare(folder, settings)
    with console.status("checking that a child can be built"), quiet_tensorflow():
        check_input(evaluation)
    driver: Any = driver_of(settings.host)
    for file in driver.write(folder, settings, evaluation, overwrite=overwrite, numeric=numeric):
        console.print(f"wrote {file}", highlight=False)
    console.print(f"next: nnictl create --config {folder / 'config.yml'}", highlight=False)


def _prepare(out: Path, settings: Settings) -> tuple[Settings, Evaluation]:
    """Load the data, and refuse what does not fit them, before the framework is loaded."""
    with console.status("loading the data"), quiet_tensorflow():
        data = settings.load_data()
        if isinstance(data, Stream):  # the same for all processes of the search
            settings = replace(settings, stream=True)
        check_data(settings, data)
        settings = with_target(out, settings, data)
        evaluation = settings.make_evaluation(
            data, checkpoints=out / CHECKPOINTS, weights=out / WEIGHTS, tracked=out
        )
    for note in data.notes:
        console.print(f"data: {note}", highlight=False, markup=False, soft_wrap=True)
    return settings, evaluation


def _version(wanted: bool) -> None:
    if wanted:
        print(f"cellwright {cellwright.__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Neural architecture search, driven by Optuna, NNI, Keras Tuner or Ray Tune."""


def main() -> None:
    """Run the command line; an expected error gives one clear message and exit status 1."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # TensorFlow's notes while it runs
    # TensorFlow leaves these kernels out on processors without AVX-512, where a training on images
    # of 32 x 32 pixels is four times as quick with them.
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    # Pictures go to files; a notebook names a backend, which this environment may lack.
    os.environ["MPLBACKEND"] = "agg"
    if sys.argv[1:2] in (["search"], ["nni-init"]):
        sys.path.append("")  # where --space and --strategy find the user's modules
    searches = sys.argv[1:2] in (["search"], ["worker"], ["train"])
    try:
        with named_output(), at_once(STOPS, CONTINUES, STOPPED) if searches else nullcontext():
            app()
    except ModuleNotFoundError as error:
        told = advice(error.name)
        if told is None:
            raise
        _fail(str(error) if "pip install" in str(error) else told)
    except (CellwrightError, ValueError, OSError) as error:
        if isinstance(error, OSError) and error.filename == NAME:
            _fail(f"{NAME} cannot be written ({error.strerror})")
        _fail(str(error))


def _fail(message: str) -> NoReturn:
    Console(stderr=True).print(f"[red]error:[/] {escape(message)}", highlight=False, soft_wrap=True)
    raise SystemExit(1)


__all__ = ["app", "main", "names"]
