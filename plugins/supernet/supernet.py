"""A supernet: trained once by single paths; then the score of any child is a validation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cellwright.plugins.data.data import Data
from cellwright.plugins.data.dataset import Dataset
from cellwright.plugins.data.part import ArrayRows
from cellwright.plugins.files import exclusive_lock
from cellwright.plugins.interrupts import check
from cellwright.plugins.supernet.paths import PATHS, drawn
from cellwright.plugins.supernet.state import Array, State, layout, read
from cellwright.plugins.training.recipe import Recipe
from cellwright.search_spaces import ChildFailed, SearchSpace
from cellwright.search_spaces.arguments import check_integer, check_kind, check_path
from cellwright.search_spaces.errors import UnbuildableChild
from cellwright.search_spaces.given_weights import fitting, give_weights

if TYPE_CHECKING:
    import keras

Report = Callable[[int, float], None]
Draw = Callable[[], Mapping[str, Any]]
FILE = "supernet.npz"
_AT_ONCE = 512  # examples that are validated at once


class Supernet:
    """All children of a space in one network, whose weights they share.

    ``train`` trains it by single paths: each step trains the weights of one child, drawn at
    random, and no others (Guo et al. 2019). Then `score` is a child's accuracy on the validation
    part with these weights: cheap, and biased. It ranks children; it is not the accuracy that a
    child has once it is trained.

    Args:
        space: One that has `SearchSpace.shared_network`.
        data: Arrays; the supernet trains on the training part, and scores on the validation part.
        recipe: How it is trained; its ``epochs`` do not count, except for a learning rate that
            changes, and its ``patience`` must be None. The last batch of an epoch is left out if
            it is smaller than the others, so that one graph suffices.
        options: For ``space.build``, such as ``{"filters": 16}``.
        paths: ``"uniform"``: a step trains one child. ``"fair"``: a step trains as many as the
            largest decision has choices, each choice once, on the same batch (Chu et al. 2019), so
            that an epoch costs as many times as much.
        seed: Of the initial weights and of the paths.
        folder: Where it is kept after every epoch, and taken up from; None keeps it in memory.
        recalibration: Batches of the training part, at least 1, over which the means and variances
            of a child's normalisations are taken before it is scored.
        examples: Of the validation part, on which a child is scored: at least 1, drawn once by
            ``seed``, the same ones for all children. None are all of them.

    Raises:
        TypeError, ValueError: If an argument is of the wrong kind or out of range.
        UnbuildableChild: If the space has no shared network for such data.
        CorruptedState: If ``folder`` holds another supernet, or a damaged one.
    """

    def __init__(
        self,
        space: SearchSpace,
        data: Data,
        recipe: Recipe | None = None,
        *,
        options: Mapping[str, Any] | None = None,
        paths: str = "uniform",
        seed: int = 0,
        folder: str | Path | None = None,
        recalibration: int = 2,
        examples: int | None = None,
    ) -> None:
        from cellwright.plugins.supernet.compiled import compiled, quickened, with_gradients

        check_kind("space", space, SearchSpace, "a SearchSpace")
        check_kind("data", data, Data, "a Dataset of arrays")
        check_integer("seed", seed, 0)
        check_integer("recalibration", recalibration, 1)
        if examples is not None:
            check_integer("examples", examples, 1)
        if folder is not None:
            check_path("folder", folder)
        if not isinstance(paths, str) or paths not in PATHS:
            raise ValueError(f"paths must be one of {list(PATHS)}, got {paths!r}")
        self.space, self.paths, self.seed = space, paths, seed
        self.recipe, self.recalibration = recipe or Recipe(), recalibration
        check_kind("recipe", self.recipe, Recipe, "a Recipe, or None")
        self.options = dict(options or {})
        self.data = _checked(data, self.recipe)
        self._held_out = _drawn(self.data.held_out, examples, seed)
        self.folder = None if folder is None else Path(folder)
        places = int(np.prod(data.input_shape[:-1]))
        self._network = quickened(
            space.shared_network(data.input_shape, data.classes, **self.options), places
        )
        self._state = State.fresh(self._network.initial(seed))
        self._gradients = with_gradients(self._loss, places)
        self._moments = compiled(lambda rows, c, x: self._network(c, x, rows)[1], places)
        self._predict = compiled(
            lambda rows, seen, c, x: self._network(c, x, rows, seen)[0], places
        )
        self._take_up()

    @property
    def epochs(self) -> int:
        """How many epochs it has been trained for."""
        return len(self._state.losses)

    @property
    def losses(self) -> tuple[float, ...]:
        """The mean training loss of each epoch."""
        return tuple(self._state.losses)

    def train(
        self,
        epochs: int,
        report: Report | None = None,
        draw: Draw | None = None,
    ) -> None:
        """Train until it has had ``epochs`` in all; nothing is done if it has.

        With a folder, one process at a time trains, after every epoch the folder holds the state,
        and what others trained in the meantime is taken up first. A training that was killed goes
        on from its last epoch, and gives what it would have given.

        Args:
            epochs: At least 1.
            report: Called with each epoch (from 0) and its mean training loss.
            draw: Gives the child of each step, in place of the paths: what a controller proposes,
                say, as in ENAS (Pham et al. 2018, section 2.2).

        Raises:
            InvalidArchitecture: If ``draw`` gives no point of the space.
            ChildFailed: If a loss is not finite.
            KeyboardInterrupt: After a batch, if a signal was held back.
        """
        check_integer("epochs", epochs, 1)
        self.recipe.until(epochs)  # refuses a schedule of the learning rate that is shorter
        if self.folder is None:
            self._train(epochs, report, draw)
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        with exclusive_lock(self.folder / "supernet.lock"):
            self._take_up()
            self._train(epochs, report, draw)

    @property
    def guessing_loss(self) -> float:
        """The lowest training loss of an answer that is the same for all examples. A supernet whose
        loss is near it has not learned yet, and its scores say nothing."""
        part, classes = self.data.train, self.data.classes
        weights = np.ones(part.number) if part.weights is None else np.asarray(part.weights)
        if classes is None:
            answer = np.average(part.y, weights=weights)
            return float(np.mean(weights * (part.y - answer) ** 2))
        smoothing = self.recipe.label_smoothing
        shares = np.bincount(part.y, weights, classes) / float(np.sum(weights))
        shares = (1 - smoothing) * shares + smoothing / classes
        return float(-np.mean(weights) * np.sum(shares * np.log(np.maximum(shares, 1e-12))))

    @property
    def steps(self) -> int:
        """How many steps of training an epoch has."""
        return max(1, self.data.train.number // self.recipe.batch_size)

    def _train(self, epochs: int, report: Report | None, draw: Draw | None) -> None:
        for epoch in range(self.epochs, epochs):
            loss = self._epoch(epoch, draw)
            self._state.losses.append(loss)
            if self.folder is not None:
                self._state.write(self.folder / FILE, self._facts)
            if report is not None:
                report(epoch, loss)

    def _epoch(self, epoch: int, draw: Draw | None) -> float:
        from cellwright.plugins.training.batches import Batches  # imports Keras

        part = self.data.train
        recipe, losses = self.recipe, []
        batches = Batches(part.x, part.y, recipe, epoch, part.weights, classes=self.data.classes)
        rng = np.random.default_rng((self.seed, epoch))
        for number in range(self.steps):
            x, y, *weights = batches[number]
            weight = weights[0] if weights else np.ones(len(y), np.float32)
            given = drawn(self.paths, self.space, rng) if draw is None else [self._encoded(draw())]
            children = [self._network.resolve(child) for child in given]
            found = []
            for child in children:
                rows = self._network.rows(self._state.tables, child)
                loss, gradients = self._gradients(rows, child, x, y, weight)
                if not np.isfinite(loss):
                    raise ChildFailed(
                        f"the supernet's training loss became {float(loss)} in epoch {epoch + 1}: "
                        f"give a learning rate below {recipe.learning_rate:g}"
                    )
                losses.append(float(loss))
                found.append(gradients)
                check()
            self._state.update(self._network.groups, children, found, recipe, recipe.rate(epoch))
        return float(np.mean(losses))

    def _loss(self, rows: Any, choices: Any, x: Any, y: Any, weight: Any) -> Any:
        import keras

        outputs, _ = self._network(choices, x, rows)
        if self.data.classes is None:
            losses = keras.ops.square(outputs[:, 0] - keras.ops.cast(y, "float32"))
        elif self.recipe.soft_labels:
            losses = keras.losses.categorical_crossentropy(y, outputs)
        else:
            losses = keras.losses.sparse_categorical_crossentropy(y, outputs)
        return keras.ops.mean(losses * weight)

    def score(self, params: Mapping[str, Any]) -> dict[str, float]:
        """What the shared weights are worth in the child of ``params``, on the validation part.

        Returns:
            ``shared_accuracy``, 0 to 1; or ``shared_mse`` of the scaled number where one is
            predicted.

        Raises:
            InvalidArchitecture: If ``params`` is no point of the space.
            ValueError: If nothing is held out, or the supernet has not been trained.
        """
        held_out = self._held_out
        if held_out is None:
            raise ValueError("nothing is held out: give data with a validation part")
        if not self.epochs:
            raise ValueError("the supernet is not trained yet: call train(epochs) first")
        choices, rows, moments = self._child(params)
        size = min(held_out.number, max(self.recipe.batch_size, _AT_ONCE))
        outputs = []
        for start in range(0, held_out.number, size):
            # The last batch is filled up by examples before it: one graph for all.
            first = min(start, held_out.number - size)
            found = self._predict(rows, moments, choices, held_out.x[first : first + size])
            outputs.append(found[start - first :])
        given, y = np.concatenate(outputs), held_out.y
        if self.data.classes is None:
            squares = (given[:, 0] - y) ** 2
            return {"shared_mse": float(np.average(squares, weights=held_out.weights))}
        return {"shared_accuracy": float(np.mean(given.argmax(axis=1) == y))}

    def reward(self, params: Mapping[str, Any]) -> float:
        """The score as one number of which more is better: accuracy, or minus the squared error."""
        found = self.score(params)
        return found["shared_accuracy"] if self.data.classes else -found["shared_mse"]

    def weights(self, params: Mapping[str, Any]) -> dict[str, list[Array]]:
        """The shared weights of a child by layer name, in the order of ``layer.weights``, with its
        own recalibrated normalisations. A narrower layer has their leading channels,
        and a smaller kernel is the centre of theirs."""
        choices, rows, moments = self._child(params)
        return self._network.by_layer(choices.tolist(), rows, moments)

    def start_child(self, model: keras.Model, params: Mapping[str, Any]) -> list[str]:
        """Give a child, as ``space.build`` makes it, the shared weights, so that it is trained on
        from there; return the names of its layers that were given some."""
        found = self.weights(params)
        started = [layer for layer in model.layers if layer.weights and layer.name in found]
        for layer in started:
            give_weights(layer, fitting(found[layer.name], layer))
        return [layer.name for layer in started]

    def _encoded(self, params: Mapping[str, Any]) -> Array:
        return np.array(self.space.encode(params), np.int32)

    def _child(self, params: Mapping[str, Any]) -> tuple[Array, list[Array], list[Array]]:
        choices = self._network.resolve(self._encoded(params))
        rows = self._network.rows(self._state.tables, choices)
        x = self.data.train.x
        size = min(len(x), self.recipe.batch_size)
        starts = [n * size for n in range(min(self.recalibration, len(x) // size))]
        seen = [self._moments(rows, choices, x[start : start + size]) for start in starts]
        moments = [np.mean(group, axis=0) for group in zip(*seen, strict=True)]
        return choices, rows, moments

    def _take_up(self) -> None:
        if self.folder is None:
            return
        if (found := read(self.folder / FILE, self._state, self._facts)) is not None:
            self._state = found

    @property
    def _facts(self) -> dict[str, Any]:
        """What a supernet is the same supernet by."""
        recipe = {name: value for name, value in self.recipe.facts.items() if name != "epochs"}
        return {
            "space": self.space.identity(),
            "data": self.data.fingerprint,
            "recipe": recipe,
            "options": {name: repr(self.options[name]) for name in sorted(self.options)},
            "paths": self.paths,
            "seed": self.seed,
            "layout": layout(self._network.groups),
        }


def _drawn(part: ArrayRows | None, number: int | None, seed: int) -> ArrayRows | None:
    """``number`` of the examples of ``part``; all of them if there are no more."""
    if part is None or number is None or number >= part.number:
        return part
    chosen = np.random.default_rng(seed).permutation(part.number)[:number]
    return ArrayRows(*part.take(np.sort(chosen)))


def _checked(data: Data, recipe: Recipe) -> Dataset:
    """The data as arrays, if a supernet can be trained on them by ``recipe``."""
    if not isinstance(data, Dataset):
        raise UnbuildableChild(
            "a supernet trains on arrays, and these data are read while children train: give a "
            ".npz file, or images that fit into memory"
        )
    recipe.check(data.input_shape, data.classes)
    for name, usual in (("precision", "float32"), ("devices", 1), ("patience", None)):
        if getattr(recipe, name) not in (None, usual):
            raise ValueError(
                f"a supernet is trained with {name} {usual}, got {getattr(recipe, name)!r}: leave "
                "it out"
            )
    return data
