"""One child, measured, trained and weighed: what every host does with it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from cellwright.plugins.data.data import Data
from cellwright.plugins.interrupts import check
from cellwright.plugins.scoring.limit import Screening
from cellwright.plugins.scoring.rewards import Reward
from cellwright.search_spaces import CellwrightError, ChildFailed, Params


def score(
    network: Params,
    build: Callable[[], Any],
    train: Callable[[Any, Mapping[str, float]], Mapping[str, float]],
    screening: Screening,
    reward: Reward | None,
    data: Data | None = None,
) -> tuple[dict[str, float], Any]:
    """Measure a child, train it, and weigh what was found.

    What can be known of a child before it is trained is measured first, so that one beyond the
    limit costs no training. Meters of trained children follow the training.

    Args:
        network: Its architecture.
        build: Makes the child.
        train: Trains the child; takes it and what was measured of it, and gives the metrics of the
            training.
        screening: What to measure of the child, and its limit.
        reward: Weighs the metrics; without one there is no ``reward`` among them.
        data: What it is trained on, for meters of trained children.

    Returns:
        The metrics of the training, those of ``screening``, ``seconds`` (in all), and ``reward``;
        and the trained child.

    Raises:
        OverLimit: Before the training, unless the limit is on what is measured after it.
        ChildFailed: If the child cannot be measured, a loss is not finite, memory runs out, or the
            reward is no number.
    """
    start = time.perf_counter()
    with named_memory():
        known, model = screening.measure(network, build)
        check()  # before the training, which begins with seconds of tracing
        trained = dict(train(model, known))
    check_losses({name: [value] for name, value in trained.items()})
    metrics = {**trained, **known}
    with named_memory():
        metrics |= screening.measure_trained(model, data, metrics)
    metrics["seconds"] = time.perf_counter() - start
    if reward is not None:
        metrics["reward"] = reward(metrics)
        if not np.isfinite(metrics["reward"]):
            raise ChildFailed(f"the reward is {metrics['reward']}, and must be a finite number")
    return metrics, model


def check_losses(history: Mapping[str, Sequence[float]]) -> None:
    """Check that ``loss`` and ``val_loss`` are finite at every epoch.

    Raises:
        ChildFailed: If they are not.
    """
    for name in ("loss", "val_loss"):
        if not np.isfinite(history.get(name, 0.0)).all():
            raise ChildFailed(f"{name} by epoch: {list(history[name])}")


@contextmanager
def named_memory() -> Iterator[None]:
    """Name an error that says that memory ran out, whatever the backend calls it."""
    try:
        yield
    except CellwrightError:
        raise
    except Exception as error:
        from cellwright.plugins.training.train import out_of_memory

        if out_of_memory(error):
            raise ChildFailed("out of memory; fewer filters or a smaller batch help") from error
        raise
