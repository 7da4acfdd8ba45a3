"""Every block of Python and shell in the documentation is run, or says why it is not.

It is run here, unless a comment in the line before it says otherwise:

    <!-- not run: WHY -->          it is only read
    <!-- run by tests/FILE.py -->  another test runs it
    <!-- slow -->                  it is run here, among the slow tests

Blocks of Python are run with smaller numbers of trials and epochs, in one namespace a page, which
has the names that a reader has at hand (`at_hand`). Blocks of shell are run in a folder with the
files that they name, by commands that stand before the real ones on the path: ``cellwright`` asks
for fewer trials and epochs, and ``pip`` checks that there are the extras that it is asked for and
installs nothing. Of a block that is not run, it is checked that Python compiles it, that what it
imports is there, that calls fit the signatures, and that each command takes its options.
"""

import ast
import csv
import importlib
import inspect
import os
import re
import shlex
import subprocess
import sys
import textwrap
import tomllib
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import typer

import cellwright

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]
PAGES = sorted(
    [
        *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "benchmarks/README.md")),
        *ROOT.glob("docs/*.md"),
        *ROOT.glob("examples/*/README.md"),
    ]
)
BLOCK = re.compile(
    r"(?P<before>[^\n]*)\n(?P<empty>\n?)^```(?P<language>[^\n]*)\n(?P<code>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
MARK = re.compile(r"<!-- (?:not run: (?P<why>.+)|run by (?P<test>\S+)|(?P<slow>slow)) -->$")


class Block(NamedTuple):
    page: str
    line: int
    language: str
    code: str
    mark: str

    @property
    def name(self) -> str:
        return f"{self.page}:{self.line}"

    @property
    def why(self) -> str | None:
        """Why it is not run."""
        found = MARK.match(self.mark)
        return found["why"] if found else None

    @property
    def test(self) -> str | None:
        """The file of the test that runs it."""
        found = MARK.match(self.mark)
        return found["test"] if found else None

    @property
    def slow(self) -> bool:
        return self.mark == "<!-- slow -->"


def blocks() -> list[Block]:
    found = []
    for page in PAGES:
        text = "\n\n" + page.read_text("utf-8")
        for one in BLOCK.finditer(text):
            mark = one["before"].strip()
            found.append(
                Block(
                    page.relative_to(ROOT).as_posix(),
                    text[: one.start("code")].count("\n") - 1,
                    one["language"].strip(),
                    one["code"],
                    mark if mark.startswith("<!--") else "",
                )
            )
    return found


BLOCKS = blocks()
PYTHON = [block for block in BLOCKS if block.language == "python"]
SHELL = [block for block in BLOCKS if block.language == "sh"]
SMALLER = (  # what a block asks for, and what is enough to run it
    (r"\b(n_trials|max_trials|num_samples)=\d+", r"\1=1"),
    (r"\bepochs=\d+", "epochs=1"),
    (r"Hyperband\(27, 3\)", "Hyperband(2, 2)"),
    (r"time_budget=\d+", "time_budget=40"),
    (r"range\(200\)", "range(5)"),
    (r"NASNetSpace\(\)", "NASNetSpace(blocks=1)"),
)


def named(chosen: list[Block]) -> list:
    return [pytest.param(block, id=block.name) for block in chosen]


def test_every_block_has_a_language_and_a_mark_that_is_known():
    assert len(PYTHON) > 60
    assert len(SHELL) > 40
    assert [block.name for block in BLOCKS if block.mark and not MARK.match(block.mark)] == []
    others = {"text", "console", "diff", "toml", "yaml", "json", "python", "sh"}
    assert [block.name for block in BLOCKS if block.language not in others] == []


def test_who_is_said_to_run_a_block_reads_its_page():
    wrong = []
    for block in BLOCKS:
        if block.test is not None:
            file = ROOT / block.test
            if not file.is_file() or Path(block.page).name not in file.read_text("utf-8"):
                wrong.append((block.name, block.test))
    assert wrong == []


# Python


def tree_of(block: Block) -> ast.Module:
    """The block's syntax, that of a part of a function too."""
    code = textwrap.dedent(re.sub(r"\A# \S+\n(?= )", "", block.code))
    try:
        return ast.parse(code)
    except SyntaxError as error:
        if "outside function" not in str(error):
            raise
        return ast.parse("def _():\n" + textwrap.indent(code, "    "))


@pytest.mark.parametrize("block", named(PYTHON))
def test_python_compiles_and_calls_what_there_is(block):
    tree = tree_of(block)
    compile(tree, block.name, "exec") if "return" not in block.code else None
    known = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith("cellwright"):
            module = importlib.import_module(str(node.module))
            for alias in node.names:
                if not hasattr(module, alias.name):
                    importlib.import_module(f"{node.module}.{alias.name}")
                known[alias.asname or alias.name] = getattr(module, alias.name)
    defined = {node.name for node in ast.walk(tree) if isinstance(node, ast.ClassDef)}
    for node in ast.walk(tree):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name)):
            continue
        name = node.func.id
        if name in defined or (name not in known and name not in cellwright.__all__):
            continue
        called = known.get(name) or getattr(cellwright, name)
        if any(isinstance(each, ast.Starred) for each in node.args):
            continue
        keywords = {each.arg: None for each in node.keywords if each.arg}
        try:
            inspect.signature(called).bind_partial(*node.args, **keywords)
        except TypeError as error:
            pytest.fail(f"{block.name}: {name}: {error}")


def at_hand(block: Block) -> dict:
    """What a reader of the page has: data, a space, a network, and how it is trained."""
    import keras
    from sklearn.datasets import load_wine

    from cellwright import Evaluation, MLPSpace, Recipe, load_dataset
    from cellwright.plugins.data import Data, Dataset

    whole = load_dataset("digits")
    data = Dataset(
        *(whole.x_train[:64], whole.y_train[:64], whole.x_val[:32], whole.y_val[:32]),
        class_names=whole.class_names,
    )
    space = MLPSpace(nodes=(16, 64), activations=("relu",), length=2)
    if "NASNetSpace()" in block.code:
        space = cellwright.NASNetSpace(blocks=1)
    params = space.sample(np.random.default_rng(0))
    shape = re.search(r"input_shape=(\(\d+, \d+, \d+\))", block.code)
    rng = np.random.default_rng(0)
    size = ast.literal_eval(shape[1]) if shape else data.input_shape
    x, y = rng.random((64, *size), dtype=np.float32), rng.integers(0, 10, 64)
    if "Classifier" in block.code:
        x, y = load_wine(return_X_y=True)
    hosts = {"keras_tuner": "keras_tuner", "tune": "ray.tune", "optuna": "optuna"}
    return {
        **{
            name: importlib.import_module(module)
            for name, module in hosts.items()
            if f"{name}." in block.code
        },
        "np": np,
        "keras": keras,
        "x": x,
        "y": y,
        "x_new": x[:5],
        "x_train": x,
        "y_train": y,
        "x_val": x[:16],
        "y_val": y[:16],
        "held_out": (x[:16], y[:16]),
        "data": data,
        "space": space,
        "params": params,
        "classes": 10,
        "model": space.build(params, data.input_shape, 10, seed=0),
        "recipe": Recipe(epochs=1),
        "evaluation": Evaluation(space, data, Recipe(epochs=1)),
        "accuracy": lambda params: 0.5,
        "latency": lambda params: 1.0,
        "predict": lambda params: 0.001,
        **{name: getattr(cellwright, name) for name in cellwright.__all__},
        **vars(importlib.import_module("cellwright.plugins.strategies")),
        **vars(importlib.import_module("cellwright.plugins.meters")),
        "Any": Any,
        "Data": Data,
        "meter": cellwright.KerasLatency(),
    }


def run(block: Block, names: dict) -> None:
    code = textwrap.dedent(block.code)
    for asked, enough in SMALLER:
        code = re.sub(asked, enough, code)
    exec(compile(code, block.name, "exec", dont_inherit=True), names)


QUICK = [b for b in PYTHON if not (b.why or b.test or b.slow)]


@pytest.mark.parametrize("page", sorted({block.page for block in QUICK}))
def test_python_runs(page):
    kept: dict = {}
    for block in QUICK:
        if block.page == page:
            names = {**at_hand(block), **kept}
            before = dict(names)
            run(block, names)
            kept |= {key: names[key] for key in names if names[key] is not before.get(key)}


@pytest.mark.slow
@pytest.mark.parametrize("block", named([b for b in PYTHON if b.slow]))
def test_slow_python_runs(block):
    run(block, at_hand(block))


# Shell


def commands(code: str) -> list[list[str]]:
    """The commands of a block, word by word, without comments, pipes and variables before them."""
    found = []
    for line in code.replace("\\\n", " ").splitlines():
        for part in re.split(r"&&|;|\|", line):
            words = shlex.split(part, comments=True)
            while words and re.fullmatch(r"[A-Z_]+=\S*", words[0]):
                words = words[1:]
            if words:
                found.append(words)
    return found


@pytest.mark.parametrize("block", named(SHELL))
def test_commands_take_their_options(block):
    from cellwright.command_line.app import app

    group = typer.main.get_command(app)
    for name, *words in commands(block.code):
        if name == "cellwright" and words[0] != "--version":
            command = group.get_command(None, words[0])
            assert command is not None, f"{block.name}: there is no command {words[0]}"
            # Options are read, and nothing is called.
            command.make_parser(typer.Context(command)).parse_args(list(words[1:]))
        elif name == "pip" and words[0] == "install":
            check_extras(words[1:])
        elif name == "python" and words[0] == "-m" and words[1].startswith("benchmarks."):
            assert (ROOT / f"{words[1].replace('.', '/')}.py").is_file(), block.name
        elif name == "make":
            rules = (ROOT / "Makefile").read_text("utf-8")
            assert re.search(rf"^{re.escape(words[0])}:", rules, re.MULTILINE), block.name


def check_extras(words: list[str]) -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    for word in words:
        if found := re.fullmatch(r"(?:cellwright|\.)\[(.+)\]", word):
            unknown = set(found[1].split(",")) - set(extras["optional-dependencies"])
            assert not unknown, f"no extra {unknown}"


CELLWRIGHT = """
import sys
from cellwright.command_line.app import main
smaller = {smaller}
sys.argv += smaller.get(sys.argv[1], [])
main()
"""
FEWER = {
    "search": ["--trials", "2", "--epochs", "1", "--filters", "2"],
    "train": ["--epochs", "1"],
}
TABLES = FEWER | {"search": ["--trials", "2", "--epochs", "1"]}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with photos, tables and a search in runs/mine."""
    from PIL import Image

    rng = np.random.default_rng(0)
    for name in ("cat", "dog"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for number in range(12):
            pixels = rng.integers(0, 255, (40, 48, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "photos" / name / f"{number}.png")
    (tmp_path / "new_photos").symlink_to(tmp_path / "photos" / "cat")
    header = ["acid", "sugar", "quality", "quality_label", "maker"]
    rows = [
        [round(a, 3), round(b, 3), 3 + n % 5, ("low", "high")[n % 2], ("A", "B")[int(a > b)]]
        for n, (a, b) in enumerate(rng.random((80, 2)).tolist())
    ]
    for name in ("wines", "tasted", "new", "wine", "wine-quality"):
        with (tmp_path / f"{name}.csv").open("w", newline="") as file:
            csv.writer(file).writerows([header, *rows])
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    return tmp_path


def shell(block: Block, folder: Path) -> None:
    programs = folder / "bin"
    programs.mkdir()
    smaller = TABLES if "--space m" in block.code or "--space f" in block.code else FEWER
    for name, body in {
        "cellwright": CELLWRIGHT.format(smaller=smaller),
        "pip": "",  # test_commands_take_their_options has looked at what it is asked for
    }.items():
        (programs / name).write_text(f"#!{sys.executable}\n{body}")
        (programs / name).chmod(0o755)
    (programs / "python").symlink_to(sys.executable)
    done = subprocess.run(
        ["bash", "-e", "-o", "pipefail", "-c", block.code],
        cwd=folder,
        env={
            **os.environ,
            "PATH": f"{programs}:{os.environ['PATH']}",
            "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), *sys.path]),
            "CELLWRIGHT_TRUST": "1",
        },
        capture_output=True,
        text=True,
        timeout=540,
    )
    assert done.returncode == 0, f"{block.name}\n{done.stdout[-2000:]}\n{done.stderr[-3000:]}"


@pytest.mark.slow
@pytest.mark.parametrize("block", named([b for b in SHELL if not (b.why or b.test)]))
def test_shell_runs(block, folder):
    if "runs/mine" in block.code and "search" not in block.code:
        begin = "cellwright search --data digits --space nasnet --out runs/mine > /dev/null\n"
        block = block._replace(code=begin + block.code)
    shell(block, folder)
