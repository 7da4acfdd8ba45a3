"""Latency of the network as LiteRT runs it, the runtime that phones use."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar

from cellwright.plugins.meters.measurement import Measurement, check_whole
from cellwright.plugins.meters.timing import Timing, random_image
from cellwright.plugins.metrics import Direction
from cellwright.search_spaces import ChildFailed, ExportFailed
from cellwright.search_spaces.arguments import check_flag, check_kind


@dataclass(frozen=True)
class LiteRTLatency:
    """Milliseconds of one image through LiteRT on this machine's CPU, with XNNPACK.

    The network is exported as `export_litert` does it and only its run is timed: neither the export
    nor the copying of the image. Inputs are random; no operation of a child takes longer for one
    image than for another.

    Args:
        int8: Whether every operation works on 8-bit integers, not on float32. Their ranges are
            taken from random images, which is enough to time a network, but not to use it.
        threads: At least 1. Most benchmarks of phones report one thread, whose times vary least.
        timing: How often the network is run.
        metric: Name of what is measured.

    Raises:
        ValueError: If ``int8`` is neither true nor false, or ``threads`` no number from 1 on.
        TypeError: If ``timing`` is no `Timing`.
    """

    int8: bool = False
    threads: int = 1
    timing: Timing = field(default_factory=Timing)
    metric: str = "latency_ms"
    unit: ClassVar[str] = "ms"
    direction: ClassVar[Direction] = "minimize"
    needs: ClassVar[tuple[str, ...]] = ("ai_edge_litert",)
    file: ClassVar[str] = "LiteRT"

    def __post_init__(self) -> None:
        check_flag("int8", self.int8)
        check_whole("threads", self.threads, 1)
        check_kind("timing", self.timing, Timing, "a Timing")

    @classmethod
    def quantised(cls, **arguments: Any) -> LiteRTLatency:
        """The same in int8."""
        return cls(int8=True, **arguments)

    def __call__(self, model: Any) -> Measurement:
        """Export ``model`` and time the file's content.

        Raises:
            ValueError: If the model's input has no fixed size.
            ChildFailed: If LiteRT cannot hold or run the network.
            ModuleNotFoundError: Without the extra ``export``.
        """
        random_image(model)
        return self.of_content(litert_content(model, self.int8))

    def of_content(self, content: bytes) -> Measurement:
        """Time the content of a ``.tflite`` file that was made before.

        Raises:
            ChildFailed: If LiteRT cannot run it.
        """
        run = _runner(content, self.threads)
        return Measurement(*self.timing.milliseconds(run), self.unit, self.how)

    @property
    def how(self) -> str:
        """The ``how`` of its measurements."""
        from importlib.metadata import version

        threads = "1 thread" if self.threads == 1 else f"{self.threads} threads"
        return (
            f"LiteRT {version('ai-edge-litert')}, {'int8' if self.int8 else 'float32'}, XNNPACK, "
            f"{threads}, batch of one, after {self.timing.warm_up} runs to warm up"
        )


def litert_content(model: Any, int8: bool = False) -> bytes:
    """A network as LiteRT reads it, int8 ranges from random images.

    Raises:
        ChildFailed: If the network cannot be converted.
    """
    from cellwright.search_spaces.export import convert_to_litert

    try:
        return convert_to_litert(model, int8=int8)
    except ExportFailed as error:
        raise ChildFailed(f"not measured by LiteRT: {error}") from error


def _runner(content: bytes, threads: int) -> Callable[[], Any]:
    from ai_edge_litert.interpreter import Interpreter

    try:
        interpreter = Interpreter(model_content=content, num_threads=threads)
        interpreter.allocate_tensors()
        interpreter.invoke()
    except (RuntimeError, ValueError) as error:  # XNNPACK refuses some int8 files only here
        raise ChildFailed(f"LiteRT cannot run the network: {error}. Try float32") from error
    run: Callable[[], Any] = interpreter.invoke
    return run
