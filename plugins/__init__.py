"""How to search and how to score: strategies, rewards, meters, and how a child is trained.

The public names of all rooms are handed on from here, and a room is imported when one of its names
is asked for.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cellwright.plugins.data import *
    from cellwright.plugins.meters import *
    from cellwright.plugins.model import *
    from cellwright.plugins.registry import *
    from cellwright.plugins.scoring import *
    from cellwright.plugins.strategies import *
    from cellwright.plugins.supernet import *
    from cellwright.plugins.tracking import *
    from cellwright.plugins.training import *

_ROOMS = (
    "strategies",
    "data",
    "model",
    "training",
    "supernet",
    "meters",
    "tracking",
    "scoring",
    "registry",
)


def __getattr__(name: str) -> Any:
    if not name.startswith("_"):
        for room in _ROOMS:
            module = import_module(f"{__name__}.{room}")
            if name in module.__all__:
                return getattr(module, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({name for room in _ROOMS for name in import_module(f"{__name__}.{room}").__all__})
