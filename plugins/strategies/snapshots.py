"""Snapshots of what a strategy has learned: what they belong to, and their content as plain arrays.

A snapshot is a cache. What was learned follows from the strategy's class and arguments, the seed,
the space and the results in their order; `key_of` stands for the former, `after` for the results.
"""

from __future__ import annotations

import copy
import functools
import hashlib
import inspect
import itertools
import json
import platform
import sys
from collections import deque
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np

from cellwright.plugins.strategies.arrays import Array
from cellwright.plugins.strategies.one_thread import kind_of_algebra

if TYPE_CHECKING:
    from cellwright.plugins.strategies.outcome import Rewards

Arrays = dict[str, np.ndarray[Any, Any]]
_PLAIN = (bool, int, float, str, type(None))
_TREE = "tree"  # the array that holds, as JSON, what is no array
START = b"\0" * 32  # the digest of no results


class Name(NamedTuple):
    """Which results a snapshot has learned: how many, and their digest (`after`)."""

    results: int
    digest: str


class Snapshots(Protocol):
    """Where snapshots are kept; see `cellwright.plugins.records.snapshots`."""

    def found(self, key: str) -> list[Name]:
        """What there is for a `key_of` a strategy, the most results first."""

    def read(self, key: str, name: Name) -> Arrays | None:
        """The content of one; None if it cannot be read."""

    def write(self, key: str, name: Name, content: Arrays) -> None:
        """Keep one more; nothing happens where that is not possible."""


def after(digest: bytes, indices: tuple[int, ...], learned: Rewards | None) -> bytes:
    """The digest of some results and one more: its architecture, and what is learned from it."""
    one = np.array(indices, dtype="<i8").tobytes() + repr(learned).encode()
    return hashlib.sha256(digest + one).digest()


def latest(
    kept: Snapshots,
    key: str | None,
    lessons: Iterable[tuple[tuple[int, ...], Rewards | None]],
    like: Mapping[str, Any],
) -> tuple[Name, dict[str, Any]] | None:
    """The snapshot that has learned the most of some results, as its name and content.

    Args:
        kept: Where to look.
        key: See `key_of`.
        lessons: What each result is of, and what is learned from it, in order.
        like: See `unpack`.
    """
    found = [] if key is None else kept.found(key)
    digest, digests = START, [""]
    for one in itertools.islice(lessons, max((name.results for name in found), default=0)):
        digest = after(digest, *one)
        digests.append(digest.hex())
    for name in found:
        if name.results >= len(digests) or digests[name.results] != name.digest:
            continue
        content = kept.read(str(key), name)
        if content is not None:
            with suppress(ValueError):
                return name, unpack(content, like)
    return None


def key_of(strategy: Any, start: Mapping[str, Any]) -> str | None:
    """What decides, beside the results, what a strategy has learned, as 32 hexadecimal digits.

    The code is part of it, and so are NumPy and the kind of processor: with another of them the
    last digits of a number may differ.

    Args:
        strategy: A `Strategy`.
        start: What it has learned before the first result: nothing.

    Returns:
        None if something of it cannot be told: an argument that no attribute holds or that is no
        plain data, or a class that no file defines.
    """
    kinds: list[Any] = [type(strategy), type(strategy.space), *_kinds_in(strategy)]
    code = _code_of(*kinds)
    given, packed = _arguments_of(strategy), pack(start)
    if code is None or given is None or packed is None:
        return None
    told = {
        "class": f"{type(strategy).__module__}.{type(strategy).__qualname__}",
        "arguments": given,
        "seed": strategy.seed,
        "space": strategy.space.identity(),
        "code": code,
        "numbers": [np.__version__, platform.machine(), *kind_of_algebra()],
    }
    text = hashlib.sha256(json.dumps(told, sort_keys=True, default=str).encode())
    for name in sorted(packed):
        text.update(name.encode() + packed[name].tobytes())
    return text.hexdigest()[:32]


def _arguments_of(strategy: Any) -> dict[str, Any] | None:
    options = getattr(strategy, "_options", {})
    given = dict(options)
    for one in inspect.signature(type(strategy)).parameters.values():
        if one.name in ("space", "seed") or one.kind in (one.VAR_KEYWORD, one.VAR_POSITIONAL):
            continue
        if one.name not in options and not hasattr(strategy, one.name):
            return None
        given.setdefault(one.name, getattr(strategy, one.name, None))
    # A baseline is part of what is packed at the start, and its class of the code.
    plain = {name: value for name, value in given.items() if name != "baseline"}
    return plain if all(isinstance(value, _PLAIN) for value in plain.values()) else None


def _kinds_in(strategy: Any) -> list[Any]:
    return [type(vars(strategy).get(name)) for name in strategy._learned]


@functools.cache
def _code_of(*kinds: Any) -> str | None:
    """A digest of all files of strategies and spaces, and of those that define ``kinds``."""
    files: set[Path] = set()
    for kind in (kind for one in kinds for kind in one.__mro__):
        if kind.__module__ in sys.stdlib_module_names:
            continue
        file = getattr(sys.modules.get(kind.__module__), "__file__", None)
        if file is None:
            return None
        files.add(Path(file))
    for module in ("cellwright.plugins.strategies", "cellwright.search_spaces"):
        files.update(Path(str(sys.modules[module].__file__)).parent.rglob("*.py"))
    digest = hashlib.sha256()
    try:
        for content in sorted(file.read_bytes() for file in files):
            digest.update(hashlib.sha256(content).digest())
    except OSError:  # a program in one file
        return None
    return digest.hexdigest()


def pack(values: Mapping[str, Any]) -> Arrays | None:
    """Values as arrays without objects: numbers, text, arrays, and lists, tuples, deques and
    objects of these; None if there is anything else among them."""
    arrays: Arrays = {}
    try:
        tree = {name: _plain(value, arrays) for name, value in values.items()}
    except TypeError:
        return None
    return {**arrays, _TREE: np.array(json.dumps(tree))}


def unpack(content: Mapping[str, np.ndarray[Any, Any]], like: Mapping[str, Any]) -> dict[str, Any]:
    """What `pack` was given.

    Args:
        content: What `pack` returned.
        like: Values of the same kinds, by the same names; objects are made like them.

    Raises:
        ValueError: If ``content`` does not fit ``like``.
    """
    try:
        tree = json.loads(str(content[_TREE]))
        if tree.keys() != like.keys():
            raise ValueError(f"it holds {sorted(tree)}")
        return {name: _from_plain(tree[name], like[name], content) for name in like}
    except (KeyError, TypeError, AttributeError, IndexError, RecursionError) as error:
        raise ValueError(f"it is no snapshot: {error!r}") from error


def _plain(value: Any, arrays: Arrays) -> Any:
    if isinstance(value, np.ndarray) and value.dtype.kind in "fiub":
        name = f"array_{len(arrays)}"
        arrays[name] = value.copy()
        return {"array": name}
    if type(value) in _PLAIN:
        return value
    if isinstance(value, list | tuple | deque):
        return {type(value).__name__: [_plain(one, arrays) for one in value]}
    if isinstance(getattr(value, "__dict__", None), dict) and not callable(value):
        return {"object": {name: _plain(one, arrays) for name, one in vars(value).items()}}
    raise TypeError(f"{value!r} is no plain data")


def _from_plain(plain: Any, like: Any, content: Mapping[str, np.ndarray[Any, Any]]) -> Any:
    if not isinstance(plain, dict):
        if not isinstance(plain, _PLAIN):
            raise TypeError("a list without a kind")
        return plain
    ((kind, held),) = plain.items()
    if kind == "array":
        return _array(content[held], like)
    if kind == "object":
        made = copy.copy(like)
        if held.keys() != vars(like).keys():
            raise ValueError(f"no {type(like).__name__} has the attributes {sorted(held)}")
        for name, one in held.items():
            setattr(made, name, _from_plain(one, vars(like)[name], content))
        return made
    parts = [_from_plain(one, None, content) for one in held]
    if kind == "deque":
        return deque(parts, maxlen=like.maxlen)
    return {"list": list, "tuple": tuple}[kind](parts)


def _array(found: np.ndarray[Any, Any], like: Any) -> Array:
    if like is not None and (found.shape != like.shape or found.dtype != like.dtype):
        raise ValueError(f"an array has the shape {found.shape} in place of {like.shape}")
    return np.array(found)
