"""Reads a ``.keras`` file without importing anything that it names."""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cellwright.search_spaces.errors import CorruptedState


def digest_of(path: Path) -> str:
    """32 hexadecimal digits of the file's contents.

    Raises:
        OSError: If it cannot be read.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()


def read_network(path: Path) -> Any:
    """The network in a ``.keras`` file, not compiled.

    Layers are Keras's own, ours, or such as a module has registered that is imported already. Some
    releases of Keras import any module that the file names; here a file that names another is
    refused before Keras reads it.

    Raises:
        CorruptedState: If the file cannot be read, or has layers that are not known.
    """
    import keras

    import cellwright.search_spaces.export  # noqa: F401  which registers our layers

    try:
        with zipfile.ZipFile(path) as archive:
            config = json.loads(archive.read("config.json"))
        strangers = sorted({name for name in _classes(config) if not _is_known(*name)})
        if strangers:
            name, module, _ = strangers[0]
            raise CorruptedState(
                f"{path} has layers that are not Keras's and not ours: {name!r} of the module "
                f"{module!r}. A file is never a reason to import a module: if you trust it, import "
                "the module that registers them (keras.saving.register_keras_serializable) in a "
                "script of yours, and load the model there"
            )
        return keras.models.load_model(path, compile=False, safe_mode=True)
    except CorruptedState:
        raise
    except Exception as error:  # Keras, h5py and zipfile show damage in two dozen types
        reason = (str(error).strip() or repr(error)).partition("\n")[0]
        raise CorruptedState(f"{path} cannot be read as a network: {reason}") from error


def _classes(config: Any) -> Iterator[tuple[str, str, str]]:
    """Class, module and registered name of everything that a configuration names."""
    if isinstance(config, dict):
        if isinstance(config.get("module"), str):
            told = (config.get("class_name"), config["module"], config.get("registered_name"))
            yield tuple(map(str, told))  # type: ignore[misc]
        config = list(config.values())
    if isinstance(config, list):
        for part in config:
            yield from _classes(part)


def _is_known(name: str, module: str, registered: str) -> bool:
    import keras

    if module == "builtins" or module.partition(".")[0] == "keras":
        return True
    known = keras.saving.get_custom_objects()
    return registered in known or name in known
