"""``--reward`` and ``--meter``: by what children are weighed and measured, as a user writes it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cellwright.plugins import AnyMeter, Reward, make_meter, make_reward
from cellwright.plugins.registry import names as installed
from cellwright.search_spaces import CellwrightError, ChildFailed, read_value

# What training gives, where there are classes to tell apart and where a number is predicted.
_OF_CLASSES = ("accuracy", "loss", "val_accuracy", "val_loss", "best_val_accuracy",
               "weighted_val_accuracy")  # fmt: skip
_OF_NUMBERS = ("mae", "loss", "val_mae", "val_loss")


_EXAMPLES = {
    "--reward": "accuracy,metric=best_val_accuracy,power=3",
    "--meter": "litert-int8,threads=2,metric=latency_int8_ms",
}


def split_named(text: str, option: str) -> tuple[str, dict[str, Any]]:
    """``NAME`` or ``NAME,ARGUMENT=VALUE,...`` as a name and its arguments.

    Args:
        text: As the user wrote it.
        option: ``"--reward"`` or ``"--meter"``, for the message.

    Raises:
        CellwrightError: If it is not written so.
    """
    name, *rest = (part.strip() for part in text.split(","))
    arguments: dict[str, Any] = {}
    for part in rest:
        argument, _, value = (word.strip() for word in part.partition("="))
        if not argument.isidentifier() or not value or argument in arguments:
            raise CellwrightError(
                f"{option} is a name, or a name and its arguments, each once, such as "
                f"{_EXAMPLES[option]}; got {text!r}"
            )
        arguments[argument] = read_value(value)
    return name, arguments


def read_reward(text: str) -> Reward:
    """The reward that is written as `split_named` takes it.

    Raises:
        CellwrightError, ValueError: See `split_named` and `make_reward`.
    """
    name, arguments = split_named(text, "--reward")
    return make_reward(name, **arguments)


def read_meter(text: str) -> AnyMeter:
    """The meter that is written likewise.

    Raises:
        CellwrightError, ValueError: See `split_named` and `make_meter`.
    """
    name, arguments = split_named(text, "--meter")
    return make_meter(name, **arguments)


def meter_for(metric: str) -> str:
    """Such as `` (accuracy_int8 needs --meter accuracy-int8)``; empty if no meter is named so."""
    name = metric.replace("_", "-")
    return f" ({metric} needs --meter {name})" if name in installed("meters") else ""


def check_reward(text: str, reward: Reward, classes: int | None, measured: Sequence[str]) -> None:
    """Weigh a child that nobody trained, to see that none of the metrics is missing.

    Args:
        text: As the user wrote it.
        reward: What it says.
        classes: Number of classes in the data; None where a number is predicted.
        measured: The metrics that are measured of a child, beside those of its training.

    Raises:
        CellwrightError: If the reward needs a metric that the children will not have.
    """
    names = [*(_OF_NUMBERS if classes is None else _OF_CLASSES), *measured, "seconds"]
    try:
        reward(dict.fromkeys(names, 0.5))
    except (ChildFailed, KeyError) as error:
        reason = str(error)
        if isinstance(error, KeyError):
            reason = f"metric {error} is missing; measured are {sorted(names)}"
        raise CellwrightError(
            f"--reward {text} cannot weigh the children of this search: {reason}. Give the --meter "
            f"that measures it{meter_for(str(getattr(reward, 'metric', '')))}, or another reward"
        ) from error
