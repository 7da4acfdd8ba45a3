"""Values of parameters and classes as JSON data, which come back as they were, or are refused."""

from __future__ import annotations

import datetime
from typing import Any

import numpy as np

from cellwright import search_spaces
from cellwright.search_spaces import SearchSpace

_AS_THEY_ARE = (str, int, float, bool, type(None))
_GENERATORS = ("MT19937", "PCG64", "PCG64DXSM", "Philox", "SFC64")


def to_plain(value: Any) -> Any:
    """A value as JSON data, from which `from_plain` makes it again.

    Plain values and lists of them stay; anything else becomes a dictionary whose ``is`` says what.

    Raises:
        TypeError: If the value could not be made again as it is.
    """
    if type(value) in _AS_THEY_ARE:
        return value
    if type(value) is list:
        return [to_plain(part) for part in value]
    if type(value) is tuple:
        return {"is": "tuple", "of": [to_plain(part) for part in value]}
    if type(value) is dict:
        return {"is": "dict", "of": [[to_plain(k), to_plain(v)] for k, v in value.items()]}
    if isinstance(value, np.generic):
        return {"is": "scalar", "of": to_plain(np.array([value]))}
    if type(value) is np.ndarray:
        return _array(value)
    if type(value) in (datetime.date, datetime.datetime):
        return {"is": type(value).__name__, "of": value.isoformat()}
    if isinstance(value, np.random.RandomState):
        return {"is": "RandomState", "of": to_plain(value.get_state(legacy=False))}
    if isinstance(value, np.random.Generator):
        return {"is": "Generator", "of": to_plain(value.bit_generator.state)}
    if isinstance(value, SearchSpace):
        return _space(value)
    raise TypeError(
        f"a {type(value).__name__} cannot be saved so that it comes back: {value!r:.200}"
    )


def from_plain(data: Any) -> Any:
    """The value that `to_plain` was given.

    Raises:
        ValueError, KeyError, TypeError: If ``data`` is anything else.
    """
    if isinstance(data, list):
        return [from_plain(part) for part in data]
    if not isinstance(data, dict):
        return data
    kind, of = data["is"], data["of"]
    if kind == "tuple":
        return tuple(map(from_plain, of))
    if kind == "dict":
        return {from_plain(key): from_plain(value) for key, value in of}
    if kind == "scalar":
        return from_plain(of)[0]
    if kind == "array":
        dtype = np.dtype(data["dtype"])
        if not _comes_back(dtype):
            raise ValueError(f"an array of {dtype}")
        plain = from_plain(of)
        if dtype.kind in "mM":
            return np.array(plain, dtype=np.int64).view(dtype).reshape(data["shape"])
        array = np.empty(len(plain), dtype=dtype)
        for position, value in enumerate(plain):
            array[position] = value
        return array.reshape(data["shape"])
    if kind in ("date", "datetime"):
        return getattr(datetime, kind).fromisoformat(of)
    if kind == "RandomState":
        state = np.random.RandomState()
        state.set_state(from_plain(of))
        return state
    if kind == "Generator":
        state = from_plain(of)
        if state["bit_generator"] not in _GENERATORS:
            raise ValueError(f"unknown generator {state['bit_generator']!r}")
        bits = getattr(np.random, state["bit_generator"])()
        bits.state = state
        return np.random.Generator(bits)
    if kind == "space" and of in _spaces():
        return _spaces()[of](*from_plain(data["positions"]), **from_plain(data["arguments"]))
    raise ValueError(f"unknown kind of value {kind!r}")


def _comes_back(dtype: np.dtype[Any]) -> bool:
    return dtype.kind in "biufUMmO" and not dtype.names


def _array(value: np.ndarray[Any, Any]) -> dict[str, Any]:
    if not _comes_back(value.dtype):
        raise TypeError(f"an array of {value.dtype} cannot be saved so that it comes back")
    flat = value.reshape(-1)
    of = flat.view(np.int64).tolist() if value.dtype.kind in "mM" else flat.tolist()
    return {
        "is": "array",
        "dtype": str(value.dtype),
        "shape": list(value.shape),
        "of": [to_plain(part) for part in of],
    }


def _spaces() -> dict[str, type[SearchSpace]]:
    found = {name: getattr(search_spaces, name) for name in search_spaces.__all__}
    return {
        name: kind
        for name, kind in found.items()
        if isinstance(kind, type) and issubclass(kind, SearchSpace)
    }


def _space(space: SearchSpace) -> dict[str, Any]:
    """One of our spaces by its name and arguments, if these make the same space again."""
    name = type(space).__name__
    advice = (
        f"{space!r} cannot be saved so that it comes back; give the estimator the space's name, as "
        "an entry point or 'package.module:attribute', or set_params(space='auto') before save"
    )
    if _spaces().get(name) is not type(space):
        raise TypeError(advice)
    if space.made_with is None:
        raise TypeError(advice)
    by_position, by_name = space.made_with
    try:
        made = {
            "is": "space",
            "of": name,
            "arguments": to_plain(by_name),
            "positions": to_plain(list(by_position)),
        }
    except TypeError as error:
        raise TypeError(advice) from error
    if from_plain(made).identity() != space.identity():  # changed since
        raise TypeError(advice)
    return made
