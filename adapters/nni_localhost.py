"""Keeps the traffic between NNI's processes on one machine away from proxies."""

from __future__ import annotations

import os


def allow_localhost() -> None:
    """Add this machine to ``no_proxy``, for this process and those that it starts.

    NNI's tuner and trials reach its manager at ``localhost``, and their libraries would connect
    through ``http_proxy``.
    """
    for name in ("no_proxy", "NO_PROXY"):
        hosts = [host for host in os.environ.get(name, "").split(",") if host]
        os.environ[name] = ",".join(dict.fromkeys([*hosts, "localhost", "127.0.0.1"]))
