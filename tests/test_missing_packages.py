"""Without a package that is optional: what needs it says which extra brings it."""

import subprocess
import sys

import pytest

import cellwright
from cellwright.command_line.export import FORMATS
from cellwright.searches.extras import EXTRAS

# In a process of its own, where the package cannot be found.
WITHOUT = """
import importlib.abc, sys
package, lines = sys.argv[1:]
class Missing(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == package:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Missing())
for line in lines.splitlines():
    try:
        exec(line)
        print("imported")
    except ImportError as error:
        print(type(error).__name__, error)
"""
HOMES = cellwright._HOMES


def without(package, lines, folder=None):
    return subprocess.run(
        [sys.executable, "-c", WITHOUT, package, "\n".join(lines)],
        capture_output=True, text=True, timeout=120, check=False, cwd=folder,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("package", "home", "told"),
    [
        ("optuna", "cellwright.adapters.optuna_sampler", "optuna, which is not installed: "
         "pip install 'cellwright[optuna]'"),
        ("nni", "cellwright.adapters.nni_tuner", "nni, which is not installed: "
         "pip install 'cellwright[nni]'"),
        ("keras_tuner", "cellwright.adapters.keras_oracle",
         "pip install 'cellwright[keras-tuner,tensorflow]'"),
        ("ray", "cellwright.adapters.ray_searcher", "pip install 'cellwright[ray]'"),
        ("sklearn", "cellwright.automl", "scikit-learn, which is not installed: "
         "pip install 'cellwright[tensorflow]'"),
    ],
)  # fmt: skip
def test_a_public_name_says_which_extra_it_needs(package, home, told):
    names = HOMES[home]
    done = without(package, [f"from cellwright import {name}" for name in names])
    found = done.stdout.splitlines()
    assert len(found) == len(names), done.stderr
    for line, name in zip(found, names, strict=True):
        assert line.endswith(told)
        if package not in ("keras_tuner", "ray"):  # whose adapters say so themselves
            assert f"{name if package != 'sklearn' else 'cellwright.automl'} needs" in line


@pytest.mark.parametrize("package", ["optuna", "keras", "sklearn"])
def test_what_needs_no_host_is_imported_without_one(package):
    lines = ["from cellwright import NASNetSpace, Auto, Evaluation",
             "import cellwright.command_line.app"]  # fmt: skip
    assert without(package, lines).stdout.splitlines() == ["imported"] * 2


def test_every_package_that_an_export_needs_has_its_extra():
    for format in FORMATS.values():
        assert {EXTRAS[module] for module in format.needs} <= {format.extra}


@pytest.mark.parametrize(
    ("package", "arguments", "extra"),
    [
        ("optuna", ["search", "--out", "x"], "optuna"),
        ("keras_tuner", ["search", "--out", "x", "--host", "keras-tuner"], "keras-tuner"),
        ("ai_edge_litert", ["search", "--out", "x", "--meter", "litert"], "export"),
        ("keras", ["search", "--out", "x"], "tensorflow"),
        ("vl_convert", ["report", "x", "--html"], "report"),
        ("jinja2", ["report", "x", "--html"], "report"),
    ],
)
def test_a_command_says_so_before_anything_else(package, arguments, extra, tmp_path):
    line = f"sys.argv[1:] = {arguments}; from cellwright.command_line.app import main; main()"
    done = without(package, [line], tmp_path)
    assert f"not installed: pip install 'cellwright[{extra}]'" in " ".join(done.stderr.split())
    assert not (tmp_path / "x").exists()
