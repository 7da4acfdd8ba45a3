"""What a multilayer perceptron is, apart from the space it was found in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from cellwright.search_spaces.arguments import check_number, check_parts, wrong_sizes
from cellwright.search_spaces.errors import InvalidArchitecture

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Names of `keras.activations` that need no argument, known without importing Keras.
ACTIVATIONS = (
    "elu", "exponential", "gelu", "hard_sigmoid", "leaky_relu", "linear", "log_sigmoid", "mish",
    "relu", "relu6", "selu", "sigmoid", "silu", "softplus", "softsign", "swish", "tanh",
)  # fmt: skip


@dataclass(frozen=True)
class DenseLayer:
    """A dense layer of ``nodes`` (at least 1) and an activation of `ACTIVATIONS`.

    Raises:
        InvalidArchitecture: If there is no such layer.
    """

    nodes: int
    activation: str

    def __post_init__(self) -> None:
        if wrong := wrong_sizes(self, nodes=1):
            raise InvalidArchitecture(wrong[0])
        if self.activation not in ACTIVATIONS:
            raise InvalidArchitecture(
                f"activation must be one of {', '.join(ACTIVATIONS)}; got {self.activation!r}"
            )

    def __str__(self) -> str:
        return f"{self.nodes} {self.activation}"


@dataclass(frozen=True)
class DropoutLayer:
    """Sets each input to 0 with probability ``rate``, in (0, 1), in training only.

    Raises:
        InvalidArchitecture: If the rate is out of range.
    """

    rate: float

    def __post_init__(self) -> None:
        try:
            check_number("rate", self.rate, above=0, below=1)
        except ValueError as error:
            raise InvalidArchitecture(str(error)) from None

    def __str__(self) -> str:
        return f"dropout {self.rate:g}"


@dataclass(frozen=True)
class MLPGenotype:
    """Layers in order; the output layer, which is always there, is not one of them.

    Raises:
        InvalidArchitecture: Without layers.
    """

    layers: tuple[DenseLayer | DropoutLayer, ...]
    name: str = ""

    def __post_init__(self) -> None:
        check_parts("layers", self.layers, DenseLayer, DropoutLayer)
        object.__setattr__(self, "layers", tuple(self.layers))
        if not self.layers or not isinstance(self.name, str):
            raise InvalidArchitecture(
                f"a network needs at least one layer, and a name that is text, got {self.name!r}"
            )

    def to_dict(self) -> dict[str, Any]:
        """Plain lists, dictionaries, strings and numbers, ready for JSON."""
        return {"sequence": [asdict(layer) for layer in self.layers], "name": self.name}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> MLPGenotype:
        """The inverse of `to_dict`.

        Raises:
            InvalidArchitecture: If a layer or one of its parts is missing or unfit.
        """
        try:
            layers = tuple(
                DropoutLayer(**layer) if "rate" in layer else DenseLayer(**layer)
                for layer in data["sequence"]
            )
            return cls(layers, data.get("name", ""))
        except (KeyError, TypeError, AttributeError) as error:
            raise InvalidArchitecture(f"not a genotype of a sequence: {error}") from None

    def words(self) -> list[str]:
        """The layers, in one line."""
        return [" > ".join([*map(str, self.layers), "output"])]

    def build(
        self,
        input_shape: Sequence[int],
        classes: int | None,
        *,
        seed: int | None = None,
        **options: Any,
    ) -> Any:
        """Make the network; ``options`` are those of `child.build_mlp`.

        Raises:
            UnbuildableChild: If the network cannot be made for this input.
        """
        from cellwright.search_spaces.mlp.child import build_mlp

        return build_mlp(self, input_shape, classes, seed=seed, **options)

    def figures(self, model: Any = None) -> dict[str, Figure]:
        """The ``"layers"`` as a stack; with a ``model`` that was built from it, its shapes."""
        from cellwright.search_spaces.mlp.drawing import draw_layers

        return {"layers": draw_layers(self, model, title=self.name or "multilayer perceptron")}
