"""Every block of shell in the documentation is run, or says why it is not (see conftest.py).

Blocks are run in a folder with the files that they name, by commands that stand before the real
ones on the path: ``cellwright`` asks for fewer trials and epochs, and ``pip`` installs nothing. Of
every block, it is checked that its commands take their options, and that there are the extras that
pip is asked for.
"""

import csv
import os
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest
import typer

ROOT = Path(__file__).parents[2]


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


def test_commands_take_their_options(shell_block):
    from cellwright.command_line.app import app

    group = typer.main.get_command(app)
    for name, *words in commands(shell_block.code):
        if name == "cellwright" and words[0] != "--version":
            command = group.get_command(None, words[0])
            assert command is not None, f"{shell_block.name}: there is no command {words[0]}"
            # Options are read, and nothing is called.
            command.make_parser(typer.Context(command)).parse_args(list(words[1:]))
        elif name == "pip" and words[0] == "install":
            check_extras(words[1:])
        elif name == "python" and words[0] == "-m" and words[1].startswith("benchmarks."):
            assert (ROOT / f"{words[1].replace('.', '/')}.py").is_file(), shell_block.name
        elif name == "make":
            rules = (ROOT / "Makefile").read_text("utf-8")
            assert re.search(rf"^{re.escape(words[0])}:", rules, re.MULTILINE), shell_block.name


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
if "--schedule" in sys.argv:  # which needs children that differ in their epochs
    sys.argv += ["--epochs", "4"]
if "--supernet" in sys.argv:
    sys.argv += ["--supernet", "2", "--shared-trials", "4", "--shared-best", "1"]
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


def shell(block, folder: Path) -> None:
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


def test_shell_runs(run_block, folder):
    block = run_block
    if "runs/mine" in block.code and "search" not in block.code:
        begin = "cellwright search --data digits --space nasnet --out runs/mine > /dev/null\n"
        block = block._replace(code=begin + block.code)
    shell(block, folder)
