"""What is refused before a search begins: by its settings, by its data, and by its folder.

No framework is imported here, so that a mistake costs a second and not the start of TensorFlow.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from cellwright.plugins import Data
from cellwright.plugins.data.image_file import COLORS, FITS, read_size
from cellwright.plugins.data.images import IMAGES
from cellwright.plugins.data.tables import TABLES
from cellwright.plugins.data.target import TASKS
from cellwright.plugins.files import why_unwritable
from cellwright.plugins.meters.latency_predictor import check_precisions
from cellwright.plugins.meters.measurement import check_backends
from cellwright.plugins.passwords import VARIABLE, keep
from cellwright.plugins.registry import names
from cellwright.plugins.scoring.evaluation import check_hyperparameters, precisions_of
from cellwright.plugins.scoring.limit import Screening
from cellwright.plugins.scoring.reference import check_reference
from cellwright.plugins.scoring.rewards import MnasNetReward
from cellwright.plugins.training.devices import check_devices
from cellwright.search_spaces import CellwrightError, JointSpace, UnbuildableChild
from cellwright.search_spaces.joint import architecture_of
from cellwright.searches.extras import require
from cellwright.searches.hosts import HOSTS, driver_of
from cellwright.searches.prediction import check_prediction
from cellwright.searches.reward import check_reward, read_reward
from cellwright.searches.settings import OF_RECIPE, Settings, check_objectives

_LEARNING_RATE = 1e-3  # the default of --learning-rate, which --tune may then search


@contextmanager
def named(option: str) -> Iterator[None]:
    """Let an error about the value of an option begin with the option's name."""
    try:
        yield
    except ValueError as error:
        if str(error).startswith("--"):
            raise
        raise CellwrightError(f"{option}: {error}") from error


def check_settings(settings: Settings) -> None:
    """Refuse settings that no search can have, whatever the data hold.

    Raises:
        CellwrightError, ValueError: Naming the option, what was given and what is allowed.
        ModuleNotFoundError: If a package is missing, naming the extra that brings it.
    """
    if settings.host not in HOSTS:
        raise CellwrightError(f"--host must be one of {', '.join(HOSTS)}, got {settings.host!r}")
    if settings.storage is not None and settings.host != "optuna":
        raise CellwrightError(
            "--storage is Optuna's; leave it out with another --host, and unset the environment "
            f"variable {VARIABLE} if it is from there"
        )
    if settings.concurrency > 1 and not HOSTS[settings.host].concurrent:
        names_ = " or ".join(name for name, host in HOSTS.items() if host.concurrent)
        raise CellwrightError(
            f"--concurrency {settings.concurrency} is for --host {names_}: the other hosts train "
            f"one child at a time here. Leave it out, or give --host {names_}"
        )
    for name in (text.partition("=")[0] for text in settings.track):
        if ":" not in name and name not in names("trackers"):
            raise CellwrightError(
                f"--track {name}: installed trackers are {', '.join(names('trackers'))}, and "
                "module:attribute names any other"
            )
    _check_training(settings)
    _check_source(settings)
    _check_cost(settings)
    if settings.reward is not None:
        _check_reward(settings)
    _check_confirm(settings)
    _check_supernet(settings)
    check_objectives(settings)
    require(HOSTS[settings.host].package, f"--host {settings.host}")
    require("keras", "a child network")


def check_data(settings: Settings, data: Data) -> None:
    """Refuse data that no child of the space can read.

    Raises:
        UnbuildableChild: Saying what the space's networks read.
    """
    _check_input(settings, data.input_shape, data.classes)


def _check_input(settings: Settings, shape: Sequence[int], classes: int | None) -> None:
    """What the space says, unless a class that builds in its own way has left that to another.

    Where a space does not say it, `try_to_build` does.
    """
    space = settings.make_space()
    network = architecture_of(space)
    methods = ("check_input", "build")
    told = next(m for kind in type(network).__mro__ for m in methods if m in vars(kind))
    if told == "check_input":
        with suppress(NotImplementedError):
            network.check_input(shape, classes, **settings.options)


def check_folder(out: Path, option: str = "--out") -> None:
    """Refuse a path where no folder can be written, without making one.

    Raises:
        CellwrightError: Naming the path and what stands in the way.
    """
    there = next(path for path in (out, *out.absolute().parents) if path.exists())
    if not there.is_dir():
        reason = "File exists" if there == out else f"Not a directory: {there}"
        raise CellwrightError(
            f"{option} {out} cannot be a folder ({reason}): give another {option}"
        )
    if (error := why_unwritable(there)) is not None:
        raise CellwrightError(
            f"{option} {out} cannot be written ({error.strerror}: {there}): give another {option}"
        ) from error


def read_storage(url: str | None, study: str | None) -> str | None:
    """A storage as the settings keep it: without its password, which this process remembers.

    Raises:
        CellwrightError: If a study is named without a storage, or one of the two is empty.
    """
    for option, given in (("--storage", url), ("--study", study)):
        if given is not None and not given.strip():
            raise CellwrightError(f"{option} is empty: give a name, or leave it out")
    if study is not None and url is None:
        raise CellwrightError(
            f"--study {study} is a study in a storage: give --storage URL too, or the environment "
            f"variable {VARIABLE}"
        )
    return None if url is None else keep(url)


def check_storage(out: Path, settings: Settings) -> None:
    """Open the storage that ``--storage`` names.

    Raises:
        CellwrightError: If the host cannot open it.
    """
    if settings.storage is not None:
        driver_of(settings.host).read(out, settings)


def _check_training(settings: Settings) -> None:
    try:
        recipe = settings.make_recipe()
        shape = (1,) if _is_table(settings) else (8, 8, 3)
        number = settings.task == "regression" or settings.data == "diabetes"
        recipe.check(shape, None if number else 2)
    except ValueError as error:
        name = str(error).split()[0].strip(":").replace("_", "-")
        raise CellwrightError(
            f"--{name}: {error}; give a usual value, such as --learning-rate 0.001"
            if name == "learning-rate"
            else f"--{name}: {error}"
        ) from error
    with named("--devices"):
        check_devices(settings.devices)
    space = settings.make_space()
    with named("--tune"):
        check_hyperparameters(space, recipe, shape, None if number else 2)
        for decision in space.hyperparameters if isinstance(space, JointSpace) else ():
            if decision.name == "devices":
                check_devices(max(map(int, decision.choices)))
    if settings.patience is not None and settings.schedule is not None:
        raise CellwrightError(
            f"--patience {settings.patience} and --schedule {settings.schedule} both end "
            "trainings: a child that has ended by itself could not go on in its next rung. Leave "
            "one of them out"
        )
    network = architecture_of(space)
    known = network.options is None or "filters" in network.options
    if settings.filters is not None and not known:
        raise CellwrightError(
            f"--filters {settings.filters} is for spaces of convolutions, and "
            f"{settings.meant_space} has none: leave it out"
        )
    if settings.weights is not None and "weights" not in (network.options or ()):
        raise CellwrightError(
            f"--weights are of the network that is searched around, and {settings.meant_space} is "
            "around none: give --space around=mobilenet-v2 or another, or leave it out"
        )
    if settings.weights is not None and not Path(settings.weights).is_file():
        raise CellwrightError(f"--weights: there is no file {settings.weights}")
    searched = set(space.names) - set(network.names)
    given = {"filters": settings.filters is not None,
             "learning_rate": settings.learning_rate != _LEARNING_RATE,
             **{name: getattr(settings, name) is not None for name in OF_RECIPE}}  # fmt: skip
    for name, value in given.items():
        if value and name in searched:
            option = f"--{name.replace('_', '-')}"
            raise CellwrightError(
                f"{option} {getattr(settings, name)} sets what --tune {name}=... searches: leave "
                "one of the two out"
            )


def _is_table(settings: Settings) -> bool:
    return settings.data in TABLES or Path(settings.data).suffix.lower() in (
        ".csv",
        ".tsv",
        ".gz",
        ".parquet",
        ".feather",
    )


def _check_confirm(settings: Settings) -> None:
    """Refuse to train children again where their rewards would not compare with the first ones."""
    if settings.confirm is None:
        return
    if settings.confirm < 1:
        raise CellwrightError(
            f"--confirm must be at least 1, got {settings.confirm}: it is how many of the best "
            "children are trained again"
        )
    reasons = {
        "--objectives": bool(settings.objectives)
        and "a front has no best child: train those of it that you want with `cellwright train "
        "--trial N --seeds 3`",
        "--one-shot": settings.one_shot
        and "its children begin with the weights of others, and a training of their own does not "
        "compare with that",
        "--schedule pbt": settings.schedule == "pbt"
        and "its children go on from others' weights, and cannot be trained again",
    }
    _refuse_beside(f"--confirm {settings.confirm}", reasons)


def _check_supernet(settings: Settings) -> None:
    """Refuse what does not go with shared weights."""
    others = {
        "--supernet-folder": settings.supernet_folder,
        "--shared-trials": settings.shared_trials,
        "--shared-best": settings.shared_best,
        "--shared-examples": settings.shared_examples,
    }
    if settings.supernet is None:
        for option, value in others.items():
            if value is not None:
                raise CellwrightError(
                    f"{option} {value} is for a search with --supernet EPOCHS: give it too, or "
                    f"leave {option} out"
                )
        return
    reasons = {
        "--tune": settings.tune
        and "its weights are trained by one recipe, and hyperparameters are another for each child",
        "--objectives": settings.objectives
        and "what it says of a child is its accuracy alone; --limit and --target-ms weigh a cost",
        "--one-shot": settings.one_shot and "both share weights between children",
        "--after": settings.after and "both give the strategy something to learn from",
        "--patience": settings.patience is not None and "it is trained for so many epochs",
        "--precision": settings.precision is not None and "it is trained in float32",
        "--devices": settings.devices is not None and "it is trained on one device",
        "--weights": settings.weights is not None and "it begins with fresh weights",
        "--schedule pbt": settings.schedule == "pbt"
        and "a population searches hyperparameters, and they are another for each child",
    }
    _refuse_beside(f"--supernet {settings.supernet}", reasons)
    if settings.shared_best is not None and settings.shared_best > settings.trials:
        raise CellwrightError(
            f"--shared-best {settings.shared_best} is more than --trials {settings.trials}: these "
            "are the first trials of the search"
        )


def _refuse_beside(given: str, reasons: Mapping[str, Any]) -> None:
    """Refuse the first option that has a reason why it does not go with what is ``given``."""
    for option, reason in reasons.items():
        if reason:
            raise CellwrightError(f"{given} and {option}: {reason}. Leave one of the two out")


def _check_source(settings: Settings) -> None:
    """Refuse options of tables where there is none, and a table where networks read images."""
    source, about = settings.data, f"data {settings.data!r}: "
    if settings.task not in TASKS:
        raise CellwrightError(f"--task must be one of {', '.join(TASKS)}, got {settings.task!r}")
    if settings.class_weight not in (None, "balanced"):
        raise CellwrightError(
            f"--class-weight must be balanced, or left out, got {settings.class_weight!r}"
        )
    if settings.class_weight is not None and settings.task == "regression":
        raise CellwrightError(
            "--class-weight balanced needs classes, and --task regression predicts a number: "
            "leave one of the two out"
        )
    options = {"--label": settings.label, "--drop": settings.drop or None,
               "--task": None if settings.task == "auto" else settings.task,
               "--class-weight": settings.class_weight}  # fmt: skip
    given = [name for name, value in options.items() if value is not None]
    if given and source in IMAGES:
        raise CellwrightError(
            f"{about}{', '.join(given)} {'is' if len(given) == 1 else 'are'} for tables, and these "
            "are images: leave it out, or give a .csv file as --data"
        )
    _check_images(settings, about)
    fixed = [name for name in ("--label", "--drop") if name in given]
    if fixed and source in TABLES:
        raise CellwrightError(
            f"{about}its label is fixed, and none of its columns can be left out: leave "
            f"{' and '.join(fixed)} out, or give a .csv file as --data"
        )
    if _is_table(settings):
        try:
            _check_input(settings, (1,), None)
        except UnbuildableChild:
            raise UnbuildableChild(
                f"--space {settings.meant_space}: this space makes networks that read images, but "
                f"the data are a table, {source}; MLPSpace (--space mlp) is for tables"
            ) from None


def _check_images(settings: Settings, about: str) -> None:
    """Refuse wrong options of folders of images, and any where there is no folder."""
    with named("--image-size"):
        read_size(settings.image_size)
    for option, value, known in (
        ("--color", settings.color, COLORS),
        ("--image-fit", settings.image_fit, FITS),
    ):
        if value is not None and value not in known:
            raise CellwrightError(f"{option} must be one of {', '.join(known)}, got {value!r}")
    if settings.image_fit is not None and settings.image_size is None:
        raise CellwrightError(
            f"--image-fit {settings.image_fit} says how images are resized: give --image-size too"
        )
    given = [f"--{name.replace('_', '-')}" for name in settings.image_options]
    source = settings.data
    if given and (source in IMAGES or _is_table(settings) or Path(source).suffix.lower() == ".npz"):
        raise CellwrightError(
            f"{about}{', '.join(given)} {'is' if len(given) == 1 else 'are'} for folders of "
            "images: leave it out, or give a folder as --data"
        )


def _check_cost(settings: Settings) -> None:
    """Refuse meters, targets and limits that cannot be."""
    for option, value in (("--target-ms", settings.target), ("--limit-ms", settings.limit)):
        if value is not None and not 0 < value < math.inf:
            name = option.strip("-").partition("-")[0]
            raise CellwrightError(
                f"{option} {value:g}: {name} must be above 0 and finite, in the unit of the meter "
                "(milliseconds for a latency)"
            )
    if settings.target_from is not None:
        with named("--target-from"):
            check_reference(settings.target_from)
    predicts_number = settings.task == "regression" or settings.data == "diabetes"
    if predicts_number and (settings.target, settings.target_from) != (None, None):
        raise CellwrightError("a target weighs accuracy, not a loss: give --limit alone")
    with named("--meter"):
        meters = settings.make_meters()
        clocks = () if settings.predict is None else (settings.make_clock(),)
    for each in (*meters, *clocks):
        for module in getattr(each, "needs", ()):
            require(module, f"the meter of {each.metric}")
    with named("--meter"):
        check_backends(meters)
        if settings.target_from is not None:
            check_backends(settings.make_clock())
    if settings.predict is not None:
        _check_prediction(settings)
        return
    if settings.target is not None and settings.cost is not None:
        Screening(meters).check_reward(MnasNetReward(settings.target, latency=settings.cost))
    Screening(meters, limit=settings.make_limit())


def check_predict_from(settings: Settings, earlier: Path | None) -> None:
    """Refuse ``--predict-from`` without a table that it is to become, or of a file that is none.

    Raises:
        CellwrightError: If there is no ``--predict``, or no such file.
    """
    if earlier is None:
        return
    if settings.predict is None:
        raise CellwrightError(
            f"--predict-from {earlier} says what the table of --predict is made of: give the path "
            "of that table, too, as --predict latency.json"
        )
    if not earlier.is_file():
        raise CellwrightError(
            f"--predict-from {earlier} is no file: give the table of another machine, which "
            "--predict made there"
        )


def _check_prediction(settings: Settings) -> None:
    path = Path(str(settings.predict))
    if path.is_dir():
        raise CellwrightError(f"--predict {path} is a folder: give the path of a JSON file")
    if not path.exists():
        check_folder(path.parent, "--predict")
    space, clock = settings.make_space(), settings.make_clock()
    check_prediction(space, clock)
    with named("--predict"):
        if not path.exists():  # or no piece is there to add up
            check_backends(clock)
        check_precisions(clock, precisions_of(space, settings.make_recipe()))


def _check_reward(settings: Settings) -> None:
    """Refuse a reward that can weigh neither children that tell classes apart nor others."""
    assert settings.reward is not None
    with named("--reward"):
        reward = read_reward(settings.reward)
    refused = []
    for classes in (2, None):
        try:
            check_reward(settings.reward, reward, classes, settings.measured)
        except CellwrightError as error:
            refused.append(error)
    if len(refused) == 2:
        raise refused[0]
