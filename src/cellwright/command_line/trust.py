"""``--trust``: whether a folder may have modules imported that it names."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from contextlib import nullcontext
from typing import Annotated, Any

import typer

from cellwright.plugins.registry import only_told

TRUST = typer.Option(
    "--trust",
    help="Import the modules that the folder names, such as a space of your own. That runs their "
    "code: only for a folder that you trust. CELLWRIGHT_TRUST=1 says it for all commands.",
    envvar="CELLWRIGHT_TRUST",
    show_envvar=False,
)


def with_trust(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command that opens a folder the option ``--trust``, without which nothing is imported
    that the folder names, beside Cellwright and installed plug-ins. What the user names by
    ``--space`` is imported. A command that takes ``trust`` is told it."""
    hints = inspect.signature(command, eval_str=True).parameters

    def run(*, trust: bool, **values: Any) -> None:
        named = [] if values.get("space") is None else [values["space"]]
        if trust or named:
            sys.path.append("")  # where modules of the user's lie
        told = {"trust": trust} if "trust" in hints else {}
        with nullcontext() if trust else only_told(named):
            command(**values, **told)

    run.__name__, run.__doc__ = command.__name__, command.__doc__
    own = [
        option.replace(kind=inspect.Parameter.KEYWORD_ONLY)
        for name, option in hints.items()
        if name != "trust"
    ]
    trust = inspect.Parameter(
        "trust", inspect.Parameter.KEYWORD_ONLY, default=False, annotation=Annotated[bool, TRUST]
    )
    options = [*own, trust]
    run.__annotations__ = {option.name: option.annotation for option in options}
    run.__signature__ = inspect.Signature(options)  # type: ignore[attr-defined]
    return run
