"""A meter that runs a user's command: a model file in, seconds out."""

from __future__ import annotations

import math
import os
import shutil
import signal
import statistics
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from cellwright.plugins.meters.litert_latency import litert_content
from cellwright.plugins.meters.measurement import Measurement
from cellwright.plugins.metrics import Direction
from cellwright.search_spaces import ChildFailed

PLACEHOLDER = "{model}"
FORMATS = (".tflite", ".keras")


@dataclass(frozen=True)
class CommandMeter:
    """Latency from a command that runs a model file anywhere, such as on a phone.

    The command is run as it is, without a shell. The last line of its standard output that is not
    empty must be the number of seconds that one image takes::

        CommandMeter(["python", "on_my_phone.py", "--model", "{model}"], timeout=300)

    Args:
        command: The program and its arguments, one of which holds ``{model}``, which stands for the
            path of the file.
        timeout: Seconds after which the command, and what it started, is killed; above 0.
        format: Format of the file: ``".tflite"`` (LiteRT) or ``".keras"``.
        int8: Whether the LiteRT file is int8, not float32.
        repeats: How often the command is run; the median counts.
        metric: Name of what is measured.

    Raises:
        ValueError: If an argument is out of range, or there is no such program.
    """

    command: Sequence[str]
    timeout: float = 60.0
    format: str = ".tflite"
    int8: bool = False
    repeats: int = 1
    metric: str = "latency_ms"
    unit: ClassVar[str] = "ms"
    direction: ClassVar[Direction] = "minimize"

    @property
    def file(self) -> str:
        """The format of the file, by the name of what reads it."""
        return "LiteRT" if self.format == ".tflite" else "Keras"

    def __post_init__(self) -> None:
        command = (self.command,) if isinstance(self.command, str) else tuple(self.command)
        if not any(PLACEHOLDER in part for part in command[1:]):
            raise ValueError(
                f"command must be a list of a program and its arguments, one of which holds "
                f"{PLACEHOLDER}, got {self.command!r}"
            )
        if shutil.which(command[0]) is None:
            raise ValueError(f"command: there is no program {command[0]!r} on this machine")
        if not 0 < self.timeout < math.inf or self.repeats < 1:
            raise ValueError(
                "timeout must be above 0 and finite, repeats at least 1, "
                f"got {self.timeout} and {self.repeats}"
            )
        if self.format not in FORMATS or (self.int8 and self.format != ".tflite"):
            raise ValueError(
                f"format must be one of {list(FORMATS)}, and '.tflite' for int8, "
                f"got {self.format!r}"
            )
        object.__setattr__(self, "command", command)

    def __call__(self, model: Any) -> Measurement:
        """Write ``model`` to a file and run the command on it.

        Raises:
            ChildFailed: If the network cannot be written, or the command fails, takes too long, or
                prints no number above 0.
        """
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / f"child{self.format}"
            if self.format == ".keras":
                model.save(path)
            else:
                path.write_bytes(litert_content(model, self.int8))
            times = [1000 * self._seconds(path) for _ in range(self.repeats)]
        spread = 0.0
        if len(times) > 1:
            low, _, high = statistics.quantiles(times, n=4)
            spread = high - low
        how = f"{' '.join(self.command)}, {'int8' if self.int8 else 'float32'} {self.format}"
        return Measurement(statistics.median(times), spread, self.repeats, self.unit, how)

    def _seconds(self, path: Path) -> float:
        arguments = [part.replace(PLACEHOLDER, str(path)) for part in self.command]
        status, printed, complained = _run(arguments, self.timeout)
        program = f"the meter's command {' '.join(self.command)!r}"
        if status is None:
            raise ChildFailed(
                f"{program} took longer than its time limit of {self.timeout:g} s{_end(complained)}"
            )
        if status != 0:
            raise ChildFailed(f"{program} failed with status {status}{_end(complained or printed)}")
        lines = printed.split("\n")
        last = next((line.strip() for line in reversed(lines) if line.strip()), "")
        try:
            seconds = float(last)
        except ValueError:
            seconds = math.nan
        if not 0 < seconds < math.inf:
            raise ChildFailed(
                f"{program} must print the seconds that one image takes, a number above 0, on its "
                f"last line, got {last[:200]!r}"
            )
        return seconds


def _run(arguments: Sequence[str], timeout: float) -> tuple[int | None, str, str]:
    """Exit status (None: it took too long), standard output and standard error."""
    with subprocess.Popen(
        arguments,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        start_new_session=True,  # so that what it starts can be killed with it
    ) as process:
        try:
            printed, complained = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            _kill(process)
            return None, *process.communicate()
        except BaseException:
            _kill(process)
            raise
    return process.returncode, printed, complained


def _kill(process: subprocess.Popen[str]) -> None:
    if hasattr(os, "killpg"):
        os.killpg(process.pid, signal.SIGKILL)
    else:  # Windows
        process.kill()


def _end(text: str) -> str:
    """The last lines of what a command printed."""
    lines = [line for line in text.strip().split("\n") if line.strip()][-5:]
    return f": {' | '.join(lines)[-500:]}" if lines else ", and printed nothing"
