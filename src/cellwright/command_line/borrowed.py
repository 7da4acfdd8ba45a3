"""Options that other commands share with ``search``, by its own definitions."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import fields
from typing import Annotated, Any, get_args

from cellwright.command_line.options import settings_of
from cellwright.plugins import Recipe

DATA = ("label", "drop", "task", "class_weight", "image_size", "image_fit", "color", "strict",
        "stream")  # fmt: skip
# All that `search` has of a recipe, but for what a last training says in its own words. Its state
# after each epoch does not hold the best weights so far, so that it has no patience.
RECIPE = tuple(
    field.name
    for field in fields(Recipe)
    if field.name in inspect.signature(settings_of).parameters
    and field.name not in ("epochs", "seed", "patience", "decay_epochs")
)


def with_options(*names: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command that takes ``given`` the options of ``search`` with these names, after its
    own; ``given`` holds those that the user has given."""
    theirs = inspect.signature(settings_of, eval_str=True).parameters

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        hints = inspect.signature(command, eval_str=True).parameters
        own = [option for name, option in hints.items() if name != "given"]
        shared = [_optional(theirs[name]) for name in names]

        def run(**values: Any) -> None:
            given = {name: values.pop(name) for name in names}
            command(**values, given={n: x for n, x in given.items() if x is not None})

        run.__name__, run.__doc__ = command.__name__, command.__doc__
        options = [
            option.replace(kind=inspect.Parameter.KEYWORD_ONLY) for option in (*own, *shared)
        ]
        run.__annotations__ = {option.name: option.annotation for option in options}
        run.__signature__ = inspect.Signature(options)  # type: ignore[attr-defined]
        return run

    return decorate


def _optional(option: inspect.Parameter) -> inspect.Parameter:
    """An option without its default: what is not given is None."""
    kind, told = get_args(option.annotation)[:2]
    return option.replace(annotation=Annotated[kind | None, told], default=None)


def data_options(given: dict[str, Any]) -> dict[str, Any]:
    """The arguments of `load_dataset` that options stand for."""
    options = {name: given[name] for name in DATA if name in given}
    if "drop" in options:
        parts = (part.strip() for part in options["drop"].split(","))
        options["drop"] = [part for part in parts if part]
    if (weight := options.pop("class_weight", None)) is not None:
        if weight != "balanced":
            raise ValueError(f"--class-weight must be balanced, or left out, got {weight!r}")
        options["balanced"] = True
    return options
