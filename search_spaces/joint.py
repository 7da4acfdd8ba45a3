"""An architecture and the hyperparameters that it is trained with, as one space."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cellwright.search_spaces.decision import Decision, Params
from cellwright.search_spaces.space import SearchSpace

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class JointSpace(SearchSpace):
    """A space of networks joined with hyperparameters::

        space = JointSpace(
            NASNetSpace(),
            Float("learning_rate", 1e-4, 1e-2, log=True),
            Decision("batch_size", (32, 64, 128)),
            Decision("augmentation", ("none", "shift")),
        )

    A strategy on ``space`` searches everything, and chooses among the ``levels`` of each range. One
    on ``space.architecture`` searches the architecture, and leaves the rest to the host's own
    sampler, which draws from the whole ranges.

    Args:
        architecture: Describes the network.
        hyperparameters: At least one `Float`, `Int` or `Decision`; what they mean is up to their
            names (`cellwright.plugins.Evaluation`).

    Raises:
        ValueError: If two go by one name, or one depends on what does not stand before it.
    """

    identified_by = ()

    def __init__(self, architecture: SearchSpace, *hyperparameters: Decision) -> None:
        if not isinstance(architecture, SearchSpace):
            raise ValueError(f"architecture must be a SearchSpace, got {architecture!r}")
        if not hyperparameters:
            raise ValueError("hyperparameters must hold at least one Float, Int or Decision")
        super().__init__([*architecture.decisions, *hyperparameters])
        self.architecture = architecture
        self.hyperparameters = hyperparameters
        self.anchors = architecture.anchors
        self.options = architecture.options
        self.added_facts = architecture.added_facts

    def identity(self) -> dict[str, Any]:
        """The architecture's, with the hyperparameters among the decisions."""
        own = super().identity()
        return {**self.architecture.identity(), "decisions": own["decisions"]}

    def split(self, params: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        """What describes the network, and the hyperparameters that have an effect."""
        given, others = super().split(params)
        read = self.read(given)
        network, hyperparameters = self.architecture.split(read)
        return network, {**hyperparameters, **others}

    def scheduled(self, number: int) -> Params:
        """What the architecture schedules."""
        return self.architecture.scheduled(number)

    def active(self, params: Mapping[str, Any]) -> tuple[bool, ...]:
        """The architecture's active decisions, and the hyperparameters whose conditions hold."""
        inner = self.architecture.active(self._network(params))
        return (*inner, *super().active(params)[len(inner) :])

    def canonical(self, params: Mapping[str, Any]) -> Params:
        """The architecture's form; a hyperparameter without effect takes its first choice."""
        return {
            **super().canonical(params),
            **self.architecture.canonical(self._network(params)),
        }

    def graph_features(self, indices: NDArray[np.intp]) -> NDArray[np.float64]:
        """Those of the architecture."""
        return self.architecture.graph_features(indices[:, : len(self.architecture.decisions)])

    def check_input(self, input_shape: Sequence[int], classes: int | None, **options: Any) -> None:
        """The architecture's check."""
        self.architecture.check_input(input_shape, classes, **options)

    def build(
        self,
        params: Mapping[str, Any],
        input_shape: Sequence[int],
        classes: int | None,
        **options: Any,
    ) -> Any:
        """Make the child network, by the architecture's `build`."""
        return self.architecture.build(self._network(params), input_shape, classes, **options)

    @property
    def has_pieces(self) -> bool:
        """Whether the architecture's space does."""
        return self.architecture.has_pieces

    @property
    def shares_weights(self) -> bool:
        """Whether the architecture's space does."""
        return self.architecture.shares_weights

    def shared_weights(self, params: Mapping[str, Any], model: Any) -> dict[str, str]:
        """The architecture's keys."""
        return self.architecture.shared_weights(self._network(params), model)

    def describe(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """The architecture, and under ``hyperparameters`` the others that have an effect."""
        network, others = self.split(params)
        return {**self.architecture.describe(network), "hyperparameters": others}

    def in_short(self, params: Mapping[str, Any]) -> str:
        """The architecture as one text of a line or two, without the hyperparameters."""
        return self.architecture.in_short(self._network(params))

    def figures(self, params: Mapping[str, Any], model: Any = None) -> dict[str, Figure]:
        """Pictures of the architecture."""
        return self.architecture.figures(self._network(params), model)

    def _network(self, params: Mapping[str, Any]) -> dict[str, Any]:
        names = set(self.architecture.names)
        return {name: value for name, value in params.items() if name in names}


def architecture_of(space: SearchSpace) -> SearchSpace:
    """The space of the networks alone, without the hyperparameters beside them."""
    return space.architecture if isinstance(space, JointSpace) else space
