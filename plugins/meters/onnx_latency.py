"""Latency of the network as ONNX Runtime runs it, on the CPU or on an accelerator."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from cellwright.plugins.meters.measurement import Measurement, check_whole
from cellwright.plugins.meters.timing import Timing, random_image
from cellwright.plugins.metrics import Direction
from cellwright.search_spaces import ChildFailed, ExportFailed
from cellwright.search_spaces.arguments import check_kind

_SUFFIX = "ExecutionProvider"


@dataclass(frozen=True)
class ONNXLatency:
    """Milliseconds of one run through ONNX Runtime on this machine.

    The network is exported as `export_onnx` does it, and its run alone is timed. On an accelerator
    that includes the copying of images and outputs, which an application pays for as well. What
    the provider cannot run, ONNX Runtime runs on the CPU.

    Args:
        provider: The execution provider: ``"cpu"``, or what your build of ONNX Runtime has, such as
            ``"cuda"``, ``"tensorrt"``, ``"openvino"`` or ``"coreml"``. Their long names, such as
            ``"CUDAExecutionProvider"``, will do too.
        batch: Images of one run, at least 1; the time is that of all of them.
        threads: Of the CPU, within an operation; at least 1.
        timing: How often the network is run.
        metric: Name of what is measured.

    Raises:
        ValueError: If ``batch`` or ``threads`` is below 1, or ONNX Runtime has no such provider on
            this machine.
        TypeError: If ``timing`` is no `Timing`.
        ModuleNotFoundError: If there is no ONNX Runtime to ask for a provider other than the CPU.
    """

    provider: str = "cpu"
    batch: int = 1
    threads: int = 1
    timing: Timing = field(default_factory=Timing)
    metric: str = "latency_ms"
    unit: ClassVar[str] = "ms"
    direction: ClassVar[Direction] = "minimize"
    needs: ClassVar[tuple[str, ...]] = ("onnx", "onnxruntime", "tf2onnx")
    file: ClassVar[str] = "ONNX"

    def __post_init__(self) -> None:
        check_whole("batch", self.batch, 1)
        check_whole("threads", self.threads, 1)
        check_kind("timing", self.timing, Timing, "a Timing")
        if not isinstance(self.provider, str):
            raise ValueError(f"provider must be a name such as 'cpu', got {self.provider!r}")
        object.__setattr__(self, "provider", _short(self.provider))
        if self.provider != "cpu":  # which every build has
            _long(self.provider)

    def __call__(self, model: Any) -> Measurement:
        """Export ``model`` and time it.

        Raises:
            ValueError: If the model's input has no fixed size.
            ChildFailed: If the network cannot be made into ONNX, or the provider cannot run it.
            ModuleNotFoundError: Without the extra ``export``.
        """
        from cellwright.search_spaces.export import convert_to_onnx

        images = np.repeat(random_image(model), self.batch, axis=0)
        try:
            content = convert_to_onnx(model)
        except ExportFailed as error:
            raise ChildFailed(f"not measured by ONNX Runtime: {error}") from error
        run = self._runner(content, images)
        return Measurement(*self.timing.milliseconds(run), self.unit, self.how)

    @property
    def how(self) -> str:
        """The ``how`` of its measurements."""
        import onnxruntime

        threads = "1 thread" if self.threads == 1 else f"{self.threads} threads"
        batch = "batch of one" if self.batch == 1 else f"batch of {self.batch}"
        return (
            f"ONNX Runtime {onnxruntime.__version__}, {_long(self.provider)}, float32, {threads}, "
            f"{batch}, after {self.timing.warm_up} runs to warm up"
        )

    def _runner(self, content: bytes, images: NDArray[np.float32]) -> Callable[[], Any]:
        import onnxruntime

        wanted, options = _long(self.provider), onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = self.threads, 1
        options.log_severity_level = 3  # errors alone
        try:
            session = onnxruntime.InferenceSession(content, options, providers=[wanted])
            given = {session.get_inputs()[0].name: images}
            session.run(None, given)
        except Exception as error:  # the classes of its errors are private
            reason = str(error).strip().partition("\n")[0]
            raise ChildFailed(f"ONNX Runtime cannot run the network: {reason}") from error
        if wanted not in session.get_providers():  # it would go on with the CPU, without a word
            raise ChildFailed(
                f"ONNX Runtime has {wanted}, and cannot start it here: it ran the network on "
                f"{', '.join(session.get_providers())}. Install what the provider needs, such as "
                "the driver and libraries of the accelerator, or measure on the cpu"
            )
        return lambda: session.run(None, given)


def _short(provider: str) -> str:
    """``cuda`` for ``CUDAExecutionProvider`` and ``CUDA``."""
    name = provider.strip().lower()
    return name.removesuffix(_SUFFIX.lower())


def _long(provider: str) -> str:
    """Its name in ONNX Runtime.

    Raises:
        ValueError: If ONNX Runtime has none of that name on this machine.
    """
    import onnxruntime

    available: dict[str, str] = {
        _short(name): name for name in onnxruntime.get_available_providers()
    }
    if provider not in available:
        raise ValueError(
            f"ONNX Runtime {onnxruntime.__version__} has no execution provider {provider!r} on "
            f"this machine; there are {', '.join(sorted(available))}. Give one of these, or "
            "install the build of onnxruntime that brings it, such as onnxruntime-gpu for cuda "
            "and tensorrt"
        )
    return available[provider]
