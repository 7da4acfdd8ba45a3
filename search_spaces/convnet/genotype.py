"""What a convolutional network with skip connections is, apart from the space it was found in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from cellwright.search_spaces.arguments import check_parts, wrong_sizes
from cellwright.search_spaces.errors import InvalidArchitecture

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class ConvLayer:
    """Convolution, batch normalisation, ReLU.

    Args:
        filters: Channels of the output, at least 1.
        height: Height of the kernel in pixels, at least 1.
        width: Its width, likewise.
        stride_height: At least 1.
        stride_width: At least 1.
        reads: Numbers (from 1) of the layers whose outputs are read, each once; without any, the
            image is read.

    Raises:
        InvalidArchitecture: If an argument is out of range.
    """

    filters: int
    height: int = 3
    width: int = 3
    stride_height: int = 1
    stride_width: int = 1
    reads: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        sizes = ("filters", "height", "width", "stride_height", "stride_width")
        if wrong := wrong_sizes(self, **dict.fromkeys(sizes, 1)):
            raise InvalidArchitecture(f"not a layer: {'; '.join(wrong)}")
        if not all(type(read) is int for read in self.reads):
            raise InvalidArchitecture(f"reads must be numbers of layers, got {self.reads!r}")
        object.__setattr__(self, "reads", tuple(sorted(set(self.reads))))

    def __str__(self) -> str:
        stride = (self.stride_height, self.stride_width)
        parts = [f"conv {self.height}x{self.width}", f"{self.filters} filters"]
        parts += [f"stride {stride[0]}x{stride[1]}"] if stride != (1, 1) else []
        layers = ", ".join(map(str, self.reads))
        return ", ".join(parts) + (f" of layer {layers}" if self.reads else " of the image")


@dataclass(frozen=True)
class ConvNetGenotype:
    """Layers in order, each reading earlier ones (Zoph and Le 2016, section 3.3).

    Raises:
        InvalidArchitecture: Without layers, or if one reads itself or what comes after it.
    """

    layers: tuple[ConvLayer, ...]
    name: str = ""

    def __post_init__(self) -> None:
        check_parts("layers", self.layers, ConvLayer)
        object.__setattr__(self, "layers", tuple(self.layers))
        if not self.layers or not isinstance(self.name, str):
            raise InvalidArchitecture(
                f"a network needs at least one layer, and a name that is text, got {self.name!r}"
            )
        for number, layer in enumerate(self.layers, start=1):
            if any(not 1 <= read < number for read in layer.reads):
                raise InvalidArchitecture(
                    f"layer {number} reads {list(layer.reads)}; it may read 1..{number - 1}"
                    if number > 1
                    else f"layer 1 reads {list(layer.reads)}; it can only read the image"
                )

    @property
    def outputs(self) -> tuple[int, ...]:
        """Numbers of the layers that no other reads: the classifier does."""
        read = {source for layer in self.layers for source in layer.reads}
        return tuple(number for number in range(1, len(self.layers) + 1) if number not in read)

    def to_dict(self) -> dict[str, Any]:
        """Plain lists, dictionaries, strings and numbers, ready for JSON."""
        layers = [{**asdict(layer), "reads": list(layer.reads)} for layer in self.layers]
        return {"layers": layers, "name": self.name}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> ConvNetGenotype:
        """The inverse of `to_dict`.

        Raises:
            InvalidArchitecture: If a layer or one of its parts is missing or unfit.
        """
        try:
            return cls(tuple(ConvLayer(**layer) for layer in data["layers"]), data.get("name", ""))
        except (KeyError, TypeError, AttributeError) as error:
            raise InvalidArchitecture(f"not a genotype of layers: {error}") from None

    def words(self) -> list[str]:
        """A line for each layer."""
        return [f"layer {k}: {layer}" for k, layer in enumerate(self.layers, start=1)]

    def build(
        self,
        input_shape: Sequence[int],
        classes: int | None,
        *,
        seed: int | None = None,
        **options: Any,
    ) -> Any:
        """Make the network; ``options`` are those of `child.build_convnet`.

        Raises:
            UnbuildableChild: If the network cannot be made for this input.
        """
        from cellwright.search_spaces.convnet.child import build_convnet

        return build_convnet(self, input_shape, classes, seed=seed, **options)

    def figures(self, model: Any = None) -> dict[str, Figure]:
        """The ``"network"`` as a graph; with a ``model`` that was built from it, its shapes."""
        from cellwright.search_spaces.convnet.drawing import draw_network

        return {"network": draw_network(self, model, title=self.name or "network")}
