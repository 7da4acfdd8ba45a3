"""``cellwright show``: a search, one of its trials, or the network of a genotype."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Annotated, Any

import typer

from cellwright.command_line.networks import Network, build_network
from cellwright.command_line.printing import (
    console,
    network_as_json,
    print_front,
    print_network,
    print_ranking,
    print_results,
    print_short,
)
from cellwright.command_line.results import write_results
from cellwright.plugins.metrics import SHARED, split_direction
from cellwright.search_spaces import GENOTYPES, CellwrightError
from cellwright.searches.architectures import SKELETONS
from cellwright.searches.checks import check_folder
from cellwright.searches.children import find_trial
from cellwright.searches.confirmation import read_trials
from cellwright.searches.folder import read_settings
from cellwright.searches.front import front, measured, quality_of
from cellwright.searches.settings import as_text
from cellwright.searches.startup import quiet_tensorflow
from cellwright.searches.trial import best_trial, ranked

_MOST = 10  # trials that are listed


def show(
    what: Annotated[
        str,
        typer.Argument(
            help=f"Folder of a search, a genotype file (.json), or {', '.join(sorted(GENOTYPES))}."
        ),
    ],
    trial: Annotated[
        int | None, typer.Option(min=0, help="Show the network of this trial of a search.")
    ] = None,
    skeleton: Annotated[
        str | None,
        typer.Option(help=f"For cells: {', '.join(SKELETONS)}; by default their paper's."),
    ] = None,
    repeats: Annotated[
        int | None, typer.Option(min=1, help="For cells: N, the normal cells in each group.")
    ] = None,
    filters: Annotated[
        int | None, typer.Option(min=1, help="For a genotype: F, the channels at the start.")
    ] = None,
    image: Annotated[
        str | None, typer.Option(help="For a genotype: image size, such as 224 or 28x28x1.")
    ] = None,
    classes: Annotated[
        int | None, typer.Option(min=2, help="For a genotype: number of classes.")
    ] = None,
    against: Annotated[
        str | None,
        typer.Option(
            help="For a search: draw the front against this metric, besides the meter's. NAME:max "
            "or NAME:min says which way is better, if that is not known."
        ),
    ] = None,
    layers: Annotated[
        bool, typer.Option("--layers", help="Print a row for each layer, not cell or block.")
    ] = False,
    out: Annotated[
        Path | None, typer.Option(help="Folder for pictures of a network; by default runs/NAME.")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print only JSON; draw pictures only with --out.")
    ] = False,
) -> None:
    """Show a search's best trials, or what a network costs and looks like.

    A genotype is built as in its paper, or as the options say. Its parameters,
    multiply-adds, depth, a table of its cells or blocks, and pictures (PNG and
    SVG) are shown. With --trial the same is shown of the child of a search's
    trial, and with only --layers, --out or --json of the best child.
    """
    options: dict[str, Any] = {
        "skeleton": skeleton, "repeats": repeats, "filters": filters, "image": image,
        "classes": classes,
    }  # fmt: skip
    if out is not None:
        check_folder(out)
    if what in GENOTYPES or not Path(what).is_dir():
        if trial is not None:
            raise CellwrightError(f"--trial is for the folder of a search, and {what!r} is not one")
        if against is not None:
            raise CellwrightError(
                f"--against is for the folder of a search, and {what!r} is not one"
            )
        with _working("building the network", as_json):
            network = build_network(what, **options)
        folder = out or Path("runs") / network.name
    else:
        _refuse(options)
        if trial is None and not (as_json or layers or out):
            _show_search(Path(what), against)
            return
        if against is not None:
            raise CellwrightError(
                "--against draws the front of a search; leave out --trial, --layers, --out and "
                "--json, which show one network"
            )
        with _working("building the child", as_json):
            network = _child(Path(what), trial)
        folder = out or Path(what) / network.name.replace(" ", "_")
    files = []
    if out is not None or not as_json:
        with _working("drawing", as_json):
            files = _draw(network, folder)
    if as_json:
        print(network_as_json(network, layers, files))
        return
    print_network(network, layers)
    console.print("pictures:", ", ".join(file.name for file in files), highlight=False)
    console.print(f"in {folder}", highlight=False)


def _show_search(out: Path, against: str | None) -> None:
    settings = read_settings(out)
    trials = read_trials(out, settings)
    quality, name = quality_of(trials), against or settings.cost
    if against is not None and not measured(trials, quality.name, split_direction(against)[0]):
        known = sorted({name for trial in trials for name in trial.metrics})
        raise CellwrightError(f"--against must be a metric of the trials, {known}; got {against!r}")
    cost = (
        None if name is None else settings.metric(name, "--against" if against else "--objectives")
    )
    files = write_results(out, settings, trials, against=cost if against else None)
    print_ranking(out, trials, settings.declared, _MOST)
    print_short(settings.make_space(), ranked(trials)[:_MOST])
    if cost is not None:
        print_front(front(trials, quality, cost), quality, cost)
    told = (f"{name}\u00a0{value}" for name, value in as_text(settings).items())
    console.print("  ".join(told), highlight=False)
    print_results(out, settings, trials, files)


def _child(out: Path, number: int | None) -> Network:
    """The untrained child of a trial of a search; of the best one if ``number`` is None."""
    settings = read_settings(out)
    if number is not None:
        trial = find_trial(out, settings, number)
    else:
        best = best_trial(read_trials(out, settings))
        if best is None:
            raise CellwrightError(f"{out} has no finished trial yet")
        trial = best
    evaluation = settings.make_evaluation(measure=False)
    space, model = evaluation.space, evaluation.build(trial.params)
    reward = trial.state if trial.reward is None else trial.reward
    return Network(
        f"trial {trial.number}",
        model,
        space.describe(trial.params),
        {"reward": reward, **{n: x for n, x in trial.metrics.items() if n == SHARED}},
        lambda: space.figures(trial.params, model),
    )


def _draw(network: Network, folder: Path) -> list[Path]:
    from cellwright.command_line.pictures.charts import save_figures

    return save_figures(network.draw(), folder)


@contextmanager
def _working(words: str, quiet: bool) -> Iterator[None]:
    """Show what is being done, and keep the framework's notes off the terminal."""
    with nullcontext() if quiet else console.status(words), quiet_tensorflow():
        yield


def _refuse(options: Mapping[str, Any]) -> None:
    given = [f"--{name}" for name, value in options.items() if value is not None]
    if given:
        raise CellwrightError(f"{', '.join(given)}: only for a genotype; a search has its own")
