"""docs/sources.md names only tests, commands, options, Python names and links that there are."""

from __future__ import annotations

import ast
import importlib.util
import re
import shlex
from collections import defaultdict
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import typer
import yaml

from cellwright.command_line.app import app
from cellwright.command_line.options import settings_of
from cellwright.searches.hosts import HOSTS

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "sources.md"
TEXT = PAGE.read_text("utf-8")
SHOWN = {"Optuna": "optuna", "NNI": "nni", "Keras Tuner": "keras-tuner", "Ray Tune": "ray"}
# Names in the page's Python that stand for something of the reader's.
READERS = {"space", "data", "d", "x", "y"}
FIRST_SEARCH = "four_trials:Small"  # a space that is found in the folder of its example alone


class Row(NamedTuple):
    """One line of a table: a system in one host, or with host "" a part below the hosts."""

    system: str
    host: str
    run: str
    test: str
    shows: str


@cache
def rows() -> tuple[Row, ...]:
    found: list[Row] = []
    for line in TEXT.splitlines():
        if not line.startswith("|"):
            continue
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if set(line) <= set("|- ") or cells[0] in ("system", "part"):
            continue
        if len(cells) == 3:
            found.append(Row(cells[0], "", "", *cells[1:]))
        else:
            found.append(Row(cells[0] or found[-1].system, *cells[1:]))
    return tuple(found)


def code(text: str) -> list[str]:
    return re.findall(r"`([^`]+)`", text)


def words(row: Row) -> list[list[str]]:
    """The shell commands of a row, each as its words."""
    spans = [
        span for span in code(row.run + row.shows) if re.match(r"(cd|cellwright|python) ", span)
    ]
    return [shlex.split(part) for span in spans for part in span.split("; ")]


def test_every_system_has_a_row_for_every_host() -> None:
    hosts = defaultdict(list)
    for row in rows():
        if row.host:
            hosts[row.system].append(row.host)
    assert len(hosts) > 25
    assert set(SHOWN.values()) == set(HOSTS)
    for system, named in hosts.items():
        assert named == list(SHOWN), system


def test_no_cell_is_empty_and_what_is_not_tested_says_none() -> None:
    for row in rows():
        assert row.shows, row
        if row.host:
            assert code(row.run) or row.run == "none", row
        assert row.test == "none" or "::" in row.test, row


@cache
def functions(file: str) -> dict[str, ast.FunctionDef]:
    tree = ast.parse((ROOT / "tests" / file).read_text("utf-8"))
    return {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}


def is_slow(test: ast.FunctionDef, identifier: str) -> bool:
    """Whether ``make test`` leaves the test out, by its marks or by those of the parameter."""
    for decorator in test.decorator_list:
        if ast.unparse(decorator) == "pytest.mark.slow":
            return True
        for node in ast.walk(decorator):
            # pytest.param("nni", marks=slow), or the same of each name in a tuple
            alone = isinstance(node, ast.Call) and ast.unparse(node.func) == "pytest.param"
            if alone or isinstance(node, ast.GeneratorExp):
                told = ast.unparse(node)
                if identifier and repr(identifier) in told and "slow" in told:
                    return True
    return False


NAMED = re.compile(r"`([\w/]+\.py)::(test_\w+)(?:\[([\w-]+)\])?`( \(slow\))?")


def test_every_test_exists_and_is_marked_slow_where_it_is() -> None:
    found = list(NAMED.finditer(TEXT))
    assert len(found) == TEXT.count(".py::")  # so that none is written otherwise
    for match in found:
        file, name, identifier, slow = match.groups()
        assert (ROOT / "tests" / file).is_file(), match[0]
        assert name in functions(file), match[0]
        if identifier:
            text = (ROOT / "tests" / file).read_text("utf-8")
            assert re.search(rf"\b{identifier}\b", text), match[0]
        assert bool(slow) == is_slow(functions(file)[name], identifier or ""), match[0]


def test_every_command_is_one_that_cellwright_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its options exist, its values fit together, and it names the host of its row."""
    group: Any = typer.main.get_command(app)
    shared = settings_of.__code__.co_varnames[: settings_of.__code__.co_argcount]
    parsed = 0
    for row in rows():
        for command in words(row):
            if command[0] != "cellwright":
                continue
            name, *arguments = command[1:]
            assert name in group.commands, command
            try:
                given = group.commands[name].make_context(name, list(arguments)).params
            except Exception as error:
                raise AssertionError(f"{' '.join(command)}: {error!r}") from error
            if name == "search":
                assert given["host"] == SHOWN[row.host], command
            if name in ("search", "nni-init") and given["space"] != FIRST_SEARCH:
                settings_of(**{option: given[option] for option in shared})
            parsed += 1
    assert parsed > 40


def test_every_script_exists_and_has_the_options_that_are_given_to_it() -> None:
    for row in rows():
        folder = ROOT
        for command in words(row):
            if command[0] == "cd":
                folder = ROOT / command[1]
                assert folder.is_dir(), command
            elif command[0] == "python":
                module = command[1] == "-m"
                script = (
                    ROOT / f"{command[2].replace('.', '/')}.py" if module else folder / command[1]
                )
                assert script.is_file(), command
                for option in (word for word in command if word.startswith("--")):
                    name = option.removeprefix("--")
                    wanted = rf"\b{name}\b: Annotated" if module else f'"{option}"'
                    assert re.search(wanted, script.read_text("utf-8")), command
            elif command[0] == "nnictl":
                assert (folder / command[command.index("--config") + 1]).is_file(), command


def place_of(module: str) -> Path | None:
    """A module's file, or its folder. Nothing is imported, which takes seconds with some hosts."""
    package, *inner = module.split(".")
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        return None
    place = Path(spec.origin).parent.joinpath(*inner)
    file = place.with_suffix(".py")
    return file if file.is_file() else place if place.is_dir() else None


@cache
def names_of(module: str) -> frozenset[str]:
    """What can be imported from a module, read from its text."""
    place = place_of(module)
    assert place is not None, f"there is no module {module}"
    found = {path.stem for path in place.iterdir()} if place.is_dir() else set()
    file = place / "__init__.py" if place.is_dir() else place
    for node in ast.walk(ast.parse(file.read_text("utf-8") if file.is_file() else "")):
        if isinstance(node, ast.alias):
            found.add((node.asname or node.name).split(".")[0])
        elif isinstance(node, ast.ClassDef | ast.FunctionDef):
            found.add(node.name)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            found.add(node.value)  # names that are handed on lazily
    return frozenset(found)


@cache
def imported() -> dict[str, str | None]:
    """The names that the page imports; a module's under its own name, others under None."""
    [block] = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    found: dict[str, str | None] = {}
    for node in ast.parse(block).body:
        if isinstance(node, ast.Import):
            found |= {alias.name: alias.name for alias in node.names}
        else:
            assert isinstance(node, ast.ImportFrom)
            assert node.module
            for alias in node.names:
                assert alias.name in names_of(node.module), f"no {alias.name} in {node.module}"
                inner = f"{node.module}.{alias.name}"
                is_module = node.module == "cellwright.adapters"
                found[alias.name] = inner if is_module else None
    return found


def check_python(text: str) -> None:
    for node in ast.walk(ast.parse(text, mode="eval")):
        if isinstance(node, ast.Name):
            assert node.id in imported().keys() | READERS, f"{text}: {node.id} is not imported"
        if isinstance(node, ast.Attribute):
            first, *inner, name = ast.unparse(node).split(".")
            module = ".".join([imported().get(first) or "", *inner])
            if imported().get(first) and place_of(module):
                assert name in names_of(module), f"{text}: no {name} in {module}"


def check_yaml(text: str) -> None:
    """A tuner or assessor as NNI's configuration names it."""
    [(kind, told)] = yaml.safe_load(text).items()
    if "className" in told:
        module, _, name = told["className"].rpartition(".")
        assert name in names_of(module), text
        given = told.get("classArgs", {})
        from cellwright.plugins import make_strategy
        from cellwright.plugins.registry import make_space

        arguments = {key: given[key] for key in given.keys() - {"strategy", "space"}}
        make_strategy(
            given.get("strategy", "reinforce"), make_space(given.get("space")), **arguments
        )
        return
    nni = place_of("nni.runtime.default_config")
    if nni is not None:
        built_in = yaml.safe_load((nni / "builtin_algorithms.yml").read_text("utf-8"))
        assert told["name"] in [one["builtinName"] for one in built_in[f"{kind}s"]], text


def test_all_python_and_yaml_names_what_there_is() -> None:
    for name in ("optuna", "keras_tuner"):
        if importlib.util.find_spec(name) is None:
            pytest.skip(f"{name} is not installed")
    checked = 0
    for row in rows():
        for span in code(row.run):
            if re.match(r"(cd|cellwright|python) ", span):
                continue
            (check_yaml if re.match(r"(tuner|assessor): ", span) else check_python)(span)
            checked += 1
    assert checked > 25


@cache
def anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.*)$", page.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_link_leads_somewhere() -> None:
    links = re.findall(r"\]\(([^)]+)\)", TEXT)
    assert len(links) > 25
    for link in links:
        path, _, anchor = link.partition("#")
        page = (PAGE.parent / path).resolve()
        assert page.is_file(), link
        assert not anchor or anchor in anchors(page), link
