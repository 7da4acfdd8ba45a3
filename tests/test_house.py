"""The rules of the house, read off the imports of every file; docs/architecture.md draws it."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

import cellwright

PACKAGE = Path(cellwright.__file__).parent

# From the ground up. A floor imports those before it; the two on top do not know each other.
FLOORS = ("search_spaces", "plugins", "adapters", "searches", "command_line", "automl")
TOP = {"command_line", "automl"}
OUTSIDE = {"benchmarks", "examples", "tests"}  # the package imports none of them

# The rooms of a floor from the ground up, and the rooms that each may import. "" are the files that
# lie loose: the commands, and an `__init__` that hands on the names of all rooms.
ROOMS: dict[str, dict[str, set[str]]] = {
    "plugins": {
        "files": set(),
        "checked": {"files"},
        "metrics": set(),
        "interrupts": set(),
        "passwords": set(),
        "strategies": set(),
        "records": {"files", "checked", "strategies"},
        "data": {"files", "checked"},
        "tracking": {"interrupts"},
        "training": {"files", "checked", "metrics", "interrupts", "data"},
        "supernet": {"files", "interrupts", "strategies", "data", "training"},
        "model": {"files", "checked", "data"},
        "meters": {"files", "checked", "metrics", "data"},
        "scoring": {
            "metrics",
            "interrupts",
            "strategies",
            "data",
            "tracking",
            "training",
            "meters",
            "model",
        },
        "registry": {"strategies", "meters", "tracking", "scoring"},
        "": {
            "strategies",
            "data",
            "model",
            "training",
            "supernet",
            "meters",
            "tracking",
            "scoring",
            "registry",
        },
    },
    "command_line": {"pictures": set(), "pages": {"pictures"}, "": {"pictures", "pages"}},
}

# Libraries that a room may import beside Python's own, where the room says that these are all.
LIBRARIES = {"plugins/strategies": {"numpy", "threadpoolctl"}}
# Libraries that belong to one floor.
KEPT_ON = {"rich": "command_line", "typer": "command_line"}

# The package of each host, and how its adapters' names begin.
HOSTS = {"optuna": "optuna", "nni": "nni", "keras_tuner": "keras", "ray": "ray"}
SPOKEN = re.compile(r"optuna|(?<![a-z])nni(?![a-z])|keras[ _-]?tuner", re.IGNORECASE)

# Files that import one another, and why. There are to be no more than four such circles.
GENOTYPE = (
    "a genotype is plain data that offers build() and figures(): when one is called it imports the "
    "builder, and Keras with it, or the drawing; and both of these read the genotype"
)
CIRCLES = {
    ("nasnet/child", "nasnet/drawing", "nasnet/genotype", "nasnet/layout", "nasnet/page"): GENOTYPE,
    ("mnasnet/child", "mnasnet/drawing", "mnasnet/genotype"): GENOTYPE,
    ("convnet/child", "convnet/drawing", "convnet/genotype"): GENOTYPE,
    ("mlp/child", "mlp/drawing", "mlp/genotype"): GENOTYPE,
}
# Files that import modules whose names are put together when they run, where no test reads them.
BY_NAME = {"__init__", "plugins/__init__", "plugins/registry", "searches/hosts",
           "command_line/export"}  # fmt: skip


class Arrow(NamedTuple):
    """An import of ``target`` in ``source``: files of the package such as ``plugins/files``, or for
    a target outside of it the library's name. ``typing`` if the type checker alone follows it."""

    source: str
    target: str
    line: int
    inside: bool
    typing: bool

    def __str__(self) -> str:
        kind = " for its types" if self.typing else ""
        return f"{self.source}.py:{self.line} imports {self.target}{kind}"


@cache
def sources() -> dict[str, Path]:
    """Every file of the package by its name, such as ``plugins/files`` or ``plugins/__init__``."""
    walked = os.walk(PACKAGE, followlinks=True)
    paths = [Path(folder, name) for folder, _, names in walked for name in names]
    return {
        path.relative_to(PACKAGE).with_suffix("").as_posix(): path
        for path in paths
        if path.suffix == ".py"
    }


@cache
def trees() -> dict[str, ast.Module]:
    return {name: ast.parse(path.read_text("utf-8")) for name, path in sources().items()}


@cache
def arrows() -> tuple[Arrow, ...]:
    """Every import of every file, those inside functions and for types alone included."""
    return tuple(arrow for name in sorted(sources()) for arrow in arrows_of(name))


def arrows_of(source: str) -> Iterator[Arrow]:
    tree = trees()[source]
    typing = {
        id(node)
        for block in ast.walk(tree)
        if isinstance(block, ast.If) and "TYPE_CHECKING" in ast.unparse(block.test)
        for node in ast.walk(block)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, (
                f"{source}.py:{node.lineno}: write the import in full, not by dots"
            )
            modules = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for module in modules:
            target, inside = file_of(module)
            yield Arrow(source, target, node.lineno, inside, id(node) in typing)


def file_of(module: str) -> tuple[str, bool]:
    """The file that holds a module, or a name in one, and True; or a library and False."""
    first, *rest = module.split(".")
    if first != "cellwright":
        return first, False
    for parts in (rest, rest[:-1]):
        name = "/".join(parts)
        if name in sources():
            return name, True
        if f"{name}/__init__".lstrip("/") in sources():
            return f"{name}/__init__".lstrip("/"), True
    raise AssertionError(f"{module} is imported and there is no such file")


def floor_of(name: str) -> str:
    """The floor of a file; "" for the short names of the package itself."""
    return name.partition("/")[0] if "/" in name else ""


def room_of(name: str) -> str:
    """The room of a file of its floor, where that has rooms; "" if it lies loose."""
    floor, *rest = name.split("/")
    return rest[0] if rest and rest[0] in ROOMS.get(floor, {}) else ""


def below(name: str, folder: str) -> bool:
    return name.startswith(f"{folder}/")


def check(found: list[str], advice: str) -> None:
    __tracebackhide__ = True
    if found:
        pytest.fail("\n".join([*found, advice]), pytrace=False)


def test_every_file_is_on_a_floor_and_the_rooms_are_there():
    floors = {floor_of(name) for name in sources()} - {""}
    assert floors == set(FLOORS), "put a new folder's floor into FLOORS, and into the drawing"
    for floor, rooms in ROOMS.items():
        there = {name.split("/")[1] for name in sources() if below(name, floor)} - {"__init__"}
        loose = there - rooms.keys() if floor == "plugins" else set()
        check(
            [f"{floor}/{name} is in no room" for name in sorted(loose)],
            "Move it into a room, or draw a new room in ROOMS and in docs/architecture.md.",
        )
        assert rooms.keys() - {""} <= there, f"ROOMS has rooms of {floor} that are not there"
        below_it: set[str] = set()
        for room, others in rooms.items():
            assert others <= below_it, f"ROOMS: {room} may import only rooms that come before it"
            below_it.add(room)


def test_the_drawing_shows_every_room_and_file():
    """But for adapters, drawn as `<host>_*.py`, and what lies within a space."""
    drawing = (Path(__file__).parents[1] / "docs" / "architecture.md").read_text("utf-8")
    drawn = set(re.findall(r"\w+", drawing))
    missing = []
    for name in sorted(sources()):
        *folders, stem = name.split("/")
        within = folders[:1] == ["search_spaces"] and len(folders) > 1
        parts = {*folders} if within or folders == ["adapters"] else {*folders, stem}
        if parts - drawn - {"__init__"}:
            missing.append(f"{name}.py is not drawn")
    check(missing, "Draw it in docs/architecture.md, and say in a few words what it is.")


def test_no_floor_imports_one_above_it():
    wrong = []
    for arrow in arrows():
        source, target = floor_of(arrow.source), floor_of(arrow.target)
        if not arrow.inside or source in ("", target):
            continue
        if target == "":  # the short names reach every floor
            upward = source not in TOP
        else:
            upward = FLOORS.index(target) > FLOORS.index(source) or {source, target} == TOP
        if upward:
            wrong.append(
                f"{arrow}: {source} lies below {target or 'the short names'}, or beside it"
            )
    check(wrong, "Move what is imported down to where it is needed, or pass it in as an argument.")


def test_no_room_imports_one_above_it():
    wrong = []
    for arrow in arrows():
        floor = floor_of(arrow.source)
        if not arrow.inside or floor not in ROOMS or floor_of(arrow.target) != floor:
            continue
        source, target = room_of(arrow.source), room_of(arrow.target)
        if source != target and target not in ROOMS[floor][source]:
            allowed = ", ".join(sorted(ROOMS[floor][source])) or "no other room"
            wrong.append(f"{arrow}: {floor}/{source or '*'} imports {allowed}")
    check(
        wrong,
        "Import from the room's own files and not from the floor's __init__; move what is needed "
        "down; or, if the arrow is right, add it to ROOMS and to docs/architecture.md.",
    )


def test_no_space_imports_another():
    spaces = {name.split("/")[1] for name in sources() if name.endswith("/space") and "/" in name}
    spaces -= {"space"}
    assert {"nasnet", "mlp"} <= spaces
    wrong = [
        str(arrow)
        for arrow in arrows()
        for mine in spaces
        for other in spaces - {mine}
        if below(arrow.source, f"search_spaces/{mine}")
        and below(arrow.target, f"search_spaces/{other}")
    ]
    check(wrong, "A space is one folder: what two of them share lies beside them.")


def test_the_package_stands_alone():
    wrong = [str(arrow) for arrow in arrows() if not arrow.inside and arrow.target in OUTSIDE]
    check(wrong, "Benchmarks, examples and tests use the package; it does not know them.")


def test_rooms_keep_to_their_libraries():
    wrong = []
    for arrow in arrows():
        if arrow.inside or arrow.target in sys.stdlib_module_names:
            continue
        for room, libraries in LIBRARIES.items():
            if below(arrow.source, room) and arrow.target not in libraries:
                wrong.append(f"{arrow}: {room} stands on {', '.join(sorted(libraries))} alone")
        floor = KEPT_ON.get(arrow.target)
        if floor is not None and floor_of(arrow.source) != floor:
            wrong.append(f"{arrow}: it belongs to {floor}")
    check(wrong, "Do without the library there, or do the work in a room that may import it.")


def test_no_hosts_name_is_heard_below_the_adapters():
    wrong = [
        f"{name}.py:{number} says {found.group()!r}: {line.strip()}"
        for name, path in sources().items()
        if floor_of(name) in FLOORS[: FLOORS.index("adapters")]
        for number, line in enumerate(path.read_text("utf-8").splitlines(), start=1)
        if (found := SPOKEN.search(line))
    ]
    check(
        wrong,
        "Say it of any host, in comments and docstrings too, or move the code to adapters/ or "
        "searches/on_<host>.py.",
    )


def test_a_host_is_known_to_its_own_files_alone():
    """Its package, and its adapters, which are imported by its own files and its driver."""
    prefixes = {prefix: package for package, prefix in HOSTS.items()}
    wrong = []
    for arrow in arrows():
        floor, file = floor_of(arrow.source), arrow.source.rpartition("/")[2]
        if arrow.inside:
            target = arrow.target.rpartition("/")[2].partition("_")[0]
            host = prefixes.get(target) if below(arrow.target, "adapters") else None
        else:
            host = arrow.target if arrow.target in HOSTS else None
        if host is None:
            continue
        own = floor == "adapters" and file.startswith(f"{HOSTS[host]}_")
        if not own and arrow.source != f"searches/on_{host}":
            wrong.append(f"{arrow}, which is for adapters/{HOSTS[host]}_*.py and on_{host}.py")
    check(wrong, "Ask the host's driver (`searches.hosts.driver_of`) for what is needed.")
    loose = [
        name
        for name in sources()
        if below(name, "adapters") and name != "adapters/__init__"
        if not name.removeprefix("adapters/").startswith(tuple(f"{p}_" for p in prefixes))
    ]
    check(loose, "Begin an adapter's name with its host's, and list the host in HOSTS here.")


def circles() -> list[tuple[str, ...]]:
    """The files of each circle of imports (strongly connected components, by who reaches whom)."""
    graph = {
        name: {a.target for a in arrows() if a.source == name and a.inside} for name in sources()
    }
    reach = {name: set(targets) for name, targets in graph.items()}
    for middle in reach:
        for name in reach:
            if middle in reach[name]:
                reach[name] |= reach[middle]
    found = {
        tuple(sorted(other for other in reach[name] if name in reach[other]))
        for name in reach
        if name in reach[name]
    }
    return sorted(found)


def test_files_import_one_another_in_listed_circles_alone():
    listed = {tuple(f"search_spaces/{name}" for name in names) for names in CIRCLES}
    found = set(circles())
    check(
        [f"a circle: {', '.join(circle)}" for circle in sorted(found - listed)],
        "Break it: move what both sides need into a file below them. At most four circles may "
        "stand in CIRCLES, each with its reason.",
    )
    check([", ".join(circle) for circle in listed - found], "No circle any more: off the list.")
    assert len(CIRCLES) <= 4


def test_modules_are_imported_by_statements():
    wrong = [
        f"{name}.py:{node.lineno} calls {ast.unparse(node.func)}"
        for name, tree in trees().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and ast.unparse(node.func).rpartition(".")[2] in ("import_module", "__import__")
        and name not in BY_NAME
    ]
    check(wrong, "Write an import statement, which these tests read, or add the file to BY_NAME.")


def loaded(module: str) -> set[str]:
    """What an import loads in a fresh process: modules of ours in full, others by their package."""
    script = (
        "import json, sys; before = set(sys.modules)\n"
        f"import {module}\n"
        "print(json.dumps(sorted(set(sys.modules) - before)))"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    names = json.loads(run.stdout.splitlines()[-1])
    return {name if name.startswith("cellwright.") else name.partition(".")[0] for name in names}


FRAMEWORKS = {"keras", "tensorflow", "jax", "torch", "matplotlib"}
ADVICE = (
    "Import it in the function that needs it. `python -X importtime -c 'import {}'` shows the way."
)


def test_strategies_load_their_libraries_and_nothing_else():
    found = loaded("cellwright.plugins.strategies")
    others = {name for name in found if not name.startswith("cellwright")}
    assert others - sys.stdlib_module_names == LIBRARIES["plugins/strategies"], ADVICE.format(
        "cellwright.plugins.strategies"
    )
    rooms = {name.split(".")[2] for name in found if name.startswith("cellwright.plugins.")}
    assert rooms == {"strategies"}, "strategies stand on search_spaces alone; see ROOMS"


@pytest.mark.parametrize(
    ("module", "needs", "unwanted"),
    [
        ("cellwright", None, FRAMEWORKS | {"numpy", "rich", "typer", *HOSTS}),
        ("cellwright.plugins", None, FRAMEWORKS | {"numpy", "rich", "typer", *HOSTS}),
        ("cellwright.automl", "sklearn", FRAMEWORKS | {"rich", "typer", *HOSTS}),
        (
            "cellwright.adapters.optuna_sampler",
            "optuna",
            FRAMEWORKS | {"nni", "keras_tuner", "sqlalchemy", "grpc"},
        ),
        ("cellwright.adapters.nni_tuner", "nni", FRAMEWORKS | {"optuna", "keras_tuner"}),
        ("cellwright.adapters.ray_searcher", "ray", FRAMEWORKS | {"optuna", "nni", "keras_tuner"}),
        ("cellwright.searches.hosts", None, FRAMEWORKS | {"rich", "typer", *HOSTS}),
        ("cellwright.command_line.app", None, FRAMEWORKS | {*HOSTS}),
    ],
)
def test_an_import_is_light(module, needs, unwanted):
    if needs is not None:
        pytest.importorskip(needs)
    heavy = loaded(module) & unwanted
    assert not heavy, f"import {module} loads {sorted(heavy)}. {ADVICE.format(module)}"
