"""One network for all children of a space: trained once, and then a child's score is a validation.

Its weights are shared by the children (`search_spaces.shared_network`), so that what it says of one
is biased: a shared accuracy is never an accuracy.
"""

from __future__ import annotations

from cellwright.plugins.supernet.search import (
    SharedScore,
    SharedScores,
    best_shared,
    search_shared,
)
from cellwright.plugins.supernet.supernet import Supernet

__all__ = ["SharedScore", "SharedScores", "Supernet", "best_shared", "search_shared"]
