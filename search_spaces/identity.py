"""What makes two spaces the same, and what a record of trials says about the space it is of."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import fields, is_dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np

from cellwright.search_spaces.decision import Decision, Float, Int

_OF_EVERY_SPACE = {"decisions", "names", "anchors", "options", "added_facts"}
_LONGEST = 300  # characters of a fact's JSON in `brief`
_MOST = 3  # differences that a message names


class Identified(Protocol):
    """What is asked of a space here; `SearchSpace` says what each of these is."""

    decisions: tuple[Decision, ...]
    identified_by: tuple[str, ...]
    added_facts: Mapping[str, tuple[Any, str]]

    def identity(self) -> dict[str, Any]:
        """What a record of trials notes of this space."""


class Comparison(NamedTuple):
    """How a space differs from the one of a record; see `compare`.

    Attributes:
        different: Why the trials of the record are not of this space, such as ``"stem was 16 and
            is now 32"``; empty if nothing says so.
        doubtful: What nobody can be sure of; empty if everything could be compared.
    """

    different: str
    doubtful: str


def identity_of(space: Identified) -> dict[str, Any]:
    """See `SearchSpace.identity`."""
    declared = {name: _declared(space, name) for name in space.identified_by}
    return {
        "kind": type(space).__name__,
        "decisions": [_described(decision) for decision in space.decisions],
        "facts": declared,
        "attributes": {} if "identified_by" in vars(type(space)) else _guessed(space),
    }


def digest(data: Any) -> str:
    """16 hexadecimal digits of plain data."""
    return hashlib.sha256(_text(data).encode()).hexdigest()[:16]


def old_fingerprint(space: Identified) -> str:
    """All that records of earlier versions note of a space: a digest of names and choices.

    Records still hold it, beside the identity, so that processes of both versions can work on one
    study.
    """
    return digest([[decision.name, list(decision.choices)] for decision in space.decisions])


def brief(identity: Mapping[str, Any]) -> dict[str, Any]:
    """An identity in less than 2,000 characters of JSON, as a rule, where there is no room for
    more: a digest stands for the decisions and for every long fact."""
    decisions = identity["decisions"]
    if not isinstance(decisions, str):
        decisions = f"{len(decisions)} ({digest(decisions)})"
    return {
        "kind": identity["kind"],
        "decisions": decisions,
        **{part: _shortened(identity[part]) for part in ("facts", "attributes")},
    }


def compare(space: Identified, noted: Mapping[str, Any] | str) -> Comparison:
    """Whether a record is of ``space``, by what it notes.

    Decisions and declared facts must agree. A class that goes by another name, a public attribute
    that was not declared to be a fact, and a fact that only one side knows are doubtful: the class
    may have been renamed, the attribute may mean nothing, and either may be of another version.
    A fact that the record's version did not have (`SearchSpace.added_facts`) is doubtful if it is
    not now what it was then; the words say how to go on as before.

    Args:
        space: What is searched now.
        noted: A space's `identity`, also in `brief`, or the `old_fingerprint`.
    """
    now = space.identity()
    if isinstance(noted, str):
        return _compare_with_old(space, now, noted)
    before_facts = {**noted.get("facts", {}), **noted.get("attributes", {})}
    before = dict(_leaves(_shortened(before_facts)))
    after = dict(_leaves(_shortened({**now["facts"], **now["attributes"]})))
    declared = {name for name, _ in _leaves(_shortened(now["facts"]))}
    different: list[str] = []
    doubtful = [*added(space, noted).values()]
    for name in dict.fromkeys([*after, *before]):
        if name not in before and name in space.added_facts:
            continue
        if name not in before:
            doubtful.append(f"{name} is now {after[name]}, and it is not known what it was")
        elif name not in after:
            doubtful.append(f"{name} was {before[name]}, and it is not known what it is now")
        elif before[name] != after[name]:
            changed = f"{name} was {before[name]} and is now {after[name]}"
            (different if name in declared else doubtful).append(changed)
    different += _other_decisions(noted.get("decisions", ""), now["decisions"])
    if noted.get("kind") != now["kind"]:
        doubtful.append(f"its class was {noted.get('kind')} and is now {now['kind']}")
    return Comparison(_some(different), _some(doubtful))


def added(space: Identified, noted: Mapping[str, Any] | str) -> dict[str, str]:
    """Facts that a record lacks since its version did not have them, and that are not what they
    were then: their names, and in words what to do about it.

    Args:
        space: What is searched now.
        noted: See `compare`.
    """
    held: Mapping[str, Any] = {}
    if not isinstance(noted, str):  # the latency tables of one version noted attributes alone
        held = {**noted.get("facts", noted), **noted.get("attributes", {})}
    now = space.identity()["facts"]
    return {
        name: f"{name} was {_text(before)} in every record that does not note it, and is now "
        f"{_text(now[name])}: {remedy}"
        for name, (before, remedy) in space.added_facts.items()
        if name not in held and now.get(name, before) != before
    }


def renewed(space: Identified, noted: Mapping[str, Any] | str) -> dict[str, Any]:
    """The identity to note from now on in a record that noted something else until now.

    It lacks the facts that the record lacks and that are not what they were (`added`): whoever
    follows the warning, and gives what they were, can still go on.
    """
    identity = space.identity()
    lacking = added(space, noted)
    facts = {name: fact for name, fact in identity["facts"].items() if name not in lacking}
    return {**identity, "facts": facts}


def _compare_with_old(space: Identified, now: Mapping[str, Any], noted: str) -> Comparison:
    if noted != old_fingerprint(space):
        return Comparison("its decisions are others", "")
    unknown = [*now["facts"], *now["attributes"]]
    unknown = [name for name in unknown if name not in space.added_facts]
    if any(isinstance(decision, Float | Int) for decision in space.decisions):
        unknown.append("the scales of ranges")
    if any(decision.when for decision in space.decisions):
        unknown.append("conditions")
    doubtful = [*added(space, noted).values()]
    if unknown:
        doubtful.append(
            "an earlier version noted only its decisions, so that these could not be compared: "
            + ", ".join(unknown)
        )
    return Comparison("", _some(doubtful))


def _other_decisions(before: Any, now: list[dict[str, Any]]) -> list[str]:
    if isinstance(before, str):
        short = brief({"kind": "", "decisions": now, "facts": {}, "attributes": {}})["decisions"]
        return [] if before == short else [f"its decisions were {before} and are now {short}"]
    old = {decision["name"]: _content(decision) for decision in before}
    new = {decision["name"]: _content(decision) for decision in now}
    found = [
        f"{name} was {old[name]} and is now {new[name]}"
        if name in old and name in new
        else f"{name} is {'new' if name in new else 'gone'}"
        for name in dict.fromkeys([*old, *new])
        if old.get(name) != new.get(name)
    ]
    if not found and list(old) != list(new):
        found = ["its decisions stand in another order"]
    return found


def _content(decision: Mapping[str, Any]) -> str:
    rest = {name: value for name, value in decision.items() if name != "name"}
    return _text(rest["choices"] if rest.keys() == {"choices"} else rest)


def _described(decision: Decision) -> dict[str, Any]:
    """A decision as plain data, without its kind, which is a matter of how strategies mutate."""
    found: dict[str, Any] = {"name": decision.name, "choices": list(decision.choices)}
    if isinstance(decision, Float | Int):
        found |= {"low": decision.low, "high": decision.high, "log": decision.log}
    if decision.when:
        found["when"] = {name: list(values) for name, values in decision.when}
    return found


def _declared(space: Identified, name: str) -> Any:
    try:
        return _plain(getattr(space, name))
    except TypeError as error:
        raise ValueError(
            f"{type(space).__name__}.identified_by names {name!r}, which must be plain data "
            f"(numbers, strings, lists, mappings, dataclasses of these): {error}"
        ) from None


def _guessed(space: Identified) -> dict[str, Any]:
    """Public attributes of a space that nobody declared to be facts, as far as they are data."""
    found = {}
    for name, value in vars(space).items():
        if not name.startswith("_") and name not in {*_OF_EVERY_SPACE, *space.identified_by}:
            try:
                found[name] = _plain(value)
            except (TypeError, RecursionError):  # a function, a model: nothing to compare
                continue
    return found


def _plain(value: Any) -> Any:
    """``value`` as JSON keeps it.

    Raises:
        TypeError: If it is, or holds, what JSON has no words for.
    """
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, str | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else repr(value)
    if hasattr(type(value), "identified_by"):  # a space within this one
        return _plain(value.identity())
    if is_dataclass(value) and not isinstance(value, type):
        value = {f.name: getattr(value, f.name) for f in fields(value)}
    if isinstance(value, Mapping):
        return {str(name): _plain(part) for name, part in value.items()}
    if isinstance(value, Set):
        return sorted(map(_plain, value), key=_text)
    if isinstance(value, Sequence) and not isinstance(value, bytes | bytearray):
        return [_plain(part) for part in value]
    raise TypeError(f"got {value!r}")


def _shortened(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Facts in which a digest stands for every value that is long; those in mappings alike."""
    found: dict[str, Any] = {}
    for name, value in facts.items():
        if isinstance(value, Mapping):
            found[name] = _shortened(value)
        elif len(_text(value)) > _LONGEST:
            found[name] = f"digest {digest(value)}"
        else:
            found[name] = value
    return found


def _leaves(facts: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Each value as JSON, by a name such as ``"skeleton.filters"``."""
    for name, value in facts.items():
        if isinstance(value, Mapping) and value:
            yield from _leaves(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", _text(value)


def _text(data: Any) -> str:
    return json.dumps(data, sort_keys=True)


def _some(differences: Sequence[str]) -> str:
    more = len(differences) - _MOST
    return "; ".join(differences[:_MOST]) + (f"; and {more} more" if more > 0 else "")
