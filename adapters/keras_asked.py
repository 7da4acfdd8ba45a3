"""Which decisions of an oracle a hypermodel asks for, by watching the ``hp`` that it is given.

Keras Tuner hands out the values of a trial in one object, and never says whether anyone read them.
A script whose oracle was exchanged, and nothing else, would train the same network in each trial.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from typing import Any

import keras_tuner as kt

from cellwright.adapters.keras_decisions import content, read_params
from cellwright.adapters.keras_schedule import EPOCHS
from cellwright.search_spaces import CellwrightError, SearchSpace, SpaceMismatch

_log = logging.getLogger(__name__)


class Watch:
    """Notes which decisions are read while it is ``on``.

    Args:
        names: Of the decisions.
    """

    def __init__(self, names: frozenset[str]) -> None:
        self.names, self.on = names, True
        self.asked: set[str] = set()

    def note(self, name: str) -> None:
        if self.on and name in self.names:
            self.asked.add(name)


class WatchedHyperParameters(kt.HyperParameters):  # type: ignore[misc]
    """Keras Tuner's ``HyperParameters``, which notes what is asked of it.

    Attributes:
        searched_by: The oracle whose decisions these are.
        watch: Where it is noted.
    """

    searched_by: Any
    watch: Watch

    @classmethod
    def of(cls, hp: Any, oracle: Any, watch: Watch) -> WatchedHyperParameters:
        """What takes the place of ``hp``, a copy that nobody else holds."""
        watched = cls()
        watched.__dict__.update(vars(hp))
        watched.values = _Values(hp.values, watch)
        watched.searched_by, watched.watch = oracle, watch
        return watched

    def _retrieve(self, hp: Any) -> Any:
        """What ``hp.Choice``, ``hp.Int`` and their like come to.

        Raises:
            SpaceMismatch: If a user's hyperparameter has the name of a decision, and other choices.
                Keras Tuner would answer with the decision's value.
        """
        for held in self._hps.get(hp.name, ()) if hp.name in self.watch.names else ():
            if content(held) != content(hp):
                raise SpaceMismatch(
                    f"{hp.name} is a decision of {self.searched_by.space!r}, {held!r}, and is "
                    f"declared as {hp!r}: give your own hyperparameter another name"
                )
        self.watch.note(hp.name)
        return super()._retrieve(hp)

    def get(self, name: str) -> Any:
        if not _from_the_library():
            self.watch.note(self._get_name(name))
        return super().get(name)

    def __getitem__(self, name: str) -> Any:
        self.watch.note(self._get_name(name))
        return super().__getitem__(name)

    def copy(self) -> WatchedHyperParameters:
        return self.of(super().copy(), self.searched_by, self.watch)


class _Values(dict[str, Any]):
    """The values of a trial, which notes each that is read by anyone but Keras Tuner itself."""

    def __init__(self, values: Any, watch: Watch) -> None:
        super().__init__(values)
        self.watch = watch

    def __getitem__(self, name: str) -> Any:
        if not _from_the_library():
            self.watch.note(name)
        return super().__getitem__(name)

    def get(self, name: str, default: Any = None) -> Any:
        if not _from_the_library():
            self.watch.note(name)
        return super().get(name, default)

    def items(self) -> Any:
        if not _from_the_library():
            self._note_all()
        return super().items()

    def values(self) -> Any:
        if not _from_the_library():
            self._note_all()
        return super().values()

    def __iter__(self) -> Iterator[str]:  # so that dict(...) and {**...} ask for each value
        return super().__iter__()

    def __reduce__(self) -> Any:
        return dict, (dict(super().items()),)

    def _note_all(self) -> None:
        for name in self:
            self.watch.note(name)


def _from_the_library() -> bool:
    """Whether Keras Tuner itself called what calls this: it reads all values when it writes them
    to a file or for TensorBoard."""
    caller: str = sys._getframe(2).f_globals.get("__name__", "")
    return caller.startswith("keras_tuner.src.")


class NothingSearched(CellwrightError, kt.errors.FatalRuntimeError):  # type: ignore[misc]
    """A trial did not ask for what the oracle decides, so that all would be trained alike."""


def check_asked(trial: Any, space: SearchSpace, watch: Watch) -> None:
    """Check that a whole trial asked for decisions, and warn of those that it left out.

    Args:
        trial: Has ended. One that a worker of a chief has run comes back as a copy, and only a
            warning can be given of it.
        space: Of the oracle.
        watch: Has watched the hypermodel's first build, and the trial.

    Raises:
        NothingSearched: If it asked for none, or, under a schedule, not for its epochs.
    """
    asked = watch.asked & set(space.names)
    if not isinstance(trial.hyperparameters, WatchedHyperParameters):
        if not asked:
            _log.warning(
                "the hypermodel that this script builds asks for no decision of %r; unless a "
                "fit or run_trial of the workers does, every trial trains the same network",
                space,
            )
    elif not asked:
        raise NothingSearched(_nothing(trial, space) + _AGAIN)
    elif EPOCHS in watch.names - watch.asked:
        raise NothingSearched(
            f"trial {trial.trial_id} did not ask for {EPOCHS!r}, so every rung of the schedule "
            f'would train for the same epochs. Give model.fit epochs=hp["{EPOCHS}"] in the fit of '
            "your hypermodel, or give the tuner a NASNetHyperModel, which also goes on from the "
            "weights of earlier rungs." + _AGAIN
        )
    elif left := read_params(trial.hyperparameters.values, space).keys() - asked:
        _log.warning(
            "trial %s did not ask for %d of the decisions that have an effect on it, and they are "
            "searched in vain: %s",
            trial.trial_id,
            len(left),
            ", ".join(sorted(left)[:5]) + (", ..." if len(left) > 5 else ""),
        )


_AGAIN = " The trial is not counted, and is run again when the search goes on"


def _nothing(trial: Any, space: SearchSpace) -> str:
    own = [hp.name for hp in trial.hyperparameters.space if hp.name not in space.names]
    return (
        f"trial {trial.trial_id} asked for none of the {len(space.names)} decisions of {space!r}, "
        "so every trial would train the same network. Call architecture(hp, space) of "
        "cellwright.adapters.keras_oracle in build(hp), fit or run_trial, and make the child with "
        "space.build(...); or give the tuner a NASNetHyperModel."
        + (f" {own} alone are drawn at random, and no strategy decides on them." if own else "")
    )
