"""Skeletons as data: how many cells of what width, what comes before and after them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from cellwright.search_spaces.arguments import LARGEST, wrong_sizes
from cellwright.search_spaces.decision import as_whole
from cellwright.search_spaces.errors import UnbuildableChild
from cellwright.search_spaces.task import check_task

KINDS = (
    *("book", "cifar", "imagenet", "darts", "darts-imagenet"),
    *("pnasnet", "pnasnet-imagenet"),
)
POOL_PADDINGS = ("", "same", "zeros")


@dataclass(frozen=True)
class Place:
    """A cell's place in a skeleton.

    Attributes:
        kind: ``"normal"`` or ``"reduction"``.
        filters: Channels of each operation.
        before: What hidden state 1 is, as the number of a feature map: those before the first cell
            (`Skeleton.stems`) count from 0 on, then the outputs of the cells; None where there is
            none.
    """

    kind: str
    filters: int
    before: int | None

    @property
    def stride(self) -> int:
        return 2 if self.kind == "reduction" else 1


@dataclass(frozen=True)
class Skeleton:
    """What a genotype is stacked into; the same genotype fits every skeleton.

    Args:
        kind: ``"book"``: the image enters the first cell as both of its inputs. ``"cifar"``: a 3x3
            convolution first. ``"imagenet"``: a 3x3 convolution of stride 2 without padding, then
            two reduction cells of F/4 and F/2 filters. The latter two are the paper's: ReLU before
            the 1x1 convolutions on a cell's inputs, and before the global average. ``"darts"`` and
            ``"darts-imagenet"``: those of Liu et al. 2019 (``cnn/model.py`` of their code), with
            ReLU before the 1x1 convolutions alone. Of the former the first cell reads the 3x3
            convolution as both of its inputs, of the latter one of stride 4, F channels wide, and
            another of stride 2 after it. ``"pnasnet"`` and ``"pnasnet-imagenet"`` (Liu et al. 2018)
            are ``"cifar"`` and ``"imagenet"``, but a reduction takes the place of the first normal
            cell of its group.
        repeats: N, the normal cells in each of ``reductions + 1`` groups, at least 1; in PNASNet
            all cells of a group.
        filters: F, the channels of every operation in the first group, at least 1; each reduction
            doubles them.
        reductions: Reduction cells between normal cells, at least 0. The p-th stands before normal
            cell int(p / (reductions + 1) x cells).
        stem_filters: Channels of the first convolution; 0 is 3F for small images, 32
            (``"imagenet"``, ``"pnasnet-imagenet"``) or F / 2 (``"darts-imagenet"``). See
            `stem_width`.
        older_input: The first normal cell after a reduction reads, beside the reduction's output,
            the output of the cell before the reduction (False), or of the one before that (True,
            as in NASNet-A large).
        auxiliary: Whether there is a second classifier after the last normal cell before the last
            reduction (of DARTS, after this reduction); the model then has two outputs, ``classes``
            and ``auxiliary``.
        dropout: Share of the pooled features that is dropped in training, 0 up to below 1.
        drop_path_keep: Probability with which the last cell keeps an operation at the end of the
            schedule, above 0 up to 1; 1 leaves drop-path out.
        drop_path_steps: Training steps over which drop-path grows to its full strength.
        momentum, epsilon: Constants of the batch normalisations.
        pool_padding: What pools of stride 2 see beyond the border. ``"same"``: nothing; an average
            is over the pixels that exist. ``"zeros"``: zeros, which count in the average and can be
            the maximum. ``""`` is ``"zeros"`` for ``"imagenet"``, as in ``keras.applications``
            (``nasnet.py``: ``ZeroPadding2D``, then pools without padding), so that weights from
            there give the same outputs; else ``"same"``, as in the authors' code for CIFAR and
            ImageNet alike (research/slim/nets/nasnet, ``_pooling``; amoeba_net likewise). See
            `border`. Parameters and multiply-adds do not depend on it.

    Raises:
        UnbuildableChild: If an argument is out of range.
    """

    kind: str
    repeats: int
    filters: int
    reductions: int = 2
    stem_filters: int = 0
    older_input: bool = False
    auxiliary: bool = False
    dropout: float = 0.0
    drop_path_keep: float = 1.0
    drop_path_steps: int = 1
    momentum: float = 0.9
    epsilon: float = 1e-3
    pool_padding: str = ""

    def __post_init__(self) -> None:
        for name, allowed in (("kind", KINDS), ("pool_padding", POOL_PADDINGS)):
            given: Any = getattr(self, name)
            if not isinstance(given, str) or given not in allowed:
                raise UnbuildableChild(
                    f"{name} must be one of {list(allowed)}, got {getattr(self, name)!r}"
                )
        least = {"filters": 1, "repeats": 1, "reductions": 0, "stem_filters": 0}
        for name in (*least, "drop_path_steps"):
            try:
                object.__setattr__(self, name, as_whole(name, getattr(self, name)))
            except ValueError as error:
                raise UnbuildableChild(str(error)) from None
        most = {"reductions": 16, "repeats": 1_000, "drop_path_steps": 2**62}
        for name, bound in {**least, "drop_path_steps": 1}.items():
            if wrong := wrong_sizes(self, most.get(name, LARGEST), **{name: bound}):
                raise UnbuildableChild(wrong[0])
        if self.has_stem_cells and self.filters < 4:
            raise UnbuildableChild(
                "filters must be at least 4, for the stem has cells of a quarter of them, "
                f"got {self.filters}"
            )
        if not 0 <= self.dropout < 1:
            raise UnbuildableChild(f"dropout must be in 0..1, 1 left out, got {self.dropout}")
        if not 0 < self.drop_path_keep <= 1:
            raise UnbuildableChild(
                f"drop_path_keep must be above 0 and at most 1, got {self.drop_path_keep}"
            )
        if self.auxiliary and self.reductions < 1:
            raise UnbuildableChild("auxiliary needs at least one reduction, got reductions 0")

    def check(self, input_shape: Sequence[int], classes: int | None) -> None:
        """Check that cells can be stacked so on images of this shape.

        Raises:
            UnbuildableChild: If they cannot: see `check_task`; or if the image is too small.
        """
        shape = tuple(input_shape)
        check_task(shape, classes)
        if min(shape[:2]) < self.least_size:
            raise UnbuildableChild(
                f"an image of {shape[0]}x{shape[1]} is too small for {self.reductions} reduction "
                f"cells{' and the stem' if self.has_stem_cells else ''}, "
                f"which need at least {self.least_size}x{self.least_size}; use larger images or "
                "fewer reductions"
            )

    @classmethod
    def book(
        cls, repeats: int = 1, filters: int = 16, *, reductions: int = 2, **others: Any
    ) -> Skeleton:
        """The book's: normal, reduction, normal, reduction, normal."""
        return cls("book", repeats, filters, reductions, **others)

    @classmethod
    def cifar(
        cls, repeats: int = 2, filters: int = 32, *, reductions: int = 2, **others: Any
    ) -> Skeleton:
        """The paper's for 32x32 images; N = 2 and F = 32, the defaults, is the search's own."""
        others = {"epsilon": 1e-5, **others}
        return cls("cifar", repeats, filters, reductions, **others)

    @classmethod
    def imagenet(
        cls, repeats: int = 4, filters: int = 44, *, reductions: int = 2, **others: Any
    ) -> Skeleton:
        """The paper's for large images; the defaults are NASNet-A mobile, 4 @ 1056."""
        others = {"momentum": 0.9997, **others}
        return cls("imagenet", repeats, filters, reductions, **others)

    @classmethod
    def imagenet_large(cls, repeats: int = 6, filters: int = 168, **others: Any) -> Skeleton:
        """The paper's for 331x331 images; the defaults are NASNet-A large, 6 @ 4032."""
        others = {"stem_filters": 96, "older_input": True, **others}
        return cls.imagenet(repeats, filters, **others)

    @classmethod
    def darts(
        cls, repeats: int = 6, filters: int = 36, *, reductions: int = 2, **others: Any
    ) -> Skeleton:
        """DARTS's for 32x32 images (Liu et al. 2019, section 3.3): 20 cells from 36 filters on."""
        others = {"epsilon": 1e-5, **others}
        return cls("darts", repeats, filters, reductions, **others)

    @classmethod
    def darts_imagenet(
        cls, repeats: int = 4, filters: int = 48, *, reductions: int = 2, **others: Any
    ) -> Skeleton:
        """DARTS's for large images (Liu et al. 2019, appendix A.3.2): 14 cells from 48 filters."""
        others = {"epsilon": 1e-5, **others}
        return cls("darts-imagenet", repeats, filters, reductions, **others)

    @classmethod
    def pnasnet(
        cls, repeats: int = 3, filters: int = 48, *, reductions: int = 2, **others: Any
    ) -> Skeleton:
        """PNASNet's for 32x32 images (Liu et al. 2018, section 5.3): 9 cells from 48 filters on."""
        others = {"epsilon": 1e-5, **others}
        return cls("pnasnet", repeats, filters, reductions, **others)

    @classmethod
    def pnasnet_imagenet(
        cls, repeats: int = 3, filters: int = 54, *, reductions: int = 2, **others: Any
    ) -> Skeleton:
        """PNASNet's for large images (Liu et al. 2018, section 5.4); the defaults are its mobile
        network, and its large one for 331x331 images is ``(4, 216, stem_filters=96)``."""
        others = {"momentum": 0.9997, **others}
        return cls("pnasnet-imagenet", repeats, filters, reductions, **others)

    def change(self, **fields: Any) -> Skeleton:
        """The same skeleton with other ``fields``."""
        return replace(self, **fields)

    @property
    def stem_width(self) -> int:
        """Channels of the first convolution."""
        if self.stem_filters:
            return self.stem_filters
        if self.kind == "darts-imagenet":
            return max(1, self.filters // 2)
        return 32 if self.has_stem_cells else 3 * self.filters

    @property
    def stems(self) -> int:
        """Feature maps before the first cell: its current input, and in DARTS the one before."""
        return 2 if self.is_darts else 1

    @property
    def has_stem_cells(self) -> bool:
        """Whether two reduction cells follow the first convolution: NASNet's large images."""
        return self.kind in ("imagenet", "pnasnet-imagenet")

    @property
    def is_pnasnet(self) -> bool:
        """Whether a reduction takes the place of a normal cell."""
        return self.kind in ("pnasnet", "pnasnet-imagenet")

    @property
    def is_darts(self) -> bool:
        """Whether cells are put together by DARTS's rules."""
        return self.kind in ("darts", "darts-imagenet")

    @property
    def border(self) -> str:
        """What pools of stride 2 see beyond the border: ``"same"`` or ``"zeros"``."""
        return self.pool_padding or ("zeros" if self.kind == "imagenet" else "same")

    @property
    def normal_cells(self) -> int:
        """The number of normal cells in the whole network."""
        return self.repeats * (self.reductions + 1) - self.reductions * self.is_pnasnet

    @property
    def reduction_cells(self) -> int:
        """The number of reduction cells, the stem's two included."""
        return self.reductions + (2 if self.has_stem_cells else 0)

    @property
    def cells(self) -> int:
        """All cells, reductions and the stem's two included: what drop-path counts."""
        return self.normal_cells + self.reduction_cells

    def places(self) -> tuple[Place, ...]:
        """All cells in their order, the stem's two included."""
        places: list[Place] = []
        if self.has_stem_cells:
            self._add(places, "reduction", self.filters // 4)
            self._add(places, "reduction", self.filters // 2)
        filters = self.filters
        for number in range(self.repeats * (self.reductions + 1)):
            reduces = number > 0 and number % self.repeats == 0
            if reduces:
                filters *= 2
                self._add(places, "reduction", filters)
            if not (reduces and self.is_pnasnet):
                self._add(places, "normal", filters, older=reduces and self.older_input)
        return tuple(places)

    def _add(self, places: list[Place], kind: str, filters: int, older: bool = False) -> None:
        before = len(places) + self.stems - (3 if older else 2)
        places.append(Place(kind, filters, before if before >= 0 else None))

    @property
    def auxiliary_after(self) -> int:
        """The number of the cell (from 1) that the auxiliary head reads."""
        last = max(i for i, place in enumerate(self.places()) if place.kind == "reduction")
        return last + 1 if self.is_darts else last

    @property
    def least_size(self) -> int:
        """The smallest height and width of an image: each reduction halves what it gets.

        Strides round up, so the paper's stem for large images, one convolution without padding and
        two cells, leaves 4 pixels of 32.
        """
        halved = self.reductions + (3 if self.kind.endswith("imagenet") else 0)
        size: int = 2**halved
        return size
