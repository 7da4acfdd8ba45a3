"""More patience than NNI has with a machine that is busy, from outside of NNI.

NNI waits for 3 seconds for its own web server, and its manager for 10 seconds for the tuner to be
imported and to connect. `import nni` alone takes 1 to 4 seconds of CPU. Where other programs want
the same cores, neither is enough, and whoever asks again has no better luck. The manager is a
program of Node.js, which loads `nni_patience.js` before itself if ``NODE_OPTIONS`` says so.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SECONDS = 120


@contextmanager
def patience(seconds: int = SECONDS) -> Iterator[None]:
    """Wait this long for NNI's web server, and for the tuner of an experiment that is started here.

    A tuner that ends before it connects is not waited for, and one that ends later gives the
    experiment the status ``ERROR``.
    """
    from nni.experiment import launcher

    before = launcher._check_rest_server
    options = os.environ.get("NODE_OPTIONS")
    launcher._check_rest_server = functools.partial(before, retry=seconds)
    os.environ["NODE_OPTIONS"] = node_options(options or "")
    os.environ.setdefault("CELLWRIGHT_NNI_PATIENCE", str(seconds))
    try:
        yield
    finally:
        launcher._check_rest_server = before
        os.environ.pop("CELLWRIGHT_NNI_PATIENCE", None)
        if options is None:
            del os.environ["NODE_OPTIONS"]
        else:
            os.environ["NODE_OPTIONS"] = options


def node_options(before: str = "") -> str:
    """The value of ``NODE_OPTIONS`` that loads `nni_patience.js`, beside what was there."""
    file = str(Path(__file__).resolve().with_suffix(".js")).replace("\\", "\\\\")
    wanted = f'--require "{file}"'
    return before if wanted in before else f"{before} {wanted}".strip()
