"""Tells griffe, which reads the sources for the reference, what it cannot see in them."""

from __future__ import annotations

import ast
import re
from typing import Any

from griffe import Alias, Extension, Module, Object

NAME = re.compile(r"(?<![`\w\[])`(\w+)`(?![`\w])")
SEVERAL = re.compile(r"^    (\w+(?:, \w+)+): ")


class Reference(Extension):
    """Names that are handed on lazily, arguments described together, and names in docstrings."""

    def on_package(self, *, pkg: Module, **_: Any) -> None:
        """Make ``cellwright.Name`` and ``cellwright.plugins.Name`` known, as `__getattr__` does."""
        homes = ast.literal_eval(str(pkg["_HOMES"].value))
        for module, names in homes.items():
            for name in names:
                pkg.set_member(name, Alias(name, f"{module}.{name}"))
        plugins = pkg["plugins"]
        for room in ast.literal_eval(str(plugins["_ROOMS"].value)):
            for name in ast.literal_eval(str(plugins[f"{room}.__all__"].value)):
                plugins.set_member(name, Alias(name, f"{plugins.path}.{room}.{name}"))
        link(pkg, {name for names in homes.values() for name in names})

    def on_object(self, *, obj: Object, **_: Any) -> None:
        """Describe ``a, b: ...`` as ``a: ...`` and ``b: ...``, each with its type and default."""
        if obj.docstring is None:
            return
        if "\nArgs:\n" in f"\n{obj.docstring.value}":
            obj.docstring.value = one_by_one(obj.docstring.value)
        # Two colons before a block of code are for another markup.
        obj.docstring.value = re.sub(r"::$", ":", obj.docstring.value, flags=re.MULTILINE)


def link(obj: Object, names: set[str]) -> None:
    """Make each `Name` of ``names`` in the docstrings of ``obj`` a link to its place."""
    if obj.docstring is not None:
        obj.docstring.value = NAME.sub(
            lambda found: f"[{found[0]}][cellwright.{found[1]}]" if found[1] in names else found[0],
            obj.docstring.value,
        )
    for member in obj.members.values():
        if not member.is_alias:
            link(member, names)


def one_by_one(docstring: str) -> str:
    lines: list[str] = []
    waiting: list[str] = []  # arguments whose description is being read
    description: list[str] = []

    def finish() -> None:
        for name in waiting:
            lines.extend([f"    {name}: {description[0]}", *description[1:]])
        waiting.clear()

    for line in docstring.splitlines():
        if waiting and line.startswith("     "):
            description.append(line)
            continue
        finish()
        if several := SEVERAL.match(line):
            waiting = several[1].split(", ")
            description = [line[several.end() :]]
        else:
            lines.append(line)
    finish()
    return "\n".join(lines)
