"""The files of an NNI experiment, read and checked before NNI starts."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cellwright.adapters.nni_space import other_entries
from cellwright.plugins.files import read_json
from cellwright.search_spaces import SpaceMismatch


def read_config(path: str | Path) -> dict[str, Any]:
    """The content of a ``config.yml``.

    Raises:
        ValueError: If it is no YAML, with the line and column, or holds no names.
        OSError: If it cannot be read.
    """
    config = _read_yaml(Path(path))
    if not isinstance(config, dict):
        raise ValueError(f"{path} must hold `name: value` lines, got {config!r}")
    return config


def tuner_arguments(config: Mapping[str, Any]) -> dict[str, Any]:
    """The class arguments of the tuner in a config.

    Raises:
        ValueError: If they are no mapping.
    """
    tuner = config.get("tuner") or {}
    arguments = (tuner.get("classArgs") if isinstance(tuner, Mapping) else tuner) or {}
    if not isinstance(arguments, Mapping):
        raise ValueError(f"classArgs of the tuner must hold `name: value` lines, got {arguments!r}")
    return dict(arguments)


def check_experiment(folder: str | Path) -> None:
    """Check the files of an NNI experiment before NNI starts, which shows errors in its logs alone.

    Args:
        folder: Where ``config.yml`` is, and the search space that it names.

    Raises:
        ValueError: If a file is no YAML or JSON, with its name and place, or a class argument does
            not fit (`StrategyTuner`).
        SpaceMismatch: If the search space is not the tuner's, or a part of it.
    """
    check_config(Path(folder, "config.yml"))


def check_config(path: Path) -> None:
    """Make the tuner of a ``config.yml``, if it is one of ours, and show it the search space.

    NNI shows an error in these only in its log files, after it has said that all is well.

    Raises:
        ValueError: If a file is no YAML or JSON, with its name and place, or a class argument does
            not fit (`StrategyTuner`).
        SpaceMismatch: If the search space is not the tuner's, or a part of it.
    """
    folder, config = path.parent, read_config(path)
    sent, broken = config.get("searchSpace"), None
    if sent is None:
        name = str(config.get("searchSpaceFile", "search_space.json"))
        sent, broken = _read_search_space(folder / name)
    arguments = tuner_arguments(config)
    tuner = config.get("tuner") or {}
    module, _, attribute = str(tuner.get("className")).rpartition(".")
    if module != "cellwright.adapters.nni_tuner":
        return
    from cellwright.adapters import nni_tuner

    if tuner.get("codeDirectory") is None:
        raise ValueError(f"{path}: NNI wants `codeDirectory: .` beside the className of a tuner")
    code = str(folder / str(tuner.get("codeDirectory") or "."))
    sys.path.append(code)
    try:
        kind = getattr(nni_tuner, attribute, None)
        if kind is None:
            raise ValueError(f"{path}: there is no tuner {attribute!r} in {module}")
        made = kind(**arguments)
    finally:
        sys.path.remove(code)
    try:
        other_entries(made.space, sent)
    except SpaceMismatch as error:
        if broken is None:
            raise
        raise SpaceMismatch(f"{broken}; and read as YAML: {error}") from error


def _read_search_space(path: Path) -> tuple[Any, ValueError | None]:
    """JSON, or else YAML, as NNI reads it; and what is wrong with the JSON."""
    try:
        return read_json(path), None
    except ValueError as error:
        try:
            found = _read_yaml(path)
        except ValueError:
            raise error from None
        if not isinstance(found, dict):
            raise
        return found, error


def _read_yaml(path: Path) -> Any:
    import yaml

    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise ValueError(f"{path}{place}: {error.problem or error.context}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: {error}") from error
