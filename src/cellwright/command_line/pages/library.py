"""Vega-Lite's JavaScript, which vl-convert carries, and how scripts are written into a page."""

from __future__ import annotations

import base64
import functools
import hashlib
import json
from typing import Any

from cellwright.searches.extras import require

NAME = "report.html"
VERSION = "6.4"  # of Vega-Lite; vl-convert holds several


def check_installed() -> None:
    """Refuse a page whose libraries are missing, before a run is read.

    Raises:
        ModuleNotFoundError: If one is, with what to install.
    """
    for module in ("jinja2", "vl_convert"):
        require(module, "--html")


@functools.cache
def library() -> str:
    """Vega, Vega-Lite and Vega-Embed, for a script of type ``module``; it takes seconds to make."""
    import vl_convert

    made: str = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;", vl_version=VERSION)
    return as_script(made)


def as_script(code: str) -> str:
    """JavaScript that ends no ``<script>`` that it stands in."""
    return code.replace("</script", r"<\/script").replace("<!--", r"<\!--")


def as_data(value: Any) -> str:
    """JSON for a ``<script>``, in which no text of a run's can end the script."""
    text = json.dumps(value, allow_nan=False, ensure_ascii=True, separators=(",", ":"))
    for sign in "<>&":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return text


def digest(script: str) -> str:
    """What a page's policy says of a script that may run."""
    return f"sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}"
