"""The operations of a cell as Keras layers, and what joins cells together.

Every function maps a feature map (batch, height, width, channels) to one of ``filters`` channels;
a stride of 2 halves height and width, rounding up. Only the public Keras 3 API is used.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import keras

from cellwright.search_spaces.context import Context, Tensor
from cellwright.search_spaces.errors import InvalidArchitecture
from cellwright.search_spaces.nasnet.operation_sets import find_operation
from cellwright.search_spaces.pooling import average


def separable(
    x: Tensor,
    filters: int,
    stride: int,
    at: Context,
    *,
    kernel: int,
    times: int = 1,
    dilation: int = 1,
) -> Tensor:
    """ReLU, depthwise separable convolution without bias, batch normalisation; ``times`` times.

    The stride is in the first; nothing stands between the depthwise and the pointwise half.
    """
    for number in range(1, times + 1):
        here = at if times == 1 else at.inside(str(number))
        x = keras.layers.ReLU(name=f"{here.prefix}_relu")(x)
        x, strides, rate = _dilated(x, stride, dilation, here)
        x = keras.layers.SeparableConv2D(
            filters,
            kernel,
            strides=strides,
            dilation_rate=rate,
            padding="same",
            use_bias=False,
            depthwise_initializer=here.initializer("depthwise"),
            pointwise_initializer=here.initializer("pointwise"),
            name=f"{here.prefix}_separable",
        )(x)  # (batch, height / stride, width / stride, filters)
        x = here.normalise(x)
        stride = 1
    return x


def convolution(
    x: Tensor,
    filters: int,
    stride: int,
    at: Context,
    *,
    kernels: Sequence[tuple[int, int]],
    dilation: int = 1,
    bottleneck: int = 1,
) -> Tensor:
    """For each kernel: ReLU, convolution without bias, batch normalisation.

    Each kernel strides along the sides on which it is wide, so that 1x7 and 7x1 halve one side
    each. A ``bottleneck`` of b does all this on filters / b channels, between two 1x1 convolutions,
    unless that would leave none.
    """
    inner = filters // bottleneck if bottleneck > 1 else 0
    if inner:
        x = _convolve(x, inner, (1, 1), (1, 1), at.inside("narrow"))
    for number, (height, width) in enumerate(kernels, start=1):
        here = at if len(kernels) == 1 else at.inside(str(number))
        strides = (stride, stride)
        if height != width:
            strides = (stride if height > 1 else 1, stride if width > 1 else 1)
        x = _convolve(x, inner or filters, (height, width), strides, here, dilation)
    if inner:
        x = _convolve(x, filters, (1, 1), (1, 1), at.inside("widen"))
    return x


def _convolve(
    x: Tensor,
    filters: int,
    kernel: tuple[int, int],
    strides: tuple[int, int],
    at: Context,
    dilation: int = 1,
) -> Tensor:
    x = keras.layers.ReLU(name=f"{at.prefix}_relu")(x)
    if dilation > 1:
        x, stride, dilation = _dilated(x, strides[0], dilation, at)
        strides = (stride, stride)
    if kernel == (1, 1):
        x, stride = _thinned(x, strides[0], at)
        strides = (stride, stride)
    x = keras.layers.Conv2D(
        filters,
        kernel,
        strides=strides,
        dilation_rate=dilation,
        padding="same",
        use_bias=False,
        kernel_initializer=at.initializer("convolution"),
        name=f"{at.prefix}_convolution",
    )(x)
    return at.normalise(x)


def _dilated(x: Tensor, stride: int, dilation: int, at: Context) -> tuple[Tensor, int, int]:
    """A stride and a dilation that one Keras layer can have together.

    TensorFlow refuses both at once. A kernel with holes of 2 that moves by 2 sees only every
    second pixel: taking these first leaves a plain kernel.
    """
    if stride == 1 or dilation == 1:
        return x, stride, dilation
    if dilation != stride:
        raise InvalidArchitecture(
            f"{at.prefix}: a dilation of {dilation} with a stride of {stride} cannot be built"
        )
    return every_second(x, at, "even"), 1, 1


def _thinned(x: Tensor, stride: int, at: Context, part: str = "thin") -> tuple[Tensor, int]:
    """A feature map and the stride with which a 1x1 convolution reads it: always 1.

    Every second pixel is taken before. The result is the same, but in the gradient of a strided 1x1
    convolution TensorFlow's oneDNN kernels write beyond their memory on feature maps of even size
    (seen at 64x64 with few filters), and the process dies.
    """
    if stride == 1:
        return x, stride
    return every_second(x, at, part), 1


def every_second(x: Tensor, at: Context, part: str) -> Tensor:
    """Every second pixel of every second row, from the first."""
    return keras.layers.MaxPooling2D(1, strides=2, name=f"{at.prefix}_{part}")(x)


def pointwise(x: Tensor, filters: int, stride: int, at: Context) -> Tensor:
    """1x1 convolution without bias, batch normalisation."""
    x, stride = _thinned(x, stride, at)
    x = keras.layers.Conv2D(
        filters,
        1,
        strides=stride,
        use_bias=False,
        kernel_initializer=at.initializer("pointwise"),
        name=f"{at.prefix}_pointwise",
    )(x)  # (batch, height / stride, width / stride, filters)
    return at.normalise(x)


def pool(x: Tensor, filters: int, stride: int, at: Context, *, kind: str, size: int = 3) -> Tensor:
    """Average or maximum, followed by a 1x1 convolution where the channels are not ``filters``."""
    name = f"{at.prefix}_{kind}"
    layer = {"avg": keras.layers.AveragePooling2D, "max": keras.layers.MaxPooling2D}[kind]
    if stride > 1 and at.pool_padding == "zeros":
        borders = tuple(_borders(length, size, stride) for length in x.shape[1:3])
        x = keras.layers.ZeroPadding2D(borders, name=f"{at.prefix}_pad")(x)
        x = layer(size, strides=stride, name=name)(x)
    elif kind == "avg":
        x = average(x, size, stride, name)
    else:
        x = layer(size, strides=stride, padding="same", name=name)(x)
    return x if x.shape[-1] == filters else pointwise(x, filters, 1, at)


def _borders(length: int, size: int, stride: int) -> tuple[int, int]:
    """The pixels that ``"same"`` adds before and after."""
    total = max((-(-length // stride) - 1) * stride + size - length, 0)
    return total // 2, total - total // 2


def identity(x: Tensor, filters: int, stride: int, at: Context) -> Tensor:
    """The input itself; with a stride or a change of channels ReLU, 1x1, normalisation."""
    if stride == 1 and x.shape[-1] == filters:
        return x
    return pointwise(keras.layers.ReLU(name=f"{at.prefix}_relu")(x), filters, stride, at)


def factorized_reduction(
    x: Tensor, filters: int, at: Context, *, equal_halves: bool = False
) -> Tensor:
    """Halve height and width without losing every second pixel (Zoph et al. 2018, appendix A.4).

    Every second pixel from (0, 0) and every second from (1, 1) each pass a 1x1 convolution to
    half of the filters; both are concatenated and normalised. If the number of filters is odd the
    first half has one more; or, with ``equal_halves``, neither has it and only the normalisation
    gives the last channel a value, which is how the parameters of published networks are counted.
    """
    missing = filters % 2 if equal_halves and filters > 1 else 0
    shifted = keras.layers.ZeroPadding2D(((0, 1), (0, 1)), name=f"{at.prefix}_pad")(x)
    shifted = keras.layers.Cropping2D(((1, 0), (1, 0)), name=f"{at.prefix}_crop")(shifted)
    halves = []
    for part, source, width in (
        ("even", x, filters - filters // 2 - missing),
        ("odd", shifted, filters // 2),
    ):
        if width:
            source, stride = _thinned(source, 2, at, f"{part}_thin")
            half = keras.layers.Conv2D(
                width,
                1,
                strides=stride,
                use_bias=False,
                kernel_initializer=at.initializer(part),
                name=f"{at.prefix}_{part}",
            )(source)  # (batch, height / 2, width / 2, filters / 2)
            halves.append(half)
    x = concatenate(halves, at)
    if missing:
        # Read as channels first, (height, width) are the last two axes, so this pads channels.
        pad = keras.layers.ZeroPadding2D(
            ((0, 0), (0, missing)), data_format="channels_first", name=f"{at.prefix}_last"
        )
        x = pad(x)
    return at.normalise(x)


def concatenate(parts: list[Tensor], at: Context) -> Tensor:
    """Join on channels; one part alone is handed on."""
    if len(parts) == 1:
        return parts[0]
    return keras.layers.Concatenate(name=f"{at.prefix}_concat")(parts)


def skip(x: Tensor, filters: int, stride: int, at: Context) -> Tensor:
    """The input itself; with a stride ReLU and a factorized reduction (as in DARTS)."""
    if stride == 1:
        return identity(x, filters, stride, at)
    return factorized_reduction(keras.layers.ReLU(name=f"{at.prefix}_relu")(x), filters, at)


KINDS: dict[str, Callable[..., Tensor]] = {
    "separable": separable,
    "convolution": convolution,
    "pool": pool,
    "identity": identity,
    "skip": skip,
}


def build_operation(
    operation_set: str, name: str, x: Tensor, filters: int, stride: int, at: Context
) -> Tensor:
    """Apply what ``name`` means in ``operation_set``.

    Raises:
        InvalidArchitecture: If nothing goes by this name.
    """
    found = find_operation(operation_set, name)
    if callable(found):
        return found(x, filters, stride, at)
    kind, arguments = found
    return KINDS[kind](x, filters, stride, at, **arguments)
