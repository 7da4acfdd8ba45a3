"""The pictures of children as compressed SVG, small enough for a page with many of them."""

from __future__ import annotations

import base64
import gzip
import io
import re
from collections.abc import Iterable
from typing import Any

import matplotlib
from matplotlib.figure import Figure

from cellwright.search_spaces import SearchSpace
from cellwright.searches.trial import Trial

MOST = 60  # children that are drawn
LARGEST = 3_000_000  # bytes of all drawings together
# Text stays text, so a reader without matplotlib's font sees it in one of nearly the same width.
_FONTS = "'DejaVu Sans', Verdana, sans-serif"
_NOTHING = dict.fromkeys(("Creator", "Date", "Format", "Type"))  # of a picture's metadata


def draw_children(
    space: SearchSpace | None, trials: Iterable[Trial]
) -> dict[int, list[dict[str, Any]]]:
    """Draw children until there are `MOST`, or their pictures have `LARGEST` bytes.

    Args:
        space: What was searched; None if the trials hold no architecture.
        trials: In the order of their importance to the reader.

    Returns:
        By the trial's number its pictures, each with its ``name`` and its ``svg``, which is
        compressed by gzip and written in base64. Networks that are alike share a drawing.
    """
    drawn: dict[int, list[dict[str, Any]]] = {}
    known: dict[tuple[int, ...], list[dict[str, Any]]] = {}
    size = 0
    for trial in trials:
        if space is None or not trial.params or trial.number in drawn:
            continue
        if len(drawn) == MOST or size > LARGEST:
            break
        key = space.key(trial.params)
        if key not in known:
            figures = space.figures(trial.params)
            known[key] = [{"name": n, "svg": _packed(f)} for n, f in figures.items()]
            size += sum(len(picture["svg"]) for picture in known[key])
        if known[key]:
            drawn[trial.number] = known[key]
    return drawn


def _packed(figure: Figure) -> str:
    buffer = io.BytesIO()
    with matplotlib.rc_context({"svg.hashsalt": "cellwright", "svg.fonttype": "none"}):
        figure.savefig(buffer, format="svg", metadata=_NOTHING)
    text = buffer.getvalue().decode()
    text = re.sub(r"(font(?:-family)?: [^;\"]*?)'DejaVu Sans'[^;\"]*", rf"\1{_FONTS}", text)
    # The same bytes for the same picture: no time in the header.
    return base64.b64encode(gzip.compress(text.encode(), 9, mtime=0)).decode()
