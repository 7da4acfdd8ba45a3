"""``cellwright export``: the best child of a search, in formats that others read."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from cellwright.command_line.interrupts import kept_or_told
from cellwright.plugins import TrainedModel, load_dataset
from cellwright.plugins.files import clear_unfinished
from cellwright.plugins.model.labelled import Task, read_labelled
from cellwright.plugins.training.best_child import read_best
from cellwright.search_spaces import CellwrightError, CorruptedState, ExportFailed
from cellwright.search_spaces.backend import check_backend
from cellwright.search_spaces.network_file import read_network
from cellwright.searches.checks import check_folder
from cellwright.searches.children import find_trial, trained_child
from cellwright.searches.folder import read_settings
from cellwright.searches.settings import FILE, Settings
from cellwright.searches.startup import quiet_tensorflow

if TYPE_CHECKING:
    from cellwright.search_spaces.export import Exported


@dataclass(frozen=True)
class Format:
    """A row of the table of formats.

    Attributes:
        suffix: Suffix of its file.
        needs: The modules that it needs beside Keras and TensorFlow; the extra of Cellwright that
            is named by ``extra`` brings their packages.
        extra: ``"export"``, or one of its own, which ``all`` leaves out where it is not installed.
        takes: What its function takes beside network, path and images: ``"int8"`` if it can write
            whole numbers of 8 bits too, ``"genotype"`` if it keeps that in the file.
        file: What `check_backend` calls it; empty for what can be made under every backend.
    """

    suffix: str
    needs: tuple[str, ...] = ()
    takes: tuple[str, ...] = ()
    extra: str = "export"
    file: str = ""


# Each is written by `export_<name>` in `search_spaces/export/to_<name>.py`.
FORMATS = {
    "keras": Format(".keras"),
    "litert": Format(".tflite", ("ai_edge_litert",), ("int8",), file="LiteRT"),
    "onnx": Format(".onnx", ("onnx", "onnxruntime", "tf2onnx"), file="ONNX"),
    "openvino": Format(".xml", ("openvino",), extra="openvino", file="OpenVINO"),
    "python": Format(".py", takes=("genotype",)),
}
_OLD = 3600.0  # seconds after which nobody writes to an unfinished file any more
IMAGES = 256  # of the data, to set the ranges of an int8 network and to check the files on


def export(
    run: Annotated[
        Path,
        typer.Argument(
            help="Folder of a search or of a model (a saved estimator, too), or a .keras file."
        ),
    ],
    to: Annotated[
        list[str] | None,
        typer.Option(
            help=f"{', '.join(FORMATS)} or all: those that Keras's backend can make, and openvino "
            "only where it is installed. May be repeated."
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder to write to; by default export in the search's.")
    ] = None,
    trial: Annotated[
        int | None, typer.Option(min=0, help="Export this trial's child, not the best one.")
    ] = None,
    int8: Annotated[
        bool, typer.Option("--int8", help="Write LiteRT in 8-bit integers too.")
    ] = False,
    data: Annotated[
        str | None,
        typer.Option(
            help="Examples for --int8 and the check; by default the search's. For a model as for "
            "`cellwright evaluate`."
        ),
    ] = None,
    trust: bool = False,
) -> None:
    """Write a network as .keras, LiteRT, ONNX, OpenVINO and Python, and check every file.

    It is a search's best child, or a trained model. Each file is run on the same
    images as the network, and must give the same outputs. The child of another
    trial is trained again first, with the search's own recipe.
    """
    formats = _formats(to, int8)
    left_out = [] if to and "all" not in to else [name for name in FORMATS if name not in formats]
    if out is not None:
        check_folder(out)
    if trial is not None and _is_model(run):
        raise CellwrightError(f"--trial {trial} is of a search, and {run} is a model: leave it out")
    of_the_model = _is_model(run) or (run.suffix == ".keras" and Path(data or "").is_dir())
    images = None  # loaded before a child is trained again, if the network need not be known
    if data is not None and not of_the_model:
        known = (run / FILE).is_file() and Path(data).is_dir()
        images = _some(data, read_settings(run).image_options if known else {})
    console = Console()
    if trial is None:
        source = _find(run)
    else:
        with kept_or_told(run):
            source = _find_trial(run, trial, console)
    folder = out or source.folder / "export"
    if (folder / f"{source.model.stem}.keras").resolve() == source.model.resolve():
        raise CellwrightError(f"{source.model} would be overwritten; give another --out")
    check_folder(folder)
    with console.status("loading the network"), quiet_tensorflow():
        if data is None:
            images = source.images(int8)
        model, genotype = source.load(trust)
        if data is not None and of_the_model:
            as_trained = _is_model(run)
            images = _prepared(run, data) if as_trained else _some(data, _read_by(model))
    folder.mkdir(parents=True, exist_ok=True)
    clear_unfinished(folder, seconds=_OLD)
    done: list[Exported] = []
    failed: list[str] = []
    for suffix, write in _writers(formats, int8, genotype).items():
        file = folder / f"{source.model.stem}{suffix}"
        busy = console.status(f"writing {file.name}")
        with kept_or_told(folder), busy, quiet_tensorflow():
            try:
                done.append(write(model, file, images=images))
            except CellwrightError as error:
                failed.append(str(error))
    console.print(_table(done, folder, len(images) if images is not None else 8))
    for name in left_out:
        told = _not_here(name) or f"pip install 'cellwright[{FORMATS[name].extra}]' brings it"
        console.print(f"{name} is left out: {told}", highlight=False, markup=False, soft_wrap=True)
    for message in failed:
        console.print(f"[red]error:[/] {escape(message)}", highlight=False)
    raise typer.Exit(1 if failed else 0)


@dataclass(frozen=True)
class _Source:
    """A ``.keras`` file in a folder, with its search and parameters if they are known."""

    model: Path
    folder: Path
    settings: Settings | None = None
    params: Mapping[str, Any] | None = None

    def images(self, needed: bool) -> Any:
        """`IMAGES` images of the search's data if they are ``needed``, else None."""
        if not needed:
            return None
        if self.settings is None:
            if self.model.name == "model.keras":
                raise CellwrightError(
                    "--int8 sets ranges from examples like those that the network will see, and "
                    f"{self.folder} holds none: give --data, as for cellwright evaluate"
                )
            raise CellwrightError(
                "--int8 sets ranges from images like those that the network will see: give --data, "
                "as for cellwright search"
            )
        return _some(self.settings.data, self.settings.data_options)

    def load(self, trust: bool) -> tuple[Any, Mapping[str, Any] | None]:
        """The network, and its genotype if it is known.

        Without ``trust`` no module is imported that the network's file names.
        """
        # Layers are known to Keras once their module is imported, a user's space or ours.
        space = None if self.settings is None else self.settings.make_space()
        import keras

        import cellwright.search_spaces.export  # noqa: F401

        try:
            if trust:
                model = keras.models.load_model(self.model, compile=False)
            else:
                model = read_network(self.model)
        except CorruptedState as error:
            raise CellwrightError(
                f"{error}. If it has layers of your own, give --trust, and the folder of its "
                "search, whose space brings them"
            ) from error
        except (TypeError, ValueError, OSError, KeyError) as error:
            reason = str(error).strip().partition("\n")[0]
            raise CellwrightError(
                f"{self.model} cannot be loaded: {reason} If it has layers of your own, give the "
                "folder of its search, whose space brings them"
            ) from error
        if space is None or self.params is None:
            return model, None
        return model, space.describe(dict(self.params))


def _some(data: str, options: Mapping[str, Any]) -> Any:
    """`IMAGES` images of ``data``, loaded with these arguments."""
    return load_dataset(data, **options).some(IMAGES, np.random.default_rng(0))[0]


def _prepared(folder: Path, data: str) -> Any:
    """`IMAGES` examples of ``data``, prepared as those that the model in ``folder`` was trained on.

    Raises:
        CorruptedState, InvalidData: If the model or the data cannot be read.
    """
    model = TrainedModel.load(folder)
    x = read_labelled(Task(model.reader, model.class_names, model.label), data).x
    return x[np.random.default_rng(0).permutation(len(x))[:IMAGES]]


def _read_by(model: Any) -> dict[str, Any]:
    """Arguments of `load_dataset` that make a folder's images such as the network reads."""
    shape = model.input_shape[1:]
    if len(shape) != 3 or shape[2] not in (1, 3):
        return {}
    return {"image_size": shape[:2], "color": "gray" if shape[2] == 1 else "rgb"}


def _find(run: Path) -> _Source:
    if run.suffix == ".keras" and run.is_file():
        return _Source(run, run.parent)
    model = run / "best.keras"
    if _is_model(run):
        return _Source(run / "model.keras", run)
    if not model.is_file():
        raise CellwrightError(
            f"{run} is neither a .keras file nor a folder with a best.keras or a model.keras in "
            "it. Give the folder that was the --out of `cellwright search`, which has none until a "
            "trial has succeeded, or that of a model or a saved estimator"
        )
    best = read_best(run)
    settings = read_settings(run) if (run / FILE).is_file() else None
    return _Source(model, run, settings, None if best is None else best["params"])


def _is_model(run: Path) -> bool:
    """Whether it is the folder of a model or a saved estimator, and not that of a search."""
    return (run / "model.keras").is_file() and not (run / "best.keras").is_file()


def _find_trial(run: Path, number: int, console: Console) -> _Source:
    settings = read_settings(run)
    found = find_trial(run, settings, number)
    with console.status("training the child"), quiet_tensorflow():
        model = trained_child(
            run, settings, found, lambda line: console.print(line, highlight=False)
        )
    return _Source(model, run, settings, found.params)


def _formats(to: list[str] | None, int8: bool) -> list[str]:
    """The chosen formats in the order of `FORMATS`; all modules that they need are installed."""
    wanted = set(to or ["all"])
    unknown = wanted - set(FORMATS) - {"all"}
    if unknown:
        raise CellwrightError(
            f"--to must be one of {', '.join(FORMATS)}, all; got {sorted(unknown)}"
        )
    everywhere = {
        name
        for name, format in FORMATS.items()
        if not _not_here(name) and (format.extra == "export" or _installed(format))
    }
    for name in (name for name in FORMATS if name in wanted):
        check_backend(FORMATS[name].file)
    wanted |= everywhere if "all" in wanted else set()
    chosen = [name for name in FORMATS if name in wanted]
    small = [name for name, format in FORMATS.items() if "int8" in format.takes]
    if int8 and "all" in wanted:
        check_backend(FORMATS[small[0]].file)
    if int8 and not set(small) & set(chosen):
        raise CellwrightError(
            f"--int8 is for {' or '.join(small)}: give --to {small[0]} too, or leave --int8 out"
        )
    for module in (module for name in chosen for module in FORMATS[name].needs):
        if importlib.util.find_spec(module) is None:
            raise ModuleNotFoundError(f"No module named {module!r}", name=module)
    return chosen


def _not_here(name: str) -> str:
    """Why a format cannot be made under the backend that Keras runs on; empty if it can."""
    try:
        check_backend(FORMATS[name].file)
    except ExportFailed as error:
        return str(error)
    return ""


def _installed(format: Format) -> bool:
    return all(importlib.util.find_spec(module) is not None for module in format.needs)


def _writers(
    formats: list[str], int8: bool, genotype: Mapping[str, Any] | None
) -> dict[str, Callable[..., Exported]]:
    """For the suffix of each file the function that writes it, of (network, path, images=...)."""
    writers: dict[str, Callable[..., Exported]] = {}
    for name in formats:
        format = FORMATS[name]
        module = importlib.import_module(f"cellwright.search_spaces.export.to_{name}")
        write = getattr(module, f"export_{name}")
        kept = {"genotype": genotype} if "genotype" in format.takes else {}
        writers[format.suffix] = partial(write, **kept)
        if int8 and "int8" in format.takes:
            writers[f"_int8{format.suffix}"] = partial(write, int8=True, **kept)
    return writers


def _table(done: list[Exported], folder: Path, images: int) -> Table:
    table = Table(
        title=f"in {escape(str(folder))}, checked on {images} images", title_justify="left"
    )
    table.add_column("file")
    classes = any(file.same_class is not None for file in done)
    for name in ("size", "largest difference", *(["same class"] if classes else [])):
        table.add_column(name, justify="right")
    for file in done:
        table.add_row(
            file.path.name,
            f"{file.bytes / 1000:,.0f} kB",
            f"{file.difference:.1e}",
            *([] if file.same_class is None else [f"{file.same_class:.1%}"]),
        )
    return table
