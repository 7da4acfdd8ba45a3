"""The hosts that can drive a search: a table of them, and what each driver must offer.

A host is a row here, its adapters, and a module ``on_<host>`` beside this one.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, cast

from cellwright.plugins.scoring.evaluation import Evaluation
from cellwright.searches.run import Run
from cellwright.searches.settings import Settings
from cellwright.searches.startup import quiet_tensorflow
from cellwright.searches.trial import Trial

OnTrial = Callable[[Trial], None]
OnEpoch = Callable[[int, int, dict[str, float]], None]


class Driver(Protocol):
    """What a module ``on_<host>`` offers."""

    def read(self, folder: Path, settings: Settings) -> list[Trial]:
        """The finished trials of the search in ``folder``; none if it has not begun.

        Raises:
            CorruptedState: If the host's record cannot be read.
        """

    def search(
        self,
        folder: Path,
        settings: Settings,
        evaluation: Evaluation,
        on_trial: OnTrial,
        on_epoch: OnEpoch,
    ) -> None:
        """Run trials until there are ``settings.trials``, including those of earlier runs.

        Args:
            folder: Folder of the search; the host's record is in it, or where the settings say.
            settings: Settings of the search.
            evaluation: Scores a child.
            on_trial: Called with each trial that ends.
            on_epoch: Called with a trial's number, an epoch of its training (from 0) and the
                epoch's metrics, where the trial runs in this process.

        Raises:
            KeyboardInterrupt: After the running trial is stored, to be run again.
        """

    def open_run(self, what: str, space: str | None, study: str | None) -> Run:
        """Open a run that a user's own script made, without ``cellwright search``.

        Args:
            what: Folder, file or URL of the run.
            space: Name of the space that was searched; None takes the run's own, or the book's.
            study: Name of the search, if a storage holds several.

        Raises:
            CellwrightError: If there is no such run, or its trials are of another space.
        """


@dataclass(frozen=True)
class Host:
    """One row of the table.

    Attributes:
        title: The host's name in sentences.
        package: The Python package that must be installed; the extra of Cellwright that brings it
            has the host's name.
        holds_run: Says whether a path or URL looks like a run of this host, without importing it.
        run: What such a run is, in words.
        workers: Why it takes no ``--workers``; empty if it does.
        concurrent: Whether it runs several trials at a time by itself.
    """

    title: str
    package: str
    holds_run: Callable[[str], bool]
    run: str
    workers: str = ""
    concurrent: bool = False


HOSTS = {
    "optuna": Host(
        "Optuna",
        "optuna",
        lambda what: "://" in what or Path(what).is_file(),
        "an Optuna journal file or storage URL",
    ),
    "nni": Host(
        "NNI",
        "nni",
        lambda what: any(Path(what, f).is_file() for f in ("config.yml", "db/nni.sqlite")),
        "the folder of an NNI experiment (with config.yml or db/nni.sqlite)",
        "NNI runs its own trials side by side: give --concurrency instead",
        concurrent=True,
    ),
    "keras-tuner": Host(
        "Keras Tuner",
        "keras_tuner",
        lambda what: Path(what, "oracle.json").is_file(),
        "the folder of a Keras Tuner project (with oracle.json)",
        "Keras Tuner shares a search by a chief (docs/keras_tuner.md)",
    ),
    "ray": Host(
        "Ray Tune",
        "ray",
        lambda what: any(Path(what).glob("experiment_state-*.json")),
        "the folder of a Ray Tune experiment (with experiment_state-*.json)",
        "Ray Tune runs its own trials side by side: give --concurrency instead",
        concurrent=True,
    ),
}


def driver_of(host: str) -> Driver:
    """The driver of one of `HOSTS`, with the host imported.

    Raises:
        ModuleNotFoundError: If the host is not installed.
    """
    with quiet_tensorflow():
        return cast(Driver, importlib.import_module(f"{__package__}.on_{host.replace('-', '_')}"))
