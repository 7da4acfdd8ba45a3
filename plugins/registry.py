"""Names of spaces, strategies, meters, rewards and trackers, in a config file or on a command line.

The built-in ones come through the same door as a stranger's: the entry points of any installed
package in ``cellwright.spaces``, ``cellwright.strategies``, ``cellwright.meters``,
``cellwright.rewards`` and ``cellwright.trackers``.
"""

from __future__ import annotations

import difflib
import importlib
import inspect
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib.metadata import entry_points
from operator import attrgetter
from pathlib import Path
from typing import Any

from cellwright.plugins.meters import AnyMeter, as_meters
from cellwright.plugins.scoring.rewards import Reward
from cellwright.plugins.strategies.strategy import Strategy
from cellwright.plugins.tracking.tracked import OnTrial
from cellwright.search_spaces import (
    CellwrightError,
    JointSpace,
    SearchSpace,
    load_genotype,
    read_hyperparameter,
)

AUTO_OF_SEVERAL = "pareto-predictor"  # what auto is where several objectives are searched

__all__ = ["make_meter", "make_reward", "make_space", "make_strategy", "make_tracker"]


def make_space(space: SearchSpace | str | None, tune: Sequence[str] = ()) -> SearchSpace:
    """A space by its name, as ``"package.module:attribute"``, or as it is; None is the book's.

    Args:
        space: Which. A space that is made of a genotype is told which after a ``=``, by a published
            name or a file: ``"around=mobilenet-v3-large"``, ``"around=found.json"``.
        tune: Hyperparameters beside it, as `read_hyperparameter` takes them, such as
            ``["learning_rate=1e-4..1e-2:log"]``; with any it gives a `JointSpace`.

    Raises:
        ValueError: If nothing goes by that name, it makes no `SearchSpace`, or a hyperparameter
            does not fit.
    """
    if tune:
        return JointSpace(make_space(space), *map(read_hyperparameter, tune))
    if isinstance(space, SearchSpace):
        return space
    name: Any = "nasnet" if space is None else space
    of: list[Any] = []
    if isinstance(name, str) and "=" in name:
        name, _, genotype = name.partition("=")
        of = [load_genotype(genotype)]
    made = _load("spaces", name)
    if callable(made) or of:
        try:
            made = made(*of)
        except TypeError as error:
            raise ValueError(f"space {space!r} cannot be made so: {error}") from error
    if not isinstance(made, SearchSpace):
        raise ValueError(f"space {space!r} gives a {type(made).__name__}, not a SearchSpace")
    return made


def make_strategy(
    name: str,
    space: SearchSpace,
    /,
    *,
    seed: int | None = None,
    objectives: int | None = None,
    start: Iterable[Any] = (),
    within: Any = None,
    **arguments: Any,
) -> Strategy:
    """A strategy by its name or as ``"package.module:attribute"``.

    Args:
        name: Registered, or a path.
        space: Where to search.
        seed: See `Strategy`.
        objectives: How many the strategy is to have; None takes its default. ``"auto"`` of several
            is `AUTO_OF_SEVERAL`.
        start: Architectures that the first trials try; see `Strategy.start_from`.
        within: A limit on what is proposed; see `Strategy.keep_within`.
        arguments: Its others.

    Raises:
        ValueError: If nothing goes by that name, it takes no such arguments, makes no `Strategy`,
            or one that cannot have so many objectives; if the start is no point of the space, or
            the limit is none.
    """
    several = objectives not in (None, 1)
    made = _load("strategies", AUTO_OF_SEVERAL if several and name == "auto" else name)
    given = dict(arguments)
    try:
        if objectives is not None and "objectives" in inspect.signature(made).parameters:
            given["objectives"] = objectives
        strategy = made(space, seed=seed, **given)
    except TypeError as error:
        raise _refusal("strategy", name, made, arguments, error) from error
    if not isinstance(strategy, Strategy):
        raise ValueError(f"strategy {name!r} gives a {type(strategy).__name__}, not a Strategy")
    if objectives is not None:
        strategy.check_objectives(objectives)
    return strategy.start_from(start).keep_within(within)


def make_meter(name: str, /, **arguments: Any) -> AnyMeter:
    """A meter by its name, such as ``"litert"``, or as ``"package.module:attribute"``.

    Raises:
        ValueError: If nothing goes by that name, it takes no such arguments, or makes no `Meter`.
    """
    made = _load("meters", name)
    try:
        (meter,) = as_meters(made(**arguments))
    except TypeError as error:
        raise _refusal("meter", name, made, arguments, error) from error
    return meter


def make_reward(name: str, /, **arguments: Any) -> Reward:
    """A reward by its name, such as ``"mnasnet"``, or as ``"package.module:attribute"``.

    Args:
        name: Registered, or a path.
        arguments: Arguments of its constructor, such as ``target=2.5``.

    Raises:
        ValueError: If nothing goes by that name, it takes no such arguments, or makes no `Reward`.
    """
    made = _load("rewards", name)
    try:
        reward = made(**arguments)
    except TypeError as error:
        raise _refusal("reward", name, made, arguments, error) from error
    if not isinstance(reward, Reward):
        raise ValueError(f"reward {name!r} gives a {type(reward).__name__}, not a Reward")
    return reward


def make_tracker(
    text: str, *, folder: str | Path = ".", search: str = "cellwright", space: SearchSpace
) -> OnTrial:
    """A tracker as ``"NAME"`` or ``"NAME=WHERE"``, such as ``"mlflow=http://localhost:5000"``.

    A tracker is called with each `TrackedTrial`, and may have a ``close()`` for the end of the
    search. Its class, or a function that makes one, takes what is given here::

        class Mine:
            def __init__(self, where=None, *, folder=".", search="cellwright", space=None): ...
            def __call__(self, trial): ...

    Args:
        text: A registered name or ``"package.module:attribute"``, and where it is to write.
        folder: Of the search, for a tracker that is not told where.
        search: What the search is called.
        space: What is searched.

    Raises:
        ValueError: If nothing goes by that name, or it takes other arguments.
        ModuleNotFoundError: If it needs a package that is not installed.
    """
    name, _, where = text.partition("=")
    if (first := name.partition(":")[0]) in names("trackers") and first != name:
        raise ValueError(f"write {first}={text.partition(':')[2]}: where it writes follows a =")
    made = _load("trackers", name)
    given = {"folder": folder, "search": search, "space": space}
    try:
        tracker: OnTrial = made(where or None, **given)
    except TypeError as error:
        raise _refusal("tracker", name, made, ["where", *given], error) from error
    if not callable(tracker):
        raise ValueError(f"tracker {name!r} gives a {type(tracker).__name__}, which is not called")
    return tracker


def _refusal(
    kind: str, name: str, made: Any, given: Collection[str], error: TypeError
) -> ValueError:
    """What to raise where ``made`` does not take what it is given, with the names that it takes."""
    words = f"{kind} {name!r} cannot be made so: {error}"
    parameters = inspect.signature(made).parameters if callable(made) else {}
    named = {n for n, one in parameters.items() if one.kind is not one.VAR_KEYWORD}
    if named == parameters.keys() and not set(given) <= named:
        words += f"; the arguments are {', '.join(sorted(named)) or 'none'}"
    return ValueError(words)


def takes(group: str, name: str, argument: str) -> bool:
    """Whether what goes by a name has an argument of its own that is called ``argument``.

    Raises:
        ValueError: If nothing goes by that name.
    """
    made = _load(group, name)
    return callable(made) and argument in inspect.signature(made).parameters


def names(group: str) -> list[str]:
    """What is installed under ``"spaces"``, ``"strategies"``, ``"meters"``, ``"rewards"`` or
    ``"trackers"``."""
    return sorted({entry.name for entry in entry_points(group=f"cellwright.{group}")})


@contextmanager
def only_told(given: Collection[str]) -> Iterator[None]:
    """Import no module in this block for a ``"package.module:attribute"`` that is not among those
    ``given``, as when names are read from a folder that may be of somebody else.

    Names that are installed, and classes of Cellwright, are no matter of trust. The block counts
    for the whole process, other threads included.
    """
    global _given
    before, _given = _given, frozenset(given)
    try:
        yield
    finally:
        _given = before


_given: frozenset[str] | None = None  # None where every name is the user's


def _check_trusted(group: str, name: str) -> None:
    """Refuse to import what a file names.

    Raises:
        CellwrightError: If it is not trusted; see `only_told`.
    """
    if _given is None or name in _given:
        return
    module, _, attribute = name.partition(":")
    if module.partition(".")[0] == "cellwright":
        with suppress(ImportError):
            found = getattr(importlib.import_module(module), attribute.partition(".")[0], None)
            if isinstance(found, type) and found.__module__.partition(".")[0] == "cellwright":
                return
    raise CellwrightError(
        f"{name!r} is named by the folder, not by you, and to read it would run the code of the "
        f"module {module!r}: give --trust if you trust whoever made the folder. Installed {group} "
        f"need no trust: {', '.join(names(group))}"
    )


def _load(group: str, name: str) -> Any:
    if not isinstance(name, str) or not name:
        raise ValueError(f"a name was expected among {names(group)}, got {name!r}")
    if ":" in name:
        _check_trusted(group, name)
    try:
        if ":" in name:
            module, attribute = name.split(":", 1)
            return attrgetter(attribute)(importlib.import_module(module))
        for entry in entry_points(group=f"cellwright.{group}", name=name):
            return entry.load()
    except (ImportError, AttributeError, ValueError) as error:
        raise ValueError(f"{name!r} cannot be loaded: {error}") from error
    near = difflib.get_close_matches(name, names(group), n=1)
    raise ValueError(
        f"unknown name {name!r}; installed {group} are {names(group)}, and 'module:attribute' "
        "names any other" + (f". Did you mean {near[0]!r}?" if near else "")
    )
