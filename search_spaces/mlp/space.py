"""The search space of multilayer perceptrons."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from cellwright.search_spaces.decision import Decision, Params
from cellwright.search_spaces.errors import InvalidArchitecture
from cellwright.search_spaces.genotype_space import GenotypeSpace
from cellwright.search_spaces.mlp.genotype import DenseLayer, DropoutLayer, MLPGenotype
from cellwright.search_spaces.task import check_features

if TYPE_CHECKING:
    from cellwright.search_spaces.shared_network import SharedNetwork

NODES = (8, 16, 32, 64, 128, 256, 512)
ACTIVATIONS = ("sigmoid", "tanh", "relu", "elu")
DROPOUT, OUTPUT = "dropout", "output"


class MLPSpace(GenotypeSpace):
    """Sequences of dense layers and dropout that end in the output layer (the MLPNAS series).

    The decisions are ``layer/1``, ``layer/2``, ..., one less than the ``length``. The first is a
    dense layer, such as ``"64 relu"``; a later one may also be ``"dropout"``, or ``"output"``, the
    output layer, after which there are none. What stands after the last is the output layer too.

    The defaults are those of the series: 28 dense layers, and 840 networks of at most 3 layers, the
    output layer included.

    Args:
        nodes: Widths of dense layers to choose from, at least 1 each.
        activations: Names to choose from, of `genotype.ACTIVATIONS`.
        dropout: Rate of the dropout layers, in (0, 1).
        length: Layers of the longest sequence, the output layer included; at least 2.

    Raises:
        ValueError: If an argument is out of range, or a choice is given twice.
    """

    options = frozenset({"dropout"})
    identified_by = ("dropout", "length")

    def __init__(
        self,
        *,
        nodes: Sequence[int] = NODES,
        activations: Sequence[str] = ACTIVATIONS,
        dropout: float = 0.2,
        length: int = 3,
    ) -> None:
        if length < 2:
            raise ValueError(f"length must be at least 2, got {length}")
        dense = [DenseLayer(n, activation) for n in nodes for activation in activations]
        if not dense:
            raise ValueError("nodes and activations must hold at least one value each")
        self.dropout = DropoutLayer(dropout)
        self.length = length
        self._layers = {str(layer): layer for layer in dense}
        words = tuple(str(layer) for layer in dense)
        self.vocabulary = (*words, DROPOUT, OUTPUT)
        super().__init__(
            Decision(f"layer/{slot}", words if slot == 1 else self.vocabulary, "layer")
            for slot in range(1, length)
        )

    def tokens(self, params: Mapping[str, Any]) -> tuple[int, ...]:
        """The sequence in the series' numbers, shape ``(length,)``.

        1 and on are the dense layers, all activations of the fewest nodes first; then come dropout
        and the output layer (29 and 30 by default), and 0 fills what follows the output layer.
        """
        indices = self.encode(params)
        live = self._live(indices)
        taken = [index + 1 for index in indices[:live]]
        if taken[-1] != len(self.vocabulary):
            taken.append(len(self.vocabulary))
        return (*taken, *(0,) * (self.length - len(taken)))

    def from_tokens(self, tokens: Sequence[int]) -> Params:
        """The inverse of `tokens`; the zeros at the end may be left out.

        Raises:
            InvalidArchitecture: If they are no sequence of this space.
        """
        output = len(self.vocabulary)
        given = list(tokens)
        end = given.index(output) if output in given else -1
        if not 1 <= end < self.length or any(given[end + 1 :]) or len(given) > self.length:
            raise InvalidArchitecture(
                f"tokens must be 1 to {self.length - 1} layers, the output layer {output} and "
                f"zeros, at most {self.length} in all; got {given}"
            )
        indices = [token - 1 for token in given[: end + 1]] + [0] * self.length
        return self.decode(indices[: self.length - 1])

    def active(self, params: Mapping[str, Any]) -> tuple[bool, ...]:
        """All decisions up to and including the output layer."""
        live = self._live(self.encode(params))
        return tuple(slot < live for slot in range(len(self.decisions)))

    def check_input(self, input_shape: Sequence[int], classes: int | None, **options: Any) -> None:
        """See `SearchSpace.check_input`."""
        check_features(input_shape, classes)

    def canonical(self, params: Mapping[str, Any]) -> Params:
        """Give decisions after the output layer their first choice.

        Every other decision has an effect: dropout after dropout drops more.
        """
        indices = self.encode(params)
        live = self._live(indices)
        return self.decode([*indices[:live], *(0,) * (len(indices) - live)])

    def _live(self, indices: Sequence[int]) -> int:
        """How many decisions have an effect."""
        output = len(self.vocabulary) - 1
        return indices.index(output) + 1 if output in indices else len(indices)

    def genotype(self, params: Mapping[str, Any]) -> MLPGenotype:
        """The layers that ``params`` describe."""
        indices = self.encode(params)
        words = [self.vocabulary[index] for index in indices[: self._live(indices)]]
        return MLPGenotype(
            tuple(
                self.dropout if word == DROPOUT else self._layers[word]
                for word in words
                if word != OUTPUT
            )
        )

    def dense(self, word: str) -> DenseLayer | None:
        """The dense layer that a word of the vocabulary stands for; None for the two others."""
        return self._layers.get(word)

    def shared_network(
        self, input_shape: Sequence[int], classes: int | None, **options: Any
    ) -> SharedNetwork:
        """See `SearchSpace.shared_network`; dropout, of whatever rate, is left out of it.

        Raises:
            UnbuildableChild: If an argument is out of range.
        """
        from cellwright.search_spaces.mlp.shared import shared_network

        return shared_network(self, input_shape, classes, OUTPUT)

    def shared_weights(self, params: Mapping[str, Any], model: Any) -> dict[str, str]:
        """Keys of the dense layers: the dense layer (or the input) before, and this one.

        Dropout has no weights and does not count, as in the series.
        """
        keys, before = {}, "input"
        for number, layer in enumerate(self.genotype(params).layers, start=1):
            if isinstance(layer, DenseLayer):
                keys[f"layer_{number}_dense"] = f"{before} > {layer}"
                before = str(layer)
        return {**keys, model.layers[-1].name: f"{before} > {OUTPUT}"}
