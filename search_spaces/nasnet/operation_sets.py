"""Operation sets as data: what each name in a genotype means, and your own operations.

A name means what its set says: ``sep_3x3`` is one separable convolution in the book and two, one
after the other, in the NASNet paper. Nothing here imports Keras; `operations.build_operation` turns
an entry into layers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from cellwright.search_spaces.errors import InvalidArchitecture

# A kind of `operations.KINDS`, and its arguments beside input, filters, stride and context.
Recipe = tuple[str, Mapping[str, Any]]
# Yours: (feature map, filters, stride, context) -> feature map; see `register_operation`.
Builder = Callable[[Any, int, int, Any], Any]

_IDENTITY: Recipe = ("identity", {})


def _separable(size: int, times: int = 2, dilation: int = 1) -> Recipe:
    return "separable", {"kernel": size, "times": times, "dilation": dilation}


def _pool(kind: str, size: int = 3) -> Recipe:
    return "pool", {"kind": kind, "size": size}


def _convolution(*kernels: tuple[int, int], dilation: int = 1, bottleneck: int = 1) -> Recipe:
    return "convolution", {"kernels": kernels, "dilation": dilation, "bottleneck": bottleneck}


OPERATION_SETS: Mapping[str, Mapping[str, Recipe]] = {
    "book": {  # the book's six, each separable convolution once
        "sep_3x3": _separable(3, times=1),
        "sep_5x5": _separable(5, times=1),
        "sep_7x7": _separable(7, times=1),
        "avg_3x3": _pool("avg"),
        "max_3x3": _pool("max"),
        "identity": _IDENTITY,
    },
    "nasnet": {  # Zoph et al. 2018, section 3.1
        "identity": _IDENTITY,
        "conv_1x3_3x1": _convolution((1, 3), (3, 1)),
        "conv_1x7_7x1": _convolution((1, 7), (7, 1)),
        "dil_3x3": _convolution((3, 3), dilation=2),
        "avg_3x3": _pool("avg"),
        "max_3x3": _pool("max"),
        "max_5x5": _pool("max", 5),
        "max_7x7": _pool("max", 7),
        "conv_1x1": _convolution((1, 1)),
        "conv_3x3": _convolution((3, 3)),
        "sep_3x3": _separable(3),
        "sep_5x5": _separable(5),
        "sep_7x7": _separable(7),
    },
    "amoebanet": {  # Real et al. 2018; their code puts 1x7 and 7x1 into a bottleneck
        "identity": _IDENTITY,
        "sep_3x3": _separable(3),
        "sep_5x5": _separable(5),
        "sep_7x7": _separable(7),
        "avg_3x3": _pool("avg"),
        "max_3x3": _pool("max"),
        "dil_sep_3x3": _separable(3, dilation=2),
        "conv_1x7_7x1": _convolution((1, 7), (7, 1), bottleneck=4),
    },
    "amoebanet-wide": {  # beside those, what AmoebaNet-B, -C and -D have; by the authors' code
        "identity": _IDENTITY,
        "sep_3x3": _separable(3),
        "sep_5x5": _separable(5),
        "sep_7x7": _separable(7),
        "avg_3x3": _pool("avg"),
        "max_2x2": _pool("max", 2),
        "max_3x3": _pool("max"),
        "dil_sep_5x5": _separable(5, dilation=2),
        "conv_1x1": _convolution((1, 1)),
        "conv_3x3": _convolution((3, 3), bottleneck=4),
        "conv_1x7_7x1": _convolution((1, 7), (7, 1), bottleneck=4),
    },
    "darts": {  # Liu et al. 2019, section 3.1, without "none", which no finished cell holds
        "skip_connect": ("skip", {}),
        "max_pool_3x3": _pool("max"),
        "avg_pool_3x3": _pool("avg"),
        "sep_conv_3x3": _separable(3),
        "sep_conv_5x5": _separable(5),
        "dil_conv_3x3": _separable(3, times=1, dilation=2),
        "dil_conv_5x5": _separable(5, times=1, dilation=2),
    },
    "enas": {  # Pham et al. 2018, section 2.4
        "identity": _IDENTITY,
        "sep_3x3": _separable(3),
        "sep_5x5": _separable(5),
        "avg_3x3": _pool("avg"),
        "max_3x3": _pool("max"),
    },
}
"""The operations of each set by name, and how they are built: a kind, and its arguments."""

_YOURS: dict[str, Builder] = {}


def register_operation(name: str, builder: Builder) -> None:
    """Make an operation of your own known, in every set and every space that has operations.

    Each process that builds children must do this, so do it where the space is made, in a module
    that is named as ``"module:attribute"``.

    Args:
        name: New; a name of your own may be registered again.
        builder: Called as ``builder(x, filters, stride, at)`` with a feature map (batch, height,
            width, channels); gives one of ``filters`` channels, and of half the height and width,
            rounded up, where ``stride`` is 2. ``at`` is an `operations.Context`: name your layers
            ``f"{at.prefix}_..."`` and seed them by ``at.initializer(...)``.

    Raises:
        ValueError: If a built-in operation has this name, or ``builder`` cannot be called.
    """
    if not isinstance(name, str) or not name or any(name in s for s in OPERATION_SETS.values()):
        raise ValueError(f"name must be new and not empty; {name!r} is not")
    if not callable(builder):
        raise ValueError(f"builder of {name!r} must be callable, got {builder!r}")
    _YOURS[name] = builder


def find_operation(operation_set: str, name: str) -> Recipe | Builder:
    """What ``name`` means in ``operation_set``.

    Raises:
        InvalidArchitecture: If there is no such set, or neither it nor you have this operation.
    """
    if name in (recipes := OPERATION_SETS.get(operation_set, {})):
        return recipes[name]
    known = known_operations(operation_set)
    if name not in known:
        raise InvalidArchitecture(
            f"unknown operation {name!r}; known in set {operation_set!r} are {sorted(known)}, "
            "and register_operation(name, builder) makes another known"
        )
    return _YOURS[name]


def known_operations(operation_set: str) -> tuple[str, ...]:
    """The names of a set in its order, then those that you registered.

    Raises:
        InvalidArchitecture: If there is no such set.
    """
    if operation_set not in OPERATION_SETS:
        raise InvalidArchitecture(
            f"unknown operation set {operation_set!r}; known are {sorted(OPERATION_SETS)}"
        )
    return (*OPERATION_SETS[operation_set], *_YOURS)


def check_operations(operation_set: str, names: Iterable[str]) -> None:
    """Refuse the names that neither ``operation_set`` nor you have.

    Raises:
        InvalidArchitecture: Naming all of them.
    """
    known = known_operations(operation_set)
    unknown = [name for name in names if name not in known]
    if unknown:
        raise InvalidArchitecture(
            f"unknown operations {unknown}; known in set {operation_set!r} are {list(known)}"
        )
