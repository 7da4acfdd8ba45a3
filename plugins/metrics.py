"""What a trial measured, as it is named, ordered and written for a reader."""

from __future__ import annotations

# In the order of tables; what else a trial has follows by name.
METRICS = (
    "reward",
    "val_accuracy",
    "best_val_accuracy",
    "weighted_val_accuracy",
    "val_loss",
    "val_mae",
    "accuracy",
    "loss",
    "epochs",
    "latency_ms",
    "predicted_latency_ms",
    "multiply_adds",
    "size_bytes",
    "peak_memory_bytes",
    "parameters",
    "seconds",
)
# Those that any trained child of images has.
TRAINED = ("reward", "val_accuracy", "best_val_accuracy", "val_loss", "accuracy", "loss")
# What a network costs: tables show it beside the reward, and a front is drawn against it.
COSTS = METRICS[METRICS.index("latency_ms") :]
_LABELS = {
    "latency_ms": "latency (ms)",
    "predicted_latency_ms": "predicted latency (ms)",
    "multiply_adds": "multiply-adds",
    "size_bytes": "size (bytes)",
    "peak_memory_bytes": "peak memory (bytes)",
    "seconds": "seconds of the trial",
}


def label(name: str) -> str:
    """A metric's name as a column or an axis bears it."""
    return _LABELS.get(name, name.replace("val_", "validation ").replace("_", " "))


def short(name: str, value: float) -> str:
    """A value with its unit, such as ``2.31 ms`` or ``validation accuracy 0.9528``."""
    if name.endswith("_ms"):
        return f"{value:.3g} ms{' predicted' if name == 'predicted_latency_ms' else ''}"
    if name.endswith("_bytes"):
        return f"{value / 1000:,.1f} kB"
    if name == "epochs":
        return f"{value:.0f} epoch{'' if value == 1 else 's'}"
    if name in ("multiply_adds", "parameters"):
        return f"{value:,.0f} {label(name)}"
    return f"{value:.0f} s" if name == "seconds" else f"{label(name)} {value:.4f}"


def is_maximised(name: str) -> bool:
    """Whether more of a metric is better, as of rewards and accuracies; of all else less is."""
    return name == "reward" or name.endswith("accuracy")
