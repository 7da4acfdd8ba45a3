"""The last training: one network, on all data, for as long as it takes, and what it scores."""

from __future__ import annotations

import json
import math
import shutil
import statistics
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from cellwright.plugins import Data, Recipe
from cellwright.plugins.checked import as_kind, read_as
from cellwright.plugins.files import atomic_path, atomic_write, exclusive_lock
from cellwright.plugins.interrupts import never_a_failure
from cellwright.plugins.metrics import DATA_WAIT
from cellwright.plugins.model import TrainedModel
from cellwright.plugins.model.labelled import Labelled
from cellwright.plugins.model.scores import score
from cellwright.plugins.model.trained import DOCUMENT
from cellwright.plugins.training.checkpoints import Checkpoint, History
from cellwright.search_spaces import CellwrightError, CorruptedState
from cellwright.search_spaces.network_file import read_network
from cellwright.searches.candidate import Candidate
from cellwright.searches.final_place import ANEW, PLAN, TRAINING, is_finished, plan_of
from cellwright.searches.sources import Sources, load_all, load_test


@dataclass(frozen=True)
class Outcome:
    """What one seed gave.

    Args:
        seed: Of the initial weights, the order of the examples, and all else that is drawn.
        metrics: Those of the last epoch, and of the test by names that begin with ``test_``.
        history: Metrics of training and validation by epoch.
    """

    seed: int
    metrics: dict[str, float]
    history: History


@dataclass(frozen=True)
class _Made:
    """What the document of a finished training tells of its seeds."""

    outcomes: list[Outcome]
    kept: int
    why: str


@dataclass(frozen=True)
class Final:
    """The model that was kept, the outcome of each seed, and which seed and why it was kept."""

    model: TrainedModel
    outcomes: tuple[Outcome, ...]
    kept: int
    why: str

    def spread(self, name: str) -> tuple[float, float] | None:
        """Mean and standard deviation of a metric over several seeds; None if it lacks."""
        values = [each.metrics[name] for each in self.outcomes if name in each.metrics]
        if len(values) < 2 or len(values) < len(self.outcomes):
            return None
        return statistics.fmean(values), statistics.stdev(values)


Report = Callable[[int, int, dict[str, float]], None]


def train_final(
    candidate: Candidate,
    sources: Sources,
    out: Path,
    *,
    seeds: int = 1,
    overwrite: bool = False,
    data: Data | None = None,
    test: Labelled | None = None,
    report: Report | None = None,
) -> Final:
    """Train a network to its end, score it, and leave a `TrainedModel` in ``out``.

    The state is kept after each epoch, so that the same call after a crash goes on where the last
    epoch ended and gives the same model, bit for bit where the backend's operations are
    deterministic.

    Args:
        candidate: The network and its recipe.
        sources: Data and test.
        out: Folder of the model.
        seeds: How often it is trained, at least 1, from the recipe's seed on. The first seed's
            model is kept, or, if a part is held out, the one that is best on it.
        overwrite: Whether what another call left in ``out`` is replaced.
        data, test: What `load_all` and `load_test` gave, if they were called already.
        report: Called after each epoch with the seed, the epoch from 0, and its metrics.

    Raises:
        CellwrightError: If the recipe is not for such data, ``out`` holds another model or
            training, or another process trains in it.
        ChildFailed: If a loss is not finite, or memory runs out.
        KeyboardInterrupt: On Ctrl-C, after a batch; the same call goes on.
    """
    if seeds < 1:
        raise CellwrightError(f"--seeds must be at least 1, got {seeds}")
    if data is None:
        data = load_all(sources)
        test = load_test(sources, data)
    try:
        candidate.recipe.check(data.input_shape, data.classes)
    except ValueError as error:
        raise CellwrightError(str(error)) from error
    plan = plan_of(candidate, sources, seeds, data, test)
    if is_finished(out, plan, overwrite):
        return _read_final(out)
    with ExitStack() as held:
        (out / TRAINING).mkdir(parents=True, exist_ok=True)
        try:
            held.enter_context(exclusive_lock(out / TRAINING / ".lock", wait=False))
        except BlockingIOError:
            raise CellwrightError(
                f"another process trains in {out}: wait for it, or give another --out"
            ) from None
        with atomic_write(out / TRAINING / PLAN) as file:
            json.dump(plan, file, indent=1)
        first = candidate.recipe.seed
        outcomes = [
            _train_seed(candidate, sources, out, seed, data, test, report)
            for seed in range(first, first + seeds)
        ]
        kept, why = _best(outcomes, data)
        made = {
            **_made(candidate, sources, plan, kept),
            "outcomes": [asdict(outcome) for outcome in outcomes],
            "kept": kept,
            "why": why,
        }
        network = read_network(_network_file(out, kept))
        model = TrainedModel.of(network, data, image_fit=sources.image_fit, made=made)
        model.save(out)
    shutil.rmtree(out / TRAINING)
    return Final(model, tuple(outcomes), kept, why)


def _read_final(out: Path) -> Final:
    """What an earlier call left, which came to its end."""
    model = TrainedModel.load(out)
    try:
        made = as_kind(dict(model.made), _Made, out / DOCUMENT, ANEW)
    except CorruptedState as error:
        raise CorruptedState(f"this does not tell how its seeds went: {error}") from error
    return Final(model, tuple(made.outcomes), made.kept, made.why)


def _network_file(out: Path, seed: int) -> Path:
    return out / TRAINING / f"seed_{seed}.keras"


def _train_seed(
    candidate: Candidate,
    sources: Sources,
    out: Path,
    seed: int,
    data: Data,
    test: Labelled | None,
    report: Report | None,
) -> Outcome:
    """Train with one seed, or read what an earlier call found with it."""
    from cellwright.plugins.scoring.child import named_memory
    from cellwright.plugins.training.auxiliary import as_trained
    from cellwright.plugins.training.train import train
    from cellwright.search_spaces.export.inference import inference_model
    from cellwright.search_spaces.keras_settings import computing_in

    result, kept = out / TRAINING / f"seed_{seed}.json", _network_file(out, seed)
    if result.is_file() and kept.is_file():
        return read_as(result, Outcome, ANEW)
    recipe = replace(candidate.recipe, seed=seed)
    checkpoint = Checkpoint(out / TRAINING / f"seed_{seed}.npz")
    with never_a_failure(), named_memory():
        with computing_in(recipe.precision):
            network = candidate.build(
                tuple(data.input_shape), data.classes, seed, steps_of(recipe, data.train.number)
            )
        each = None if report is None else _with_seed(report, seed)
        metrics = train(
            as_trained(network), data, recipe, report=each, checkpoint=checkpoint, each_epoch=True
        )
        for name in ("trained_epochs", DATA_WAIT):  # differ where a training was stopped
            metrics.pop(name, None)
        history = checkpoint.history()
        plain = inference_model(network)
        if test is not None:
            model = TrainedModel.of(
                plain, data, image_fit=sources.options.get("image_fit") or "pad"
            )
            found = score(model, test).metrics
            metrics |= {f"test_{name}": value for name, value in found.items()}
    with atomic_path(kept) as beside:
        plain.save(beside)
    outcome = Outcome(seed, metrics, history)
    with atomic_write(result) as file:
        json.dump(asdict(outcome), file)
    checkpoint.path.unlink(missing_ok=True)
    return outcome


def _with_seed(report: Report, seed: int) -> Callable[[int, dict[str, float]], None]:
    return lambda epoch, metrics: report(seed, epoch, metrics)


def steps_of(recipe: Recipe, examples: int) -> int:
    """Batches of a whole training."""
    return recipe.epochs * math.ceil(examples / recipe.batch_size)


def _best(outcomes: Sequence[Outcome], data: Data) -> tuple[int, str]:
    """Which seed's model is kept, and why. The test decides nothing, or it would be none."""
    first = outcomes[0]
    if len(outcomes) == 1:
        return first.seed, "the only one"
    if "val_accuracy" in first.metrics:
        best = max(outcomes, key=lambda each: each.metrics["val_accuracy"])
        return best.seed, "the highest validation accuracy"
    if "val_loss" in first.metrics:
        best = min(outcomes, key=lambda each: each.metrics["val_loss"])
        return best.seed, "the lowest validation loss"
    return first.seed, "the first one: nothing is held out by which to choose"


def _made(
    candidate: Candidate, sources: Sources, plan: Mapping[str, Any], seed: int
) -> dict[str, Any]:
    """How a model was made, for its reader; paths are left out, as a model may be given away."""
    return {
        "by": "cellwright train",
        "network": candidate.name,
        **candidate.facts,
        "recipe": asdict(replace(candidate.recipe, seed=seed)),
        "data": {"name": Path(sources.data).name, "fingerprint": plan["data"]},
        "plan": dict(plan),
    }
