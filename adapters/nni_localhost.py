"""Keeps proxies out of what NNI's processes say to each other on one machine."""

from __future__ import annotations

import os


def allow_localhost() -> None:
    """Add this machine to ``no_proxy``, for this process and those that it starts.

    NNI's tuner and trials reach its manager at ``localhost``, and the libraries that they use
    would go there through ``http_proxy``.
    """
    for name in ("no_proxy", "NO_PROXY"):
        hosts = [host for host in os.environ.get(name, "").split(",") if host]
        os.environ[name] = ",".join(dict.fromkeys([*hosts, "localhost", "127.0.0.1"]))
