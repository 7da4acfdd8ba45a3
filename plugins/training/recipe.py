"""How a child network is trained, as plain data."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import MISSING, dataclass, fields, replace
from numbers import Real
from typing import Any

from cellwright.plugins.training.augmentation import check, mixes, parts_of
from cellwright.search_spaces.arguments import check_integer
from cellwright.search_spaces.decision import as_whole

PRECISIONS = ("float32", "mixed_bfloat16", "mixed_float16")
RATES = ("constant", "cosine")


@dataclass(frozen=True, repr=False)
class Recipe:
    """How a child is trained; the book's defaults are 6 epochs of Adam at 0.001 in batches of 128.

    Args:
        epochs: Number of epochs, at least 1.
        batch_size: Examples in a batch, at least 1; a smaller data set is one batch.
        learning_rate: Adam's learning rate, above 0 and finite.
        seed: Seed of the order of the examples and of augmentation.
        weight_decay: Adam's weight decay, decoupled from the gradient (AdamW); at least 0, finite.
        augmentation: ``"none"``, or one or several of ``"shift"``, ``"shift_flip"``,
            ``"rand_augment"``, ``"cutout"``, ``"mixup"`` and ``"cutmix"``, joined by ``+``, as in
            ``"shift_flip+cutout+mixup"``; see `augment` and `mixed`.
        patience: Epochs without a lower validation loss after which training ends, at least 1. The
            weights and metrics are those of the epoch with the lowest. None trains all epochs.
        precision: ``"float32"``, ``"mixed_bfloat16"`` or ``"mixed_float16"``: in which floats a
            child computes. Weights are float32 under all of them, and so is the output layer. None
            leaves it to Keras's dtype policy, which is float32 unless you have set another. A
            network that was built before in another precision is refused.
        learning_rate_schedule: ``"constant"``, or ``"cosine"``: the learning rate falls along half
            a cosine (Loshchilov and Hutter 2017, without restarts) to almost 0 in the last epoch.
        warmup: Epochs, at least 0 and fewer than the training has, in which the learning rate
            rises in equal steps before it is reached (Goyal et al. 2017).
        decay_epochs: Epochs of the whole training over which the learning rate is scheduled, at
            least ``epochs``, where ``epochs`` are a part of it. None takes ``epochs``.
        label_smoothing: Share of a label that is given to all classes alike, at least 0 and below 1
            (Szegedy et al. 2016). It changes the training loss alone: ``val_loss`` is of the true
            labels, so that it compares with that of any other child.
        clip_norm: The most that the norm of all gradients together may be, above 0 and finite; they
            are scaled down to it where it is larger (Pascanu et al. 2013). None leaves them as they
            are.
        devices: Devices that share every batch, at least 1, by ``keras.distribution.DataParallel``
            (under JAX); ``batch_size`` is a multiple of it. Up to ``devices - 1`` examples are left
            out of each epoch. None trains on one.

    Whole numbers may be given as floats, such as 32.0.

    Raises:
        ValueError: If a value is out of range, or should be a whole number and is not.
    """

    epochs: int = 6
    batch_size: int = 128
    learning_rate: float = 1e-3
    seed: int = 0
    weight_decay: float = 0.0
    augmentation: str = "none"
    patience: int | None = None
    precision: str | None = None
    learning_rate_schedule: str = "constant"
    warmup: int = 0
    decay_epochs: int | None = None
    label_smoothing: float = 0.0
    clip_norm: float | None = None
    devices: int | None = None

    def __post_init__(self) -> None:
        for name in (
            "epochs",
            "batch_size",
            "patience",
            "warmup",
            "decay_epochs",
            "devices",
        ):
            given = getattr(self, name)
            if given is not None or name not in ("patience", "decay_epochs", "devices"):
                object.__setattr__(self, name, as_whole(name, given))
        for name in ("learning_rate", "weight_decay", "label_smoothing", "clip_norm"):
            given = getattr(self, name)
            if given is None and name == "clip_norm":
                continue
            if isinstance(given, bool) or not isinstance(given, Real):
                raise ValueError(f"{name} must be a number, got {given!r}")
        for name in ("epochs", "batch_size"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        if not 0 < self.learning_rate < math.inf:
            raise ValueError(f"learning_rate must be above 0 and finite, got {self.learning_rate}")
        if self.patience is not None and self.patience < 1:
            raise ValueError(f"patience must be at least 1, or None, got {self.patience}")
        if not 0 <= self.weight_decay < math.inf:
            raise ValueError(f"weight_decay must be 0 or above, got {self.weight_decay}")
        object.__setattr__(self, "augmentation", "+".join(parts_of(self.augmentation)) or "none")
        check_integer("seed", self.seed, 0)
        if not isinstance(self.learning_rate_schedule, str) or (
            self.learning_rate_schedule not in RATES
        ):
            raise ValueError(
                f"learning_rate_schedule must be one of {list(RATES)}, got "
                f"{self.learning_rate_schedule!r}"
            )
        if not isinstance(self.precision, str | None) or (
            self.precision not in (None, *PRECISIONS)
        ):
            raise ValueError(
                f"precision must be one of {list(PRECISIONS)}, or None, got {self.precision!r}"
            )
        if not 0 <= self.label_smoothing < 1:
            raise ValueError(
                f"label_smoothing must be at least 0 and below 1, got {self.label_smoothing}"
            )
        if self.clip_norm is not None and not 0 < self.clip_norm < math.inf:
            raise ValueError(f"clip_norm must be above 0 and finite, or None, got {self.clip_norm}")
        if self.devices is not None and self.devices < 1:
            raise ValueError(f"devices must be at least 1, or None, got {self.devices}")
        if self.batch_size % (self.devices or 1):
            raise ValueError(
                f"batch_size must be a multiple of devices, {self.devices}, so that each has as "
                f"many examples of a batch; got {self.batch_size}"
            )
        self._check_rate()

    def _check_rate(self) -> None:
        if self.decay_epochs is not None and self.decay_epochs < self.epochs:
            raise ValueError(
                f"decay_epochs must be at least the number of epochs, {self.epochs}, or the "
                f"learning rate would have no value in the last of them; got {self.decay_epochs}"
            )
        if not 0 <= self.warmup < self.whole_epochs:
            raise ValueError(
                f"warmup must be at least 0 and fewer epochs than the training has, "
                f"{self.whole_epochs}, got {self.warmup}"
            )

    @property
    def whole_epochs(self) -> int:
        """Epochs of the whole training, of which ``epochs`` may be a part."""
        return self.decay_epochs or self.epochs

    @property
    def changes_rate(self) -> bool:
        """Whether the learning rate is not the same in all epochs."""
        return self.learning_rate_schedule != "constant" or self.warmup > 0

    @property
    def soft_labels(self) -> bool:
        """Whether a class label of the training is a share of each class, and not one class."""
        return self.label_smoothing > 0 or mixes(self.augmentation)

    def rate(self, epoch: int) -> float:
        """The learning rate of an epoch, counted from 0."""
        if epoch < self.warmup:
            return self.learning_rate * (epoch + 1) / (self.warmup + 1)
        if self.learning_rate_schedule == "constant":
            return self.learning_rate
        share = (epoch - self.warmup) / (self.whole_epochs - self.warmup)
        return self.learning_rate * (1 + math.cos(math.pi * share)) / 2

    def until(self, epochs: int) -> Recipe:
        """The part of the training that ends after so many epochs, from the first on.

        The learning rate of an epoch stays what it is in the whole training, so that a child that
        goes on after a rung of Hyperband is trained as one that never stopped.

        Raises:
            ValueError: If the learning rate changes, and the whole training is shorter.
        """
        if not self.changes_rate:
            return replace(self, epochs=epochs)
        if epochs > self.whole_epochs:
            raise ValueError(
                f"a child is to be trained for {epochs} epochs in all, and its recipe says the "
                f"learning rate of {self.whole_epochs}: give Recipe(epochs=...), or decay_epochs, "
                "the most epochs that a child gets"
            )
        return replace(self, epochs=epochs, decay_epochs=self.whole_epochs)

    def check(self, input_shape: Sequence[int], classes: int | None) -> None:
        """Check that children of these data can be trained so.

        Args:
            input_shape: Of an example.
            classes: None where a number is predicted.

        Raises:
            ValueError: If what are no images would be changed as such, or numbers smoothed or cut.
        """
        check(self.augmentation, input_shape, classes)
        if classes is None and self.label_smoothing:
            raise ValueError(
                f"label_smoothing {self.label_smoothing:g} is for classes, and a number is "
                "predicted here: leave it out, or at 0"
            )

    @property
    def facts(self) -> dict[str, Any]:
        """The fields by name, as they are kept with results.

        Without those that came later and have their default: results that were kept before are of
        the same recipe.
        """
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        later = {f.name: f.default for f in fields(self)[_FIRST:] if f.default is not MISSING}
        return {n: x for n, x in values.items() if n not in later or x != later[n]}

    def __repr__(self) -> str:
        return f"Recipe({', '.join(f'{name}={value!r}' for name, value in self.facts.items())})"


_FIRST = 7  # fields up to patience, which every fingerprint has
