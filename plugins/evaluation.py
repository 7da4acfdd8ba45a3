"""One trip of a trial: parameters in, child network built, trained and measured, metrics out."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from cellwright.plugins.datasets import Dataset
from cellwright.plugins.meters import Meter, as_meters, measure
from cellwright.plugins.rewards import AccuracyReward, MnasNetReward, Reward
from cellwright.search_spaces import CellwrightError, ChildFailed, SearchSpace

Report = Callable[[int, dict[str, float]], None]


@dataclass(frozen=True)
class Evaluation:
    """Everything that turns an architecture into a reward; the same for every host.

    Args:
        space: Builds the child network.
        data: Images to train and validate on.
        recipe: A `Recipe`; the book's if None.
        reward: Weighs the metrics.
        meter: One meter, or several, each of which writes its own metric (``latency_ms``, ...); not
            measured if None.
        options: For ``space.build``, such as ``{"filters": 16}``.
        seed: Fixes each child's initial weights.

    Raises:
        ValueError: If the reward weighs a latency that no meter measures, or two meters write the
            same metric.
    """

    space: SearchSpace
    data: Dataset
    recipe: Any = None
    reward: Reward = field(default_factory=AccuracyReward)
    meter: Meter | Sequence[Meter] | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    seed: int = 0

    def __post_init__(self) -> None:
        measured = {meter.metric for meter in as_meters(self.meter)}
        timed = isinstance(self.reward, MnasNetReward) and self.reward.latency == "latency_ms"
        if timed and "latency_ms" not in measured:
            raise ValueError("MnasNetReward weighs latency: give a meter, such as KerasLatency()")

    def build(self, params: Mapping[str, Any]) -> Any:
        """The untrained child of ``params``.

        Raises:
            InvalidArchitecture, UnbuildableChild: See ``space.build``.
        """
        return self.space.build(
            params, self.data.input_shape, self.data.classes, seed=self.seed, **self.options
        )

    def run(
        self, params: Mapping[str, Any], report: Report | None = None
    ) -> tuple[dict[str, float], Any]:
        """Build, train, measure and weigh one child.

        Args:
            params: The architecture.
            report: Called with each epoch (from 0) and its metrics; what it raises goes through.

        Returns:
            The metrics (those of `Recipe.train`, ``parameters``, ``seconds``, what each meter
            measures, and ``reward``), and the trained model.

        Raises:
            InvalidArchitecture, UnbuildableChild: Before any training.
            ChildFailed: If training diverges or runs out of memory, it cannot be measured, or the
                reward is no number.
        """
        from cellwright.plugins.recipe import Recipe, out_of_memory

        start = time.perf_counter()
        try:
            model = self.build(params)
            metrics = (self.recipe or Recipe()).train(model, self.data, report=report)
            metrics["parameters"] = float(model.count_params())
            metrics |= measure(model, self.meter)
        except CellwrightError:
            raise
        except Exception as error:
            if out_of_memory(error):
                raise ChildFailed("out of memory; fewer filters or a smaller batch help") from error
            raise
        metrics["seconds"] = time.perf_counter() - start
        metrics["reward"] = self.reward(metrics)
        return metrics, model
