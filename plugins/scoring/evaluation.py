"""One trial's work: from parameters to a child network that is built, measured and trained."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import hashlib
import itertools
import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cellwright.plugins.data.data import Data
from cellwright.plugins.interrupts import never_a_failure
from cellwright.plugins.meters import AnyMeter
from cellwright.plugins.metrics import SHARED, SHARED_ACCURACY, SHARED_MSE
from cellwright.plugins.scoring.child import score
from cellwright.plugins.scoring.limit import Limit, Screening
from cellwright.plugins.scoring.rewards import Reward, usual_reward
from cellwright.plugins.strategies.schedule import state_of
from cellwright.plugins.tracking.tracked import Notes, OnTrial, tracking
from cellwright.plugins.training.checkpoints import Checkpoint, checkpoint_of, descended
from cellwright.plugins.training.recipe import Recipe
from cellwright.plugins.training.weight_bank import WeightBank
from cellwright.search_spaces import JointSpace, Params, SearchSpace
from cellwright.search_spaces.arguments import check_integer, check_kind, check_number
from cellwright.search_spaces.joint import architecture_of

_BANK_OR_CHECKPOINTS = (
    "one-shot weights do not go with a schedule or checkpoints: a schedule compares children that "
    "were trained alike, and a child that begins with the weights of others has had more than its "
    "epochs. Leave the bank of weights out, or the schedule"
)
Report = Callable[[int, dict[str, float]], None]
Train = Callable[..., dict[str, float]]
NO_FOLDER = (
    "population based training copies weights from one child to another: give the evaluation a "
    'folder for them, such as checkpoints="checkpoints"'
)


@dataclass(frozen=True)
class Evaluation:
    """Everything that turns an architecture into a reward; the same for every host.

    The name of a hyperparameter beside the architecture, whether it is from a `JointSpace` or a
    host's own, says what it is for: a field of the recipe (``epochs``, ``batch_size``,
    ``learning_rate``, ``weight_decay``, ``augmentation``, ...) changes the recipe, and any other is
    an option of ``space.build`` (``filters``, ``dropout``, ...).

    Args:
        space: Builds the child network.
        data: Images or a table to train and validate on, as arrays (`Dataset`) or a `Stream`.
        recipe: How children are trained; the book's recipe if None.
        reward: Weighs the metrics; validation accuracy if None, or the negative of the validation
            loss where a number is predicted.
        meter: One meter, or several. Each writes the metric that it names (``latency_ms``, ...);
            those of trained children (``accuracy_int8``) after the training, all others before it.
        options: For ``space.build``, such as ``{"filters": 16}``.
        seed: Fixes each child's initial weights.
        checkpoints: A folder. A child with the architecture and hyperparameters (``epochs`` aside)
            of one that was trained before goes on from where that one stood. If None, every child
            is trained from the beginning. Population based training copies weights from one child
            to another in it.
        weights: A bank of one-shot weights, with which a child's layers begin, and to which they
            return. The metric ``shared_layers`` counts the layers that began so: a child's score
            then depends on what was trained before, and no host answers a repeated network with
            it. If None, every child begins with fresh weights.
        limit: A child beyond it is not trained, or does not count where the limit is on what is
            measured after the training.
        predictor: Gives ``predicted_latency_ms`` before the child is built: takes the parameters,
            returns seconds.
        deadline: When the training of a child ends at the latest; see `training.train.train`.
        train: A training of your own in place of `training.train.train`. It takes the same
            arguments, without those that are None, and returns the same kind of metrics.
        on_trial: Told of each trial that ends (`TrackedTrial`), by whichever host runs it: a
            tracker such as `MLflowTracker`, or any function. What it raises is a warning.
        shared: What the shared weights of a supernet say of an architecture (`SharedScores`), None
            of one that they were not asked of. It becomes the metric ``shared_accuracy``, or
            ``shared_mse``, and counts for nothing else.

    Raises:
        ValueError: If the reward weighs a latency, or the limit is on a metric, that nothing
            measures; if a meter makes files that need another backend of Keras; if either is the
            most of something of which more is better; if two meters write the same metric, or one
            cannot measure children of these data; if ``space`` searches a hyperparameter that
            neither the recipe nor ``space.build`` knows, or a value that the recipe refuses; if
            there is a bank, and the space does not say which layers share weights, or there are
            checkpoints too.
    """

    space: SearchSpace
    data: Data
    recipe: Recipe | None = None
    reward: Reward | None = None
    meter: AnyMeter | Sequence[AnyMeter] | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    seed: int = 0
    checkpoints: str | Path | None = None
    weights: WeightBank | None = None
    limit: Limit | None = None
    predictor: Callable[[Params], float] | None = None
    deadline: float | None = None
    train: Train | None = None
    on_trial: OnTrial | None = None
    shared: Callable[[Params], float | None] | None = None

    def __post_init__(self) -> None:
        check_kind("space", self.space, SearchSpace, "a SearchSpace")
        if self.recipe is not None:
            check_kind("recipe", self.recipe, Recipe, "a Recipe, or None")
        if self.reward is not None and not callable(self.reward):
            raise TypeError(f"reward must be a function of the metrics, got {self.reward!r:.200}")
        check_kind("options", self.options, Mapping, "a dictionary of the options of space.build")
        check_integer("seed", self.seed, 0)
        if self.deadline is not None:
            check_number("deadline", self.deadline, least=0)
        if self.data is not None and not hasattr(self.data, "input_shape"):
            raise ValueError(
                f"data must be a Dataset of arrays or a Stream, got {type(self.data).__name__}: "
                "wrap batches and datasets of other libraries as stream(train, validation, "
                "classes=...)"
            )
        if self.data is not None:
            shape, classes = self.data.input_shape, self.data.classes
            check_hyperparameters(self.space, self._recipe, shape, classes)
            self._screening.check_data(self.data)
        self._screening.check_backends()
        self._screening.check_precisions(precisions_of(self.space, self._recipe))
        self._screening.check_reward(self.reward)
        if self.weights is not None and not self.space.shares_weights:
            space = architecture_of(self.space)
            raise ValueError(
                f"{space!r} does not say which layers share weights: leave the bank out, or "
                "search a NASNetSpace, an MLPSpace or a space of your own with `shared_weights`"
            )
        if self.weights is not None and self.checkpoints is not None:
            raise ValueError(_BANK_OR_CHECKPOINTS)

    @property
    def known_before(self) -> tuple[str, ...]:
        """Names of the metrics that `measure` gives."""
        return self._screening.metrics

    @property
    def known_after(self) -> tuple[str, ...]:
        """Names of the metrics that `measure_trained` gives, which no epoch has."""
        return self._screening.late_metrics

    @functools.cached_property
    def fingerprint(self) -> str:
        """16 hexadecimal digits that differ if the data, the recipe, the reward, the options, the
        seed or the training do: a host keeps it with a result, and no result answers for another.

        It is the same in every process. A reward or an option without a representation of its own
        is told from others by its type and its attributes.
        """
        how = (self.reward or usual_reward(self.data.classes), self.train)
        facts = {
            "data": self.data.fingerprint,
            "recipe": self._recipe.facts,
            "options": dict(self.options),
            "seed": self.seed,
            "how": [_described(part) for part in how],
        }
        text = json.dumps(facts, sort_keys=True, default=_described)
        return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()

    @property
    def _screening(self) -> Screening:
        return Screening(self.meter, self.predictor, self.limit)

    def build(self, params: Mapping[str, Any]) -> Any:
        """The untrained child of ``params``, which may hold hyperparameters too.

        Raises:
            InvalidArchitecture, UnbuildableChild: See ``space.build``.
            ValueError: On a hyperparameter that nothing knows.
        """
        network, hyperparameters = self.space.split(params)
        return self._with(hyperparameters)._build(network)

    def _build(self, network: Mapping[str, Any]) -> Any:
        shape, classes = self.data.input_shape, self.data.classes
        with _computing_in(self._recipe.precision):
            return self.space.build(network, shape, classes, seed=self.seed, **self.options)

    def run(
        self,
        params: Mapping[str, Any],
        report: Report | None = None,
        checkpoint: Checkpoint | None = None,
        *,
        epochs: int | None = None,
        after: str | None = None,
        notes: Notes | None = None,
    ) -> tuple[dict[str, float], Any]:
        """Build, measure, train and weigh one child.

        What can be known of a child before it is trained is measured first (`measure`), so that a
        child beyond the limit costs no training. Ctrl-C ends it after a batch, and a second one
        at once; a training of your own decides this for itself.

        Args:
            params: The architecture, and any hyperparameters by name.
            report: Called with each epoch (from 0) and its metrics, with what was measured before
                the training, and with the ``reward`` that all of these give, if they give one.
                What it raises goes through.
            checkpoint: From which the child goes on, and in which it is kept; by default its own
                in `checkpoints`.
            epochs: How long to train in all, as a schedule says; by default as the recipe, or
                ``params``, says.
            after: Of a trial of `PopulationBased`, the name of the weights that the child goes on
                from (`Rung.after`); ``""`` for a new child. It leaves its own in `checkpoints`
                under another name, so that any number of trials can go on from them.
            notes: Of a host that tells `on_trial` by itself, once it has stored the trial (see
                `tracking`); otherwise it is told here, without a number.

        Returns:
            The metrics (those of the training and of `measure`, ``seconds``, and ``reward``), and
            the trained model.

        Raises:
            InvalidArchitecture, UnbuildableChild: Before any training.
            OverLimit: Likewise, unless the limit is on what is measured after the training.
            ValueError: Before any training, on a hyperparameter that nothing knows, on ``after``
                without `checkpoints`, or if there is a bank of weights and either ``checkpoint`` or
                ``epochs`` is given.
            ChildFailed: If the child cannot be measured, its training diverges or runs out of
                memory, the weights that it goes on from are not there, or the reward is not a
                finite number.
            KeyboardInterrupt: On Ctrl-C, whatever it interrupted: never as a failure of the child.
        """
        if notes is None:
            with tracking(self.on_trial, self.space, None) as notes:
                return self.run(params, report, checkpoint, epochs=epochs, after=after, notes=notes)
        notes.params = dict(params)
        try:
            found = self._run(params, notes.each(report), checkpoint, epochs, after)
        except BaseException as error:
            notes.fail(error)
            raise
        notes.metrics = found[0]
        return found

    def _run(
        self,
        params: Mapping[str, Any],
        report: Report | None,
        checkpoint: Checkpoint | None,
        epochs: int | None,
        after: str | None,
    ) -> tuple[dict[str, float], Any]:
        if self.weights is not None and (checkpoint is not None or epochs is not None):
            raise ValueError(_BANK_OR_CHECKPOINTS)
        network, hyperparameters = self.space.split(params)
        mine = self._with(hyperparameters, epochs)
        if after is not None:
            checkpoint = self._descended({**network, **hyperparameters}, mine._recipe.epochs, after)
        kept = mine._kept(network) if checkpoint is None else {"checkpoint": checkpoint}

        reward = self.reward or usual_reward(self.data.classes)

        def train(model: Any, known: Mapping[str, float]) -> dict[str, float]:
            each = None if report is None else _with_reward(report, known, reward)
            how = {"report": each, **kept, **mine._late()}
            if self.weights is None:
                return mine._train(model, how)
            shared = self.space.shared_weights(network, model)
            started = self.weights.start(model, shared)
            metrics = mine._train(model, how)
            self.weights.keep(model, shared)
            return {**metrics, SHARED: float(len(started))}

        with never_a_failure(hold_back=self.train is None):
            metrics, model = score(
                network, lambda: mine._build(network), train, self._screening, reward, self.data
            )
        return {**metrics, **self._said_by_shared_weights(network)}, model

    def _said_by_shared_weights(self, network: Params) -> dict[str, float]:
        score = None if self.shared is None else self.shared(network)
        if score is None:
            return {}
        return {SHARED_MSE: -score} if self.data.classes is None else {SHARED_ACCURACY: score}

    def _train(self, model: Any, how: Mapping[str, Any]) -> dict[str, float]:
        return (self.train or _keras_training())(model, self.data, self._recipe, **how)

    def measure(self, params: Mapping[str, Any]) -> tuple[dict[str, float], Any]:
        """What is known of a child before it is trained.

        Returns:
            The metrics (``predicted_latency_ms`` if there is a predictor, ``parameters``, and that
            of each meter), and the untrained child.

        Raises:
            InvalidArchitecture, UnbuildableChild, ValueError: See `build`.
            ChildFailed: If it cannot be measured.
            OverLimit: As soon as the limited metric is known to be beyond the limit.
        """
        network, hyperparameters = self.space.split(params)
        mine = self._with(hyperparameters)
        return mine._screening.measure(network, lambda: mine._build(network))

    def measure_trained(self, model: Any) -> dict[str, float]:
        """What is measured of a trained child.

        Returns:
            The metric of each meter of trained children.

        Raises:
            ChildFailed: If it cannot be measured.
            OverLimit: If a limit on one of these metrics is not kept.
        """
        return self._screening.measure_trained(model, self.data, {})

    def _with(self, hyperparameters: Mapping[str, Any], epochs: int | None = None) -> Evaluation:
        """This evaluation, with the given hyperparameters in its recipe and options."""
        recipe, options = divide(hyperparameters, self._recipe, self.space)
        if epochs is not None:
            recipe = recipe.until(epochs)
        return dataclasses.replace(self, recipe=recipe, options={**self.options, **options})

    @property
    def _recipe(self) -> Recipe:
        return self.recipe or Recipe()

    def _late(self) -> dict[str, Any]:
        """When to end, as an argument for the training."""
        return {} if self.deadline is None else {"deadline": self.deadline}

    def _kept(self, network: Mapping[str, Any]) -> dict[str, Any]:
        """Where the child of ``network`` is kept, as an argument for the training."""
        if self.checkpoints is None:
            return {}
        recipe = self._recipe.until(1)
        identity = (dict(network), dict(self.options), recipe.facts, self.seed)
        return {"checkpoint": checkpoint_of(self.checkpoints, *identity)}

    def _descended(self, params: Mapping[str, Any], epochs: int, after: str) -> Checkpoint:
        """Where a child of a population is kept, together with what it goes on from."""
        if self.checkpoints is None:
            raise ValueError(NO_FOLDER)
        recipe = self._recipe.until(1).facts
        shared = (dict(self.options), recipe, self.seed)
        return descended(self.checkpoints, state_of(params, epochs, after), after, *shared)


def _with_reward(report: Report, known: Mapping[str, float], reward: Reward) -> Report:
    """``report``, given also what is ``known`` before the training, and the reward so far."""

    def each(epoch: int, metrics: dict[str, float]) -> None:
        so_far = {**metrics, **known}
        with contextlib.suppress(Exception):  # it may weigh what only a whole training gives
            so_far["reward"] = float(reward(so_far))
        report(epoch, so_far)

    return each


def _described(part: Any) -> str:
    """What a reward, a function or an option is, without its address in memory."""
    if " at 0x" not in (text := repr(part)):
        return text
    facts = {name: _described(value) for name, value in getattr(part, "__dict__", {}).items()}
    kind = part if hasattr(part, "__qualname__") else type(part)
    return f"{kind.__module__}.{kind.__qualname__} {facts}"


def _keras_training() -> Train:
    from cellwright.plugins.training.train import train  # imports Keras

    return train


def _computing_in(precision: str | None) -> AbstractContextManager[None]:
    if precision is None:
        return contextlib.nullcontext()
    from cellwright.search_spaces.keras_settings import computing_in  # imports Keras

    return computing_in(precision)


def check_hyperparameters(
    space: SearchSpace, recipe: Recipe, input_shape: Sequence[int], classes: int | None
) -> None:
    """Check that something knows every hyperparameter of a `JointSpace`, and takes its choices.

    Choices of two names are tried together too where one limits the other (``epochs``, ``warmup``).

    Raises:
        ValueError: If a hyperparameter is neither a field of the recipe nor an option of
            ``space.build``, or the recipe refuses one of its choices; see also `Recipe.check`.
    """
    searched = space.hyperparameters if isinstance(space, JointSpace) else ()
    of_epochs = [d for d in searched if d.name in ("epochs", "warmup", "decay_epochs")]
    recipes = [recipe]
    for decision in (d for d in searched if d not in of_epochs):
        for choice in decision.choices:
            recipes.append(divide({decision.name: choice}, recipe, space)[0])
    names = [decision.name for decision in of_epochs]
    for choices in itertools.product(*(decision.choices for decision in of_epochs)):
        divide(dict(zip(names, choices, strict=True)), recipe, space)
    for each in recipes:
        each.check(input_shape, classes)


def precisions_of(space: SearchSpace, recipe: Recipe) -> set[str | None]:
    """The precisions that children may have: the recipe's, or those that ``space`` searches."""
    searched = space.hyperparameters if isinstance(space, JointSpace) else ()
    choices = [decision.choices for decision in searched if decision.name == "precision"]
    return {str(choice) for choice in choices[0]} if choices else {recipe.precision}


def divide(
    hyperparameters: Mapping[str, Any], recipe: Recipe, space: SearchSpace
) -> tuple[Recipe, dict[str, Any]]:
    """Give each hyperparameter to the recipe or to ``space.build``, by its name.

    Returns:
        The recipe with its new fields, and the options of ``space.build``.

    Raises:
        ValueError: On a hyperparameter that belongs to neither, or a value that the recipe refuses.
    """
    fields = {field.name for field in dataclasses.fields(recipe)}
    training = {name: x for name, x in hyperparameters.items() if name in fields}
    building = {name: x for name, x in hyperparameters.items() if name not in fields}
    unknown = set() if space.options is None else building.keys() - space.options
    if unknown:
        raise ValueError(
            f"hyperparameters {sorted(unknown)} mean nothing here: the recipe knows "
            f"{sorted(fields)}, and {space!r} builds with {sorted(space.options or ())}"
        )
    return (dataclasses.replace(recipe, **training) if training else recipe), building
