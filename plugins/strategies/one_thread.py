"""Algebra of small matrices, on one thread."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import numpy as np
from threadpoolctl import ThreadpoolController


@contextmanager
def one_thread() -> Iterator[None]:
    """Let NumPy's algebra run on one thread while the block runs.

    The matrices of strategies have a few hundred rows. More threads of OpenBLAS or MKL make them no
    faster, and wait for each other busily: where other workers use the cores, a suggestion takes
    many times as long. The number of threads belongs to the process: threadpoolctl heeds only one
    Python thread at a time, and puts back what it found.
    """
    with _pools().limit(limits=1, user_api="blas"):
        yield


@cache
def _pools() -> ThreadpoolController:
    np.linalg.inv(np.eye(1))  # so that its library is loaded
    return ThreadpoolController()


def kind_of_algebra() -> list[str]:
    """Which library NumPy's algebra runs in, and for which kind of processor."""
    found = [
        " ".join(str(one.get(name)) for name in ("internal_api", "version", "architecture"))
        for one in _pools().info()
        if one.get("user_api") == "blas"
    ]
    return sorted(set(found))
