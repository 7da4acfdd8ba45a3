"""The folder of a search: its settings, how it goes on, and who may write there."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from dataclasses import MISSING, fields, replace
from pathlib import Path
from typing import Any, get_type_hints

from cellwright.plugins import Data
from cellwright.plugins.checked import as_kind, check_finite, read_as
from cellwright.plugins.files import clear_unfinished, exclusive_lock
from cellwright.plugins.interrupts import cannot_write
from cellwright.plugins.registry import AUTO_OF_SEVERAL
from cellwright.plugins.scoring.reference import target_from
from cellwright.search_spaces import CellwrightError, CorruptedState
from cellwright.searches.hosts import HOSTS
from cellwright.searches.settings import FILE, LISTS, SCHEDULES, Settings, as_told

# A search that goes on may train more children, or some again, read the same data in another way,
# and tell others of the children. All else must stay, or the results do not compare.
_MAY_CHANGE = {"trials", "concurrency", "track", "stream", "prior", "confirm", "shared"}
_ONE_OF: dict[str, list[str | None]] = {"host": [*HOSTS], "schedule": [None, *SCHEDULES]}
_WORKERS = ".workers"  # in the folder: a lock for each process that helps
_REMEDY = (
    "Write it again by hand (a JSON object of the options of `cellwright search`), or start a new "
    "search with another --out"
)
_AUTO = ("pareto", AUTO_OF_SEVERAL)  # what auto was for several objectives, and what it is
_KINDS = get_type_hints(Settings)  # of each setting, such as float | None
# The defaults of settings that older files lack.
_LATER = {field.name: field.default for field in fields(Settings) if field.default is not MISSING}
_LATER |= {"edition": 1, "strategy_arg": {}}


class Busy(CellwrightError):
    """Another process searches in the folder."""


def read_settings(folder: Path) -> Settings:
    """Read ``settings.json``.

    Raises:
        CellwrightError: If ``folder`` holds no search.
        CorruptedState: If the file cannot be read.
    """
    file = folder / FILE
    if not file.is_file():
        raise CellwrightError(
            f"{folder} holds no search: there is no {FILE}. Give the folder that was the --out of "
            "`cellwright search`"
        )
    data = read_as(file, dict[str, Any], _REMEDY)
    check_finite(data, file, _REMEDY)
    if "target_ms" in data:  # of version 0.1.0 before it had meters
        data["target"] = data.pop("target_ms")
    data = _LATER | data
    if missing := [name for name in _KINDS if name not in data]:
        raise CorruptedState(f"{file} is damaged: it has no {', '.join(missing)}. {_REMEDY}")
    return Settings(**{name: _typed(name, data[name], file) for name in _KINDS})


def _typed(name: str, value: Any, file: Path) -> Any:
    if name in LISTS:
        value = _several(name, value)
    kind = str if name == "space" else _KINDS[name]
    value = as_kind(value, kind, file, _REMEDY, name)
    if value not in _ONE_OF.get(name, [value]):
        allowed = ", ".join(map(str, _ONE_OF[name]))
        raise CorruptedState(
            f"{file} is damaged: {name} is {value!r}, and may be {allowed}. {_REMEDY}"
        )
    return value


def _several(name: str, value: Any) -> Any:
    """A setting that is a list, if it is one text, or null, as in older files.

    Their objectives have no directions: the reward and accuracies were maximised, and all else was
    minimised.
    """
    if not isinstance(value, str):
        return () if value is None else value
    texts = tuple(text.strip() for text in value.split(LISTS[name]) if text.strip())
    if name != "objectives":
        return texts
    return tuple(
        f"{text}:{'max' if text == 'reward' or text.endswith('accuracy') else 'min'}"
        for text in texts
    )


def check_search(folder: Path, settings: Settings) -> None:
    """Check that a search with these settings can go on, or begin, in ``folder``.

    Raises:
        CellwrightError: If the folder holds a search with other settings, naming them, or another
            process searches there.
    """
    if not (folder / FILE).exists():
        return
    before = read_settings(folder)
    if settings.target_from is not None and settings.target is None:
        settings = replace(settings, target=before.target)  # kept, or measured again: `with_target`
    _check_same(folder, before, settings)
    joinable = suppress(Busy) if settings.storage is not None else nullcontext()
    with joinable, only_search_in(folder):
        pass


def check_there(folder: Path) -> None:
    """Check that the folder of a search that runs is still there.

    Raises:
        CannotWrite: If it was deleted. Keras Tuner makes its own anew, without earlier trials.
    """
    if not (folder / FILE).exists():
        raise cannot_write(folder / FILE, "it was deleted")


def continue_or_start(folder: Path, settings: Settings) -> None:
    """Make ``folder`` that of ``settings``, or check that it already is.

    Raises:
        CellwrightError: If the folder holds a search with other settings, naming them.
    """
    if (folder / FILE).exists():
        _check_same(folder, read_settings(folder), settings)
    settings.save(folder)


def _check_same(folder: Path, old: Settings, new: Settings) -> None:
    before, now = as_told(old), as_told(new)
    changed = [
        f"--{name.replace('_', '-')} was {before[name]!r} and is now {now[name]!r}"
        for name in now
        if name not in _MAY_CHANGE and before[name] != now[name]
    ]
    if changed:
        raise CellwrightError(
            f"{folder} holds another search: {'; '.join(changed)}. Give the same options to "
            "continue it, or another --out to start a new one"
        )


def with_edition(folder: Path, settings: Settings) -> Settings:
    """The settings as `read_settings` would read them: names mean what they did when the search in
    ``folder`` began, if there is one, and data are read, and the best children confirmed, as they
    were unless the user says it."""
    if not (folder / FILE).exists():
        return with_strategy(settings)
    before = read_settings(folder)
    stream = before.stream if settings.stream is None else settings.stream
    settings = with_strategy(settings, before.strategy)
    confirm = before.confirm if settings.confirm is None else settings.confirm
    return replace(settings, edition=before.edition, stream=stream, confirm=confirm)


def with_strategy(settings: Settings, before: str | None = None) -> Settings:
    """The settings with the name of what ``auto`` is where several objectives are searched, so that
    the search stays what it began as when ``auto`` becomes another.

    Args:
        settings: Of the search.
        before: The strategy that it began with, if it has begun.
    """
    if not settings.objectives or settings.strategy != "auto":
        return settings
    return replace(settings, strategy=before if before in _AUTO else _AUTO[-1])


def with_target(folder: Path, settings: Settings, data: Data | None = None) -> Settings:
    """Measure the network of ``settings.target_from``, unless ``folder`` already has the target.

    The ``data`` are those of the settings, which are loaded if they are None.

    A search that goes on keeps its target, because a second measurement would differ.

    Raises:
        ValueError, UnbuildableChild: See `target_from`.
    """
    if settings.target_from is None:
        return settings
    if (folder / FILE).exists():
        before = read_settings(folder)
        if (before.target_from, before.meter) == (settings.target_from, settings.meter):
            return replace(settings, target=before.target)
    data = data or settings.load_data()
    if data.classes is None:
        raise CellwrightError("a target weighs accuracy, not a loss: give --limit alone")
    target = target_from(
        settings.target_from,
        settings.make_clock(),
        input_shape=data.input_shape,
        classes=data.classes,
    )
    return replace(settings, target=target)


@contextmanager
def only_search_in(folder: Path) -> Iterator[None]:
    """Keep a second search out of ``folder``, which is made if it is not there.

    Raises:
        Busy: If another search runs there.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as held:
        try:
            held.enter_context(exclusive_lock(folder / ".search.lock", wait=False))
        except BlockingIOError:
            raise Busy(
                f"another search is running in {folder}; wait for it, help it by `cellwright "
                f"worker {folder}` if Optuna drives it, or give another --out"
            ) from None
        if not has_workers(folder):
            clear_unfinished(folder)
        yield


@contextmanager
def joined(folder: Path) -> Iterator[None]:
    """Be one of the workers that help the search in ``folder``."""
    place = folder / _WORKERS
    place.mkdir(parents=True, exist_ok=True)
    mine = place / f"{uuid.uuid4().hex}.lock"
    try:
        with exclusive_lock(mine):
            yield
    finally:
        mine.unlink(missing_ok=True)


def has_workers(folder: Path) -> bool:
    """Whether a process is `joined` to the search in ``folder``."""
    for lock in (folder / _WORKERS).glob("*.lock"):
        try:
            with exclusive_lock(lock, wait=False):
                lock.unlink(missing_ok=True)  # left by a process that was killed
        except BlockingIOError:
            return True
    return False
