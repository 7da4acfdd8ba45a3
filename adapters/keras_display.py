"""An architecture in Keras Tuner's own pages: its summaries, its tables and its folders."""

from __future__ import annotations

import logging
import textwrap
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from keras_tuner.engine.trial import Trial
from keras_tuner.src.engine.oracle import Display

from cellwright.plugins.files import atomic_write_bytes
from cellwright.search_spaces import Params, SearchSpace

ARCHITECTURE = "architecture"  # the key of a trial's state, in trial.json
_WIDTH = 100
_PAUSE = 30.0  # seconds between two pictures, each of which takes about one
_log = logging.getLogger(__name__)


class ArchitectureTrial(Trial):  # type: ignore[misc]
    """A trial whose summary shows the architecture as one text, and not decision by decision.

    Attributes:
        architecture: That text; "" for a trial without values.
        decisions: Names of the values that the text stands for.
    """

    architecture: str = ""
    decisions: frozenset[str] = frozenset()

    def show(self, text: str, decisions: frozenset[str]) -> None:
        """Show ``text`` for the values of ``decisions``."""
        self.architecture, self.decisions = text, decisions

    def display_hyperparameters(self) -> None:
        if not self.architecture:
            super().display_hyperparameters()
            return
        print(wrapped(self.architecture))
        for name, value in self.hyperparameters.values.items():
            if name not in self.decisions:
                print(f"{name}:", value)

    def get_state(self) -> dict[str, Any]:
        state: dict[str, Any] = super().get_state()
        return {**state, ARCHITECTURE: self.architecture} if self.architecture else state

    def set_state(self, state: Mapping[str, Any]) -> None:
        super().set_state(state)
        self.architecture = state.get(ARCHITECTURE, "")


class ArchitectureDisplay(Display):  # type: ignore[misc]
    """What a search prints of a trial: the architecture, then the table of the other values."""

    def show_hyperparameter_table(self, trial: Any) -> None:
        values = trial.hyperparameters.values
        print(wrapped(trial.architecture))
        others = {name: x for name, x in values.items() if name not in trial.decisions}
        if others:
            print()
            trial.hyperparameters.values = others
            try:
                super().show_hyperparameter_table(trial)
            finally:
                trial.hyperparameters.values = values


def wrapped(text: str) -> str:
    """The architecture as printed: its own lines, and none of them too long."""
    lines = f"{ARCHITECTURE}: {text}".splitlines()
    return "\n".join(
        textwrap.fill(line, _WIDTH, subsequent_indent="    ", break_on_hyphens=False)
        for line in lines
    )


class Pictures:
    """Pictures of architectures, each in its trial's folder."""

    def __init__(self) -> None:
        self._last, self._drawn = time.monotonic(), ""

    @property
    def due(self) -> bool:
        """Whether 30 s have gone by: nobody wants one for each trial of a quick search."""
        return time.monotonic() > self._last + _PAUSE

    def draw(self, space: SearchSpace, params: Params, folder: str) -> None:
        """Write ``folder``/architecture_*.png, unless it is the last one drawn.

        A space without pictures writes nothing, and remote folders get none. A picture that cannot
        be drawn is a warning.
        """
        self._last = time.monotonic()
        if self._drawn == folder or "://" in folder:
            return
        self._drawn = folder
        try:
            for name, figure in space.figures(params).items():
                path = Path(folder) / f"{ARCHITECTURE}_{name.replace(' ', '_')}.png"
                with atomic_write_bytes(path) as file:
                    figure.savefig(file, format="png", dpi=150)
        except Exception as error:  # nothing is lost but a picture
            _log.warning("no picture of the architecture in %s: %s", folder, error)
