"""Trains a child network in Keras by a recipe."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Mapping, Sequence

import keras
import numpy as np

from cellwright.plugins.data.data import Data
from cellwright.plugins.interrupts import check
from cellwright.plugins.training.checkpoints import Checkpoint, epochs_of, joined
from cellwright.plugins.training.devices import on_devices
from cellwright.plugins.training.feed import fed
from cellwright.plugins.training.fused import fuse
from cellwright.plugins.training.precision import check_precision, needs_scaling
from cellwright.plugins.training.recipe import Recipe
from cellwright.search_spaces import ChildFailed


def _is_news(record: logging.LogRecord) -> bool:
    """Whether a message of TensorFlow's is not the advice to trace less.

    TensorFlow counts how often functions of one name are traced, and every child is a model of its
    own with the same names of Keras's, so that a search is always told so in vain.
    """
    text = record.getMessage()
    ours = "TensorFlowTrainer." in text or "_in_tensorflow.<locals>" in text
    return not (ours and "tf.function retracing" in text)


logging.getLogger("tensorflow").addFilter(_is_news)


def compile_child(model: keras.Model, recipe: Recipe) -> None:
    """Compile ``model`` with Adam, cross-entropy and accuracy, or, if it has one output (a number
    to predict), with Adam, mean squared error and mean absolute error.

    XLA is off except on JAX, because compiling a child with it takes several times as long as
    training the child. JAX without XLA compiles each operation by itself, which takes longer
    still, and runs a step 50 times as slowly.

    Raises:
        ValueError: If ``model`` computes in another precision than the recipe's.
    """
    check_precision(model, recipe.precision)
    compiled = keras.backend.backend() == "jax"
    optimizer = keras.optimizers.Adam(
        recipe.learning_rate,
        weight_decay=recipe.weight_decay or None,
        global_clipnorm=recipe.clip_norm,
    )
    outputs = model.output_shape[-1]
    loss, metric = "sparse_categorical_crossentropy", "accuracy"
    if outputs == 1:
        loss, metric = "mse", "mae"
    elif recipe.soft_labels:
        loss = "categorical_crossentropy"
    scaled = optimizer
    if needs_scaling(model):
        # Keras would do this too, but only where the model's own policy is mixed_float16, and its
        # files would then hold the state of an optimizer that they do not name.
        scaled = keras.optimizers.LossScaleOptimizer(optimizer)
    model.compile(scaled, loss, metrics=[metric], jit_compile=compiled)
    # Optimizer and metrics create their variables on first use. If that happened inside the
    # training step, TensorFlow would trace it twice and take half as long again.
    scaled.build(model.trainable_variables)
    guess = np.full((1, outputs), 1 / outputs, np.float32)
    label = np.zeros(1, np.float32 if outputs == 1 else np.int64)
    model.compute_metrics(None, guess if loss == "categorical_crossentropy" else label, guess)
    model.reset_metrics()
    fuse(model, optimizer)


def _as_usual(model: keras.Model) -> None:
    """Let a child that was trained on shares of classes be evaluated and trained on class numbers,
    as any other is, with the optimizer that it has."""
    how = {"metrics": ["accuracy"], "jit_compile": keras.backend.backend() == "jax"}
    model.compile(model.optimizer, "sparse_categorical_crossentropy", **how)


def callbacks_of(recipe: Recipe) -> list[keras.callbacks.Callback]:
    """What sets the learning rate of each epoch, and ends a training that no longer improves."""
    rates = [keras.callbacks.LearningRateScheduler(lambda epoch, _: recipe.rate(epoch))]
    stopping = [] if recipe.patience is None else [_stopping(recipe.patience)]
    return [*(rates if recipe.changes_rate else []), *stopping]


def train(
    model: keras.Model,
    data: Data,
    recipe: Recipe,
    *,
    report: Callable[[int, dict[str, float]], None] | None = None,
    checkpoint: Checkpoint | None = None,
    deadline: float | None = None,
    each_epoch: bool = False,
) -> dict[str, float]:
    """Train ``model`` from its present state, or from the state that ``checkpoint`` holds.

    Args:
        model: Maps ``data.input_shape`` to ``data.classes`` probabilities, or to one number.
        data: The training part, and the validation part, which may be empty.
        recipe: How to train; its seed fixes the order of the examples.
        report: Called with each epoch (from 0) and its metrics, as they would be returned if it
            were the last; an exception that it raises ends the training, such as the one by which
            a host prunes a trial.
        checkpoint: State to continue from, whose epochs count among ``recipe.epochs``; the new
            state is written to it at the end.
        deadline: Time, in seconds as ``time.time`` counts them, at which training ends if it has
            not ended before; the epoch in progress is still validated.
        each_epoch: Whether the state is written to the checkpoint after each epoch, so that a
            process that is killed loses the epoch in progress alone. It does not go with a
            recipe's ``patience``, whose best weights are in no checkpoint.

    Returns:
        ``accuracy``, ``loss``, ``val_accuracy`` and ``val_loss`` of the last epoch, and what
        `metrics_of` adds. If a number is predicted, ``mae`` and ``val_mae`` replace the
        accuracies; they and the losses are of the scaled number. With a checkpoint,
        ``trained_epochs`` is the number of epochs that this call trained. With ``patience``,
        ``epochs`` is the number that led to the weights that are kept. ``cut`` is 1 if the
        deadline ended the training.

    Raises:
        ValueError: Before any training, if ``recipe`` is not for such data, ``model`` computes in
            another precision than the recipe's, or ``each_epoch`` comes without a checkpoint or
            with ``patience``.
        ChildFailed: As soon as a loss is NaN or infinite, or if the checkpoint is of another
            network.
        KeyboardInterrupt: After a batch, if a signal was held back (`interrupts.held_back`).
    """
    if each_epoch and (checkpoint is None or recipe.patience is not None):
        raise ValueError("each_epoch needs a checkpoint, and a recipe without patience")
    recipe.check(data.input_shape, data.classes)
    with on_devices(model, recipe.devices):
        return _train(model, data, recipe, report, checkpoint, deadline, each_epoch)


def _train(
    model: keras.Model,
    data: Data,
    recipe: Recipe,
    report: Callable[[int, dict[str, float]], None] | None,
    checkpoint: Checkpoint | None,
    deadline: float | None,
    each_epoch: bool,
) -> dict[str, float]:
    compile_child(model, recipe)
    before = {} if checkpoint is None else checkpoint.restore(model, recipe.epochs)
    done = epochs_of(before)
    watch = _Watch(report, deadline, before)
    keeping = [_Keeper(checkpoint, watch)] if each_epoch and checkpoint is not None else []
    with fed(data, recipe, done) as feed:
        history = model.fit(
            **feed.given,
            initial_epoch=done,
            epochs=recipe.epochs,
            callbacks=[watch, *keeping, Interrupts(), *callbacks_of(recipe)],
            verbose=0,
        ).history
    trained = float(epochs_of(history))
    facts = {**feed.facts, **({"cut": 1.0} if watch.cut else {})}
    if recipe.patience is not None and "val_loss" in history:
        best = int(np.argmin(history["val_loss"])) + 1
        history = {name: values[:best] for name, values in history.items()}
        facts["epochs"] = float(done + best)
    # Keras notes the learning rate where a callback sets it, which is no metric of the child.
    history.pop("learning_rate", None)
    if checkpoint is not None:
        history = joined(before, history)
        if done < recipe.epochs:
            checkpoint.save(model, history)
        facts["trained_epochs"] = trained
    if recipe.soft_labels and data.classes is not None:
        _as_usual(model)
    return {**metrics_of(history), **facts}


def metrics_of(history: Mapping[str, Sequence[float]]) -> dict[str, float]:
    """Metrics of the last epoch, from the values of all epochs by name.

    With ``val_accuracy`` come ``best_val_accuracy``, the best of the last 5 epochs (which Zoph and
    Le 2016 reward), and ``weighted_val_accuracy``, the mean over all epochs weighted by their
    numbers from 1 (which the MLPNAS series rewards).
    """
    metrics = {name: float(values[-1]) for name, values in history.items()}
    if "val_accuracy" in history:
        values = history["val_accuracy"]
        metrics["best_val_accuracy"] = float(max(values[-5:]))
        metrics["weighted_val_accuracy"] = float(
            np.average(values, weights=range(1, len(values) + 1))
        )
    return metrics


class Interrupts(keras.callbacks.Callback):  # type: ignore[misc]
    """Ends a training after any batch, if a signal was held back (`interrupts.held_back`)."""

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        check()

    def on_test_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        check()


class _Watch(keras.callbacks.Callback):  # type: ignore[misc]
    """Stops training that diverges or passes its deadline, and reports each epoch."""

    def __init__(
        self,
        report: Callable[[int, dict[str, float]], None] | None,
        deadline: float | None,
        before: Mapping[str, list[float]],
    ) -> None:
        super().__init__()
        self.report, self.deadline, self.cut = report, deadline, False
        self.seen: Mapping[str, list[float]] = before

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        loss = float((logs or {}).get("loss", 0.0))
        if not math.isfinite(loss):
            raise ChildFailed(f"the training loss became {loss} at batch {batch}")
        if self.deadline is not None and time.time() > self.deadline:
            self.cut = self.model.stop_training = True

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        found = {name: float(value) for name, value in (logs or {}).items()}
        metrics = {name: value for name, value in found.items() if name != "learning_rate"}
        wrong = {name: value for name, value in metrics.items() if not math.isfinite(value)}
        if wrong:
            raise ChildFailed(f"epoch {epoch + 1} gave {wrong}")
        self.seen = joined(self.seen, {name: [value] for name, value in metrics.items()})
        if self.report is not None:
            self.report(epoch, metrics_of(self.seen))


class _Keeper(keras.callbacks.Callback):  # type: ignore[misc]
    """Writes the state of a training to its checkpoint after each epoch."""

    def __init__(self, checkpoint: Checkpoint, watch: _Watch) -> None:
        super().__init__()
        self.checkpoint, self.watch = checkpoint, watch

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        if not self.watch.cut:  # an epoch that a deadline cut short is no epoch
            self.checkpoint.save(self.model, self.watch.seen)


def _stopping(patience: int) -> keras.callbacks.Callback:
    return keras.callbacks.EarlyStopping(
        "val_loss", patience=patience, restore_best_weights=True, mode="min"
    )


def out_of_memory(error: BaseException) -> bool:
    """Whether ``error`` says that memory ran out, in Python or in any Keras backend."""
    names: Sequence[str] = [kind.__name__ for kind in type(error).__mro__]
    return (
        isinstance(error, MemoryError)
        or any(name in ("ResourceExhaustedError", "OutOfMemoryError") for name in names)
        or "RESOURCE_EXHAUSTED" in str(error)
    )
