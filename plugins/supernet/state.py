"""What a supernet has learned: its weights, Adam's moments of them, and how far it has come."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cellwright.plugins.files import atomic_write_bytes, read_npz
from cellwright.plugins.interrupts import must_write
from cellwright.plugins.training.recipe import Recipe
from cellwright.search_spaces.errors import CorruptedState

if TYPE_CHECKING:
    from cellwright.search_spaces.shared_parts import Group

Array = NDArray[Any]
_BETA_1, _BETA_2, _EPSILON = 0.9, 0.999, 1e-7  # as Keras's Adam


@dataclass
class State:
    """One array for each group of slots, (slots, rows, size); steps: (slots, rows).

    Attributes:
        tables: The weights.
        means, squares: Adam's moving averages of the gradients, and of their squares.
        steps: How often each row has been trained.
        losses: Mean training loss of each epoch that has ended.
    """

    tables: list[Array]
    means: list[Array]
    squares: list[Array]
    steps: list[Array]
    losses: list[float]

    @classmethod
    def fresh(cls, tables: list[Array]) -> State:
        """That of a supernet which is not trained yet."""
        return cls(
            tables,
            [np.zeros_like(one) for one in tables],
            [np.zeros_like(one) for one in tables],
            [np.zeros(one.shape[:2], np.int64) for one in tables],
            [],
        )

    def update(
        self,
        groups: Sequence[Group],
        children: Sequence[Array],
        gradients: Sequence[Sequence[Array]],
        recipe: Recipe,
        rate: float,
    ) -> None:
        """One step of Adam (Kingma and Ba 2015, algorithm 1) on the options that the children
        have, along the sum of their gradients, and on no others: what was not on a path keeps its
        weights, moving averages and number of steps."""
        summed = [np.zeros_like(table) for table in self.tables]
        touched = [np.zeros(steps.shape, bool) for steps in self.steps]
        for child, found in zip(children, gradients, strict=True):
            for number, (group, gradient) in enumerate(zip(groups, found, strict=True)):
                place = (np.arange(len(group.slots)), group.rows(child))
                summed[number][place] += gradient
                touched[number][place] = True
        scale = 1.0
        if recipe.clip_norm is not None:
            norm = float(np.sqrt(sum(float(np.vdot(one, one)) for one in summed)))
            scale = min(1.0, recipe.clip_norm / max(norm, 1e-12))
        for number, moved in enumerate(touched):
            self._step(number, moved, summed[number][moved] * np.float32(scale), recipe, rate)

    def _step(
        self, number: int, place: Array, gradient: Array, recipe: Recipe, rate: float
    ) -> None:
        self.steps[number][place] += 1
        steps = self.steps[number][place][:, None]
        mean = self.means[number][place] * _BETA_1 + gradient * (1 - _BETA_1)
        square = self.squares[number][place] * _BETA_2 + gradient**2 * (1 - _BETA_2)
        rates = (rate * np.sqrt(1 - _BETA_2**steps) / (1 - _BETA_1**steps)).astype(np.float32)
        weights = self.tables[number][place] * np.float32(1 - rate * recipe.weight_decay)
        self.tables[number][place] = weights - rates * mean / (np.sqrt(square) + _EPSILON)
        self.means[number][place], self.squares[number][place] = mean, square

    def write(self, path: Path, facts: dict[str, Any]) -> None:
        """Replace the file at ``path`` in one step; ``facts`` say of which supernet it is."""
        arrays = {
            f"{name}_{number}": one
            for name in ("tables", "means", "squares", "steps")
            for number, one in enumerate(getattr(self, name))
        }
        text = json.dumps({"facts": facts, "losses": self.losses}, sort_keys=True)
        with must_write(path), atomic_write_bytes(path) as file:
            np.savez(file, about=np.array(text), **arrays)


def layout(groups: Sequence[Group]) -> str:
    """A digest of what each number of a state is: the shapes of all weights and moments, by the
    names of the layers. A later version may lay out the supernet of the same space otherwise."""
    parts = [
        [option.prefix, option.part.shapes, option.part.moment_shapes]
        for group in groups
        for slot in group.slots
        for option in slot.options
    ]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def read(path: Path, fresh: State, facts: dict[str, Any]) -> State | None:
    """The state in a file; None if there is none.

    Raises:
        CorruptedState: If the file is damaged, or of another supernet, saying in what they differ.
    """
    remedy = "Give another folder, or delete the file, and the supernet is trained anew"
    try:
        found = read_npz(path)
        about = json.loads(str(found["about"]))
        kept, losses = about["facts"], [float(loss) for loss in about["losses"]]
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError) as error:
        raise CorruptedState(f"{path} is no supernet's: {error}. {remedy}") from error
    if not np.isfinite(losses).all():
        raise CorruptedState(f"{path} is damaged: losses are {losses}. {remedy}")
    mine = json.loads(json.dumps(facts))
    differ = [name for name in mine if kept.get(name) != mine[name]]
    if differ == ["layout"]:
        raise CorruptedState(
            f"{path} is of a supernet of another version of Cellwright, which shares weights in "
            f"another way. {remedy}"
        )
    if differ:
        name = differ[0]
        raise CorruptedState(
            f"{path} is of a supernet of another {name}: {kept.get(name)!r:.300} there, and "
            f"{mine[name]!r:.300} here. {remedy}"
        )
    parts: dict[str, list[Array]] = {}
    for name in ("tables", "means", "squares", "steps"):
        parts[name] = []
        for number, wanted in enumerate(getattr(fresh, name)):
            one = found.get(f"{name}_{number}")
            if one is None or one.shape != wanted.shape or one.dtype != wanted.dtype:
                raise CorruptedState(f"{path} is damaged: {name} of group {number}. {remedy}")
            if not np.isfinite(one).all():
                raise CorruptedState(f"{path} is damaged: {name} holds what is no number. {remedy}")
            parts[name].append(one)
    return State(**parts, losses=losses)
