"""Before the first trial: a framework that starts quietly, and a child that is built as a test."""

from __future__ import annotations

import os
import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import numpy as np

from cellwright.plugins import Evaluation
from cellwright.search_spaces import AroundSpace, CellwrightError
from cellwright.search_spaces.joint import architecture_of

# TensorFlow's notes, such as "I0000 00:00:1795.4  1 port.cc:153] oneDNN custom operations are on",
# and those of its converter and LiteRT, such as "INFO: Created TensorFlow Lite XNNPACK delegate".
# Error 303 says that the machine has no driver for a GPU; a broken driver gives another number.
_NOTE = re.compile(
    rb"I0000 .*\]|WARNING: All log messages before absl::InitializeLog|To enable the following inst"
    rb"|INFO: Created TensorFlow Lite|fully_quantize: |E0000 .*failed call to cuInit.*\(303\)"
)


@contextmanager
def quiet_tensorflow() -> Iterator[None]:
    """Keep TensorFlow's start-up notes off the terminal; warnings and errors still appear.

    They come from C++ before it reads any setting, so file descriptor 2 itself is redirected
    meanwhile. Everything that is not such a note is written at the end.
    """
    try:
        terminal = os.dup(2)
    except OSError:  # closed by whoever started this process: nobody would read a note
        yield
        return
    with tempfile.TemporaryFile() as aside:
        sys.stderr.flush()
        os.dup2(aside.fileno(), 2)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(terminal, 2)
            os.close(terminal)
            aside.seek(0)
            os.write(2, b"".join(line for line in aside if not _NOTE.match(line)))


def start_framework() -> None:
    """Import Keras and its backend, and let the latter look for its devices, which it notes.

    Raises:
        ModuleNotFoundError: If Keras is not installed.
    """
    import keras

    keras.random.uniform((1,), seed=0)


def check_input(evaluation: Evaluation) -> None:
    """As `try_to_build`, but without a framework where the space says what it can be built for, and
    nothing is measured.

    Raises:
        CellwrightError: If no child can be built.
        ModuleNotFoundError: If Keras is needed for the check, and not installed.
    """
    data = evaluation.data
    try:
        if evaluation.meter is not None:
            raise NotImplementedError("whether a meter can measure children is known from one")
        evaluation.space.check_input(data.input_shape, data.classes, **evaluation.options)
    except NotImplementedError:
        try_to_build(evaluation)


def try_to_build(evaluation: Evaluation, tries: int = 5) -> None:
    """Build and measure a child, so that a search is refused at once if no child fits the images,
    or if the meter cannot measure them.

    Raises:
        CellwrightError: If none of ``tries`` architectures can be built and measured.
        ModuleNotFoundError: If Keras is not installed.
    """
    import keras  # noqa: F401  where it is missing, that is no fault of the space

    space = evaluation.space
    rng = np.random.default_rng(0)
    reason: Exception | None = None
    for number in range(tries):
        try:
            params = space.sample(rng) if number else space.decode([0] * len(space.names))
            bare = replace(evaluation, limit=None, reward=None, predictor=None)
            bare.measure_trained(bare.measure(params)[1])  # whether it can, not how good it is
            return
        except Exception as error:
            reason = error
    if isinstance(reason, CellwrightError):
        raise reason
    raise CellwrightError(
        f"no child of {space!r} can be built and measured: {type(reason).__name__}: {reason}"
    ) from reason


def weights_note(evaluation: Evaluation) -> str | None:
    """What of the network that is searched around begins with the weights that were given, and what
    does not; None where none were."""
    weights = evaluation.options.get("weights")
    space = evaluation.space
    inner = architecture_of(space)
    if weights is None or not isinstance(inner, AroundSpace):
        return None
    from cellwright.search_spaces.starting_weights import begin_with, pixels_of

    data = evaluation.data
    model = inner.build(inner.centre, data.input_shape, data.classes, **evaluation.options)
    fresh = begin_with(model, inner.network, weights)
    layers = sum(bool(layer.weights) for layer in model.layers)
    prepared = ""
    if "pixels" not in evaluation.options and any(
        layer.name == "pixels_rescaling" for layer in model.layers
    ):
        made = pixels_of(inner.network, weights)
        prepared = f". Children make {made} of each pixel x, as these weights need it"
    return (
        f"{layers - len(fresh)} of {layers} layers of the network begin with those of {weights}, "
        f"fresh: {', '.join(fresh) or 'none'}; of a child also those that differ from the network's"
        + prepared
    )
