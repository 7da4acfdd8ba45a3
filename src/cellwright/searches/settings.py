"""The settings of a search, kept with its results."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from cellwright.plugins import (
    Data,
    Evaluation,
    Limit,
    Meter,
    MnasNetReward,
    Recipe,
    Reward,
    Strategy,
    Trackers,
    load_dataset,
    make_meter,
    make_space,
    make_strategy,
    make_tracker,
)
from cellwright.plugins.files import atomic_write
from cellwright.plugins.meters import AnyMeter, as_meters, metric_of
from cellwright.plugins.meters.measurement import of_untrained
from cellwright.plugins.metrics import (
    PREDICTED,
    TRAINED,
    Direction,
    Metric,
    find_metric,
    split_direction,
)
from cellwright.plugins.registry import AUTO_OF_SEVERAL, takes
from cellwright.plugins.scoring.limit import Screening
from cellwright.plugins.strategies.hyperband import Hyperband
from cellwright.plugins.strategies.population import PopulationBased
from cellwright.plugins.strategies.schedule import Schedule
from cellwright.plugins.supernet.search import SharedScores
from cellwright.search_spaces import CellwrightError, SearchSpace
from cellwright.search_spaces.start import point_of
from cellwright.searches.computed import computed_limit, computed_objectives
from cellwright.searches.prediction import make_predictor
from cellwright.searches.reward import check_reward, meter_for, read_meter, read_reward

FILE = "settings.json"
CHECKPOINTS, WEIGHTS = "checkpoints", "weights"
# Settings that are lists, and what stands between the parts where they are shown as one text.
LISTS = {
    "drop": ",",
    "objectives": ",",
    "start": ",",
    "after": " ",
    "tune": " ",
    "track": " ",
    "meter": " ",
}
SCHEDULES = ("hyperband", "halving", "pbt")
SHARED_BEST = 10  # children that are trained first for their shared weights, by default
POPULATION = 8  # members under pbt, unless the user gives another number
# Fields of a recipe that are the user's, beside those that every search has.
OF_RECIPE = (
    "patience",
    "precision",
    "augmentation",
    "weight_decay",
    "learning_rate_schedule",
    "warmup",
    "label_smoothing",
    "clip_norm",
    "devices",
)
# What names mean, by number; searches of the first kept no number. Then "nasnet", and the class by
# its path, was the space that is "nasnet-wide" now, and `Reinforce.book` did not explore. Until the
# third, no objective was computed; until the fourth, children beyond a limit were proposed even if
# their cost could be computed.
EDITION = 4


@dataclass(frozen=True)
class KeptScore:
    """What the shared weights of a supernet said of a child; see `SharedScore`.

    Attributes:
        choices: Positions (`SearchSpace.encode`).
        score, reward: Those of a `SharedScore`.
    """

    choices: tuple[int, ...]
    score: float
    reward: float


@dataclass(frozen=True)
class Settings:
    """The options of ``cellwright search``; its ``--help`` explains them."""

    host: str
    strategy: str
    space: SearchSpace | str  # an object cannot be saved: see `on_nni`
    data: str
    trials: int
    epochs: int
    batch_size: int
    learning_rate: float
    filters: int | None
    seed: int
    storage: str | None  # without its password, which is never kept
    concurrency: int
    label: str | None = None
    drop: tuple[str, ...] = ()
    task: str = "auto"
    class_weight: str | None = None
    image_size: str | None = None  # a side, or height x width
    color: str | None = None
    image_fit: str | None = None
    strict: bool = False
    stream: bool | None = None
    meter: tuple[str, ...] = ()  # each as `read_meter` takes it
    target: float | None = None
    target_from: str | None = None
    hard: bool = False
    limit: float | None = None
    patience: int | None = None
    precision: str | None = None  # this and the next are fields of a recipe, by their names
    augmentation: str | None = None
    weight_decay: float | None = None
    learning_rate_schedule: str | None = None
    warmup: int | None = None
    label_smoothing: float | None = None
    clip_norm: float | None = None
    devices: int | None = None
    deadline: float | None = None  # only an estimator sets it
    objectives: tuple[str, ...] = ()  # each NAME, NAME:max or NAME:min
    predict: str | None = None
    tune: tuple[str, ...] = ()  # hyperparameters, each as the user wrote it
    schedule: str | None = None
    factor: int | None = None
    population: int | None = None
    step: int | None = None
    reward: str | None = None  # see `read_reward`
    one_shot: bool = False
    weights: str | None = None  # of the network that is searched around
    track: tuple[str, ...] = ()  # each as `make_tracker` takes it
    study: str | None = None  # its name in the storage; after the folder if None
    edition: int = EDITION  # no option: a search that goes on keeps its own
    strategy_arg: Mapping[str, Any] = field(default_factory=dict)  # of the strategy, by its names
    start: tuple[str, ...] = ()  # names of genotypes, and paths of files from the root on
    after: tuple[str, ...] = ()  # earlier runs, paths from the root on
    prior: tuple[Any, ...] = ()  # no option: what they found, see `with_prior`
    confirm: int | None = None  # of the best children, how many are trained again
    supernet: int | None = None  # epochs of it
    supernet_folder: str | None = None  # by default in the folder of the search
    shared_trials: int | None = None
    shared_best: int | None = None
    shared_examples: int | None = None  # on which each is scored; all if None
    shared: tuple[KeptScore, ...] = ()  # no option: the best one first, see `with_scores`

    @property
    def goals(self) -> dict[str, Direction]:
        """The metrics that are searched for, and the direction of each.

        Raises:
            CellwrightError: If nothing says which way one of them is better.
        """
        goals = {}
        for text in self.objectives or ("reward",):
            name, direction = split_direction(text)
            goals[name] = direction or self.metric(name).direction
        return goals

    @property
    def objective_names(self) -> list[str]:
        """The names of the objectives, without their directions; empty for the reward alone."""
        return [split_direction(text)[0] for text in self.objectives]

    @property
    def declared(self) -> list[Metric]:
        """The metrics whose direction an objective or a meter of this search declares."""
        by_meter = [found for meter in self.make_meters() if (found := metric_of(meter))]
        said = [text for text in self.objectives if split_direction(text)[1] is not None]
        return [*(find_metric(text, by_meter) for text in said), *by_meter]

    def metric(self, text: str, option: str = "--objectives") -> Metric:
        """One of this search's metrics.

        Raises:
            CellwrightError: See `find_metric`, which has the arguments.
        """
        return find_metric(text, self.declared, option)

    def make_meters(self) -> tuple[AnyMeter, ...]:
        """The meters of the children, none if they are not measured.

        Raises:
            CellwrightError, ValueError: If one is not written right, or two write one metric.
        """
        return as_meters([read_meter(text) for text in self.meter_names])

    @property
    def meter_names(self) -> tuple[str, ...]:
        """The meters of the children, each as `read_meter` takes it.

        Without ``--meter``, a target or a limit is measured by Keras, unless latency is predicted;
        the objective ``latency_ms`` is always measured.
        """
        weighs = (self.target, self.target_from, self.limit) != (None, None, None)
        if self.meter:
            return self.meter
        if "latency_ms" in self.objective_names:
            return (self._usual_clock,)
        return ("keras",) if weighs and self.predict is None else ()

    @property
    def measured(self) -> tuple[str, ...]:
        """Names of the metrics that are measured of a child, beside those of its training."""
        predicted = () if self.predict is None else (PREDICTED,)
        screening = Screening(self.make_meters())
        return (*predicted, *screening.metrics, *screening.late_metrics)

    @property
    def _usual_clock(self) -> str:
        return "keras" if self.predict is None else "litert"

    def make_clock(self) -> Meter:
        """The meter that times the pieces of a prediction, and the network of ``target_from``: the
        first of a cost that needs no training."""
        early = of_untrained([read_meter(text) for text in self.meter or (self._usual_clock,)])
        costs = [meter for meter in early if not _is_maximised(meter)]
        (clock,) = costs[:1] or early[:1] or of_untrained(make_meter(self._usual_clock))
        return clock

    @property
    def options(self) -> dict[str, Any]:
        """The options of ``space.build``."""
        given = {"filters": self.filters, "weights": self.weights}
        return {name: value for name, value in given.items() if value is not None}

    @property
    def cost(self) -> str | None:
        """The metric that a front is drawn against: that of the first meter of a cost, or else of
        the first meter, the predicted latency, or the first objective that is minimised."""
        meters = self.make_meters()
        costs = [meter for meter in meters if not _is_maximised(meter)]
        if meters:
            return (costs or meters)[0].metric
        if self.predict is not None:
            return PREDICTED
        return next((name for name, way in self.goals.items() if way == "minimize"), None)

    @property
    def limited(self) -> str | None:
        """The metric that is limited: the predicted latency, or else that of `cost`."""
        return self.cost if self.predict is None else PREDICTED

    def make_limit(self) -> Limit | None:
        """The limit on a child: the most of a cost, the least of what is maximised."""
        if self.limit is None or self.limited is None:
            return None
        most = next((m for m in self.make_meters() if m.metric == self.limited), None)
        maximised = most is not None and _is_maximised(most)
        return Limit.on(self.limited, self.limit, "maximize" if maximised else "minimize")

    def make_space(self) -> SearchSpace:
        """The space to search, with the hyperparameters of ``tune``."""
        return make_space(self.meant_space, self.tune)

    @property
    def meant_space(self) -> SearchSpace | str:
        """The space, by the name that it has now."""
        if self.edition < 2 and isinstance(self.space, str):
            if self.space == "nasnet":
                return "nasnet-wide"
            if self.space.startswith("cellwright") and self.space.endswith(":NASNetSpace"):
                return f"{self.space}.wide"
        return self.space

    @property
    def named(self) -> list[str]:
        """All that these settings name and that may be ``"package.module:attribute"``."""
        texts = [self.strategy, *(text.partition("=")[0] for text in self.track)]
        texts += [text.partition(",")[0].strip() for text in (*self.meter, self.reward or "")]
        return [text for text in (self.space, self.meant_space, *texts) if isinstance(text, str)]

    def strategy_arguments(self, evaluation: Evaluation | None = None) -> dict[str, Any]:
        """The arguments of the strategy beside its space, its seed and its objectives.

        With the ``evaluation`` of the search, objectives that can be are computed, and so is what
        is limited.
        """
        before = {"exploration": 0.0} if self.edition < 2 else {}
        usual: dict[str, Any] = before if self.strategy.endswith(":Reinforce.book") else {}
        if evaluation is not None and self.edition >= 3 and self.strategy == AUTO_OF_SEVERAL:
            usual |= computed_objectives(self.goals, self.make_meters(), evaluation)
        if evaluation is not None and self.edition >= 4:
            usual |= computed_limit(self.make_limit(), self.make_meters(), evaluation)
        if self.after:
            usual["prior"] = [list(results) for results in self.prior]
        if self.shared and takes("strategies", self.strategy, "prior"):
            usual["prior"] = [[[list(one.choices), one.reward] for one in self.shared]]
        if self.start or self.shared:
            space = self.make_space() if evaluation is None else evaluation.space
            with warnings.catch_warnings():  # `settings_of` says what is not quite a point
                warnings.simplefilter("ignore", UserWarning)
                usual["start"] = [point_of(space, one) for one in self.start]
            usual["start"] += [
                space.decode(one.choices) for one in self.shared[: self.shared_first]
            ]
        return {**usual, **self.strategy_arg}

    @property
    def shared_first(self) -> int:
        """How many of the first trials try the best children by shared weights."""
        return min(SHARED_BEST, self.trials) if self.shared_best is None else self.shared_best

    def make_strategy(self, evaluation: Evaluation | None = None) -> Strategy:
        """The strategy, on the space of the ``evaluation`` or on a new `make_space`.

        Raises:
            ValueError: If there is none of that name, or it refuses an argument.
        """
        return make_strategy(
            self.strategy,
            self.make_space() if evaluation is None else evaluation.space,
            seed=self.seed,
            objectives=len(self.objectives) or 1,
            **self.strategy_arguments(evaluation),
        )

    def make_recipe(self) -> Recipe:
        """How children are trained.

        Raises:
            ValueError: If a value is out of range; its message begins with the field's name.
        """
        given = {name: getattr(self, name) for name in OF_RECIPE}
        others = {name: value for name, value in given.items() if value is not None}
        return Recipe(self.epochs, self.batch_size, self.learning_rate, self.seed, **others)

    def make_schedule(self) -> Schedule | None:
        """Which children go on to more epochs; None where all are trained alike."""
        if self.schedule is None:
            return None
        if self.schedule == "pbt":
            return PopulationBased(self.population or POPULATION, self.epochs, self.step or 1)
        return Hyperband(self.epochs, self.factor or 3, 1 if self.schedule == "halving" else None)

    @property
    def fixed_epochs(self) -> int | None:
        """The epochs of each child, if they are the same for all."""
        varied = self.schedule is not None or "epochs" in self.make_space().names
        return None if varied else self.epochs

    @property
    def data_options(self) -> dict[str, Any]:
        """The arguments of `load_dataset` that are not its defaults."""
        given = {
            "label": self.label,
            "drop": list(self.drop),
            "task": None if self.task == "auto" else self.task,
            "balanced": self.class_weight is not None,
            **self.image_options,
        }
        how = {} if self.stream is None else {"stream": self.stream}
        return {**{name: value for name, value in given.items() if value}, **how}

    @property
    def image_options(self) -> dict[str, Any]:
        """The arguments of `load_dataset` that say how the images of a folder are read."""
        given = {
            "image_size": self.image_size,
            "color": self.color,
            "image_fit": self.image_fit,
            "strict": self.strict,
        }
        return {name: value for name, value in given.items() if value}

    def load_data(self) -> Data:
        """The images or the table to search on.

        Raises:
            InvalidData: If they cannot be searched on.
        """
        return load_dataset(self.data, **self.data_options)

    def make_evaluation(
        self,
        data: Data | None = None,
        *,
        measure: bool = True,
        checkpoints: Path | None = None,
        weights: Path | None = None,
        tracked: Path | None = None,
    ) -> Evaluation:
        """Load the data, unless they are given, and put together how a child is scored.

        Args:
            data: Used in place of what `load_data` gives.
            measure: Whether a child is scored by what it costs too, or by its accuracy alone.
            checkpoints: Folder where children wait for more epochs, if there is a schedule.
            weights: Folder of the bank of weights, if the search is one-shot. Without it a child
                begins with fresh weights.
            tracked: Folder of the search whose trials are told to the trackers of ``track``.

        Raises:
            InvalidData: If the data cannot be searched on.
            CellwrightError: If there is a target, and the label is a number, or if the reward needs
                a metric that the children will not have.
            CellwrightError, ValueError, CorruptedState: See `make_predictor`.
        """
        on_trial = None if tracked is None else self.make_trackers(tracked)
        data = data or self.load_data()  # before the framework: wrong data are refused at once
        from cellwright.plugins import WeightBank

        meter: AnyMeter | tuple[AnyMeter, ...] | None = None
        limit, predictor = None, None
        reward: Reward | None = None
        if measure:
            meters = self.make_meters()
            meter = (meters[0] if len(meters) == 1 else meters) if meters else None
            if self.predict is not None:
                predictor = make_predictor(
                    Path(self.predict), self.make_space(), self.make_clock(), data, self.options
                )
        if measure and self.target is not None and self.cost is not None:
            if data.classes is None:
                raise CellwrightError("a target weighs accuracy, not a loss: give --limit alone")
            weigh = MnasNetReward.hard if self.hard else MnasNetReward
            reward = weigh(self.target, latency=self.cost)
        if measure and self.reward is not None:
            reward = read_reward(self.reward)
            check_reward(self.reward, reward, data.classes, self.measured)
        if measure:
            limit = self.make_limit()
        return Evaluation(
            self.make_space(),
            data,
            recipe=self.make_recipe(),
            reward=reward,
            meter=meter,
            options=self.options,
            seed=self.seed,
            limit=limit,
            predictor=predictor,
            deadline=self.deadline,
            checkpoints=None if self.schedule is None else checkpoints,
            weights=WeightBank(weights) if self.one_shot and weights is not None else None,
            on_trial=on_trial,
            shared=self.make_shared(),
        )

    def make_shared(self) -> SharedScores | None:
        """The scores that shared weights gave some children, if there is a supernet."""
        if not self.shared:
            return None
        return SharedScores(self.make_space(), [(one.choices, one.score) for one in self.shared])

    def make_trackers(self, folder: Path) -> Trackers | None:
        """Who is told of each trial of the search in ``folder``.

        Raises:
            ValueError, ModuleNotFoundError: See `make_tracker`.
        """
        space, name = self.make_space(), folder.resolve().name
        made = [make_tracker(text, folder=folder, search=name, space=space) for text in self.track]
        return Trackers(made) if made else None

    def save(self, folder: Path) -> None:
        """Write ``settings.json``."""
        with atomic_write(folder / FILE) as file:
            file.write(json.dumps(asdict(self), indent=1) + "\n")


def check_objectives(settings: Settings) -> None:
    """Check that the children will have every metric that is an objective.

    Raises:
        CellwrightError: If an objective is not a metric that the children will have, or nothing
            says which way it, or what the front is drawn against, is better.
    """
    known = [*TRAINED, *settings.measured, "seconds"]
    if missing := [name for name in settings.objective_names if name not in known]:
        raise CellwrightError(
            f"--objectives must be among {', '.join(known)}, with commas between, got "
            f"{_told('objectives', settings.objectives)!r}; a --meter adds its own metric"
            f"{meter_for(missing[0])}, and :max or :min after a name says which way it is better"
        )
    for name in (*settings.objectives, *([] if settings.cost is None else [settings.cost])):
        settings.metric(name)


def with_goals(settings: Settings) -> Settings:
    """The settings with the direction of every objective written out, as they are kept.

    Raises:
        CellwrightError: See `check_objectives`.
    """
    check_objectives(settings)
    if not settings.objectives:
        return settings
    explicit = (f"{name}:{direction[:3]}" for name, direction in settings.goals.items())
    return replace(settings, objectives=tuple(explicit))


def _is_maximised(meter: AnyMeter) -> bool:
    found = metric_of(meter)
    return found is not None and found.direction == "maximize"


def as_told(settings: Settings) -> dict[str, Any]:
    """All settings by name, lists as one text; None for an empty list."""
    return {name: _told(name, value) for name, value in asdict(settings).items()}


def _told(name: str, value: Any) -> Any:
    if isinstance(value, Mapping):
        value = [f"{key}={_as_given(part)}" for key, part in sorted(value.items())]
        return " ".join(value) or None
    return (LISTS[name].join(value) or None) if name in LISTS else value


def _as_given(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def as_text(settings: Settings) -> dict[str, Any]:
    """The settings that a reader wants to see."""
    told = as_told(settings)
    shown = {name: x for name, x in told.items() if x is not None and x is not False}
    shown["space"] = settings.meant_space
    del shown["edition"]
    for name in ("prior", "shared"):
        shown.pop(name, None)
    if settings.concurrency == 1:
        shown.pop("concurrency")
    return shown
