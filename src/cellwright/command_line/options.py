"""The options that ``search`` and ``nni-init`` share, and the settings that they make."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from cellwright.plugins import make_space
from cellwright.plugins.data.load import BUILT_IN
from cellwright.plugins.training.augmentation import WORDS
from cellwright.search_spaces import CellwrightError, SearchSpace
from cellwright.search_spaces.start import point_of
from cellwright.searches.arguments import read_arguments
from cellwright.searches.checks import named
from cellwright.searches.reward import read_reward
from cellwright.searches.settings import POPULATION, SCHEDULES, Settings

# The groups of the options in --help.
_WHAT, _DATA, _TRAINING = "What to search, and how", "Data", "Training"
_COST = "What a child is worth, and what it costs"
_SUPERNET = "Shared weights: a supernet"
# Those of options that a command has of its own.
WHAT_PANEL, DATA_PANEL, TRAINING_PANEL, COST_PANEL = "What to train", _DATA, _TRAINING, _COST
HOST = "Host and results"


def settings_of(
    strategy: Annotated[
        str,
        typer.Option(
            rich_help_panel=_WHAT,
            metavar="NAME",
            help="How to search: auto, predictor, evolution, local, reinforce, reinforce-book, "
            "reinforce-layerwise, ppo, hybrid, random; for several --objectives "
            "pareto-predictor, pareto; or module:attribute.",
        ),
    ] = "auto",
    strategy_arg: Annotated[
        list[str] | None,
        typer.Option(
            rich_help_panel=_WHAT,
            metavar="NAME=VALUE",
            help="An argument of the strategy, as units=32, baseline=rolling-window or "
            "'baseline={window: 20}'; again for each.",
        ),
    ] = None,
    start: Annotated[
        str | None,
        typer.Option(
            rich_help_panel=_WHAT,
            metavar="NAME,...",
            help="Architectures that the first trials try: published ones by name, such as "
            "nasnet-a, or the best.json or genotype.json of a search.",
        ),
    ] = None,
    after: Annotated[
        list[str] | None,
        typer.Option(
            rich_help_panel=_WHAT,
            metavar="RUN",
            help="An earlier search of the same space, on other data say, of any host: auto and "
            "predictor learn from what it found; again for each.",
        ),
    ] = None,
    space: Annotated[
        str,
        typer.Option(
            rich_help_panel=_WHAT,
            metavar="NAME",
            help="What to search: nasnet, nasnet-wide, nasnet-published, amoebanet, darts, "
            "mnasnet, convnet, convnet-published, nas-bench-201, mlp, module:attribute; or the "
            "neighbours of a network of blocks: around=mobilenet-v3-large, around=genotype.json.",
        ),
    ] = "nasnet",
    tune: Annotated[
        list[str] | None,
        typer.Option(
            rich_help_panel=_WHAT,
            metavar="NAME=...",
            help="Search this hyperparameter too: learning_rate=1e-4..1e-2:log, "
            "batch_size=32,64,128, augmentation=none,shift+cutout; again for each.",
        ),
    ] = None,
    data: Annotated[
        str,
        typer.Option(
            rich_help_panel=_DATA,
            metavar="DATA",
            help="digits, fashion_mnist, cifar10, a .npz file, or a folder of images by class; or "
            "a table: wine, breast_cancer, diabetes, or a .csv file.",
        ),
    ] = "digits",
    label: Annotated[
        str | None,
        typer.Option(
            rich_help_panel=_DATA,
            metavar="COLUMN",
            help="The column of a .csv to predict; the last one by default.",
        ),
    ] = None,
    drop: Annotated[
        str | None,
        typer.Option(
            rich_help_panel=_DATA,
            metavar="COLUMNS",
            help="Columns of a .csv to leave out, separated by commas.",
        ),
    ] = None,
    task: Annotated[
        str,
        typer.Option(
            rich_help_panel=_DATA,
            metavar="TASK",
            help="For a table: classification, regression, or auto (by the label).",
        ),
    ] = "auto",
    class_weight: Annotated[
        str | None,
        typer.Option(
            rich_help_panel=_DATA,
            metavar="NAME",
            help="For a table: balanced makes all classes count alike.",
        ),
    ] = None,
    image_size: Annotated[
        str | None,
        typer.Option(
            rich_help_panel=_DATA,
            metavar="N|HxW",
            help="For a folder: resize images to N x N pixels, or to height x width as 64x48, with "
            "their aspect kept.",
        ),
    ] = None,
    image_fit: Annotated[
        str | None,
        typer.Option(
            rich_help_panel=_DATA,
            metavar="NAME",
            help="With --image-size: pad shows all of an image between black bars (the default), "
            "crop fills the size with its middle.",
        ),
    ] = None,
    color: Annotated[
        str | None,
        typer.Option(
            rich_help_panel=_DATA, metavar="NAME", help="For a folder: make all images rgb or gray."
        ),
    ] = None,
    strict: Annotated[
        bool,
        typer.Option(
            "--strict",
            rich_help_panel=_DATA,
            help="For a folder: refuse it if a file cannot be read; without this such files are "
            "named and left out.",
        ),
    ] = False,
    stream: Annotated[
        bool | None,
        typer.Option(
            "--stream/--no-stream",
            rich_help_panel=_DATA,
            show_default=False,
            help="Read a folder, a .npz or a .parquet file while children train, not all at once: "
            "they become the same. By default if arrays would take over half of the free memory.",
        ),
    ] = None,
    trials: Annotated[
        int | None,
        typer.Option(
            rich_help_panel=_TRAINING,
            metavar="N",
            min=1,
            help="Children to train in all; 20 by default, or one pass of the schedule.",
        ),
    ] = None,
    epochs: Annotated[
        int,
        typer.Option(
            rich_help_panel=_TRAINING,
            metavar="N",
            min=1,
            help="Epochs for each child; with a schedule, the most that one gets.",
        ),
    ] = 6,
    schedule: Annotated[
        str | None,
        typer.Option(
            rich_help_panel=_WHAT,
            metavar="NAME",
            help="Few epochs for most children, more for the best: hyperband, or halving (its "
            "first bracket alone). Or pbt, population based training: those that fall behind copy "
            "the weights of better ones and change what --tune names. Each trial is then one rung.",
        ),
    ] = None,
    factor: Annotated[
        int | None,
        typer.Option(
            rich_help_panel=_WHAT,
            metavar="N",
            min=2,
            help="For hyperband and halving: one child in so many (3 by default) goes on to so "
            "many times the epochs.",
        ),
    ] = None,
    population: Annotated[
        int | None,
        typer.Option(
            rich_help_panel=_WHAT,
            metavar="N",
            min=2,
            help=f"For pbt: children that train at a time, {POPULATION} by default.",
        ),
    ] = None,
    step: Annotated[
        int | None,
        typer.Option(
            rich_help_panel=_WHAT,
            metavar="N",
            min=1,
            help="For pbt: epochs after which they are compared, 1 by default.",
        ),
    ] = None,
    batch_size: Annotated[
        int, typer.Option(rich_help_panel=_TRAINING, metavar="N", min=1, help="Images in a batch.")
    ] = 128,
    learning_rate: Annotated[
        float,
        typer.Option(
            rich_help_panel=_TRAINING, metavar="X", help="Learning rate of the optimizer, Adam."
        ),
    ] = 1e-3,
    learning_rate_schedule: Annotated[
        str | None,
        typer.Option(
            rich_help_panel=_TRAINING,
            metavar="NAME",
            help="constant (the default), or cosine: from --learning-rate down to almost 0 in the "
            "last of the --epochs.",
        ),
    ] = None,
    warmup: Annotated[
        int | None,
        typer.Option(
            rich_help_panel=_TRAINING,
            metavar="N",
            min=0,
            help="Epochs in which the learning rate rises to --learning-rate; 0 by default.",
        ),
    ] = None,
    weight_decay: Annotated[
        float | None,
        typer.Option(
            rich_help_panel=_TRAINING,
            metavar="X",
            help="Weight decay, as AdamW has it; 0 by default.",
        ),
    ] = None,
    augmentation: Annotated[
        str | None,
        typer.Option(
            rich_help_panel=_TRAINING,
            metavar="NAMES",
            help=f"Change images at random: {WORDS}; several as shift+cutout.",
        ),
    ] = None,
    label_smoothing: Annotated[
        float | None,
        typer.Option(
            rich_help_panel=_TRAINING,
            metavar="X",
            help="Share of each label that all classes get alike, in the training alone, as 0.1; "
            "0 by default.",
        ),
    ] = None,
    clip_norm: Annotated[
        float | None,
        typer.Option(
            rich_help_panel=_TRAINING,
            metavar="X",
            help="The most that the norm of all gradients together may be.",
        ),
    ] = None,
    patience: Annotated[
        int | None,
        typer.Option(
            rich_help_panel=_TRAINING,
            metavar="N",
            min=1,
            help="End a training after so many epochs without a lower validation loss, and keep "
            "the epoch with the lowest.",
        ),
    ] = None,
    precision: Annotated[
        str | None,
        typer.Option(
            rich_help_panel=_TRAINING,
            metavar="NAME",
            help="What children compute in: float32, mixed_bfloat16, mixed_float16; as Keras is "
            "set by default, which is float32.",
        ),
    ] = None,
    devices: Annotated[
        int | None,
        typer.Option(
            rich_help_panel=_TRAINING,
            metavar="N",
            min=1,
            help="Devices that share every batch of a child (under JAX); 1 by default.",
        ),
    ] = None,
    filters: Annotated[
        int | None,
        typer.Option(
            rich_help_panel=_TRAINING,
            metavar="N",
            min=1,
            help="Channels of the first cells, in spaces of cells; each has a default.",
        ),
    ] = None,
    weights: Annotated[
        Path | None,
        typer.Option(
            rich_help_panel=_TRAINING,
            metavar="FILE",
            help="With --space around=...: weights of that network (.keras, or .h5 of "
            "keras.applications), with which children begin as far as they fit.",
        ),
    ] = None,
    seed: Annotated[
        int,
        typer.Option(
            rich_help_panel=_TRAINING,
            metavar="N",
            min=0,
            help="The same seed gives the same search.",
        ),
    ] = 0,
    meter: Annotated[
        list[str] | None,
        typer.Option(
            rich_help_panel=_COST,
            metavar="NAME",
            help="Measure each child: keras, litert, litert-int8, onnx (latency on this machine), "
            "multiply-adds, parameters, size, litert-size, litert-int8-size (of the file), "
            "peak-memory; once trained: accuracy-int8, mae-int8; or module:attribute, such as a "
            "CommandMeter of yours. Arguments follow commas: litert,threads=2. May be repeated.",
        ),
    ] = None,
    reward: Annotated[
        str | None,
        typer.Option(
            rich_help_panel=_COST,
            metavar="NAME",
            help="Weigh what is measured by this: accuracy, weighted-accuracy (of all epochs, as "
            "in the MLPNAS series), loss, mnasnet, mnasnet-hard or module:attribute, and its "
            "arguments after commas, as in accuracy,power=3. Without it accuracy, or for numbers "
            "the loss.",
        ),
    ] = None,
    target: Annotated[
        float | None,
        typer.Option(
            "--target-ms",
            "--target",
            rich_help_panel=_COST,
            metavar="X",
            help="Weigh accuracy against this latency (MnasNet's reward), or whatever the meter "
            "measures, in its unit. The meter is keras if none is given.",
        ),
    ] = None,
    target_from: Annotated[
        str | None,
        typer.Option(
            rich_help_panel=_COST,
            metavar="NETWORK",
            help="Set the target by this network, measured here: mnasnet-a1, MobileNetV2 (any of "
            "keras.applications), a .keras file.",
        ),
    ] = None,
    hard: Annotated[
        bool,
        typer.Option(
            "--hard",
            rich_help_panel=_COST,
            help="A child within the target counts by its accuracy alone.",
        ),
    ] = False,
    limit: Annotated[
        float | None,
        typer.Option(
            "--limit-ms",
            "--limit",
            rich_help_panel=_COST,
            metavar="X",
            help="Do not train a child beyond this, measured untrained, in the meter's unit; with "
            "--predict do not even build it. Of what is maximised (accuracy-int8) it is the least.",
        ),
    ] = None,
    predict: Annotated[
        Path | None,
        typer.Option(
            rich_help_panel=_COST,
            metavar="FILE",
            help="Predict each child's latency before it is built, from the times of its pieces in "
            "this JSON file, which is made once for each machine. --meter times them (litert by "
            "default); if it is given, each child that is built is measured too.",
        ),
    ] = None,
    objectives: Annotated[
        str | None,
        typer.Option(
            rich_help_panel=_WHAT,
            metavar="A,B",
            help="Search for the front of several metrics, as val_accuracy,latency_ms; auto is "
            "then pareto-predictor. NAME:max or NAME:min says which way a metric is better where "
            "its name or its meter does not.",
        ),
    ] = None,
    one_shot: Annotated[
        bool,
        typer.Option(
            "--one-shot",
            rich_help_panel=_TRAINING,
            help="Let each child begin with the weights that earlier ones left in `weights`, in "
            "the folder of the search: it needs fewer epochs, but its score depends on them.",
        ),
    ] = False,
    supernet: Annotated[
        int | None,
        typer.Option(
            min=1,
            rich_help_panel=_SUPERNET,
            metavar="EPOCHS",
            help="First train one network whose weights all children share, for so many epochs, "
            "and search on its scores, which cost a validation each; then the best children by "
            "them are trained as the first trials, and auto and predictor learn from the others.",
        ),
    ] = None,
    supernet_folder: Annotated[
        Path | None,
        typer.Option(
            rich_help_panel=_SUPERNET,
            metavar="FOLDER",
            help="Where it is kept, and taken up from if an earlier search left it there; by "
            "default `supernet` in the folder of the search.",
        ),
    ] = None,
    shared_trials: Annotated[
        int | None,
        typer.Option(
            min=1,
            rich_help_panel=_SUPERNET,
            help="Children that are scored with shared weights; 1000 by default.",
        ),
    ] = None,
    shared_best: Annotated[
        int | None,
        typer.Option(
            min=0,
            rich_help_panel=_SUPERNET,
            metavar="K",
            help="Of them, how many the first trials train from scratch; 10 by default.",
        ),
    ] = None,
    shared_examples: Annotated[
        int | None,
        typer.Option(
            min=1,
            rich_help_panel=_SUPERNET,
            metavar="N",
            help="Examples of the validation part on which each is scored, all by default: fewer "
            "cost less, and say less.",
        ),
    ] = None,
) -> Settings:
    """The settings that these options make, with the host still to be set.

    Raises:
        CellwrightError, ValueError: If the options do not fit together.
    """
    if data not in BUILT_IN and Path(data).exists():
        data = str(Path(data).resolve())
    if target_from is not None and target is not None:
        raise CellwrightError("--target-ms and --target-from both set the target: give one")
    if hard and target is None and target_from is None:
        raise CellwrightError("--hard needs a target: give --target-ms or --target-from too")
    if reward is not None:
        if target is not None or target_from is not None:
            raise CellwrightError(
                "--reward and a target both say how accuracy is weighed: give one of them "
                "(--target-ms 2.5 is --reward mnasnet,target=2.5 --meter keras)"
            )
        with named("--reward"):
            read_reward(reward)  # refused at once
    if target_from is not None and Path(target_from).exists():
        target_from = str(Path(target_from).resolve())
    name, of, genotype = space.partition("=")
    if of and Path(genotype).exists():
        space = f"{name}={Path(genotype).resolve()}"
    settings = Settings(
        host="optuna", strategy=strategy, space=space, data=data, trials=trials or 20,
        epochs=epochs, batch_size=batch_size, learning_rate=learning_rate, filters=filters,
        seed=seed, storage=None, concurrency=1, label=label, drop=_parts(drop), task=task,
        class_weight=class_weight, image_size=image_size, color=color, image_fit=image_fit,
        strict=strict, stream=stream, meter=_without_spaces(meter), target=target,
        target_from=target_from,
        hard=hard, limit=limit, objectives=_parts(objectives),
        tune=_without_spaces(tune), schedule=schedule, factor=factor, reward=reward,
        population=population, step=step, one_shot=one_shot, patience=patience,
        precision=precision, weight_decay=weight_decay, warmup=warmup,
        augmentation=None if augmentation is None else "".join(augmentation.split()),
        learning_rate_schedule=learning_rate_schedule, label_smoothing=label_smoothing,
        clip_norm=clip_norm, devices=devices,
        strategy_arg=read_arguments(strategy_arg or ()),
        start=tuple(map(_from_root, _parts(start))), after=tuple(map(_from_root, after or ())),
        predict=None if predict is None else str(predict.resolve()),
        weights=None if weights is None else str(weights.resolve()),
        supernet=supernet, shared_trials=shared_trials, shared_best=shared_best,
        shared_examples=shared_examples,
        supernet_folder=None if supernet_folder is None else str(supernet_folder.resolve()),
    )  # fmt: skip
    with named("--space"):
        make_space(settings.space)
    with named("--tune"):
        settings.make_space()
    _check_schedule(settings)
    _check_one_shot(settings)
    found = settings.make_schedule()
    if trials is None and found is not None:
        settings = replace(settings, trials=found.trials)
    goals = settings.objective_names
    if objectives is not None and (len(goals) < 2 or len(set(goals)) < len(goals)):
        raise CellwrightError(
            f"--objectives takes two metrics or more, each once, as a,b; got {objectives!r}"
        )
    with named("--start"), warnings.catch_warnings(record=True) as notes:
        warnings.simplefilter("always", UserWarning)
        searched = settings.make_space()
        for one in settings.start:
            point_of(searched, one)
    for note in notes:
        typer.echo(f"--start: {note.message}", err=True)
    with named("--strategy"):
        settings.make_strategy()  # refused at once
    return settings


def with_settings(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command that takes ``settings`` the options of `settings_of`, before its own."""
    hints = inspect.signature(command, eval_str=True).parameters
    own = [option for name, option in hints.items() if name != "settings"]
    shared = list(inspect.signature(settings_of, eval_str=True).parameters.values())

    def run(**given: Any) -> None:
        mine = {option.name: given.pop(option.name) for option in own}
        command(**mine, settings=settings_of(**given))

    run.__name__, run.__doc__ = command.__name__, command.__doc__
    run.__annotations__ = {option.name: option.annotation for option in (*shared, *own)}
    named = [
        option.replace(kind=inspect.Parameter.KEYWORD_ONLY) for option in (*shared, *own)
    ]  # by keyword, so that it does not matter which of them have a default
    run.__signature__ = inspect.Signature(named)  # type: ignore[attr-defined]
    return run


def _parts(text: str | None) -> tuple[str, ...]:
    """The parts of a list that is separated by commas."""
    return tuple(part.strip() for part in (text or "").split(",") if part.strip())


def _from_root(text: str) -> str:
    """The path of a file or folder from the root on; any other text as it is."""
    return str(Path(text).resolve()) if Path(text).exists() else text


def _without_spaces(texts: list[str] | None) -> tuple[str, ...]:
    return tuple("".join(text.split()) for text in texts or ())


def _check_schedule(settings: Settings) -> None:
    of_a_population = {"--population": settings.population, "--step": settings.step}
    if settings.schedule != "pbt" and any(of_a_population.values()):
        option = next(name for name, value in of_a_population.items() if value)
        raise CellwrightError(f"{option} is for population based training: give --schedule pbt too")
    if settings.schedule is None:
        if settings.factor is not None:
            raise CellwrightError("--factor needs a schedule: give --schedule too")
        return
    if settings.schedule not in SCHEDULES:
        raise CellwrightError(
            f"--schedule must be one of {', '.join(SCHEDULES)}, got {settings.schedule!r}"
        )
    space = settings.make_space()
    if "epochs" in space.names:
        raise CellwrightError("--schedule sets the epochs of each trial: do not --tune them too")
    if settings.schedule == "pbt":
        _check_population(settings, space)
        return
    factor = settings.factor or 3
    if settings.epochs < factor:
        raise CellwrightError(
            f"--schedule needs --epochs of at least its --factor, {factor}, or all children are "
            f"trained alike; got {settings.epochs}"
        )


def _check_population(settings: Settings, space: SearchSpace) -> None:
    if settings.factor is not None:
        raise CellwrightError("--factor is for hyperband and halving: leave it out with pbt")
    step = settings.step or 1
    if settings.epochs <= step:
        raise CellwrightError(
            f"--schedule pbt needs more --epochs than its --step, {step}, or no child ever goes "
            f"on; got {settings.epochs}"
        )
    if not settings.tune:
        raise CellwrightError(
            "--schedule pbt changes hyperparameters while children train: name them, as with "
            "--tune learning_rate=1e-4..1e-2:log"
        )
    schedule = settings.make_schedule()
    assert schedule is not None
    schedule.check(space)


def _check_one_shot(settings: Settings) -> None:
    if not settings.one_shot:
        return
    if settings.schedule is not None:
        raise CellwrightError(
            "--one-shot and --schedule do not go together: a schedule compares children that were "
            "trained alike, and a child that begins with the weights of others has had more than "
            "its epochs. Leave one of them out"
        )
    space = settings.make_space()
    if not space.shares_weights:
        raise CellwrightError(
            f"--one-shot needs a space that says which layers share weights, as nasnet and mlp do; "
            f"{settings.space} does not. Leave it out, or give such a --space"
        )
