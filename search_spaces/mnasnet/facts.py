"""What is known of the published networks: their paper, their size, and whose weights fit."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cellwright.search_spaces.arguments import check_number

IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))  # mean and deviation of red, green, blue


@dataclass(frozen=True)
class Pixels:
    """What the values of images were when weights were trained, from pixels of 0 to 255.

    A value is (pixel / ``divisor`` - ``mean``) / ``deviation``, by channel. A network does this
    itself if it is built with ``pixels=FACTS[name].pixels``.
    """

    divisor: float
    mean: tuple[float, float, float]
    deviation: tuple[float, float, float]

    def with_white(self, white: float) -> Pixels:
        """The same for images whose white pixels are ``white``, such as 1, and not 255."""
        check_number("white", white, above=0)
        return replace(self, divisor=self.divisor / 255 * white)

    def of(self, pixels: NDArray[Any]) -> NDArray[np.float32]:
        """The values of ``pixels``, shape (..., 3)."""
        values = (np.asarray(pixels, np.float32) / self.divisor - self.mean) / self.deviation
        return values.astype(np.float32)

    def __str__(self) -> str:
        mean, deviation = (
            f"{row[0]:g}" if len(set(row)) == 1 else f"({', '.join(f'{x:g}' for x in row)})"
            for row in (self.mean, self.deviation)
        )
        values = f"x / {self.divisor:g} - {mean}"
        return values if deviation == "1" else f"({values}) / {deviation}"


ONES = (1.0, 1.0, 1.0)
SIGNED = Pixels(127.5, ONES, ONES)  # -1 to 1
HALF = Pixels(128, ONES, ONES)  # -1 to just below 1
STANDARD = Pixels(255, *IMAGENET)


@dataclass(frozen=True)
class Facts:
    """Of one published network.

    Attributes:
        paper: Who published it.
        pixels: What the weights of ``keras.applications`` were trained on; None without any.
        application: Its name in ``keras.applications``; empty if it is not there.
        size: Pixels a side of the images that its weights were trained on.
        parameters: For 224x224 pixels and 1000 classes, as the next two.
        trainable: All but the moving statistics of batch normalisation.
        multiply_adds: See `multiply_adds`.
        minimalistic: Whether it is the application's, with that argument.
    """

    paper: str
    pixels: Pixels | None
    application: str
    size: int
    parameters: int
    trainable: int
    multiply_adds: int
    minimalistic: bool = False


V2, V3 = "Sandler et al. 2018", "Howard et al. 2019"
EFFICIENT, EFFICIENT_V2 = "Tan and Le 2019", "Tan and Le 2021"
MNAS = "Tan et al. 2019"

# Sizes are those of keras.applications, which tests build beside ours. Of EfficientNetB0 to B7, 7
# parameters are the means, variances and the count of a layer that normalises pixels.
FACTS = {
    "mnasnet-a1": Facts(MNAS, None, "", 224, 3_920_526, 3_887_038, 311_579_072),
    "mnasnet-b1": Facts(MNAS, None, "", 224, 4_421_232, 4_383_312, 314_415_872),
    "mnasnet-small": Facts(MNAS, None, "", 224, 2_047_192, 2_030_264, 68_339_184),
    "mobilenet-v2": Facts(V2, SIGNED, "MobileNetV2", 224, 3_538_984, 3_504_872, 300_774_272),
    "mobilenet-v3-large": Facts(
        V3, SIGNED, "MobileNetV3Large", 224, 5_507_432, 5_483_032, 216_589_760
    ),
    "mobilenet-v3-small": Facts(
        V3, SIGNED, "MobileNetV3Small", 224, 2_554_968, 2_542_856, 56_510_400
    ),
    "mobilenet-v3-large-minimalistic": Facts(
        V3, SIGNED, "MobileNetV3Large", 224, 3_948_688, 3_924_288, 209_136_704, True
    ),
    "mobilenet-v3-small-minimalistic": Facts(
        V3, SIGNED, "MobileNetV3Small", 224, 2_056_848, 2_044_736, 52_288_448, True
    ),
    "efficientnet-b0": Facts(
        EFFICIENT, STANDARD, "EfficientNetB0", 224, 5_330_571, 5_288_548, 385_814_752
    ),
    "efficientnet-v2-b0": Facts(
        EFFICIENT_V2, STANDARD, "EfficientNetV2B0", 224, 7_200_312, 7_139_704, 718_086_176
    ),
    "efficientnet-b1": Facts(
        EFFICIENT, STANDARD, "EfficientNetB1", 240, 7_856_239, 7_794_184, 569_651_680
    ),
    "efficientnet-b2": Facts(
        EFFICIENT, STANDARD, "EfficientNetB2", 260, 9_177_569, 9_109_994, 658_963_440
    ),
    "efficientnet-b3": Facts(
        EFFICIENT, STANDARD, "EfficientNetB3", 300, 12_320_535, 12_233_232, 962_708_240
    ),
    "efficientnet-b4": Facts(
        EFFICIENT, STANDARD, "EfficientNetB4", 380, 19_466_823, 19_341_616, 1_503_710_432
    ),
    "efficientnet-b5": Facts(
        EFFICIENT, STANDARD, "EfficientNetB5", 456, 30_562_527, 30_389_784, 2_356_493_184
    ),
    "efficientnet-b6": Facts(
        EFFICIENT, STANDARD, "EfficientNetB6", 528, 43_265_143, 43_040_704, 3_360_166_848
    ),
    "efficientnet-b7": Facts(
        EFFICIENT, STANDARD, "EfficientNetB7", 600, 66_658_687, 66_347_960, 5_169_865_152
    ),
    "efficientnet-v2-b1": Facts(
        EFFICIENT_V2, STANDARD, "EfficientNetV2B1", 240, 8_212_124, 8_141_052, 1_015_859_232
    ),
    "efficientnet-v2-b2": Facts(
        EFFICIENT_V2, STANDARD, "EfficientNetV2B2", 260, 10_178_374, 10_096_086, 1_168_830_832
    ),
    "efficientnet-v2-b3": Facts(
        EFFICIENT_V2, STANDARD, "EfficientNetV2B3", 300, 14_467_622, 14_358_406, 1_609_978_624
    ),
    "efficientnet-v2-s": Facts(
        EFFICIENT_V2, HALF, "EfficientNetV2S", 384, 21_612_360, 21_458_488, 2_849_895_872
    ),
    "efficientnet-v2-m": Facts(
        EFFICIENT_V2, HALF, "EfficientNetV2M", 480, 54_431_388, 54_139_356, 5_362_207_200
    ),
    "efficientnet-v2-l": Facts(
        EFFICIENT_V2, HALF, "EfficientNetV2L", 480, 119_027_848, 118_515_272, 12_231_188_544
    ),
}  # fmt: skip
